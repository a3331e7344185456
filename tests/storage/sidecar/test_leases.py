"""A job has one holder at a time, by the database's clock."""

import threading

from sqlalchemy import Engine, text

from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.sidecar import leases
from koha_ill_sidecar.storage.transaction import Transaction


def _take(tx: Transaction, holder: str, *, lease: float = 60, rest: float = 0) -> bool:
    return leases.acquire(tx, "watch", holder=holder, lease_seconds=lease, rest_seconds=rest)


def test_a_held_lease_cannot_be_acquired_by_another(tx: Transaction) -> None:
    assert _take(tx, "here")
    assert not _take(tx, "there")


def test_a_released_lease_can_be_acquired_at_once(tx: Transaction) -> None:
    _take(tx, "here")
    leases.release(tx, "watch", holder="here")

    assert _take(tx, "there")


def test_the_lease_of_a_dead_holder_expires(tx: Transaction) -> None:
    _take(tx, "dead", lease=-1)

    assert _take(tx, "alive")


def test_a_job_that_another_host_has_just_run_is_not_run_again(tx: Transaction) -> None:
    _take(tx, "here")
    leases.release(tx, "watch", holder="here")

    assert not _take(tx, "there", rest=30)


def test_a_clock_that_was_set_back_does_not_stop_a_job(tx: Transaction) -> None:
    _take(tx, "here")
    leases.release(tx, "watch", holder="here")
    tx.connection.execute(
        text("UPDATE ill_sidecar_leases SET last_started_at = UTC_TIMESTAMP(6) + INTERVAL 1 HOUR")
    )

    assert _take(tx, "there", rest=30)


def test_only_the_holder_can_renew_a_lease(tx: Transaction) -> None:
    _take(tx, "here", lease=-1)
    assert leases.renew(tx, "watch", holder="here", lease_seconds=60)
    assert not _take(tx, "there")

    leases.release(tx, "watch", holder="here")
    _take(tx, "there")
    assert not leases.renew(tx, "watch", holder="here", lease_seconds=60)


def test_runs_and_failures_are_counted(tx: Transaction) -> None:
    for error in (None, "Koha's table is locked", None):
        _take(tx, "here")
        leases.release(tx, "watch", holder="here", error=error)
    (lease,) = leases.find_all(tx)

    assert (lease.runs, lease.failures, lease.last_outcome, lease.last_error) == (3, 1, "ok", None)
    assert lease.holder is None
    assert lease.last_started_at is not None
    assert lease.last_finished_at is not None
    assert lease.last_finished_at >= lease.last_started_at


def test_the_last_start_is_reported_in_seconds(tx: Transaction) -> None:
    _take(tx, "here")
    tx.connection.execute(
        text("UPDATE ill_sidecar_leases SET last_started_at = UTC_TIMESTAMP(6) - INTERVAL 90 SECOND")
    )

    assert 90 <= leases.seconds_since_last_start(tx)["watch"] < 150


def test_of_many_at_once_only_one_acquires_the_lease(database: Database, admin: Engine) -> None:  # noqa: ARG001
    winners: list[int] = []
    barrier = threading.Barrier(8)

    def ask(number: int) -> None:
        barrier.wait()
        if database.transact(leases.acquire, "cleanup", holder=f"host {number}", lease_seconds=60):
            winners.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(winners) == 1
