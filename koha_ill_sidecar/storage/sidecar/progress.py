"""How far a supplier's reports on a request have come, and what of them Koha's columns cannot hold."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy
from sqlalchemy import ColumnElement, bindparam, func, select, text, update
from sqlalchemy.dialects.mysql import insert

from koha_ill_sidecar.domain import strict_json
from koha_ill_sidecar.domain.callbacks import END_OF_DAY, Attempt, Progress
from koha_ill_sidecar.domain.requests import ILLRequest
from koha_ill_sidecar.domain.status_reports import ReportedStatus
from koha_ill_sidecar.domain.statuses import is_open
from koha_ill_sidecar.messages import LazyMessage, lazy, literal
from koha_ill_sidecar.storage.direct import execute, in_utc
from koha_ill_sidecar.storage.koha.installed import InstalledKoha
from koha_ill_sidecar.storage.sidecar.schema import UTCDateTime, requests, utc_now
from koha_ill_sidecar.storage.transaction import Transaction

_NO_PROGRESS = Progress()

MAX_ALERTS = 12
"""Sentences to the staff that are kept of a request while nobody attends to it."""

_MOST_BYTES = 60_000  # the column holds 65 535

LEFT_OUT = lazy("Earlier notes are left out here; the callbacks of the request have them.")


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestState:
    """What we keep of a request beside Koha's row."""

    supplier_backend: str | None = None
    order_id: str | None = None
    progress: Progress = _NO_PROGRESS
    long_values: Mapping[str, str] | None = None
    alerts: Sequence[LazyMessage] = ()  # why somebody should look at it
    alerted_at: datetime | None = None  # when that was written


@dataclass(frozen=True, kw_only=True, slots=True)
class StaffAlert:
    """A word to the staff about a request."""

    illrequest_id: int
    messages: Sequence[LazyMessage]
    written_at: datetime
    status: str | None  # as the watch has last seen it


_SELECT = (
    "SELECT supplier_backend, order_id, status_rank, rank_attempt, last_event_at, vendor_status, patron_told,"
    " long_values, attention, attention_at FROM ill_sidecar_requests WHERE illrequest_id = %(illrequest_id)s"
)
_BY_ORDER = select(requests.c.illrequest_id).where(requests.c.order_id == bindparam("b_order_id")).limit(5)

# The columns that the watch compares are filled for a new row only: what it has not noticed yet must stay so.
# A sender whose clock is ahead must not make the events of all others late.
_KEEP = (
    "INSERT INTO ill_sidecar_requests (illrequest_id, seen_status, seen_alias, is_open, seen_at, order_id,"
    " status_rank, rank_attempt, last_event_at, vendor_status, patron_told, long_values)"
    " VALUES (%(illrequest_id)s, %(seen_status)s, %(seen_alias)s, %(is_open)s, UTC_TIMESTAMP(6), %(order_id)s,"
    " %(status_rank)s, %(rank_attempt)s, LEAST(%(last_event_at)s, UTC_TIMESTAMP(6)), %(vendor_status)s,"
    " %(patron_told)s, %(long_values)s)"
    " ON DUPLICATE KEY UPDATE order_id = VALUES(order_id), status_rank = VALUES(status_rank),"
    " rank_attempt = VALUES(rank_attempt), last_event_at = VALUES(last_event_at),"
    " vendor_status = VALUES(vendor_status), patron_told = VALUES(patron_told),"
    " long_values = VALUES(long_values)"
)
# Also locks the row, whether it was there or not: what two callbacks have to say must not overwrite each other.
_LOCK = insert(requests).values(seen_at=utc_now())
_LOCK = _LOCK.on_duplicate_key_update(illrequest_id=requests.c.illrequest_id)
_WORDS = (
    select(requests.c.attention)
    .where(requests.c.illrequest_id == bindparam("b_illrequest_id"))
    .with_for_update()
)
_ASK = (
    update(requests)
    .where(requests.c.illrequest_id == bindparam("b_illrequest_id"))
    .values(attention=bindparam("b_attention"), attention_at=utc_now())
)
_ATTENDED = (
    update(requests)
    .where(requests.c.illrequest_id == bindparam("b_illrequest_id"))
    .values(attention=None, attention_at=None)
)

_NOTES = text(
    "SELECT illrequest_id, attention, attention_at AS written_at, seen_status AS status"
    " FROM ill_sidecar_requests WHERE attention_at IS NOT NULL ORDER BY attention_at DESC LIMIT :limit"
).columns(written_at=UTCDateTime)


def get(tx: Transaction, illrequest_id: int) -> RequestState:
    """Return what is kept of a request; nothing of one that is not known yet. One query."""
    row = execute(tx, _SELECT, {"illrequest_id": illrequest_id}).fetchone()
    if row is None:
        return RequestState()
    supplier_backend, order_id, rank, attempt, last_event_at, status, told, long_values, *word = row
    attention, attention_at = word
    return RequestState(
        supplier_backend=supplier_backend,
        order_id=order_id,
        progress=Progress(
            status=ReportedStatus(status) if status in _CANONICAL else None,
            rank=rank,
            attempt=Attempt.parse(attempt),
            last_event_at=last_event_at and last_event_at.replace(tzinfo=UTC),
            told=frozenset((told or "").split()),
        ),
        long_values=json.loads(long_values) if long_values else None,
        alerts=_sentences(attention),
        alerted_at=attention_at and attention_at.replace(tzinfo=UTC),
    )


