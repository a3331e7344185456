"""
Which process runs a job now, and how its last run ended.

One row per job, changed by conditional updates and measured by the database's clock, so that any number of hosts agree.
``GET_LOCK`` would not do: it does not hold across the nodes of a Galera cluster.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, func, select, text
from sqlalchemy.dialects.mysql import insert

from koha_ill_sidecar.storage.sidecar.schema import UTCDateTime, leases
from koha_ill_sidecar.storage.transaction import Transaction

_ERROR_LENGTH = 2000


_CREATE = insert(leases).prefix_with("IGNORE").values(name=bindparam("job"), runs=0, failures=0)

# A last start in the future means that the clock was set back: it must not stop the job.
_ACQUIRE = text(
    "UPDATE ill_sidecar_leases"
    " SET holder = :holder, last_started_at = UTC_TIMESTAMP(6),"
    " lease_until = UTC_TIMESTAMP(6) + INTERVAL :lease_microseconds MICROSECOND"
    " WHERE name = :job"
    " AND (lease_until IS NULL OR lease_until <= UTC_TIMESTAMP(6) OR holder = :holder)"
    " AND (last_started_at IS NULL OR last_started_at > UTC_TIMESTAMP(6)"
    " OR last_started_at <= UTC_TIMESTAMP(6) - INTERVAL :rest_microseconds MICROSECOND)"
)

_RENEW = text(
    "UPDATE ill_sidecar_leases SET lease_until = UTC_TIMESTAMP(6) + INTERVAL :lease_microseconds MICROSECOND"
    " WHERE name = :job AND holder = :holder"
)

_RELEASE = text(
    "UPDATE ill_sidecar_leases"
    " SET holder = NULL, lease_until = NULL, last_finished_at = UTC_TIMESTAMP(6), last_outcome = :outcome,"
    " last_error = :error, runs = runs + 1, failures = failures + :failed"
    " WHERE name = :job AND holder = :holder"
)

_AGES = select(
    leases.c.name,
    func.timestampdiff(text("MICROSECOND"), leases.c.last_started_at, text("UTC_TIMESTAMP(6)")).label(
        "microseconds"
    ),
).where(leases.c.last_started_at.is_not(None))

_NOW = select(func.utc_timestamp(text("6"), type_=UTCDateTime))


def acquire(tx: Transaction, job: str, *, holder: str, lease_seconds: float, rest_seconds: float = 0) -> bool:
    """
    Acquire the lease on a job if nobody holds it; return whether we hold it now.

    Args:
        holder: ID of the process, different for every process that ever runs.
        lease_seconds: After this time others may take over, should we die.
        rest_seconds: How long ago the last start on any host must be, so that a job which another host has just
            finished is not run again.
    """
    values = {
        "job": job,
        "holder": holder,
        "lease_microseconds": _microseconds(lease_seconds),
        "rest_microseconds": _microseconds(rest_seconds),
    }
    if tx.connection.execute(_ACQUIRE, values).rowcount:
        return True
    # Only the very first run of a job has to create its row.
    is_new = tx.connection.execute(_CREATE, {"job": job}).rowcount
    return bool(is_new and tx.connection.execute(_ACQUIRE, values).rowcount)


def renew(tx: Transaction, job: str, *, holder: str, lease_seconds: float) -> bool:
    """Renew a lease that we hold; return whether we still hold it."""
    values = {"job": job, "holder": holder, "lease_microseconds": _microseconds(lease_seconds)}
    return bool(tx.connection.execute(_RENEW, values).rowcount)


def release(tx: Transaction, job: str, *, holder: str, error: str | None = None) -> None:
    """Record how the run ended and release the lease; does nothing if we no longer hold it."""
    tx.connection.execute(
        _RELEASE,
        {
            "job": job,
            "holder": holder,
            "outcome": "failed" if error else "ok",
            "error": error[:_ERROR_LENGTH] if error else None,
            "failed": 1 if error else 0,
        },
    )


def seconds_since_last_start(tx: Transaction) -> dict[str, float]:
    """Return how long ago each job last started, by the database's clock; without jobs that never ran."""
    return {row.name: row.microseconds / 1_000_000 for row in tx.connection.execute(_AGES)}


def find_all(tx: Transaction) -> Sequence[Row[Any]]:
    """Return every job's row, by name; *holder* is None while nobody runs it, *last_outcome* is ok or failed."""
    return tx.connection.execute(select(leases).order_by(leases.c.name)).all()


def now(tx: Transaction) -> datetime:
    """Return the time by the database's clock, which measures the leases."""
    return tx.connection.execute(_NOW).scalar_one()


def _microseconds(seconds: float) -> int:
    return round(seconds * 1_000_000)
