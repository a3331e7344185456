"""
Attempts to deliver rows of Koha's ``message_queue``: claimed, renewed and recorded.

The only module that writes ``ill_sidecar_deliveries``, our row for each message that we have tried to deliver. Rows are
always locked in the same order, Koha's before ours, so that two hosts cannot deadlock.

A claimed row has the status ``failed`` and the failure code ``IN_FLIGHT``, so that after a crash anyone can see that it
was not delivered. Where Koha has no failure codes, only our own table shows it.

With the setting `delivery.exclusive`, a row that waits for its first or next attempt looks the same in Koha, so that
Koha's own dispatcher, which sends what is ``pending``, ignores it: it is held.
"""

import functools
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, TextClause, bindparam, text
from sqlalchemy.sql.selectable import TextualSelect

from koha_ill_sidecar.messages import LazyMessage, MixedText, lazy, to_stored
from koha_ill_sidecar.storage.direct import execute
from koha_ill_sidecar.storage.koha.installed import InstalledKoha
from koha_ill_sidecar.storage.sidecar.schema import UTCDateTime
from koha_ill_sidecar.storage.transaction import Transaction

IN_FLIGHT = "IN_FLIGHT"
"""Failure code of a message that is being delivered, or held."""

_GIVEN_UP_REASON = to_stored([lazy("Given up by hand.")])
GIVEN_UP_REASONS = f"('{_GIVEN_UP_REASON}', 'Given up by hand.')"
"""Why staff gave a message up, in SQL: as stored now, and as an earlier version stored it."""

_ERROR_LENGTH = 2000
_SKIP_LOCKED_SINCE = (10, 6)  # MariaDB


HELD = {"status": "failed", "failure_code": IN_FLIGHT, "cc_address": ""}
"""Columns of a row of Koha's queue that is held; the copies as Koha leaves them where nobody gets one."""


class QueueStatus(StrEnum):
    """Values of ``message_queue.status``."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    DELETED = "deleted"


class DeliveryState(StrEnum):
    """How far our delivery of a message has come."""

    IN_FLIGHT = "in_flight"
    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class MailIds:
    """
    Makes new Message-IDs.

    Attributes:
        unique: A word that was never used before.
        domain: The part after the @.
    """

    unique: str
    domain: str

    def for_message(self, message_id: int) -> str:
        """Return the Message-ID of a message, in angle brackets."""
        return f"<{self.unique}.{message_id}@{self.domain}>"


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """
    A message that we have claimed for one attempt.

    Attributes:
        mail_message_id: The Message-ID header, the same in every attempt.
        attempts: The number of attempts, including this one.
        age_seconds: Time since the first attempt.
        first_attempt_at: UTC.
        reached: Addresses that have already received the message.
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
    Claim those of the messages that nobody else holds; three statements, a few more in rare cases.

    Rows that another transaction has locked are skipped. Where the row was changed or deleted in Koha after we began,
    our attempts end and Koha's row stays as it is.

    Args:
        holder: ID of the process that claims.
        new_mail_ids: For messages that have no Message-ID yet or were sent before.
    """
    wanted = sorted(message_ids)
    attempts, pending, known, superseded = [], [], [], []
    for row in tx.connection.execute(_lock(tx.koha, _skips_locked(tx)), {"message_ids": wanted}):
        is_open = row.state in {DeliveryState.IN_FLIGHT, DeliveryState.WAITING}
        is_pending = row.status == QueueStatus.PENDING
        if row.is_held:
            continue
        if row.may_start and (is_pending or (row.is_in_flight and is_open)):
            attempt = _next_attempt(row, new_mail_ids)
            attempts.append(attempt)
            if is_pending:
                pending.append(row.message_id)
            if row.state is not None:
                known.append(attempt)
        elif is_open and not is_pending and not row.is_in_flight:
            superseded.append(row.message_id)
    if len(attempts) + len(superseded) < len(wanted):
        _close_removed(tx, wanted)
    _close_superseded(tx, superseded)
    if pending:
        tx.connection.execute(_mark_in_flight(tx.koha), {"message_ids": pending})
    lease = {"holder": holder, "lease_microseconds": round(lease_seconds * 1e6)}
    _begin(tx, attempts, known, new_mail_ids, lease)
    return attempts


def renew(
    tx: Transaction, message_ids: Collection[int], *, holder: str, lease_seconds: float
) -> Collection[int]:
    """Renew the leases of those messages that we still hold, and return them; one statement, two if some are lost."""
    values = {"message_ids": list(message_ids), "holder": holder}
    renewed = tx.connection.execute(
        _RENEW, {**values, "lease_microseconds": round(lease_seconds * 1e6)}
    ).rowcount
    if renewed == len(message_ids):
        return message_ids
    return set(tx.connection.scalars(_HELD, values))


@dataclass(frozen=True, kw_only=True, slots=True)
class AttemptResult:
    """
    How an attempt ended.

    Attributes:
        state: Sent, failed, or waiting for the next attempt.
        failure_code: Koha's, if it failed.
        error: The other server's reason for a failure, or a remark on a success.
        to_address: The address that the mail used; None if the column holds it already. Likewise the next two.
        retry_seconds: Time until the next attempt, if it waits.
        counts_as_attempt: False if nothing was tried, such as at a shutdown.
        reached: Addresses that have already received the message, if it waits.
    """

    message_id: int
    state: DeliveryState
    failure_code: str = ""
    error: MixedText = ()
    to_address: str | None = None
    from_address: str | None = None
    cc_address: str | None = None
    retry_seconds: float = 0
    counts_as_attempt: bool = True
    reached: tuple[str, ...] = ()

    @property
    def is_plain_success(self) -> bool:
        """Return whether the message was sent without a remark, so that our row has nothing to add to Koha's."""
        return self.state is DeliveryState.SENT and not self.error


