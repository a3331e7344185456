from datetime import UTC, datetime

from sqlalchemy import text

from koha_ill_sidecar.storage.clock import library_times
from koha_ill_sidecar.storage.transaction import Transaction


def test_instants_are_converted_to_the_librarys_time(tx: Transaction) -> None:
    instant = datetime(2026, 3, 4, 20, 30, 15, 123456, tzinfo=UTC)
    tx.connection.execute(text("SET time_zone = '+08:00'"))
    try:
        times = library_times(tx, [instant, None, instant])
    finally:
        tx.connection.execute(text("SET time_zone = 'SYSTEM'"))

    assert times == {instant: datetime(2026, 3, 5, 4, 30, 15, 123456)}  # noqa: DTZ001  (a clock on a wall)


def test_no_instants_cost_no_query(tx: Transaction) -> None:
    assert library_times(tx, [None]) == {}
