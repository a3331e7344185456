"""
Our attempts at delivering rows of Koha's ``message_queue``: claimed, kept and settled.

A claimed row stands as ``failed`` with the failure code ``IN_FLIGHT``: whoever looks after a crash sees that it was not
delivered. Versions of Koha without failure codes have that in our own table only.

Rows are locked in one order, the queue's before ours.
"""

import functools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import TextClause, bindparam, text

from koha_ill_sidecar.storage.koha.installed import InstalledKoha
from koha_ill_sidecar.storage.sidecar.schema import UTCDateTime
from koha_ill_sidecar.storage.transaction import Transaction

IN_FLIGHT = "IN_FLIGHT"
"""Failure code of a row that is being delivered."""

_ERROR_LENGTH = 2000
_SKIP_LOCKED_SINCE = (10, 6)  # MariaDB


class QueueStatus(StrEnum):
    """Values of ``message_queue.status``."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    DELETED = "deleted"


class DeliveryState(StrEnum):
    """How far we are with a message."""

    IN_FLIGHT = "in_flight"
    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """
    A message that we hold for one attempt.

    Attributes:
        mail_message_id: The Message-ID header, the same at every attempt.
        attempts: How many there were, this one included.
        age_seconds: Since the first one.
        first_attempt_at: UTC.
        reached: Addresses that have the message already.
    """

    message_id: int
    mail_message_id: str
    attempts: int
    age_seconds: float
    first_attempt_at: datetime
    reached: tuple[str, ...]


def claim(
    tx: Transaction,
    message_ids: Sequence[int],
    *,
    holder: str,
    lease_seconds: float,
    new_message_ids: Mapping[int, str],
) -> list[Attempt]:
    """
    Take messages for an attempt, as far as nobody else has them; at most seven statements.

    Rows that another transaction holds are passed over. Attempts of ours whose row was changed or removed in Koha
    are closed: the row is as it is.

    Args:
        holder: Who we are.
        new_message_ids: A Message-ID for each message; taken for those that have none yet or were sent before.
    """
    wanted = sorted(message_ids)
    fresh, abandoned, overtaken = [], [], []
    for row in tx.connection.execute(_lock(tx.koha, _skips_locked(tx)), {"message_ids": wanted}):
        is_open = row.state in {DeliveryState.IN_FLIGHT, DeliveryState.WAITING}
        if row.is_held:
            continue
        if row.status == QueueStatus.PENDING:
            if row.may_start:
                fresh.append(row.message_id)
        elif row.is_in_flight and is_open:
            abandoned.append(row.message_id)
        elif is_open:
            overtaken.append(row.message_id)
    if len(fresh) + len(abandoned) + len(overtaken) < len(wanted):
        _close_removed(tx, wanted)
    _close_overtaken(tx, overtaken)
    return _begin(tx, fresh, abandoned, holder, lease_seconds, new_message_ids)


def keep(tx: Transaction, message_ids: Iterable[int], *, holder: str, lease_seconds: float) -> int:
    """Lengthen the leases of messages that we hold; tells how many are still ours."""
    return tx.connection.execute(
        _KEEP,
        {"message_ids": list(message_ids), "holder": holder, "lease_microseconds": round(lease_seconds * 1e6)},
    ).rowcount


@dataclass(frozen=True, kw_only=True, slots=True)
class Settlement:
    """
    What became of an attempt.

    Attributes:
        state: Sent, failed, or waiting for the next attempt.
        failure_code: Koha's, with failed.
        error: Why it did not work, in the words of whoever refused; or what to know although it did.
        to_address: What the mail really used; None leaves the column. So with the next two.
        retry_seconds: Until the next attempt, with waiting.
        counts: Whether it was an attempt at all.
        reached: Addresses that have it already, with waiting.
    """

    message_id: int
    state: DeliveryState
    failure_code: str = ""
    error: str | None = None
    to_address: str | None = None
    cc_address: str | None = None
    from_address: str | None = None
    retry_seconds: float = 0
    counts: bool = True
    reached: tuple[str, ...] = ()


def settle(tx: Transaction, settlement: Settlement, *, holder: str) -> bool:
    """
    Write down what became of an attempt of ours; says whether the row was still as we had left it.

    Two statements. Where Koha or its staff changed the row meanwhile, their change stays, and only our own table says
    how the attempt went; where the lease went to another, nothing is written.
    """
    queue = tx.connection.exec_driver_sql(
        _settle_queue(tx.koha, settlement.state, settlement.to_address is not None),
        tuple(_queue_values(tx.koha, settlement, holder)),
    )
    # Between the two nobody can take the message: that needs the queue's row, which we hold now if it was ours.
    ours = tx.connection.exec_driver_sql(
        _SETTLE_OURS[settlement.state], (*_our_values(settlement), settlement.message_id, holder)
    )
    return bool(queue.rowcount and ours.rowcount)


_LEASE_ENDS = "UTC_TIMESTAMP(6) + INTERVAL :lease_microseconds MICROSECOND"

# Claiming


def _skips_locked(tx: Transaction) -> bool:
    dialect = tx.connection.dialect
    version = tuple(dialect.server_version_info or ())
    return bool(getattr(dialect, "is_mariadb", False)) and version >= _SKIP_LOCKED_SINCE


@functools.cache
def _lock(koha: InstalledKoha, skip_locked: bool) -> TextClause:  # noqa: FBT001  (cached by position)
    """Lock the rows of both tables that nobody else holds."""
    return text(
        f"SELECT m.message_id, m.status, m.status = 'failed' AND {_marked(koha)} AS is_in_flight, d.state,"  # noqa: S608
        " COALESCE(d.state = 'in_flight' AND d.lease_until >= UTC_TIMESTAMP(6), FALSE) AS is_held,"
        " COALESCE(d.state <> 'waiting' OR d.next_attempt_at <= UTC_TIMESTAMP(6), TRUE) AS may_start"
        " FROM message_queue m LEFT JOIN ill_sidecar_deliveries d ON d.message_id = m.message_id"
        f" WHERE m.message_id IN :message_ids ORDER BY m.message_id FOR UPDATE{' SKIP LOCKED' if skip_locked else ''}"
    ).bindparams(bindparam("message_ids", expanding=True))


def _marked(koha: InstalledKoha) -> str:
    return f"failure_code = '{IN_FLIGHT}'" if koha.has("message_queue", "failure_code") else "TRUE"


_CLOSE_REMOVED = text(
    "UPDATE ill_sidecar_deliveries d LEFT JOIN message_queue m ON m.message_id = d.message_id"
    " SET d.last_error = 'Removed from the queue meanwhile.', d.state = 'failed', d.settled_at = UTC_TIMESTAMP(6),"
    " d.lease_holder = NULL, d.lease_until = NULL, d.next_attempt_at = NULL"
    " WHERE d.message_id IN :message_ids AND d.state IN ('in_flight', 'waiting') AND m.message_id IS NULL"
).bindparams(bindparam("message_ids", expanding=True))


def _close_removed(tx: Transaction, message_ids: Sequence[int]) -> None:
    tx.connection.execute(_CLOSE_REMOVED, {"message_ids": message_ids})


_CLOSE_OVERTAKEN = text(
    "UPDATE ill_sidecar_deliveries d JOIN message_queue m ON m.message_id = d.message_id"
    " SET d.last_error = CONCAT('Set to ', m.status, ' in Koha meanwhile.'),"
    " d.state = IF(m.status = 'sent', 'sent', 'failed'), d.settled_at = UTC_TIMESTAMP(6),"
    " d.lease_holder = NULL, d.lease_until = NULL, d.next_attempt_at = NULL"
    " WHERE d.message_id IN :message_ids"
).bindparams(bindparam("message_ids", expanding=True))


def _close_overtaken(tx: Transaction, message_ids: Sequence[int]) -> None:
    if message_ids:
        tx.connection.execute(_CLOSE_OVERTAKEN, {"message_ids": message_ids})


# MariaDB assigns from left to right, so what depends on the old state stands before it.
_BEGIN = text(
    "INSERT INTO ill_sidecar_deliveries"  # noqa: S608  (the text above)
    " (message_id, mail_message_id, state, attempts, lease_holder, lease_until, first_attempt_at, last_attempt_at)"
    " VALUES (:message_id, :mail_message_id, 'in_flight', 1, :holder,"
    f" {_LEASE_ENDS}, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))"
    " ON DUPLICATE KEY UPDATE"
    " mail_message_id = IF(state = 'sent', VALUES(mail_message_id), mail_message_id),"
    " attempts = IF(state IN ('sent', 'failed'), 1, attempts + 1),"
    " first_attempt_at = IF(state IN ('sent', 'failed'), UTC_TIMESTAMP(6), first_attempt_at),"
    " reached = IF(state IN ('sent', 'failed'), NULL, reached),"
    " last_attempt_at = UTC_TIMESTAMP(6), lease_holder = VALUES(lease_holder), lease_until = VALUES(lease_until),"
    " next_attempt_at = NULL, settled_at = NULL, state = 'in_flight'"
)

_ATTEMPTS = (
    text(
        "SELECT message_id, mail_message_id, attempts, first_attempt_at, reached,"
        " TIMESTAMPDIFF(MICROSECOND, first_attempt_at, UTC_TIMESTAMP(6)) / 1000000 AS age_seconds"
        " FROM ill_sidecar_deliveries WHERE message_id IN :message_ids ORDER BY message_id"
    )
    .bindparams(bindparam("message_ids", expanding=True))
    .columns(first_attempt_at=UTCDateTime)
)


def _begin(
    tx: Transaction,
    fresh: Sequence[int],
    abandoned: Sequence[int],
    holder: str,
    lease_seconds: float,
    new_message_ids: Mapping[int, str],
) -> list[Attempt]:
    taken = sorted([*fresh, *abandoned])
    if not taken:
        return []
    if fresh:
        tx.connection.execute(_mark(tx.koha), {"message_ids": fresh})
    shared = {"holder": holder, "lease_microseconds": round(lease_seconds * 1e6)}
    tx.connection.execute(
        _BEGIN,
        [{"message_id": number, "mail_message_id": new_message_ids[number], **shared} for number in taken],
    )
    return list(_attempts(tx, taken))


@functools.cache
def _mark(koha: InstalledKoha) -> TextClause:
    changes = ", ".join(["status = 'failed'", *_code(koha, f"'{IN_FLIGHT}'"), *_kept_time(koha)])
    return text(
        f"UPDATE message_queue SET {changes} WHERE message_id IN :message_ids AND status = 'pending'"  # noqa: S608
    ).bindparams(bindparam("message_ids", expanding=True))


def _code(koha: InstalledKoha, value: str) -> Iterator[str]:
    if koha.has("message_queue", "failure_code"):
        yield f"failure_code = {value}"


def _kept_time(koha: InstalledKoha) -> Iterator[str]:
    """In Koha 19.06 the server sets the time of queueing anew at every change; there it is the only time there is."""
    if not koha.has("message_queue", "updated_on"):
        yield "time_queued = time_queued"


def _attempts(tx: Transaction, message_ids: Sequence[int]) -> Iterator[Attempt]:
    for row in tx.connection.execute(_ATTEMPTS, {"message_ids": message_ids}):
        yield Attempt(
            message_id=row.message_id,
            mail_message_id=row.mail_message_id,
            attempts=row.attempts,
            age_seconds=float(row.age_seconds),
            first_attempt_at=row.first_attempt_at,
            reached=tuple(json.loads(row.reached or "[]")),
        )


_KEEP = text(
    f"UPDATE ill_sidecar_deliveries SET lease_until = {_LEASE_ENDS}"  # noqa: S608  (the text above)
    " WHERE message_id IN :message_ids AND state = 'in_flight' AND lease_holder = :holder"
).bindparams(bindparam("message_ids", expanding=True))


# Settling: done for every single message, so in the driver's own words, with no value that is not needed.


_IS_OURS = "message_id = %s AND state = 'in_flight' AND lease_holder = %s"

_FREED = "lease_until = NULL, lease_holder = NULL"

_SETTLED = f"last_error = %s, settled_at = UTC_TIMESTAMP(6), {_FREED}"

_SETTLE_OURS = {
    DeliveryState.SENT: f"UPDATE ill_sidecar_deliveries SET state = 'sent', {_SETTLED} WHERE {_IS_OURS}",  # noqa: S608
    DeliveryState.FAILED: f"UPDATE ill_sidecar_deliveries SET state = 'failed', {_SETTLED} WHERE {_IS_OURS}",  # noqa: S608
    DeliveryState.WAITING: (
        "UPDATE ill_sidecar_deliveries SET state = 'waiting', last_error = %s, reached = %s, attempts = attempts - %s,"  # noqa: S608
        f" next_attempt_at = UTC_TIMESTAMP(6) + INTERVAL %s MICROSECOND, {_FREED} WHERE {_IS_OURS}"
    ),
}


def _our_values(settlement: Settlement) -> Iterator[object]:
    yield settlement.error[:_ERROR_LENGTH] if settlement.error else None
    if settlement.state is DeliveryState.WAITING:
        yield json.dumps(settlement.reached) if settlement.reached else None
        yield 0 if settlement.counts else 1
        yield round(settlement.retry_seconds * 1e6)


_QUEUE_STATUS = {
    DeliveryState.SENT: QueueStatus.SENT,
    DeliveryState.FAILED: QueueStatus.FAILED,
    DeliveryState.WAITING: QueueStatus.PENDING,
}


@functools.cache
def _settle_queue(koha: InstalledKoha, state: DeliveryState, with_addresses: bool) -> str:  # noqa: FBT001  (cached)
    # One UPDATE of both tables would be simpler; MariaDB writes its long columns to a temporary table on disk first.
    changes = [f"status = '{_QUEUE_STATUS[state].value}'", *_code(koha, "%s"), *_kept_time(koha)]
    if with_addresses:
        changes += [f"{name} = %s" for name in _address_columns(koha)]
    return (
        f"UPDATE message_queue SET {', '.join(changes)}"  # noqa: S608  (texts here)
        f" WHERE message_id = %s AND status = 'failed' AND {_marked(koha)}"
        f" AND EXISTS (SELECT 1 FROM ill_sidecar_deliveries WHERE {_IS_OURS})"
    )


def _queue_values(koha: InstalledKoha, settlement: Settlement, holder: str) -> Iterator[object]:
    if koha.has("message_queue", "failure_code"):
        yield settlement.failure_code
    if settlement.to_address is not None:
        for name in _address_columns(koha):
            yield getattr(settlement, name)
    yield settlement.message_id
    yield settlement.message_id
    yield holder


@functools.cache
def _address_columns(koha: InstalledKoha) -> tuple[str, ...]:
    return tuple(
        name for name in ("to_address", "from_address", "cc_address") if koha.has("message_queue", name)
    )
