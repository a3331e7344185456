"""
Run jobs: the lease, the log line, the metrics, and the wait for a database that is away.

A job is a function that does all the work there is and returns what it did, by name; the names and counts go
into the log line. Between two steps it asks *should_continue*.
"""

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler

from koha_ill_sidecar.backoff import Backoff
from koha_ill_sidecar.config.jobs import ShouldContinue
from koha_ill_sidecar.config.values import Schedule
from koha_ill_sidecar.errors import DatabaseUnavailable, SidecarError
from koha_ill_sidecar.services.operations.schedules import shortest_pause, trigger, was_due_since
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.sidecar import leases

logger = logging.getLogger(__name__)

JobCounts = Mapping[str, int]
JobFunction = Callable[[ShouldContinue], JobCounts]
Observe = Callable[[str, str, float], None]
"""Called with the name, the outcome and the seconds of every run."""

# The share of the pause that must have passed since any host's last start. Less than 1, because two hosts do not look
# at the same moment, and a run must not be skipped for that.
_LEAST_REST = 0.6
_CLOCK_DIFFERENCE = timedelta(minutes=5)  # between the clocks of two hosts, at most

# APScheduler logs every start, and every start skipped because the last run is still at work. Both are by design here.
logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """
    A job with its function and schedule.

    Attributes:
        run: Does all the work there is.
        exclusive: Whether it runs on one host at a time.
    """

    name: str
    run: JobFunction
    schedule: Schedule
    exclusive: bool = True


