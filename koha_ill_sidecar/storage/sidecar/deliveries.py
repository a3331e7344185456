"""
Our attempts at delivering rows of Koha's ``message_queue``: found, claimed, kept and settled.

``message_queue`` has no index on its status, may hold millions of rows, and is not ours to index. New rows are
therefore looked for above a mark near its end, by primary key; what we have begun is found through our own table's
indexes; everything else by a slow sweep in chunks of the primary key.

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
class Wanted:
    """
    Which messages of the queue are ours to deliver.

    Attributes:
        transports: Such as email and sms; none means that nothing is.
        letter_codes: Codes; empty for those of every letter of Koha's module ``ill``.
        oldest_seconds: A message that we never tried is left alone when it was queued, and last touched, longer ago.
        touched_since: Only touches after this second of the epoch count: those before the sidecar came do not.
    """

    transports: tuple[str, ...]
    letter_codes: tuple[str, ...] = ()
    oldest_seconds: int
    touched_since: int


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Due:
    """
    What a look at the queue found.

    Attributes:
        message_ids: Messages that seem to be due; the claim decides.
        highest: The greatest number in the queue.
    """

    message_ids: tuple[int, ...]
    highest: int


def look(tx: Transaction, wanted: Wanted, *, above: int, limit: int) -> Due:
    """Find what is due: new rows above a number, attempts whose time has come, leases that ran out; one query."""
    rows = tx.connection.execute(_look(tx.koha, bool(wanted.letter_codes)), _values(wanted, above=above, limit=limit))
    found: dict[int, None] = {}
    highest = 0
    for kind, number in rows:
        if kind == "highest":
            highest = number or 0
        else:
            found[number] = None
    return Due(message_ids=tuple(found), highest=highest)


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """
    Messages due in a stretch of the queue.

    Attributes:
        lowest: The smallest number of the stretch; the next one lies below it. 0 at the queue's beginning.
        is_old: Whether everything below is older than what is delivered, unless somebody touched it.
    """

    message_ids: tuple[int, ...]
    lowest: int
    is_old: bool


def sweep(tx: Transaction, wanted: Wanted, *, below: int, rows: int, limit: int) -> Chunk:
    """
    Look at the *rows* rows of the queue below a number for what is due; two queries, both by primary key.

    At most *limit* messages are found; the chunk then ends at the last of them.
    """
    values = _values(wanted, below=below, rows=rows)
    edge = tx.connection.execute(_CHUNK_EDGE, values).one()
    if edge.lowest is None:
        return Chunk(message_ids=(), lowest=0, is_old=True)
    values |= {"lowest": edge.lowest, "limit": limit}
    found: tuple[int, ...] = tuple(tx.connection.scalars(_chunk(tx.koha, bool(wanted.letter_codes)), values))
    lowest = found[-1] if len(found) == limit else edge.lowest
    return Chunk(message_ids=found, lowest=lowest, is_old=bool(edge.is_old))


def resent(tx: Transaction, *, below: int, rows: int) -> tuple[tuple[int, ...], int]:
    """
    Find messages that we had settled and that staff have set to pending again, among *rows* of ours below a number.

    Two queries. The second value is where the next look goes on; 0 when this was the last stretch.
    """
    values = {"below": below, "rows": rows}
    lowest = tx.connection.scalar(_SETTLED_EDGE, values)
    if lowest is None:
        return (), 0
    found = tx.connection.scalars(_RESENT, values | {"lowest": lowest})
    return tuple(found), int(lowest)


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
    queued = _lock_queue(tx, wanted)
    ours = {row.message_id: row for row in tx.connection.execute(_OURS, {"message_ids": wanted})}
    fresh, abandoned, overtaken = [], [], []
    for number in wanted:
        known = ours.get(number)
        if known is not None and known.is_held:
            continue
        is_open = known is not None and known.state in {DeliveryState.IN_FLIGHT, DeliveryState.WAITING}
        match queued[number]:
            case QueueStatus.PENDING if known is None or known.may_start:
                fresh.append(number)
            case "in flight" if is_open:
                abandoned.append(number)
            case QueueStatus.SENT | QueueStatus.FAILED | QueueStatus.DELETED | "gone" if is_open:
                overtaken.append(number)
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

    One statement where it was. Where Koha or its staff changed the row meanwhile, their change stays, and only our
    own table says how the attempt went; where the lease went to another, nothing is written.
    """
    values = _settlement_values(settlement, holder)
    statement = _settle(tx.koha, settlement.to_address is not None)
    if tx.connection.execute(statement, values).rowcount:
        return True
    tx.connection.execute(_SETTLE_OURS, values)
    return False


