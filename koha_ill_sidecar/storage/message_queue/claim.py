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
from typing import Any

from sqlalchemy import Row, TextClause, bindparam, text
from sqlalchemy.sql.selectable import TextualSelect

from koha_ill_sidecar.domain import delivery_reasons
from koha_ill_sidecar.storage.direct import execute
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
class MailIds:
    """
    Message-IDs for any number of messages, unlike any that were there before.

    Attributes:
        unique: A word that was never used.
        domain: What stands on the right side.
    """

    unique: str
    domain: str

    def of(self, message_id: int) -> str:
        """Return the Message-ID of a message, in its angle brackets."""
        return f"<{self.unique}.{message_id}@{self.domain}>"


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
    new_mail_ids: MailIds,
) -> list[Attempt]:
    """
    Take messages for an attempt, as far as nobody else has them; three statements, or a few more for the odd case.

    Rows that another transaction holds are passed over. Attempts of ours whose row was changed or removed in Koha
    are closed: the row is as it is.

    Args:
        holder: Who we are.
        new_mail_ids: For messages that have no Message-ID yet or were sent before.
    """
    wanted = sorted(message_ids)
    attempts, fresh, known, overtaken = [], [], [], []
    for row in tx.connection.execute(_lock(tx.koha, _skips_locked(tx)), {"message_ids": wanted}):
        is_open = row.state in {DeliveryState.IN_FLIGHT, DeliveryState.WAITING}
        is_pending = row.status == QueueStatus.PENDING
        if row.is_held:
            continue
        if (is_pending and row.may_start) or (row.is_in_flight and is_open):
            attempt = _next_attempt(row, new_mail_ids)
            attempts.append(attempt)
            if is_pending:
                fresh.append(row.message_id)
            if row.state is not None:
                known.append(attempt)
        elif is_open and not is_pending:
            overtaken.append(row.message_id)
    if len(attempts) + len(overtaken) < len(wanted):
        _close_removed(tx, wanted)
    _close_overtaken(tx, overtaken)
    if fresh:
        tx.connection.execute(_mark(tx.koha), {"message_ids": fresh})
    begun = {"holder": holder, "lease_microseconds": round(lease_seconds * 1e6)}
    _begin(tx, attempts, known, new_mail_ids, begun)
    return attempts


def renew(tx: Transaction, message_ids: Iterable[int], *, holder: str, lease_seconds: float) -> int:
    """Lengthen the leases of messages that we hold; tells how many are still ours."""
    return tx.connection.execute(
        _KEEP,
        {
            "message_ids": list(message_ids),
            "holder": holder,
            "lease_microseconds": round(lease_seconds * 1e6),
        },
    ).rowcount


