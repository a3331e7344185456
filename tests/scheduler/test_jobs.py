"""Jobs run on time, once, and continue after errors."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, timedelta
from typing import NoReturn

import pymysql
import pytest
from sqlalchemy import Engine, text

from koha_ill_sidecar.config.jobs import JOBS, ShouldContinue
from koha_ill_sidecar.config.loading import parse_settings
from koha_ill_sidecar.config.settings import DatabaseSettings, IllSite
from koha_ill_sidecar.config.values import Schedule
from koha_ill_sidecar.delivery.smtp import Mailer
from koha_ill_sidecar.errors import DatabaseBusy
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.scheduler import registry
from koha_ill_sidecar.scheduler.jobs import Job, JobCounts, JobScheduler
from koha_ill_sidecar.services.delivery.dispatcher import Dispatcher
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.sidecar import leases

Run = Callable[[ShouldContinue], JobCounts]
Start = Callable[..., JobScheduler]

OFTEN = Schedule.parse("100ms")
NIGHTLY = Schedule.parse("17 3 * * *")


class _Work:
    """Counts its runs; *does* says what each is to do."""

    def __init__(self, does: Run = lambda _should_continue: {"things": 1}) -> None:
        self.runs = 0
        self.at_once = 0
        self.most_at_once = 0
        self._does = does

    def __call__(self, should_continue: ShouldContinue) -> JobCounts:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return self._does(should_continue)
        finally:
            self.runs += 1
            self.at_once -= 1


@pytest.fixture
def observed() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def start(database: Database, observed: list[tuple[str, str]]) -> Iterator[Start]:
    schedulers: list[JobScheduler] = []

    def with_job(
        work: Run,
        schedule: Schedule = OFTEN,
        *,
        exclusive: bool = True,
        on: Database = database,
        lease: float = 60,
    ) -> JobScheduler:
        scheduler = JobScheduler(
            [Job(name="watch", run=work, schedule=schedule, exclusive=exclusive)],
            database=on,
            timezone=UTC,
            lease=timedelta(seconds=lease),
            observe=lambda job, outcome, _seconds: observed.append((job, outcome)),
        )
        scheduler.start()
        schedulers.append(scheduler)
        return scheduler

    yield with_job
    for scheduler in schedulers:
        if scheduler.alive:
            scheduler.stop()


def _wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def test_a_job_runs_again_and_again(start: Start, observed: list[tuple[str, str]]) -> None:
    work = _Work()
    start(work)
    _wait_until(lambda: work.runs >= 3)

    assert ("watch", "ok") in observed


def test_a_job_that_takes_longer_than_its_pause_is_not_run_twice_at_once(start: Start) -> None:
    work = _Work(lambda _should_continue: time.sleep(0.25) or {})  # type: ignore[func-returns-value]
    start(work, exclusive=False)
    _wait_until(lambda: work.runs >= 3)

    assert work.most_at_once == 1


def test_two_hosts_share_a_job(start: Start, database: Database) -> None:
    one, other = _Work(), _Work()
    every = Schedule.parse("300ms")
    began = time.monotonic()
    start(one, every)
    start(other, every)
    _wait_until(lambda: one.runs + other.runs >= 5)

    # Two that did not share would have run twice in each pause; the least rest between two starts is 180 ms.
    assert one.runs + other.runs <= 1 + (time.monotonic() - began) / 0.18
    # Each is counted when it has ended, so there is a moment between two runs when the sums agree.
    _wait_until(lambda: database.transact(leases.find_all)[0].runs == one.runs + other.runs)


def test_a_job_whose_holder_died_is_taken_over(start: Start, database: Database, admin: Engine) -> None:
    began = time.monotonic()
    database.transact(leases.acquire, "watch", holder="dead", lease_seconds=0.5)
    with admin.begin() as connection:
        connection.execute(text("UPDATE ill_sidecar_leases SET last_started_at = NULL"))
    work = _Work()
    start(work)
    _wait_until(lambda: work.runs >= 1)

    assert time.monotonic() - began >= 0.4


def test_a_start_missed_while_down_is_made_at_start(start: Start, database: Database, admin: Engine) -> None:
    database.transact(leases.acquire, "watch", holder="before", lease_seconds=0)
    database.transact(leases.release, "watch", holder="before")
    with admin.begin() as connection:
        connection.execute(
            text("UPDATE ill_sidecar_leases SET last_started_at = UTC_TIMESTAMP(6) - INTERVAL 25 HOUR")
        )
    work = _Work()
    start(work, NIGHTLY)

    _wait_until(lambda: work.runs == 1)


def test_a_job_that_ran_in_time_is_not_run_at_start(start: Start, database: Database) -> None:
    database.transact(leases.acquire, "watch", holder="before", lease_seconds=0)
    database.transact(leases.release, "watch", holder="before")
    work = _Work()
    start(work, Schedule.parse("1h"))
    time.sleep(0.5)

    assert work.runs == 0


def test_a_failing_job_is_recorded_and_tried_again(
    start: Start, database: Database, observed: list[tuple[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_should_continue: ShouldContinue) -> JobCounts:
        raise DatabaseBusy("Koha holds the rows.")

    work = _Work(fail)
    start(work)
    _wait_until(lambda: work.runs >= 2)

    _wait_until(lambda: database.transact(leases.find_all)[0].failures == work.runs)
    assert database.transact(leases.find_all)[0].last_error == "Koha holds the rows."
    assert set(observed) == {("watch", "failed")}
    assert [record.message for record in caplog.records].count("job failed") == 1


def test_an_unexpected_error_is_logged_with_its_traceback_and_stops_nothing(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    def fault(_should_continue: ShouldContinue) -> JobCounts:
        raise ZeroDivisionError

    work = _Work(fault)
    start(work)
    _wait_until(lambda: work.runs >= 2)

    assert any(record.exc_info for record in caplog.records)


def test_a_database_that_is_away_is_logged_once(
    start: Start, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    attempts = []

    def refuse(_settings: DatabaseSettings) -> NoReturn:
        attempts.append(time.monotonic())
        raise pymysql.OperationalError(2003, "Can't connect")

    monkeypatch.setattr("koha_ill_sidecar.storage.database.connect", refuse)
    nowhere = Database(DatabaseSettings(user="x", database="x"), site=IllSite())
    work = _Work()
    start(work, on=nowhere)
    _wait_until(lambda: len(attempts) > 3)  # the scheduler asks for the last runs before jobs start

    assert [record.message for record in caplog.records].count("database away, jobs wait") == 1
    assert work.runs == 0


def test_a_job_that_is_woken_runs_at_once(start: Start) -> None:
    work = _Work()
    scheduler = start(work, Schedule.parse("1h"), exclusive=False)
    _wait_until(lambda: work.runs == 1)

    scheduler.wake("watch")

    _wait_until(lambda: work.runs >= 2)


def test_a_job_that_is_woken_while_it_runs_runs_once_more(start: Start) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def wait(_should_continue: ShouldContinue) -> JobCounts:
        begun.set()
        may_end.wait(60)
        return {}

    work = _Work(wait)
    scheduler = start(work, Schedule.parse("1h"), exclusive=False)
    assert begun.wait(60)
    scheduler.wake("watch")
    scheduler.wake("watch")
    may_end.set()

    _wait_until(lambda: work.runs >= 2)
    assert work.most_at_once == 1


def test_waking_a_stopped_scheduler_does_nothing(start: Start) -> None:
    work = _Work()
    scheduler = start(work, Schedule.parse("1h"), exclusive=False)
    scheduler.stop()
    runs = work.runs

    scheduler.wake("watch")

    assert work.runs == runs


def test_stopping_waits_for_the_current_step(start: Start) -> None:
    begun, finished = threading.Event(), threading.Event()

    def long_work(should_continue: ShouldContinue) -> JobCounts:
        begun.set()
        while should_continue():
            time.sleep(0.01)
        time.sleep(0.2)
        finished.set()
        return {}

    scheduler = start(_Work(long_work))
    assert begun.wait(60)
    scheduler.stop()

    assert finished.is_set()
    assert not scheduler.alive


def test_a_long_job_keeps_its_lease(start: Start, database: Database) -> None:
    release = threading.Event()

    def long_work(should_continue: ShouldContinue) -> JobCounts:
        while should_continue() and not release.is_set():
            time.sleep(0.01)
        return {}

    def has_outlived_its_first_lease() -> bool:
        return any(
            lease.lease_until is not None
            and lease.last_started_at is not None
            and lease.lease_until > lease.last_started_at + 2 * timedelta(seconds=3)
            for lease in database.transact(leases.find_all)
        )

    start(_Work(long_work), lease=3)
    _wait_until(has_outlived_its_first_lease)

    assert not database.transact(leases.acquire, "watch", holder="another", lease_seconds=60)
    release.set()


def test_a_job_that_lost_its_lease_stops(start: Start, database: Database, admin: Engine) -> None:
    stopped = threading.Event()

    def long_work(should_continue: ShouldContinue) -> JobCounts:
        while should_continue():
            time.sleep(0.01)
        stopped.set()
        return {}

    start(_Work(long_work), lease=0.6)
    _wait_until(lambda: bool(database.transact(leases.find_all)))
    with admin.begin() as connection:
        connection.execute(text("UPDATE ill_sidecar_leases SET holder = 'another'"))

    assert stopped.wait(60)


def test_after_the_clock_was_set_back_jobs_start_at_once(start: Start) -> None:
    work = _Work()
    scheduler = start(work, Schedule.parse("1h"), exclusive=False)
    _wait_until(lambda: work.runs == 1)
    scheduler.reschedule()

    _wait_until(lambda: work.runs >= 2)


def test_every_job_of_the_table_has_a_function(database: Database) -> None:
    settings = parse_settings(
        {"koha": {"database": {"name": "n", "user": "u", "password": "p"}}}, environment={}
    )
    runtime = Runtime(settings=settings, database=database, mailer=Mailer())

    dispatcher = Dispatcher(database, runtime.mailer, settings)

    found = registry.jobs(runtime, dispatcher, on_koha_changed=lambda: None)
    dispatcher.close()

    assert {job.name: job.exclusive for job in found} == {
        name: not job.on_every_host for name, job in JOBS.items()
    }
