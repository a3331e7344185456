from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from koha_ill_sidecar.errors import DatabaseUnavailable
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.direct import batch, execute, queue
from koha_ill_sidecar.storage.sidecar.schema import in_utc
from koha_ill_sidecar.storage.transaction import Transaction

_ADD = "INSERT INTO ill_sidecar_marks (name, position, moved_at) VALUES (%(name)s, %(position)s, UTC_TIMESTAMP(6))"


_HAS = text("SELECT COUNT(*) FROM ill_sidecar_marks WHERE name = LEFT(:name, 64)")


def _questions(tx: Transaction) -> int:
    row = execute(tx, "SHOW SESSION STATUS LIKE 'Questions'", {}).fetchone()
    return int(row[1]) if row else 0


def add(tx: Transaction, name: str) -> None:
    execute(tx, _ADD, {"name": name, "position": 1})


def count(tx: Transaction) -> int:
    return int(tx.connection.scalar(text("SELECT COUNT(*) FROM ill_sidecar_marks")) or 0)


def test_a_statement_belongs_to_the_transaction(database: Database) -> None:
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


def test_the_drivers_errors_are_raised_as_sqlalchemys(tx: Transaction) -> None:
    add(tx, "twice")

    with pytest.raises(IntegrityError):
        add(tx, "twice")
    with pytest.raises(DBAPIError) as caught:
        execute(tx, "SELECT nonsense", {})
    assert not caught.value.connection_invalidated


def test_a_lost_connection_is_replaced(database: Database) -> None:
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


_NASTY = "'; DROP TABLE ill_sidecar_marks; -- %s %(name)s \\ \u2028 \U0001f4d6"


def test_a_batch_is_sent_at_the_end_of_the_block(database: Database) -> None:
    def queue_three(tx: Transaction) -> int:
        with batch(tx) as batched:
            for name in ("one", "two", _NASTY):
                queue(batched, _ADD, {"name": name, "position": 1})
            return count(tx)

    assert database.transact(queue_three) == 0
    assert database.transact(lambda tx: tx.connection.scalar(_HAS, {"name": _NASTY})) == 1
    assert database.transact(count) == 3


def test_a_batch_takes_one_round_trip(tx: Transaction) -> None:
    before = _questions(tx)
    with batch(tx) as batched:
        for name in ("one", "two", "three"):
            queue(batched, _ADD, {"name": name, "position": 1})

    assert _questions(tx) - before == 2  # the other is the question for it
    assert count(tx) == 3


def test_a_queued_statement_outside_of_a_batch_is_sent_at_once(tx: Transaction) -> None:
    queue(tx, _ADD, {"name": "one", "position": 1})

    assert count(tx) == 1


def test_a_batch_that_fails_is_never_sent(tx: Transaction) -> None:
    with pytest.raises(KeyError), batch(tx) as batched:
        queue(batched, _ADD, {"name": "one", "position": 1})
        raise KeyError

    assert count(tx) == 0


def test_a_refused_statement_of_a_batch_fails_the_use_case(database: Database) -> None:
    def queue_twice(tx: Transaction) -> None:
        with batch(tx) as batched:
            for _ in range(2):
                queue(batched, _ADD, {"name": "twice", "position": 1})

    with pytest.raises(IntegrityError):
        database.transact(queue_twice)

    assert database.transact(count) == 0


def test_an_instant_is_stored_in_utc() -> None:
    moment = datetime(2026, 3, 1, 20, tzinfo=timezone(timedelta(hours=8)))

    assert in_utc(moment) == datetime(2026, 3, 1, 12, tzinfo=UTC).replace(tzinfo=None)
    assert in_utc(None) is None
