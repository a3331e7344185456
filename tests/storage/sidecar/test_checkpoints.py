"""A checkpoint never passes a row that may still appear."""

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


def test_a_checkpoint_is_where_it_was_set(tx: Transaction) -> None:
    assert checkpoints.get(tx, "sweep") is None

    checkpoints.save(tx, "sweep", 7)
    checkpoints.save(tx, "sweep", 3)

    assert checkpoints.get(tx, "sweep") == 3


def test_the_first_use_sets_the_checkpoint_to_the_end(tx: Transaction) -> None:
    assert _follow(tx, 1000) == 1000


def test_rows_newer_than_the_lag_stay_above_the_checkpoint(tx: Transaction) -> None:
    _follow(tx, 1000)
    _let_pass(tx, LAG + 1)
    _follow(tx, 1500)
    _let_pass(tx, LAG - 10)

    assert _follow(tx, 2000) == 1000


def test_the_checkpoint_follows_after_the_lag(tx: Transaction) -> None:
    _follow(tx, 1000)
    _let_pass(tx, LAG + 1)
    _follow(tx, 1500)
    _let_pass(tx, LAG + 1)

    assert _follow(tx, 2000) == 1500
    assert checkpoints.get(tx, "log") == 1500


def test_the_checkpoint_goes_back_if_the_table_shrinks(tx: Transaction) -> None:
    _follow(tx, 1000)

    assert _follow(tx, 10) == 10
    assert _follow(tx, 12) == 10


def test_checkpoints_are_independent(tx: Transaction) -> None:
    _follow(tx, 1000)
    checkpoints.advance(tx, "requests", 5, lag_seconds=LAG)

    assert checkpoints.get(tx, "log") == 1000
