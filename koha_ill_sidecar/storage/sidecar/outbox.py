"""Messages to other programs: stored in the transaction of the change, removed once they are delivered."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, Select, delete, insert, select, text

from koha_ill_sidecar.storage.sidecar.schema import outbox, utc_now
from koha_ill_sidecar.storage.transaction import Transaction

_ERROR_LENGTH = 2000


class OutboxKind(StrEnum):
    """The receiver of a message and what it is about."""

    INDEX_JOB = "index_job"  # to Koha's background workers: index a record


def add(tx: Transaction, kind: OutboxKind, payload: Mapping[str, object]) -> None:
    """Store a message that is delivered after the transaction is committed."""
    values = {"kind": kind.value, "payload": dict(payload), "attempts": 0}
    tx.connection.execute(insert(outbox).values(created_at=utc_now(), next_attempt_at=utc_now(), **values))


def find_due(tx: Transaction, kinds: Sequence[OutboxKind], *, limit: int) -> Sequence[Row[Any]]:
    """
    Return the messages that are due, those that have waited longest first; one query.

    *attempts* counts the failed ones, *age_seconds* is the time since the change that a message is about.
    """
    age = text("TIMESTAMPDIFF(MICROSECOND, created_at, UTC_TIMESTAMP(6)) / 1e6 AS age_seconds")
    statement: Select[Any] = (
        select(outbox.c.outbox_id, outbox.c.kind, outbox.c.payload, outbox.c.attempts, age)
        .where(outbox.c.next_attempt_at <= utc_now(), outbox.c.kind.in_(kinds))
        .order_by(outbox.c.next_attempt_at, outbox.c.outbox_id)
        .limit(limit)
    )
    return tx.connection.execute(statement).all()


def remove(tx: Transaction, outbox_ids: Sequence[int]) -> None:
    """Remove messages that were delivered or no longer need to be."""
    tx.connection.execute(delete(outbox).where(outbox.c.outbox_id.in_(outbox_ids)))


def postpone(tx: Transaction, outbox_id: int, *, seconds: float, error: str) -> None:
    """Record that an attempt failed and when the next one is due."""
    later = text("UTC_TIMESTAMP(6) + INTERVAL :microseconds MICROSECOND").bindparams(
        microseconds=round(seconds * 1e6)
    )
    tx.connection.execute(
        outbox.update()
        .where(outbox.c.outbox_id == outbox_id)
        .values(attempts=outbox.c.attempts + 1, next_attempt_at=later, last_error=error[:_ERROR_LENGTH])
    )