_LEASE_ENDS = "UTC_TIMESTAMP(6) + INTERVAL :lease_microseconds MICROSECOND"

_ELIGIBLE = (
    "m.status = 'pending' AND m.message_transport_type IN :transports"
    " AND (d.message_id IS NULL OR d.state IN ('sent', 'failed')"
    " OR (d.state = 'waiting' AND d.next_attempt_at <= UTC_TIMESTAMP(6)))"
)


def _eligible(koha: InstalledKoha, *, with_codes: bool) -> str:
    """
    Give the condition for a row ``m`` of the queue with our row ``d`` beside it, if there is one.

    A row that is new to us must not be old: a library that starts the sidecar must not mail what has been lying
    there for months. A touch after that start counts, because staff who resend an old message mean it.
    """
    codes = (
        "m.letter_code IN :letter_codes"
        if with_codes
        else "EXISTS (SELECT 1 FROM letter l WHERE l.module = 'ill' AND l.code = m.letter_code)"
    )
    touched = (
        " OR m.updated_on > GREATEST(FROM_UNIXTIME(:touched_since), NOW() - INTERVAL :oldest_seconds SECOND)"
        if koha.has("message_queue", "updated_on")
        else ""
    )
    young = f"COALESCE(m.time_queued, NOW()) > NOW() - INTERVAL :oldest_seconds SECOND{touched}"
    return f"{_ELIGIBLE} AND {codes} AND (d.message_id IS NOT NULL OR {young})"


_DUE = (
    "(SELECT 'due', message_id FROM ill_sidecar_deliveries"
    "  WHERE state = 'waiting' AND next_attempt_at <= UTC_TIMESTAMP(6) ORDER BY next_attempt_at LIMIT :limit)"
    " UNION ALL"
    " (SELECT 'expired', message_id FROM ill_sidecar_deliveries"
    "  WHERE state = 'in_flight' AND lease_until < UTC_TIMESTAMP(6) ORDER BY lease_until LIMIT :limit)"
)


@functools.cache
def _look(koha: InstalledKoha, with_codes: bool) -> TextClause:  # noqa: FBT001  (cached by position)
    eligible = _eligible(koha, with_codes=with_codes)
    return _expanding(
        f"{_DUE} UNION ALL"  # noqa: S608  (made of the texts above)
        " (SELECT 'new', m.message_id FROM message_queue m FORCE INDEX (PRIMARY)"
        "  LEFT JOIN ill_sidecar_deliveries d ON d.message_id = m.message_id"
        f" WHERE m.message_id > :above AND {eligible} ORDER BY m.message_id LIMIT :limit)"
        " UNION ALL (SELECT 'highest', MAX(message_id) FROM message_queue)",
        with_codes=with_codes,
    )


@functools.cache
def _chunk(koha: InstalledKoha, with_codes: bool) -> TextClause:  # noqa: FBT001  (cached by position)
    eligible = _eligible(koha, with_codes=with_codes)
    return _expanding(
        "SELECT m.message_id FROM message_queue m FORCE INDEX (PRIMARY)"  # noqa: S608  (made of the texts above)
        " LEFT JOIN ill_sidecar_deliveries d ON d.message_id = m.message_id"
        f" WHERE m.message_id >= :lowest AND m.message_id < :below AND {eligible}"
        " ORDER BY m.message_id DESC LIMIT :limit",
        with_codes=with_codes,
    )


