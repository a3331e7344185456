"""Write to Koha's tables as Koha and its staff do."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, text

from factories import make_request
from koha_ill_sidecar.storage.transaction import Transaction

ExecuteAsKoha = Callable[..., None]
Make = Callable[..., int]


@pytest.fixture
def make(tx: Transaction) -> Make:
    """Make a request as Koha does, in the test's own transaction."""

    def with_columns(**columns: Any) -> int:
        return make_request(tx.connection, tx.koha, **columns)

    return with_columns


@pytest.fixture
def execute_as_koha(admin: Engine) -> ExecuteAsKoha:
    """
    Return a function that executes a statement and commits it: ``execute_as_koha(sql, name=value)``.

    It has privileges that the sidecar lacks.

    Name it before ``tx`` in a test: fixtures are torn down in reverse order, and the open transaction of ``tx`` would
    lock the rows that this one resets.
    """

    def execute(statement: str, **values: object) -> None:
        with admin.begin() as connection:
            connection.execute(text(statement), values)

    return execute