def record_result(tx: Transaction, result: AttemptResult, *, holder: str) -> bool:
    """
    Store how an attempt of ours ended; return whether Koha's row was still as we had left it.

    A plain success takes one statement, on Koha's row, and :func:`mark_sent` updates ours later: Koha's row says it
    all, and nobody claims a message that is sent there. Anything else takes two. If the row was changed in Koha in the
    meantime, that change stays and only our table says how the attempt ended. If another holds the lease, nothing is
    written.
    """
    addresses = _changed_addresses(tx.koha, result)
    is_held = tx.delivery.exclusive and result.state is DeliveryState.WAITING
    status = QueueStatus.FAILED if is_held else _QUEUE_STATUS[result.state]
    statement = _update_queue(tx.koha, status, result.is_plain_success, addresses)
    values = _queue_values(result, addresses, holder)
    if is_held:
        values["failure_code"] = IN_FLIGHT
    queue = execute(tx, statement, values)
    if result.is_plain_success and queue.rowcount:
        return True
    # Nobody can claim the message in between: a claim locks Koha's row, which we have locked if it is ours.
    ours = execute(tx, _UPDATE_OURS[result.state], _our_values(result, holder))
    return bool(queue.rowcount and ours.rowcount)


def mark_sent(tx: Transaction, message_ids: Iterable[int], *, holder: str) -> None:
    """Bring our rows up to date for messages that Koha's rows show as sent."""
    tx.connection.execute(_MARK_SENT, {"message_ids": list(message_ids), "holder": holder})


def requeue(tx: Transaction, message_id: int, *, new_mail_message_id: str) -> None:
    """
    Set a message to pending or held, due at once and with a full set of attempts; two statements.

    Args:
        new_mail_message_id: Used if the message was sent before or never tried.
    """
    status, code = ("failed", IN_FLIGHT) if tx.delivery.exclusive else ("pending", "")
    tx.connection.execute(_set_status(tx.koha, status), {"message_id": message_id, "failure_code": code})
    tx.connection.execute(_REQUEUE, {"message_id": message_id, "mail_message_id": new_mail_message_id})


def give_up(tx: Transaction, message_id: int, *, failure_code: str) -> None:
    """Set a message to failed because somebody gave it up; two statements."""
    tx.connection.execute(
        _set_status(tx.koha, "failed"), {"message_id": message_id, "failure_code": failure_code}
    )
    tx.connection.execute(_GIVE_UP, {"message_id": message_id, "reason": _GIVEN_UP_REASON})


