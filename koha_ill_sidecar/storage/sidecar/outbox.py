"""What others are still to be told: written with the change that it tells of, removed when it was told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import delete, insert, select, text

from koha_ill_sidecar.storage.sidecar.schema import outbox, utc_now
from koha_ill_sidecar.storage.transaction import Transaction

_ERROR_LENGTH = 2000


class OutboxKind(StrEnum):
    """Who is told, and of what."""

    INDEX_JOB = "index_job"  # Koha's background workers, of a record to be indexed


@dataclass(frozen=True, kw_only=True, slots=True)
class OutboxRow:
    """
    Something to be told.

    Attributes:
        attempts: How often it failed.
        age_seconds: Since the change that it tells of.
    """

    outbox_id: int
    kind: str
    payload: Mapping[str, Any]
    attempts: int
    age_seconds: float


def add(tx: Transaction, kind: OutboxKind, payload: Mapping[str, object]) -> None:
    """Put something into the outbox, to be told once the transaction is committed."""
    values = {"kind": kind.value, "payload": dict(payload), "attempts": 0}
    tx.connection.execute(insert(outbox).values(created_at=utc_now(), next_attempt_at=utc_now(), **values))


def find_due(tx: Transaction, kinds: Sequence[OutboxKind], *, limit: int) -> list[OutboxRow]:
    """Return what is to be told now, what has waited longest first; one query."""
    age = text("TIMESTAMPDIFF(MICROSECOND, created_at, UTC_TIMESTAMP(6)) / 1e6 AS age_seconds")
    statement = (
        select(outbox.c.outbox_id, outbox.c.kind, outbox.c.payload, outbox.c.attempts, age)
        .where(outbox.c.next_attempt_at <= utc_now(), outbox.c.kind.in_(kinds))
        .order_by(outbox.c.next_attempt_at, outbox.c.outbox_id)
        .limit(limit)
    )
    return [OutboxRow(**row) for row in tx.connection.execute(statement).mappings()]


def remove(tx: Transaction, outbox_ids: Sequence[int]) -> None:
    """Take out what was told, or is past being told."""
    tx.connection.execute(delete(outbox).where(outbox.c.outbox_id.in_(outbox_ids)))


def postpone(tx: Transaction, outbox_id: int, *, seconds: float, error: str) -> None:
    """Note that an attempt failed, and when the next one is due."""
    later = text("UTC_TIMESTAMP(6) + INTERVAL :microseconds MICROSECOND").bindparams(
        microseconds=round(seconds * 1e6)
    )
    tx.connection.execute(
        outbox.update()
        .where(outbox.c.outbox_id == outbox_id)
        .values(attempts=outbox.c.attempts + 1, next_attempt_at=later, last_error=error[:_ERROR_LENGTH])
    )
