"""An error is a page that says what to do."""

import pytest
from web.conftest import Desk

from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.transaction import Transaction


def test_a_node_that_is_not_ready_is_503_with_a_time_to_come_back(
    clara: Desk, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    transact = database.transact

    def refuse(tx: Transaction) -> None:
        tx.connection.exec_driver_sql(
            "SIGNAL SQLSTATE '08S01' SET MYSQL_ERRNO = 1047, MESSAGE_TEXT = 'not ready'"
        )

    monkeypatch.setattr(database, "transact", lambda *_use_case, **_values: transact(refuse))
    response = clara.get("/requests")

    assert (response.status_code, response.headers["Retry-After"]) == (503, "30")