@dataclass(frozen=True, kw_only=True, slots=True)
class Settlement:
    """
    What became of an attempt.

    Attributes:
        state: Sent, failed, or waiting for the next attempt.
        failure_code: Koha's, with failed.
        error: Why it did not work, in the words of whoever refused; or what to know although it did.
        to_address: What the mail really used; None leaves the column, for it says so already. So with the next two.
        retry_seconds: Until the next attempt, with waiting.
        counts: Whether it was an attempt at all.
        reached: Addresses that have it already, with waiting.
    """

    message_id: int
    state: DeliveryState
    failure_code: str = ""
    error: str | None = None
    to_address: str | None = None
    from_address: str | None = None
    cc_address: str | None = None
    retry_seconds: float = 0
    counts: bool = True
    reached: tuple[str, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Return whether the message was simply sent, so that our own row has nothing to add to the queue's."""
        return self.state is DeliveryState.SENT and self.error is None


def settle(tx: Transaction, settlement: Settlement, *, holder: str) -> bool:
    """
    Write down what became of an attempt of ours; says whether the row was still as we had left it.

    One statement for a plain settlement, whose other half is left to :func:`confirm`: the queue's row says it all, and
    nobody takes a message that stands there as sent. Otherwise two. Where Koha or its staff changed the row meanwhile,
    their change stays, and only our own table says how the attempt went; where the lease went to another, nothing is
    written.
    """
    addresses = _changed_addresses(tx.koha, settlement)
    statement = _settle_queue(tx.koha, settlement.state, settlement.is_plain, addresses)
    queue = execute(tx, statement, _queue_values(settlement, addresses, holder))
    if settlement.is_plain and queue.rowcount:
        return True
    # Between the two nobody can take the message: that needs the queue's row, which we hold now if it was ours.
    ours = execute(tx, _SETTLE_OURS[settlement.state], _our_values(settlement, holder))
    return bool(queue.rowcount and ours.rowcount)


def confirm(tx: Transaction, message_ids: Iterable[int], *, holder: str) -> None:
    """Write down in our own table that messages were sent, of which the queue says so already."""
    tx.connection.execute(_CONFIRM, {"message_ids": list(message_ids), "holder": holder})


_LEASE_ENDS = "UTC_TIMESTAMP(6) + INTERVAL :lease_microseconds MICROSECOND"

# Claiming


def _skips_locked(tx: Transaction) -> bool:
    dialect = tx.connection.dialect
    version = tuple(dialect.server_version_info or ())
    return bool(getattr(dialect, "is_mariadb", False)) and version >= _SKIP_LOCKED_SINCE


@functools.cache
def _lock(koha: InstalledKoha, skip_locked: bool) -> TextualSelect:  # noqa: FBT001  (cached by position)
    """Lock the rows of both tables that nobody else holds."""
    mark = f"m.{_marked(koha)}" if koha.has("message_queue", "failure_code") else "d.state = 'in_flight'"
    return (
        text(
            f"SELECT m.message_id, m.status, m.status = 'failed' AND {mark} AS is_in_flight,"  # noqa: S608  (texts here)
            " COALESCE(d.state = 'in_flight' AND d.lease_until >= UTC_TIMESTAMP(6), FALSE) AS is_held,"
            " COALESCE(d.state <> 'waiting' OR d.next_attempt_at <= UTC_TIMESTAMP(6), TRUE) AS may_start,"
            " d.state, d.mail_message_id, d.attempts, d.first_attempt_at, d.reached, UTC_TIMESTAMP(6) AS now"
            " FROM message_queue m LEFT JOIN ill_sidecar_deliveries d ON d.message_id = m.message_id"
            " WHERE m.message_id IN :message_ids ORDER BY m.message_id"
            f" FOR UPDATE{' SKIP LOCKED' if skip_locked else ''}"
        )
        .bindparams(bindparam("message_ids", expanding=True))
        .columns(first_attempt_at=UTCDateTime, now=UTCDateTime)
    )


def _next_attempt(row: Row[*tuple[Any, ...]], new_mail_ids: MailIds) -> Attempt:
    """Go on with what was begun, or begin: a message that was settled and is pending again begins anew."""
    is_open = row.state in {DeliveryState.IN_FLIGHT, DeliveryState.WAITING}
    never_sent = row.state in {DeliveryState.IN_FLIGHT, DeliveryState.WAITING, DeliveryState.FAILED}
    first_attempt_at = row.first_attempt_at if is_open else row.now
    return Attempt(
        message_id=row.message_id,
        mail_message_id=(never_sent and row.mail_message_id) or new_mail_ids.of(row.message_id),
        attempts=row.attempts + 1 if is_open else 1,
        age_seconds=(row.now - first_attempt_at).total_seconds(),
        first_attempt_at=first_attempt_at,
        reached=tuple(json.loads(row.reached or "[]")) if is_open else (),
    )


def _marked(koha: InstalledKoha) -> str:
    return f"failure_code = '{IN_FLIGHT}'" if koha.has("message_queue", "failure_code") else "TRUE"


_CLOSE_REMOVED = text(
    "UPDATE ill_sidecar_deliveries d LEFT JOIN message_queue m ON m.message_id = d.message_id"
    " SET d.last_error = :reason, d.state = 'failed', d.settled_at = UTC_TIMESTAMP(6),"
    " d.lease_holder = NULL, d.lease_until = NULL, d.next_attempt_at = NULL"
    " WHERE d.message_id IN :message_ids AND d.state IN ('in_flight', 'waiting') AND m.message_id IS NULL"
).bindparams(bindparam("message_ids", expanding=True))


def _close_removed(tx: Transaction, message_ids: Sequence[int]) -> None:
    tx.connection.execute(_CLOSE_REMOVED, {"message_ids": message_ids, "reason": delivery_reasons.REMOVED})


_CLOSE_OVERTAKEN = text(
    "UPDATE ill_sidecar_deliveries d JOIN message_queue m ON m.message_id = d.message_id"
    " SET d.last_error = IF(m.status = 'sent', NULL, REPLACE(:reason, '%(status)s', m.status)),"
    " d.state = IF(m.status = 'sent', 'sent', 'failed'), d.settled_at = UTC_TIMESTAMP(6),"
    " d.lease_holder = NULL, d.lease_until = NULL, d.next_attempt_at = NULL"
    " WHERE d.message_id IN :message_ids"
).bindparams(bindparam("message_ids", expanding=True))


def _close_overtaken(tx: Transaction, message_ids: Sequence[int]) -> None:
    if message_ids:
        tx.connection.execute(
            _CLOSE_OVERTAKEN, {"message_ids": message_ids, "reason": delivery_reasons.SET_IN_KOHA}
        )


# Nearly every message is new to us: then nothing about it needs to travel but its number.
_BEGIN_NEW = text(
    "INSERT INTO ill_sidecar_deliveries"  # noqa: S608  (the text above)
    " (message_id, mail_message_id, state, attempts, first_attempt_at, lease_holder, lease_until, last_attempt_at)"
    " SELECT message_id, CONCAT('<', :unique, '.', message_id, '@', :domain, '>'), 'in_flight', 1, :now, :holder,"
    f" {_LEASE_ENDS}, UTC_TIMESTAMP(6) FROM message_queue WHERE message_id IN :message_ids"
).bindparams(bindparam("message_ids", expanding=True), bindparam("now", type_=UTCDateTime))

_BEGIN_KNOWN = text(
    "UPDATE ill_sidecar_deliveries SET mail_message_id = :mail_message_id, state = 'in_flight',"  # noqa: S608
    " attempts = :attempts, first_attempt_at = :first_attempt_at, reached = :reached, lease_holder = :holder,"
    f" lease_until = {_LEASE_ENDS}, last_attempt_at = UTC_TIMESTAMP(6), next_attempt_at = NULL, settled_at = NULL"
    " WHERE message_id = :message_id"
).bindparams(bindparam("first_attempt_at", type_=UTCDateTime))


def _begin(
    tx: Transaction,
    attempts: Sequence[Attempt],
    known: Sequence[Attempt],
    new_mail_ids: MailIds,
    begun: Mapping[str, object],
) -> None:
    if known:
        tx.connection.execute(_BEGIN_KNOWN, [{**begun, **_attempt_values(attempt)} for attempt in known])
    seen = {attempt.message_id for attempt in known}
    if new := [attempt for attempt in attempts if attempt.message_id not in seen]:
        values = {
            "unique": new_mail_ids.unique,
            "domain": new_mail_ids.domain,
            "now": new[0].first_attempt_at,
        }
        numbers = [attempt.message_id for attempt in new]
        tx.connection.execute(_BEGIN_NEW, {**begun, **values, "message_ids": numbers})


def _attempt_values(attempt: Attempt) -> dict[str, object]:
    return {
        "message_id": attempt.message_id,
        "mail_message_id": attempt.mail_message_id,
        "attempts": attempt.attempts,
        "first_attempt_at": attempt.first_attempt_at,
        "reached": _reached_text(attempt.reached),
    }


def _reached_text(reached: Sequence[str]) -> str | None:
    return json.dumps(reached) if reached else None


@functools.cache
def _mark(koha: InstalledKoha) -> TextClause:
    # Koha writes the empty text, too, where nobody gets a copy (C4/Letters.pm _send_message_by_email).
    copies = ["cc_address = ''"] if koha.has("message_queue", "cc_address") else []
    changes = ", ".join(["status = 'failed'", *_code(koha, f"'{IN_FLIGHT}'"), *copies, *_kept_time(koha)])
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


_KEEP = text(
    f"UPDATE ill_sidecar_deliveries SET lease_until = {_LEASE_ENDS}"  # noqa: S608  (the text above)
    " WHERE message_id IN :message_ids AND state = 'in_flight' AND lease_holder = :holder"
).bindparams(bindparam("message_ids", expanding=True))


_CONFIRM = text(
    "UPDATE ill_sidecar_deliveries SET state = 'sent', last_error = NULL, settled_at = UTC_TIMESTAMP(6),"
    " lease_until = NULL, lease_holder = NULL"
    " WHERE message_id IN :message_ids AND state = 'in_flight' AND lease_holder = :holder"
).bindparams(bindparam("message_ids", expanding=True))


# Settling: done for every single message, so sent straight to the driver, with no value that is not needed.


_IS_OURS = "message_id = %(message_id)s AND state = 'in_flight' AND lease_holder = %(holder)s"

_OUR_ROW = f"SELECT 1 FROM ill_sidecar_deliveries WHERE {_IS_OURS}"  # noqa: S608  (the text above)

_FREED = "lease_until = NULL, lease_holder = NULL"

_SETTLED = f"last_error = %(error)s, settled_at = UTC_TIMESTAMP(6), {_FREED}"

_SETTLE_OURS = {
    DeliveryState.SENT: f"UPDATE ill_sidecar_deliveries SET state = 'sent', {_SETTLED} WHERE {_IS_OURS}",  # noqa: S608
    DeliveryState.FAILED: f"UPDATE ill_sidecar_deliveries SET state = 'failed', {_SETTLED} WHERE {_IS_OURS}",  # noqa: S608
    DeliveryState.WAITING: (
        "UPDATE ill_sidecar_deliveries SET state = 'waiting', last_error = %(error)s, reached = %(reached)s,"  # noqa: S608
        " attempts = attempts - %(uncounted)s,"
        " next_attempt_at = UTC_TIMESTAMP(6) + INTERVAL %(retry_microseconds)s MICROSECOND,"
        f" {_FREED} WHERE {_IS_OURS}"
    ),
}


def _our_values(settlement: Settlement, holder: str) -> dict[str, object]:
    values: dict[str, object] = {
        "message_id": settlement.message_id,
        "holder": holder,
        "error": settlement.error[:_ERROR_LENGTH] if settlement.error else None,
    }
    if settlement.state is DeliveryState.WAITING:
        values["reached"] = _reached_text(settlement.reached)
        values["uncounted"] = 0 if settlement.counts else 1
        values["retry_microseconds"] = round(settlement.retry_seconds * 1e6)
    return values


_ADDRESSES = ("to_address", "from_address", "cc_address")


def _changed_addresses(koha: InstalledKoha, settlement: Settlement) -> tuple[str, ...]:
    return tuple(
        name
        for name in _ADDRESSES
        if getattr(settlement, name) is not None and koha.has("message_queue", name)
    )


_QUEUE_STATUS = {
    DeliveryState.SENT: QueueStatus.SENT,
    DeliveryState.FAILED: QueueStatus.FAILED,
    DeliveryState.WAITING: QueueStatus.PENDING,
}


@functools.cache
def _settle_queue(
    koha: InstalledKoha,
    state: DeliveryState,
    is_plain: bool,  # noqa: FBT001  (cached by position)
    addresses: tuple[str, ...],
) -> str:
    # One UPDATE of both tables would be simpler; MariaDB writes its long columns to a temporary table on disk first.
    changes = [
        f"status = '{_QUEUE_STATUS[state].value}'",
        *_code(koha, "%(failure_code)s"),
        *_kept_time(koha),
    ]
    changes += [f"{name} = %({name})s" for name in addresses]
    # What was sent was sent, whoever has the lease now: that need not be asked.
    if_ours = "" if is_plain else f" AND EXISTS ({_OUR_ROW})"
    return (
        f"UPDATE message_queue SET {', '.join(changes)}"  # noqa: S608  (texts here)
        f" WHERE message_id = %(message_id)s AND status = 'failed' AND {_marked(koha)}{if_ours}"
    )


def _queue_values(settlement: Settlement, addresses: Sequence[str], holder: str) -> dict[str, object]:
    values: dict[str, object] = {name: getattr(settlement, name) for name in addresses}
    values["message_id"] = settlement.message_id
    values["failure_code"] = settlement.failure_code
    if not settlement.is_plain:
        values["holder"] = holder
    return values
