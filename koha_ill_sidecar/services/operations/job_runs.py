"""How the jobs are doing, as the daemons of all hosts have recorded it in the database."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

from sqlalchemy import Row

from koha_ill_sidecar.config.jobs import JOBS, JobSchedules
from koha_ill_sidecar.config.values import Schedule
from koha_ill_sidecar.services.operations.schedules import next_start, was_due_since
from koha_ill_sidecar.storage.sidecar import leases
from koha_ill_sidecar.storage.transaction import Transaction

# Longer than a busy host, or the growing pauses after a failure, can delay a job.
_OVERDUE_AFTER = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True, slots=True)
class JobRun:
    """
    A job and its last run.

    Attributes:
        schedule: None for a job that only other hosts, or earlier versions, have.
        lease: Its row; None if it never ran or is not recorded.
        host: Where it is running now; empty if it is not.
        next_start: By this host's schedule; None if its runs are not recorded.
        is_overdue: It should have started some minutes ago and did not.
    """

    name: str
    schedule: Schedule | None
    lease: Row[Any] | None
    host: str = ""
    next_start: datetime | None = None
    is_overdue: bool = False

    @property
    def is_recorded(self) -> bool:
        """Whether the database records its runs: those of a job that takes a lease."""
        return not _takes_no_lease(self.name)

    @property
    def took_seconds(self) -> float | None:
        """How long the last run took; None while it runs, or if it never ended."""
        lease = self.lease
        if self.host or lease is None or lease.last_started_at is None or lease.last_finished_at is None:
            return None
        seconds = (lease.last_finished_at - lease.last_started_at).total_seconds()
        return seconds if seconds >= 0 else None


def list_jobs(tx: Transaction, schedules: JobSchedules, timezone: tzinfo) -> list[JobRun]:
    """Return this host's jobs, and those that other hosts ran; two queries."""
    found = {lease.name: lease for lease in leases.find_all(tx)}
    now = leases.now(tx)
    planned: Mapping[str, Schedule] = {name: getattr(schedules, name) for name in asdict(schedules)}
    return [
        _job(name, planned.get(name), found.get(name), timezone, now)
        for name in dict.fromkeys((*planned, *found))
    ]


def _job(
    name: str, schedule: Schedule | None, lease: Row[Any] | None, timezone: tzinfo, now: datetime
) -> JobRun:
    if schedule is None or _takes_no_lease(name):
        return JobRun(name=name, schedule=schedule, lease=lease)
    last = lease.last_started_at if lease else None
    host = _host(lease, now) if lease else ""
    return JobRun(
        name=name,
        schedule=schedule,
        lease=lease,
        host=host,
        next_start=next_start(schedule, timezone, last, now),
        is_overdue=not host
        and (last is None or was_due_since(schedule, timezone, last, now - _OVERDUE_AFTER)),
    )


def _takes_no_lease(name: str) -> bool:
    return name in JOBS and JOBS[name].on_every_host


def _host(lease: Row[Any], now: datetime) -> str:
    """Return the host in a holder's name, ``host:process:random``, while its lease is valid."""
    if not lease.holder or lease.lease_until is None or lease.lease_until <= now:
        return ""
    return str(lease.holder).partition(":")[0]
