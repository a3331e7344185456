"""
Running jobs: the lease, the log line, the count, and patience with a database that is away.

A job is a function that does all the work there is and returns what it did, by name; the names and numbers go
into the log line. Between two steps it asks ``go_on``, which says no when the daemon stops or the lease was lost.
"""

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from koha_ill_sidecar.config.values import Schedule
from koha_ill_sidecar.errors import DatabaseUnavailable, SidecarError
from koha_ill_sidecar.scheduler.backoff import Backoff
from koha_ill_sidecar.services.operations.schedules import shortest_pause, trigger, was_due_since
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.sidecar import leases

logger = logging.getLogger(__name__)

ShouldContinue = Callable[[], bool]
Done = Mapping[str, int]
Observe = Callable[[str, str, float], None]
"""Told the name, the outcome and the seconds of every run."""

_STEADY = (
    0.6  # of the pause must have passed since the last start by anybody: two hosts look at different moments
)
_HOSTS_CLOCKS = timedelta(minutes=5)  # by which the clocks of two hosts may differ

# APScheduler tells of every start, and of every one left out because the last still runs: that is our design.
logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """
    Something that is done again and again.

    Attributes:
        run: Does all the work there is.
        exclusive: Whether it is for one host at a time.
    """

    name: str
    run: Callable[[ShouldContinue], Done]
    schedule: Schedule
    exclusive: bool = True


class JobScheduler:
    """
    Run jobs in threads of their own, each on its schedule and none twice at once.

    Args:
        timezone: What crontab lines mean.
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
        surroundings = _JobContext(
            database=database,
            timezone=timezone,
            lease_seconds=lease.total_seconds(),
            observe=observe,
            stopping=self._stopping,
            database_patience=Backoff("database away, jobs wait", "database back, jobs go on"),
        )
        self._runs = [_Runs(job, surroundings) for job in jobs]
        self._scheduler = BackgroundScheduler(
            timezone=timezone,
            executors={"default": ThreadPoolExecutor(max(len(jobs), 1))},
            # However late a start is, it happens, and once for all that were missed.
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )

    def start(self) -> None:
        """Begin; a job whose last start is too long ago, by whichever host, starts at once."""
        ages = self._ages()
        for runs in self._runs:
            self._scheduler.add_job(
                runs,
                trigger(runs.job.schedule, self._timezone),
                id=runs.job.name,
                name=runs.job.name,
                next_run_time=runs.first_start(ages.get(runs.job.name)),
            )
        self._scheduler.start()

    def begin_to_stop(self) -> None:
        """Start no more jobs, and let the running ones come to the end of their present step."""
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
        """Plan the next starts again: the clock was set, and they were reckoned by the old one."""
        for runs in self._runs:
            self._scheduler.modify_job(runs.job.name, next_run_time=runs.next_start())

    def _ages(self) -> dict[str, float]:
        try:
            return self._database.transact(leases.seconds_since_last_start)
        except SidecarError as error:
            # The jobs find out for themselves, and the leases keep them from running too often.
            logger.warning("last runs unknown", extra={"reason": str(error)})
            return {}


@dataclass(frozen=True, kw_only=True, slots=True)
class _JobContext:
    database: Database
    timezone: tzinfo
    lease_seconds: float
    observe: Observe
    stopping: threading.Event
    database_patience: Backoff


class _Runs:
    """The runs of one job: what APScheduler calls."""

    def __init__(self, job: Job, surroundings: _JobContext) -> None:
        self.job = job
        self._around = surroundings
        self._patience = Backoff("job failed", "job works again", job=job.name)
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._lease_kept_at = 0.0

    def first_start(self, age_seconds: float | None) -> datetime | None:
        """Reckon the first start from how long ago the last one was; nothing leaves it to the schedule."""
        now = datetime.now(self._around.timezone)
        if not self.job.exclusive or age_seconds is None:
            return now
        last = now - timedelta(seconds=age_seconds)
        if was_due_since(self.job.schedule, self._around.timezone, last, now):
            return now
        return last + self.job.schedule.every if self.job.schedule.every else self.next_start()

    def next_start(self) -> datetime | None:
        """Reckon the next start by the clock as it is now."""
        now = datetime.now(self._around.timezone)
        if self.job.schedule.every is not None:
            return now
        following: datetime | None = trigger(self.job.schedule, self._around.timezone).get_next_fire_time(
            None, now
        )
        return following

    def __call__(self) -> None:
        """Run once, if it is our turn; never raises."""
        if self._around.stopping.is_set() or not self._is_patient_enough():
            return
        started = time.monotonic()
        try:
            done = self._exclusively() if self.job.exclusive else self.job.run(self._go_on)
        except DatabaseUnavailable as error:
            self._around.database_patience.failed(str(error))
        except SidecarError as error:
            self._failed(started, str(error))
        except Exception as error:  # one faulty job must not end the others, nor its own next run
            logger.exception("job failed unexpectedly", extra={"job": self.job.name})
            self._failed(started, type(error).__name__)
        else:
            if self.job.exclusive or done:  # else it may not have asked the database for anything
                self._around.database_patience.succeeded()
            self._patience.succeeded()
            if done is not None:
                self._succeeded(started, done)

    def _is_patient_enough(self) -> bool:
        return self._patience.ready() and self._around.database_patience.ready()

    def _exclusively(self) -> Done | None:
        transact = self._around.database.transact
        if not transact(
            leases.acquire,
            self.job.name,
            holder=self._holder,
            lease_seconds=self._around.lease_seconds,
            rest_seconds=self._rest().total_seconds(),
        ):
            return None
        self._lease_kept_at = time.monotonic()
        try:
            done = self.job.run(self._go_on)
        except DatabaseUnavailable:
            raise
        except Exception as error:
            transact(leases.release, self.job.name, holder=self._holder, error=_short(error))
            raise
        transact(leases.release, self.job.name, holder=self._holder)
        return done

    def _rest(self) -> timedelta:
        if self.job.schedule.every is not None:
            return self.job.schedule.every * _STEADY
        pause = shortest_pause(self.job.schedule, self._around.timezone, datetime.now(UTC))
        return min(pause / 2, _HOSTS_CLOCKS)

    def _go_on(self) -> bool:
        if self._around.stopping.is_set():
            return False
        if not self.job.exclusive or time.monotonic() - self._lease_kept_at < self._around.lease_seconds / 3:
            return True
        is_ours = self._around.database.transact(
            leases.renew, self.job.name, holder=self._holder, lease_seconds=self._around.lease_seconds
        )
        self._lease_kept_at = time.monotonic()
        if not is_ours:
            logger.warning("lease lost, job left to another", extra={"job": self.job.name})
        return is_ours

    def _succeeded(self, started: float, done: Done) -> None:
        # A look that found nothing is no run worth a line or a count, else the idle daemon fills the journal.
        seconds = time.monotonic() - started
        level = logging.INFO if done else logging.DEBUG
        logger.log(level, "job done", extra={"job": self.job.name, "seconds": round(seconds, 3), **done})
        if done or self.job.exclusive:
            self._around.observe(self.job.name, "ok", seconds)

    def _failed(self, started: float, reason: str) -> None:
        self._patience.failed(reason)
        self._around.observe(self.job.name, "failed", time.monotonic() - started)


def _short(error: Exception) -> str:
    # The text of an error that is not ours may hold anything, a patron's address too.
    return str(error) if isinstance(error, SidecarError) else type(error).__name__