_CHUNK_EDGE = text(
    "SELECT MIN(message_id) AS lowest, MAX(time_queued) < NOW() - INTERVAL :oldest_seconds SECOND AS is_old"
    " FROM (SELECT message_id, time_queued FROM message_queue WHERE message_id < :below"
    "  ORDER BY message_id DESC LIMIT :rows) chunk"
)

_SETTLED_EDGE = text(
    "SELECT MIN(message_id) FROM (SELECT message_id FROM ill_sidecar_deliveries WHERE message_id < :below"
    " ORDER BY message_id DESC LIMIT :rows) chunk"
)

_RESENT = text(
    "SELECT d.message_id FROM ill_sidecar_deliveries d JOIN message_queue m ON m.message_id = d.message_id"
    " WHERE d.message_id >= :lowest AND d.message_id < :below AND d.state IN ('sent', 'failed')"
    " AND m.status = 'pending'"
)


def _expanding(statement: str, *, with_codes: bool) -> TextClause:
    clause = text(statement).bindparams(bindparam("transports", expanding=True))
    return clause.bindparams(bindparam("letter_codes", expanding=True)) if with_codes else clause


def _values(wanted: Wanted, **more: int) -> dict[str, object]:
    values: dict[str, object] = {
        "transports": wanted.transports,
        "oldest_seconds": wanted.oldest_seconds,
        "touched_since": wanted.touched_since,
        **more,
    }
    if wanted.letter_codes:
        values["letter_codes"] = wanted.letter_codes
    return values


# Claiming


_OURS = text(
    "SELECT message_id, state, state = 'in_flight' AND lease_until >= UTC_TIMESTAMP(6) AS is_held,"
    " state IN ('sent', 'failed', 'in_flight') OR next_attempt_at <= UTC_TIMESTAMP(6) AS may_start"
    " FROM ill_sidecar_deliveries WHERE message_id IN :message_ids FOR UPDATE"
).bindparams(bindparam("message_ids", expanding=True))


def _lock_queue(tx: Transaction, message_ids: Sequence[int]) -> dict[int, str]:
    """Lock what nobody else holds; gives each row's status, or that it is in flight, held by another or gone."""
    found = {
        row.message_id: "in flight" if row.is_in_flight else row.status
        for row in tx.connection.execute(_queue_lock(tx.koha, _skips_locked(tx)), {"message_ids": message_ids})
    }
    if missing := [number for number in message_ids if number not in found]:
        present = set(tx.connection.scalars(_QUEUE_HAS, {"message_ids": missing}))
        found |= {number: "held" if number in present else "gone" for number in missing}
    return found


def _skips_locked(tx: Transaction) -> bool:
    dialect = tx.connection.dialect
    version = tuple(dialect.server_version_info or ())
    return bool(getattr(dialect, "is_mariadb", False)) and version >= _SKIP_LOCKED_SINCE


@functools.cache
def _queue_lock(koha: InstalledKoha, skip_locked: bool) -> TextClause:  # noqa: FBT001  (cached by position)
    in_flight = f"status = 'failed' AND {_marked(koha, '')}"
    return text(
        f"SELECT message_id, status, {in_flight} AS is_in_flight FROM message_queue"  # noqa: S608  (made of texts here)
        f" WHERE message_id IN :message_ids ORDER BY message_id FOR UPDATE{' SKIP LOCKED' if skip_locked else ''}"
    ).bindparams(bindparam("message_ids", expanding=True))


def _marked(koha: InstalledKoha, prefix: str) -> str:
    has_code = koha.has("message_queue", "failure_code")
    return f"{prefix}failure_code = '{IN_FLIGHT}'" if has_code else "TRUE"


_QUEUE_HAS = text("SELECT message_id FROM message_queue WHERE message_id IN :message_ids").bindparams(
    bindparam("message_ids", expanding=True)
)