def hold(tx: Transaction, message_id: int) -> None:
    """Store that a new message is ours and due at once; its row in Koha's queue has the values of HELD."""
    tx.connection.execute(_HOLD, {"message_id": message_id})


def release(tx: Transaction) -> tuple[int, int]:
    """
    Set to pending what is held, and what a dead worker left; return how many, and how many are being sent.

    Our rows stay: if the sidecar delivers such a message after all, it uses the same Message-ID. Four statements.
    """
    message_ids = tx.connection.scalars(_lock_held(tx.koha)).all()
    if message_ids:
        values = {"message_ids": message_ids}
        tx.connection.execute(_release(tx.koha), values)
        tx.connection.execute(_RELEASE_OURS, values)
    return len(message_ids), int(tx.connection.scalar(_COUNT_IN_FLIGHT) or 0)


def set_address(tx: Transaction, message_id: int, address: str) -> None:
    """Change the recipient of a message."""
    tx.connection.execute(_SET_ADDRESS, {"message_id": message_id, "address": address})


def remove_settled(tx: Transaction, *, settled_before: timedelta, limit: int) -> int:
    """Remove up to *limit* rows of ours of messages that were sent or given up long ago; return how many."""
    values = {"seconds": int(settled_before.total_seconds()), "limit": limit}
    return tx.connection.execute(_REMOVE_SETTLED, values).rowcount


_LEASE_ENDS = "UTC_TIMESTAMP(6) + INTERVAL :lease_microseconds MICROSECOND"

# Claim


def _skips_locked(tx: Transaction) -> bool:
    return tuple(tx.connection.dialect.server_version_info or ()) >= _SKIP_LOCKED_SINCE