class JobScheduler:
    """
    Run jobs in threads of their own, each on its schedule and never twice at once.

    Args:
        timezone: Of the times in crontab lines.
        lease: How long an exclusive job stays with a host that died.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        *,
        database: Database,
        timezone: tzinfo,
        lease: timedelta,
        observe: Observe,
    ) -> None:
        self._database = database
        self._timezone = timezone
        self._stopping = threading.Event()
        context = _JobContext(
            database=database,
            timezone=timezone,
            lease_seconds=lease.total_seconds(),
            observe=observe,
            stopping=self._stopping,
            database_backoff=Backoff("database away, jobs wait", "database back, jobs continue"),
        )
        self._runners = [_Runner(job, context) for job in jobs]
        self._scheduler = BackgroundScheduler(
            timezone=timezone,
            executors={"default": ThreadPoolExecutor(max(len(jobs), 1))},
            # A late start still happens, and once for all that were missed.
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )

    def start(self) -> None:
        """Begin; a job whose last start, on whichever host, is too long ago starts at once."""
        ages = self._ages()
        for runner in self._runners:
            self._scheduler.add_job(
                runner,
                trigger(runner.job.schedule, self._timezone),
                id=runner.job.name,
                name=runner.job.name,
                next_run_time=runner.first_start(ages.get(runner.job.name)),
            )
        self._scheduler.start()

    def wake(self, name: str) -> None:
        """Run a job at once; if it runs already, it runs once more afterwards, for it may have looked too early."""
        if self._stopping.is_set() or not self._scheduler.running:
            return
        for runner in self._runners:
            if runner.job.name == name:
                runner.is_woken.set()
        with suppress(JobLookupError):  # it was stopped right now
            self._scheduler.modify_job(name, next_run_time=datetime.now(self._timezone))

    def begin_to_stop(self) -> None:
        """Start no more jobs; those that run finish their current step."""
        self._stopping.set()

    def stop(self) -> None:
        """Begin to stop, and return when no job runs any more."""
        self.begin_to_stop()
        self._scheduler.shutdown(wait=True)

    @property
    def alive(self) -> bool:
        """Whether jobs are still being started."""
        thread: threading.Thread | None = getattr(self._scheduler, "_thread", None)
        return thread is not None and thread.is_alive()

    def reschedule(self) -> None:
        """Compute the next starts again, after the clock was set."""
        for runner in self._runners:
            self._scheduler.modify_job(runner.job.name, next_run_time=runner.next_start())

    def _ages(self) -> dict[str, float]:
        try:
            return self._database.transact(leases.seconds_since_last_start)
        except SidecarError as error:
            # Starting every job at once is safe: the leases keep them from running too often.
            logger.warning("last runs unknown", extra={"reason": str(error)})
            return {}


@dataclass(frozen=True, kw_only=True, slots=True)
class _JobContext:
    """What all runners of a scheduler share."""

    database: Database
    timezone: tzinfo
    lease_seconds: float
    observe: Observe
    stopping: threading.Event
    database_backoff: Backoff


class _Runner:
    """Runs one job: what APScheduler calls."""

    def __init__(self, job: Job, context: _JobContext) -> None:
        self.job = job
        self._context = context
        self._backoff = Backoff("job failed", "job works again", job=job.name)
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._lease_renewed_at = 0.0
        self.is_woken = threading.Event()

    def first_start(self, age_seconds: float | None) -> datetime | None:
        """Return the first start, given how long ago the last one was; None leaves it to the schedule."""
        now = datetime.now(self._context.timezone)
        if not self.job.exclusive or age_seconds is None:
            return now
        last = now - timedelta(seconds=age_seconds)
        if was_due_since(self.job.schedule, self._context.timezone, last, now):
            return now
        return last + self.job.schedule.every if self.job.schedule.every else self.next_start()

    def next_start(self) -> datetime | None:
        """Return the next start by the current time."""
        now = datetime.now(self._context.timezone)
        if self.job.schedule.every is not None:
            return now
        following: datetime | None = trigger(self.job.schedule, self._context.timezone).get_next_fire_time(
            None, now
        )
        return following

    def __call__(self) -> None:
        """Run once, if it is our turn, and again as long as it is woken in the meantime; never raises."""
        self._run()
        while self.is_woken.is_set():
            self._run()

    def _run(self) -> None:
        self.is_woken.clear()
        context = self._context
        if context.stopping.is_set() or not (self._backoff.ready() and context.database_backoff.ready()):
            return
        started = time.monotonic()
        try:
            counts = self._run_with_lease() if self.job.exclusive else self.job.run(self._should_continue)
        except DatabaseUnavailable as error:
            context.database_backoff.failed(str(error))
        except SidecarError as error:
            self._failed(started, str(error))
        except Exception as error:  # one faulty job must not end the others, nor its own next run
            logger.exception("job failed unexpectedly", extra={"job": self.job.name})
            self._failed(started, type(error).__name__)
        else:
            if self.job.exclusive or counts:  # otherwise it may not have used the database at all
                context.database_backoff.succeeded(started)
            self._backoff.succeeded(started)
            if counts is not None:
                self._succeeded(started, counts)

    def _run_with_lease(self) -> JobCounts | None:
        """Run if no other host does or just did; None if one does."""
        transact = self._context.database.transact
        if not transact(
            leases.acquire,
            self.job.name,
            holder=self._holder,
            lease_seconds=self._context.lease_seconds,
            rest_seconds=self._rest().total_seconds(),
        ):
            return None
        self._lease_renewed_at = time.monotonic()
        try:
            counts = self.job.run(self._should_continue)
        except DatabaseUnavailable:
            raise  # the lease cannot be released now, and expires
        except Exception as error:
            transact(leases.release, self.job.name, holder=self._holder, error=_short(error))
            raise
        transact(leases.release, self.job.name, holder=self._holder)
        return counts

    def _rest(self) -> timedelta:
        if self.job.schedule.every is not None:
            return self.job.schedule.every * _LEAST_REST
        pause = shortest_pause(self.job.schedule, self._context.timezone, datetime.now(UTC))
        return min(pause / 2, _CLOCK_DIFFERENCE)

    def _should_continue(self) -> bool:
        context = self._context
        if context.stopping.is_set():
            return False
        if not self.job.exclusive or time.monotonic() - self._lease_renewed_at < context.lease_seconds / 3:
            return True
        is_ours = context.database.transact(
            leases.renew, self.job.name, holder=self._holder, lease_seconds=context.lease_seconds
        )
        self._lease_renewed_at = time.monotonic()
        if not is_ours:
            logger.warning("lease lost, job left to another", extra={"job": self.job.name})
        return is_ours

    def _succeeded(self, started: float, counts: JobCounts) -> None:
        # A run that found nothing to do is not logged as news, or the idle daemon would fill the journal.
        seconds = time.monotonic() - started
        level = logging.INFO if counts else logging.DEBUG
        logger.log(level, "job done", extra={"job": self.job.name, "seconds": round(seconds, 3), **counts})
        if counts or self.job.exclusive:
            self._context.observe(self.job.name, "ok", seconds)

    def _failed(self, started: float, reason: str) -> None:
        self._backoff.failed(reason)
        self._context.observe(self.job.name, "failed", time.monotonic() - started)


def _short(error: Exception) -> str:
    # The text of an error that is not ours may hold anything, even a patron's address.
    return str(error) if isinstance(error, SidecarError) else type(error).__name__
