from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from koha_ill_sidecar.errors import DatabaseUnavailable
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.direct import in_utc, send
from koha_ill_sidecar.storage.transaction import Transaction

_ADD = "INSERT INTO ill_sidecar_marks (name, position, moved_at) VALUES (%(name)s, %(position)s, UTC_TIMESTAMP(6))"


def add(tx: Transaction, name: str) -> None:
    send(tx, _ADD, {"name": name, "position": 1})


def count(tx: Transaction) -> int:
    return int(tx.connection.scalar(text("SELECT COUNT(*) FROM ill_sidecar_marks")) or 0)


def test_what_is_sent_belongs_to_the_transaction(database: Database) -> None:
    def fail(tx: Transaction) -> None:
        add(tx, "lost")
        raise KeyError

    database.transact(add, "kept")
    with pytest.raises(KeyError):
        database.transact(fail)

    assert database.transact(count) == 1


def test_values_are_bound_whatever_they_hold(database: Database) -> None:
    database.transact(add, "'; %(position)s -- \\")

    assert database.transact(count) == 1


def test_the_drivers_errors_come_as_sqlalchemys(tx: Transaction) -> None:
    add(tx, "twice")

    with pytest.raises(IntegrityError):
        add(tx, "twice")
    with pytest.raises(DBAPIError) as caught:
        send(tx, "SELECT nonsense", {})
    assert not caught.value.connection_invalidated


def test_a_connection_that_is_lost_on_the_way_is_replaced(database: Database) -> None:
    attempts = []

    def lose_it_once(tx: Transaction) -> int:
        attempts.append(1)
        if len(attempts) == 1:
            tx.connection.connection.driver_connection.close()  # type: ignore[union-attr]
        add(tx, "again")
        return count(tx)

    try:
        found = database.transact(lose_it_once)
    except DatabaseUnavailable:
        pytest.fail("it was not tried again")

    assert (found, len(attempts)) == (1, 2)


def test_an_instant_is_kept_in_utc() -> None:
    moment = datetime(2026, 3, 1, 20, tzinfo=timezone(timedelta(hours=8)))

    assert in_utc(moment) == datetime(2026, 3, 1, 12, tzinfo=UTC).replace(tzinfo=None)
    assert in_utc(None) is None