_CLOSE_OVERTAKEN = text(
    "UPDATE ill_sidecar_deliveries d LEFT JOIN message_queue m ON m.message_id = d.message_id"
    " SET d.last_error = IF(m.message_id IS NULL, 'Removed from the queue meanwhile.',"
    "   CONCAT('Set to ', m.status, ' in Koha meanwhile.')),"
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
    changes = ", ".join(["status = 'failed'", *_code(koha, "", f"'{IN_FLIGHT}'"), *_kept_time(koha, "")])
    return text(
        f"UPDATE message_queue SET {changes} WHERE message_id IN :message_ids AND status = 'pending'"  # noqa: S608
    ).bindparams(bindparam("message_ids", expanding=True))


def _code(koha: InstalledKoha, prefix: str, value: str) -> Iterator[str]:
    if koha.has("message_queue", "failure_code"):
        yield f"{prefix}failure_code = {value}"


def _kept_time(koha: InstalledKoha, prefix: str) -> Iterator[str]:
    """In Koha 19.06 the server sets the time of queueing anew at every change; there it is the only time there is."""
    if not koha.has("message_queue", "updated_on"):
        yield f"{prefix}time_queued = {prefix}time_queued"


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


# Settling


_OUR_PART = (
    "d.state = :state, d.last_error = :error, d.reached = :reached,"
    " d.attempts = d.attempts - :uncounted,"
    " d.next_attempt_at = IF(:state = 'waiting', UTC_TIMESTAMP(6) + INTERVAL :retry_microseconds MICROSECOND, NULL),"
    " d.settled_at = IF(:state = 'waiting', NULL, UTC_TIMESTAMP(6)), d.lease_until = NULL, d.lease_holder = NULL"
)
_IS_OURS = "d.message_id = :message_id AND d.state = 'in_flight' AND d.lease_holder = :holder"

_SETTLE_OURS = text(f"UPDATE ill_sidecar_deliveries d SET {_OUR_PART} WHERE {_IS_OURS}")  # noqa: S608  (texts above)


@functools.cache
def _settle(koha: InstalledKoha, with_addresses: bool) -> TextClause:  # noqa: FBT001  (cached by position)
    changes = ["m.status = :status", *_code(koha, "m.", ":failure_code"), *_kept_time(koha, "m.")]
    if with_addresses:
        changes += ["m.to_address = :to_address", "m.from_address = :from_address"]
        if koha.has("message_queue", "cc_address"):
            changes.append("m.cc_address = :cc_address")
    return text(
        "UPDATE message_queue m JOIN ill_sidecar_deliveries d ON d.message_id = m.message_id"  # noqa: S608  (texts here)
        f" SET {', '.join(changes)}, {_OUR_PART}"
        f" WHERE m.message_id = :message_id AND m.status = 'failed' AND {_marked(koha, 'm.')} AND {_IS_OURS}"
    )


_QUEUE_STATUS = {
    DeliveryState.SENT: QueueStatus.SENT,
    DeliveryState.FAILED: QueueStatus.FAILED,
    DeliveryState.WAITING: QueueStatus.PENDING,
}


def _settlement_values(settlement: Settlement, holder: str) -> dict[str, object]:
    return {
        "message_id": settlement.message_id,
        "holder": holder,
        "state": settlement.state.value,
        "status": _QUEUE_STATUS[settlement.state].value,
        "failure_code": settlement.failure_code,
        "error": settlement.error[:_ERROR_LENGTH] if settlement.error else None,
        "to_address": settlement.to_address,
        "cc_address": settlement.cc_address,
        "from_address": settlement.from_address,
        "retry_microseconds": round(settlement.retry_seconds * 1e6),
        "uncounted": 0 if settlement.counts else 1,
        "reached": json.dumps(settlement.reached) if settlement.reached else None,
    }


def now(tx: Transaction) -> int:
    """Give the second of the epoch by the database's clock."""
    return int(tx.connection.scalar(text("SELECT UNIX_TIMESTAMP()")) or 0)


def highest(tx: Transaction) -> int:
    """Give the greatest number in the queue, 0 where it is empty."""
    return int(tx.connection.scalar(text("SELECT MAX(message_id) FROM message_queue")) or 0)