_CANONICAL = frozenset(ReportedStatus)


def requests_with_order(tx: Transaction, order_id: str) -> list[int]:
    """Return the requests that have this supplier's number now, at most five, by the index of ours."""
    return [int(number) for number in tx.connection.scalars(_BY_ORDER, {"b_order_id": order_id})]


def requests_with_order_in_koha(tx: Transaction, order_id: str) -> list[int]:
    """
    Return the requests that have this supplier's number in Koha, at most five.

    Reads the whole table, for Koha has no index on it: the last resort.
    """
    found = tx.connection.scalars(
        text("SELECT illrequest_id FROM illrequests WHERE orderid = :order_id LIMIT 5"),
        {"order_id": order_id[: orderid_length(tx.koha)]},
    )
    return [int(number) for number in found]


def orderid_length(koha: InstalledKoha) -> int:
    """Return how many characters of a supplier's number Koha holds."""
    length: int | None = getattr(koha.table("illrequests").c.orderid.type, "length", None)
    return length or 50


def save(
    tx: Transaction,
    ill_request: ILLRequest,
    progress: Progress,
    *,
    order_id: str | None,
    long_values: Mapping[str, str] | None,
) -> None:
    """
    Write how far the reports on a request have come; one statement.

    Args:
        ill_request: The row as it is now, after every change.
        order_id: The supplier's number, uncut.
    """
    execute(
        tx,
        _KEEP,
        _seen(ill_request)
        | {
            "order_id": order_id,
            "status_rank": progress.rank,
            "rank_attempt": progress.attempt.text,
            "last_event_at": in_utc(progress.last_event_at),
            "vendor_status": progress.status and progress.status.value,
            "patron_told": "\n".join(sorted(progress.told)) or None,
            "long_values": strict_json.dumps(long_values) if long_values else None,
        },
    )


def add_alert(tx: Transaction, ill_request: ILLRequest, attention: Sequence[LazyMessage]) -> None:
    """
    Add why somebody should look at a request to what nobody has attended to yet; three statements.

    What stands there already is not said twice. Of too much the oldest gives way, and that is said.
    """
    number = {"b_illrequest_id": ill_request.illrequest_id}
    tx.connection.execute(_LOCK, _seen(ill_request) | {"order_id": ill_request.orderid})
    before = _sentences(tx.connection.scalar(_WORDS, number))
    words = list(dict.fromkeys([*map(_written, before), *map(_written, attention)]))
    if len(words) > len(before):
        tx.connection.execute(_ASK, number | {"b_attention": _document(words)})


def dismiss_alerts(tx: Transaction, illrequest_id: int, *, written_at: datetime | None = None) -> bool:
    """
    Take the word to the staff away; tells whether there was such a request.

    Args:
        written_at: Take it away only if it is the one that was written then.
    """
    statement = _ATTENDED if written_at is None else _ATTENDED.where(requests.c.attention_at == written_at)
    return bool(tx.connection.execute(statement, {"b_illrequest_id": illrequest_id}).rowcount)


def alerts(tx: Transaction, *, limit: int) -> list[StaffAlert]:
    """Return the words to the staff, the newest first, at most *limit*; one query that reads no more of its index."""
    return [
        StaffAlert(
            illrequest_id=row.illrequest_id,
            messages=_sentences(row.attention),
            written_at=row.written_at,
            status=row.status,
        )
        for row in tx.connection.execute(_NOTES, {"limit": limit})
    ]


def library_time(due: date) -> datetime | ColumnElement[datetime]:
    """Return a due date as Koha's column holds it: the library's wall-clock time, which the session knows."""
    if not isinstance(due, datetime):
        return datetime.combine(due, END_OF_DAY)
    return func.convert_tz(sqlalchemy.literal(due, UTCDateTime), "+00:00", text("@@session.time_zone"))


def _as_json(sentence: LazyMessage) -> list[object]:
    """Return a sentence as its text and its values, of which a list is a sentence."""
    values = {
        name: _as_json(value) if isinstance(value, LazyMessage) else str(value)
        for name, value in sentence.values.items()
    }
    return [sentence.text, values]


def _written(one: LazyMessage) -> str:
    return strict_json.dumps(_as_json(one))


def _document(words: Sequence[str]) -> str:
    """Put sentences together, each as JSON, as far as they may be kept."""
    document = f"[{', '.join(words)}]"
    if len(words) <= MAX_ALERTS and len(document.encode()) <= _MOST_BYTES:
        return document
    left_out = _written(LEFT_OUT)
    return _document([left_out, *[one for one in words if one != left_out][1:]])


def _sentences(stored: str | None) -> tuple[LazyMessage, ...]:
    if not stored:
        return ()
    if not stored.startswith("["):  # an earlier version's: one English sentence
        return (literal(stored),)
    return tuple(_sentence(*one) for one in json.loads(stored))


def _sentence(text: str, values: Mapping[str, Any]) -> LazyMessage:
    return LazyMessage(
        text,
        {name: _sentence(*value) if isinstance(value, list) else value for name, value in values.items()},
    )


def _seen(ill_request: ILLRequest) -> dict[str, Any]:
    return {
        "illrequest_id": ill_request.illrequest_id,
        "seen_status": ill_request.status,
        "seen_alias": ill_request.status_alias,
        "is_open": is_open(ill_request.status),
    }