@functools.cache
def _lock(koha: InstalledKoha, skip_locked: bool) -> TextualSelect:  # noqa: FBT001  (cached by position)
    """Lock the rows of both tables that nobody else has locked."""
    mark = (
        f"m.{_in_flight_condition(koha)}"
        if koha.has("message_queue", "failure_code")
        else "d.state IN ('in_flight', 'waiting')"
    )
    return (
        text(
            f"SELECT m.message_id, m.status, m.status = 'failed' AND {mark} AS is_in_flight,"
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
    """Return the next attempt; a message that was settled and is pending again starts from the first."""
    is_open = row.state in {DeliveryState.IN_FLIGHT, DeliveryState.WAITING}
    never_sent = row.state in {DeliveryState.IN_FLIGHT, DeliveryState.WAITING, DeliveryState.FAILED}
    first_attempt_at = row.first_attempt_at if is_open else row.now
    return Attempt(
        message_id=row.message_id,
        mail_message_id=(never_sent and row.mail_message_id) or new_mail_ids.for_message(row.message_id),
        attempts=row.attempts + 1 if is_open else 1,
        age_seconds=(row.now - first_attempt_at).total_seconds(),
        first_attempt_at=first_attempt_at,
        reached=tuple(json.loads(row.reached or "[]")) if is_open else (),
    )


def _in_flight_condition(koha: InstalledKoha) -> str:
    return f"failure_code = '{IN_FLIGHT}'" if koha.has("message_queue", "failure_code") else "TRUE"


_CLOSE_REMOVED = text(
    "UPDATE ill_sidecar_deliveries d LEFT JOIN message_queue m ON m.message_id = d.message_id"
    " SET d.last_error = :reason, d.state = 'failed', d.settled_at = UTC_TIMESTAMP(6),"
    " d.lease_holder = NULL, d.lease_until = NULL, d.next_attempt_at = NULL"
    " WHERE d.message_id IN :message_ids AND d.state IN ('in_flight', 'waiting') AND m.message_id IS NULL"
).bindparams(bindparam("message_ids", expanding=True))


def _close_removed(tx: Transaction, message_ids: Sequence[int]) -> None:
    tx.connection.execute(
        _CLOSE_REMOVED,
        {"message_ids": message_ids, "reason": to_stored([lazy("It was removed from the queue.")])},
    )


_CLOSE_SUPERSEDED = text(
    "UPDATE ill_sidecar_deliveries d JOIN message_queue m ON m.message_id = d.message_id"
    " SET d.last_error = IF(m.status = 'sent', NULL, REPLACE(:reason, '{status}', m.status)),"
    " d.state = IF(m.status = 'sent', 'sent', 'failed'), d.settled_at = UTC_TIMESTAMP(6),"
    " d.lease_holder = NULL, d.lease_until = NULL, d.next_attempt_at = NULL"
    " WHERE d.message_id IN :message_ids"
).bindparams(bindparam("message_ids", expanding=True))


def _close_superseded(tx: Transaction, message_ids: Sequence[int]) -> None:
    if message_ids:
        tx.connection.execute(
            _CLOSE_SUPERSEDED,
            {
                "message_ids": message_ids,
                "reason": to_stored([lazy("It was set to %(status)s in Koha.", status="{status}")]),
            },
        )


# Nearly every message is new to us: then its ID is all that needs to be sent.
_BEGIN_NEW = text(
    "INSERT INTO ill_sidecar_deliveries"
    " (message_id, mail_message_id, state, attempts, first_attempt_at, lease_holder, lease_until, last_attempt_at)"
    " SELECT message_id, CONCAT('<', :unique, '.', message_id, '@', :domain, '>'), 'in_flight', 1, :now, :holder,"
    f" {_LEASE_ENDS}, UTC_TIMESTAMP(6) FROM message_queue WHERE message_id IN :message_ids"
).bindparams(bindparam("message_ids", expanding=True), bindparam("now", type_=UTCDateTime))

_BEGIN_KNOWN = text(
    "UPDATE ill_sidecar_deliveries SET mail_message_id = :mail_message_id, state = 'in_flight',"
    " attempts = :attempts, first_attempt_at = :first_attempt_at, reached = :reached, lease_holder = :holder,"
    f" lease_until = {_LEASE_ENDS}, last_attempt_at = UTC_TIMESTAMP(6), next_attempt_at = NULL, settled_at = NULL"
    " WHERE message_id = :message_id"
).bindparams(bindparam("first_attempt_at", type_=UTCDateTime))


def _begin(
    tx: Transaction,
    attempts: Sequence[Attempt],
    known: Sequence[Attempt],
    new_mail_ids: MailIds,
    lease: Mapping[str, object],
) -> None:
    if known:
        tx.connection.execute(_BEGIN_KNOWN, [{**lease, **_attempt_values(attempt)} for attempt in known])
    known_ids = {attempt.message_id for attempt in known}
    if new := [attempt for attempt in attempts if attempt.message_id not in known_ids]:
        values = {
            "unique": new_mail_ids.unique,
            "domain": new_mail_ids.domain,
            "now": new[0].first_attempt_at,
        }
        message_ids = [attempt.message_id for attempt in new]
        tx.connection.execute(_BEGIN_NEW, {**lease, **values, "message_ids": message_ids})


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
def _mark_in_flight(koha: InstalledKoha) -> TextClause:
    # As Koha does where nobody gets a copy (C4/Letters.pm _send_message_by_email).
    no_copies = ["cc_address = ''"] if koha.has("message_queue", "cc_address") else []
    changes = ", ".join(
        ["status = 'failed'", *_failure_code(koha, f"'{IN_FLIGHT}'"), *no_copies, *_preserve_time(koha)]
    )
    return text(
        f"UPDATE message_queue SET {changes} WHERE message_id IN :message_ids AND status = 'pending'"
    ).bindparams(bindparam("message_ids", expanding=True))


def _failure_code(koha: InstalledKoha, value: str) -> Iterator[str]:
    if koha.has("message_queue", "failure_code"):
        yield f"failure_code = {value}"


def _preserve_time(koha: InstalledKoha) -> Iterator[str]:
    """In Koha 19.06 the server would set the time of queueing to now at every UPDATE."""
    if not koha.has("message_queue", "updated_on"):
        yield "time_queued = time_queued"


_RENEW = text(
    f"UPDATE ill_sidecar_deliveries SET lease_until = {_LEASE_ENDS}"
    " WHERE message_id IN :message_ids AND state = 'in_flight' AND lease_holder = :holder"
).bindparams(bindparam("message_ids", expanding=True))

_HELD = text(
    "SELECT message_id FROM ill_sidecar_deliveries"
    " WHERE message_id IN :message_ids AND state = 'in_flight' AND lease_holder = :holder"
).bindparams(bindparam("message_ids", expanding=True))


_MARK_SENT = text(
    "UPDATE ill_sidecar_deliveries SET state = 'sent', last_error = NULL, settled_at = UTC_TIMESTAMP(6),"
    " lease_until = NULL, lease_holder = NULL"
    " WHERE message_id IN :message_ids AND state = 'in_flight' AND lease_holder = :holder"
).bindparams(bindparam("message_ids", expanding=True))


# Results: written for every single message, so sent straight to the driver and without values that are not needed.

_IS_OURS = "message_id = %(message_id)s AND state = 'in_flight' AND lease_holder = %(holder)s"

_OUR_ROW = f"SELECT 1 FROM ill_sidecar_deliveries WHERE {_IS_OURS}"

_RELEASED = "lease_until = NULL, lease_holder = NULL"

_SETTLED = f"last_error = %(error)s, settled_at = UTC_TIMESTAMP(6), {_RELEASED}"

_UPDATE_OURS = {
    DeliveryState.SENT: f"UPDATE ill_sidecar_deliveries SET state = 'sent', {_SETTLED} WHERE {_IS_OURS}",
    DeliveryState.FAILED: f"UPDATE ill_sidecar_deliveries SET state = 'failed', {_SETTLED} WHERE {_IS_OURS}",
    DeliveryState.WAITING: (
        "UPDATE ill_sidecar_deliveries SET state = 'waiting', last_error = %(error)s, reached = %(reached)s,"
        " attempts = attempts - %(uncounted)s,"
        " next_attempt_at = UTC_TIMESTAMP(6) + INTERVAL %(retry_microseconds)s MICROSECOND,"
        f" {_RELEASED} WHERE {_IS_OURS}"
    ),
}


def _shortened(part: LazyMessage | str) -> LazyMessage | str:
    # A server may say anything; only its text can be long.
    return part[:_ERROR_LENGTH] if isinstance(part, str) else part


def _our_values(result: AttemptResult, holder: str) -> dict[str, object]:
    values: dict[str, object] = {
        "message_id": result.message_id,
        "holder": holder,
        "error": to_stored([_shortened(part) for part in result.error]) if result.error else None,
    }
    if result.state is DeliveryState.WAITING:
        values["reached"] = _reached_text(result.reached)
        values["uncounted"] = 0 if result.counts_as_attempt else 1
        values["retry_microseconds"] = round(result.retry_seconds * 1e6)
    return values


_ADDRESSES = ("to_address", "from_address", "cc_address")


def _changed_addresses(koha: InstalledKoha, result: AttemptResult) -> tuple[str, ...]:
    return tuple(
        name for name in _ADDRESSES if getattr(result, name) is not None and koha.has("message_queue", name)
    )


_QUEUE_STATUS = {
    DeliveryState.SENT: QueueStatus.SENT,
    DeliveryState.FAILED: QueueStatus.FAILED,
    DeliveryState.WAITING: QueueStatus.PENDING,
}


@functools.cache
def _update_queue(
    koha: InstalledKoha,
    status: QueueStatus,
    is_plain: bool,  # noqa: FBT001  (cached by position)
    addresses: tuple[str, ...],
) -> str:
    # Not one UPDATE of both tables: for that MariaDB would write the long columns to a temporary table.
    changes = [
        f"status = '{status.value}'",
        *_failure_code(koha, "%(failure_code)s"),
        *_preserve_time(koha),
    ]
    changes += [f"{name} = %({name})s" for name in addresses]
    # A sent message is sent, no matter which worker holds the lease now: no need to check.
    if_ours = "" if is_plain else f" AND EXISTS ({_OUR_ROW})"
    return (
        f"UPDATE message_queue SET {', '.join(changes)}"
        f" WHERE message_id = %(message_id)s AND status = 'failed' AND {_in_flight_condition(koha)}{if_ours}"
    )


def _queue_values(result: AttemptResult, addresses: Sequence[str], holder: str) -> dict[str, object]:
    values: dict[str, object] = {name: getattr(result, name) for name in addresses}
    values["message_id"] = result.message_id
    values["failure_code"] = result.failure_code
    if not result.is_plain_success:
        values["holder"] = holder
    return values


# Staff retry, give up or readdress a message.


@functools.cache
def _set_status(koha: InstalledKoha, status: str) -> TextClause:
    changes = ", ".join([f"status = '{status}'", *_failure_code(koha, ":failure_code")])
    return text(f"UPDATE message_queue SET {changes} WHERE message_id = :message_id")


# MariaDB assigns from left to right, so whatever depends on the old state comes before it.
_REQUEUE = text(
    "INSERT INTO ill_sidecar_deliveries"
    " (message_id, mail_message_id, state, attempts, next_attempt_at, first_attempt_at, last_attempt_at)"
    " VALUES (:message_id, :mail_message_id, 'waiting', 0, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))"
    " ON DUPLICATE KEY UPDATE"
    " mail_message_id = IF(state = 'sent', VALUES(mail_message_id), mail_message_id),"
    " reached = IF(state = 'sent', NULL, reached),"
    f" last_error = IF(last_error IN {GIVEN_UP_REASONS}, NULL, last_error),"
    " attempts = 0, next_attempt_at = UTC_TIMESTAMP(6), first_attempt_at = UTC_TIMESTAMP(6), settled_at = NULL,"
    " lease_holder = NULL, lease_until = NULL, state = 'waiting'"
)

_GIVE_UP = text(
    "INSERT INTO ill_sidecar_deliveries"
    " (message_id, mail_message_id, state, first_attempt_at, last_attempt_at, settled_at, last_error)"
    " VALUES (:message_id, '', 'failed', UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), :reason)"
    " ON DUPLICATE KEY UPDATE state = 'failed', next_attempt_at = NULL, settled_at = UTC_TIMESTAMP(6),"
    " lease_holder = NULL, lease_until = NULL, last_error = VALUES(last_error)"
)

# Without a Message-ID: the claim makes one.
_HOLD = text(
    "INSERT INTO ill_sidecar_deliveries"
    " (message_id, mail_message_id, state, attempts, next_attempt_at, first_attempt_at, last_attempt_at)"
    " VALUES (:message_id, '', 'waiting', 0, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))"
)


@functools.cache
def _lock_held(koha: InstalledKoha) -> TextClause:
    return text(
        "SELECT m.message_id FROM ill_sidecar_deliveries d JOIN message_queue m ON m.message_id = d.message_id"
        " WHERE (d.state = 'waiting' OR d.state = 'in_flight' AND d.lease_until < UTC_TIMESTAMP(6))"
        f" AND m.status = 'failed' AND {_in_flight_condition(koha)} ORDER BY m.message_id FOR UPDATE"
    )


@functools.cache
def _release(koha: InstalledKoha) -> TextClause:
    changes = ", ".join(["status = 'pending'", *_failure_code(koha, "''"), *_preserve_time(koha)])
    return text(f"UPDATE message_queue SET {changes} WHERE message_id IN :message_ids").bindparams(
        bindparam("message_ids", expanding=True)
    )


_RELEASE_OURS = text(
    "UPDATE ill_sidecar_deliveries SET next_attempt_at = COALESCE(next_attempt_at, UTC_TIMESTAMP(6)),"
    " lease_holder = NULL, lease_until = NULL, state = 'waiting' WHERE message_id IN :message_ids"
).bindparams(bindparam("message_ids", expanding=True))

_COUNT_IN_FLIGHT = text(
    "SELECT COUNT(*) FROM ill_sidecar_deliveries d JOIN message_queue m ON m.message_id = d.message_id"
    " WHERE d.state = 'in_flight' AND d.lease_until >= UTC_TIMESTAMP(6) AND m.status = 'failed'"
)

_SET_ADDRESS = text("UPDATE message_queue SET to_address = :address WHERE message_id = :message_id")

_REMOVE_SETTLED = text(
    "DELETE FROM ill_sidecar_deliveries WHERE settled_at < UTC_TIMESTAMP(6) - INTERVAL :seconds SECOND"
    " ORDER BY settled_at LIMIT :limit"
)
