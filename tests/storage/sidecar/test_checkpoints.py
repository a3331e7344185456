"""A mark never passes a row that may still appear."""

from sqlalchemy import text

from koha_ill_sidecar.storage.sidecar import checkpoints
from koha_ill_sidecar.storage.transaction import Transaction

LAG = 600


def _let_pass(tx: Transaction, seconds: int) -> None:
    tx.connection.execute(
        text("UPDATE ill_sidecar_marks SET moved_at = moved_at - INTERVAL :seconds SECOND"),
        {"seconds": seconds},
    )


def _follow(tx: Transaction, highest: int) -> int:
    return checkpoints.advance(tx, "log", highest, lag_seconds=LAG)


def test_a_mark_stands_where_it_was_placed(tx: Transaction) -> None:
    assert checkpoints.get(tx, "sweep") is None

    checkpoints.save(tx, "sweep", 7)
    checkpoints.save(tx, "sweep", 3)

    assert checkpoints.get(tx, "sweep") == 3


def test_the_first_use_places_the_mark_at_the_end(tx: Transaction) -> None:
    assert _follow(tx, 1000) == 1000


def test_what_is_newer_than_the_lag_stays_above_the_mark(tx: Transaction) -> None:
    _follow(tx, 1000)
    _let_pass(tx, LAG + 1)
    _follow(tx, 1500)
    _let_pass(tx, LAG - 10)

    assert _follow(tx, 2000) == 1000


def test_the_mark_follows_once_the_lag_has_passed(tx: Transaction) -> None:
    _follow(tx, 1000)
    _let_pass(tx, LAG + 1)
    _follow(tx, 1500)
    _let_pass(tx, LAG + 1)

    assert _follow(tx, 2000) == 1500
    assert checkpoints.get(tx, "log") == 1500


def test_a_table_that_shrank_takes_the_mark_back(tx: Transaction) -> None:
    _follow(tx, 1000)

    assert _follow(tx, 10) == 10
    assert _follow(tx, 12) == 10


def test_marks_do_not_disturb_each_other(tx: Transaction) -> None:
    _follow(tx, 1000)
    checkpoints.advance(tx, "requests", 5, lag_seconds=LAG)

    assert checkpoints.get(tx, "log") == 1000
