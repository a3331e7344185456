"""How the jobs are doing, as far as the database tells: the daemons of all hosts write it there."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, tzinfo

from koha_ill_sidecar.config.settings import JobSchedules
from koha_ill_sidecar.config.values import Schedule
from koha_ill_sidecar.services.operations.schedules import next_start, was_due_since
from koha_ill_sidecar.storage.sidecar import leases
from koha_ill_sidecar.storage.sidecar.leases import Lease
from koha_ill_sidecar.storage.transaction import Transaction

ON_EVERY_HOST = frozenset({"dispatch"})
"""Jobs that any number of hosts run at once: they take no lease, so the database does not tell of their runs."""

_PATIENCE = timedelta(
    minutes=5
)  # longer than a busy host, and the growing pauses after a failure, hold a job up


@dataclass(frozen=True, kw_only=True, slots=True)
class JobRun:
    """
    A job.

    Attributes:
        schedule: Nothing for one that only other hosts, or former programs, have.
        lease: Its row; nothing if it never ran or leaves no trace.
        host: Where it runs right now; empty if it does not.
        next_start: Reckoned from its schedule here; nothing where the database does not tell.
        is_overdue: It should have been started some time ago, and was not.
    """

    name: str
    schedule: Schedule | None
    lease: Lease | None
    host: str = ""
    next_start: datetime | None = None
    is_overdue: bool = False

    @property
    def leaves_trace(self) -> bool:
        """Return whether the database knows of its runs."""
        return self.name not in ON_EVERY_HOST

    @property
    def took_seconds(self) -> float | None:
        """How long the last run took; nothing while it runs, or if it never ended."""
        lease = self.lease
        if self.host or lease is None or lease.last_started_at is None or lease.last_finished_at is None:
            return None
        seconds = (lease.last_finished_at - lease.last_started_at).total_seconds()
        return seconds if seconds >= 0 else None


def list_jobs(tx: Transaction, schedules: JobSchedules, timezone: tzinfo) -> list[JobRun]:
    """Return the jobs that are set up here, and those that others ran; two queries."""
    found = {lease.name: lease for lease in leases.find_all(tx)}
    now = leases.now(tx)
    planned: Mapping[str, Schedule] = {name: getattr(schedules, name) for name in asdict(schedules)}
    return [
        _job(name, planned.get(name), found.get(name), timezone, now)
        for name in dict.fromkeys((*planned, *found))
    ]


def _job(
    name: str, schedule: Schedule | None, lease: Lease | None, timezone: tzinfo, now: datetime
) -> JobRun:
    if schedule is None or name in ON_EVERY_HOST:
        return JobRun(name=name, schedule=schedule, lease=lease)
    last = lease.last_started_at if lease else None
    host = _host(lease, now) if lease else ""
    return JobRun(
        name=name,
        schedule=schedule,
        lease=lease,
        host=host,
        next_start=next_start(schedule, timezone, last, now),
        is_overdue=not host and (last is None or was_due_since(schedule, timezone, last, now - _PATIENCE)),
    )


def _host(lease: Lease, now: datetime) -> str:
    """Return the host in a holder's name, ``host:process:chance``, if its lease holds."""
    if not lease.holder or lease.lease_until is None or lease.lease_until <= now:
        return ""
    return lease.holder.partition(":")[0]
