"""
Rows of ``ill_sidecar_requests``: what the sidecar stores about a request beside Koha's own row.

A row has four parts: the status in which we last saw the request (for the change watch), the configured backend that
supplies it, how far the supplier's reports have come, and the alerts that staff have not dismissed. This is the only
module that writes the table.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, bindparam, select, text, update
from sqlalchemy.dialects.mysql import insert

from koha_ill_sidecar.domain import strict_json
from koha_ill_sidecar.domain.callbacks import Attempt, Progress
from koha_ill_sidecar.domain.requests import ILLRequest
from koha_ill_sidecar.domain.status_reports import ReportedStatus
from koha_ill_sidecar.domain.statuses import COMPLETED_STATUSES, is_open
from koha_ill_sidecar.messages import LazyMessage, from_stored, lazy, literal, to_json
from koha_ill_sidecar.storage.direct import execute, queue
from koha_ill_sidecar.storage.koha import requests as koha_requests
from koha_ill_sidecar.storage.request_index import queue as index_queue
from koha_ill_sidecar.storage.sidecar.schema import UTCDateTime, in_utc, requests, utc_now
from koha_ill_sidecar.storage.transaction import Transaction

MAX_ALERTS = 12
"""Alerts that a request holds until staff dismiss them; beyond that the oldest are dropped."""

LEFT_OUT = lazy("Earlier alerts are not shown here; the request's callbacks have them.")

_NO_PROGRESS = Progress()
_MOST_BYTES = 60_000  # the column holds 65 535
_REPORTED_STATUSES = frozenset(ReportedStatus)


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestState:
    """How far the supplier's reports on a request have come, and what staff should know about it."""

    supplier_backend: str | None = None
    order_id: str | None = None  # in full; Koha's column may hold only its beginning
    progress: Progress = _NO_PROGRESS
    long_values: Mapping[str, str] | None = None  # values that Koha's columns cannot hold
    alerts: Sequence[LazyMessage] = ()
    alerted_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class StaffAlert:
    """The alerts of one request that nobody has dismissed."""

    illrequest_id: int
    messages: Sequence[LazyMessage]
    written_at: datetime
    status: str | None  # when the watch last looked


# The status as last seen

_SEEN = text(
    "SELECT seen_status AS status, seen_alias AS status_alias FROM ill_sidecar_requests"
    " WHERE illrequest_id = :illrequest_id FOR UPDATE"
)

# Our order ID may be longer than Koha's column: it stays while Koha still has its beginning.
_RECORD_SEEN = (
    "INSERT INTO ill_sidecar_requests (illrequest_id, seen_status, seen_alias, order_id, is_open, seen_at)"
    " VALUES (%(illrequest_id)s, %(seen_status)s, %(seen_alias)s, %(orderid)s, %(is_open)s, UTC_TIMESTAMP(6))"
    " ON DUPLICATE KEY UPDATE seen_status = VALUES(seen_status), seen_alias = VALUES(seen_alias),"
    " order_id = IF(BINARY VALUES(order_id) <=> BINARY LEFT(order_id, %(orderid_length)s),"
    " order_id, VALUES(order_id)), is_open = VALUES(is_open), seen_at = VALUES(seen_at)"
)

_TRACK = text(
    "INSERT INTO ill_sidecar_requests"
    " (illrequest_id, seen_status, seen_alias, order_id, is_open, seen_at)"
    " SELECT r.illrequest_id, r.status, r.status_alias, r.orderid,"
    " COALESCE(r.status, '') NOT IN :completed, UTC_TIMESTAMP(6)"
    f" FROM {koha_requests.SOURCE} LEFT JOIN ill_sidecar_requests o ON o.illrequest_id = r.illrequest_id"
    " WHERE r.illrequest_id > :above AND r.illrequest_id <= :up_to AND o.illrequest_id IS NULL"
    f" AND {koha_requests.IS_FINISHED}"
    " ON DUPLICATE KEY UPDATE illrequest_id = ill_sidecar_requests.illrequest_id"
).bindparams(bindparam("completed", expanding=True))

_HIGHEST_KNOWN = text("SELECT COALESCE(MAX(illrequest_id), 0) FROM ill_sidecar_requests")


def lock_seen(tx: Transaction, illrequest_id: int) -> Row[Any] | None:
    """
    Return the status and status_alias in which we last saw a request, and lock our row; None if it is not watched.

    Both are None if it has a row of ours but was never looked at.
    """
    return tx.connection.execute(_SEEN, {"illrequest_id": illrequest_id}).one_or_none()


def record_seen(tx: Transaction, ill_request: ILLRequest) -> None:
    """
    Record how a request stands after a change of ours, so that the watch does not take it for one of Koha's.

    Two statements: this one, and one that puts the request into the queue of the index. Call it in the transaction of
    the change.
    """
    values = _seen(ill_request) | {
        "orderid": ill_request.orderid,
        "orderid_length": koha_requests.orderid_length(tx.koha),
    }
    queue(tx, _RECORD_SEEN, values)
    # At the transaction's end this would be a round trip of its own; here it usually shares one.
    index_queue.enqueue(tx)


def track(tx: Transaction, *, above: int, up_to: int) -> int:
    """
    Start to watch the requests of a range of IDs that are not watched yet, as they stand; return how many.

    Requests that Koha began to create less than a minute ago and has not finished are left for the next time.
    """
    values = {"above": above, "up_to": up_to, "completed": sorted(COMPLETED_STATUSES)}
    return tx.connection.execute(_TRACK, values).rowcount


def highest_id(tx: Transaction) -> int:
    """Return the highest request ID that we have a row of, even if the request is deleted in Koha."""
    return int(tx.connection.scalar(_HIGHEST_KNOWN) or 0)


def delete(tx: Transaction, illrequest_id: int) -> None:
    """Remove our row of a request that is deleted; its history stays."""
    tx.connection.execute(
        text("DELETE FROM ill_sidecar_requests WHERE illrequest_id = :illrequest_id"),
        {"illrequest_id": illrequest_id},
    )


# The supplier

_SET_SUPPLIER = text(
    "INSERT INTO ill_sidecar_requests (illrequest_id, supplier_backend, is_open, seen_at)"
    " VALUES (:illrequest_id, :supplier_backend, 1, UTC_TIMESTAMP(6))"
    " ON DUPLICATE KEY UPDATE supplier_backend = VALUES(supplier_backend)"
)
_SUPPLIER = text("SELECT supplier_backend FROM ill_sidecar_requests WHERE illrequest_id = :illrequest_id")
_BY_ORDER = select(requests.c.illrequest_id).where(requests.c.order_id == bindparam("b_order_id")).limit(5)


def set_supplier_backend(tx: Transaction, illrequest_id: int, supplier_backend: str | None) -> None:
    """Set which configured backend supplies a request; None: the one that Koha's own column names."""
    tx.connection.execute(
        _SET_SUPPLIER, {"illrequest_id": illrequest_id, "supplier_backend": supplier_backend}
    )


def supplier_backend(tx: Transaction, illrequest_id: int) -> str | None:
    """Return which configured backend supplies a request, if one was set."""
    found: str | None = tx.connection.scalar(_SUPPLIER, {"illrequest_id": illrequest_id})
    return found


def find_by_order(tx: Transaction, order_id: str) -> list[int]:
    """Return the IDs of the requests that have this order ID now, at most five; by an index."""
    return [int(found) for found in tx.connection.scalars(_BY_ORDER, {"b_order_id": order_id})]


# The supplier's reports

_SELECT = (
    "SELECT supplier_backend, order_id, status_rank, rank_attempt, last_event_at, vendor_status, patron_told,"
    " long_values, attention, attention_at FROM ill_sidecar_requests WHERE illrequest_id = %(illrequest_id)s"
)

# A known row keeps the columns that the watch compares: a change that it has not handled yet must stay visible to it.
# LEAST: a supplier whose clock is fast must not make the events of all others late.
_SAVE_PROGRESS = (
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


def get(tx: Transaction, illrequest_id: int) -> RequestState:
    """Return the state of a request, an empty one if we have no row of it; one query."""
    row = execute(tx, _SELECT, {"illrequest_id": illrequest_id}).fetchone()
    if row is None:
        return RequestState()
    supplier_backend, order_id, rank, attempt, last_event_at, status, notified, long_values, *alert = row
    alerts, alerted_at = alert
    return RequestState(
        supplier_backend=supplier_backend,
        order_id=order_id,
        progress=Progress(
            status=ReportedStatus(status) if status in _REPORTED_STATUSES else None,
            rank=rank,
            attempt=Attempt.parse(attempt),
            last_event_at=last_event_at and last_event_at.replace(tzinfo=UTC),
            notified_of=frozenset((notified or "").split()),
        ),
        long_values=json.loads(long_values) if long_values else None,
        alerts=_parse_alerts(alerts),
        alerted_at=alerted_at and alerted_at.replace(tzinfo=UTC),
    )


def save_progress(
    tx: Transaction,
    ill_request: ILLRequest,
    progress: Progress,
    *,
    order_id: str | None,
    long_values: Mapping[str, str] | None,
) -> None:
    """
    Store how far the reports on a request have come; one statement.

    Args:
        ill_request: The row after every change.
        order_id: The supplier's ID of the order, in full.
    """
    values = _seen(ill_request) | {
        "order_id": order_id,
        "status_rank": progress.rank,
        "rank_attempt": progress.attempt.text,
        "last_event_at": in_utc(progress.last_event_at),
        "vendor_status": progress.status and progress.status.value,
        "patron_told": "\n".join(sorted(progress.notified_of)) or None,
        "long_values": strict_json.dumps(long_values) if long_values else None,
    }
    execute(tx, _SAVE_PROGRESS, values)


# Alerts

# Locks the row and creates it where it is missing: two callbacks at once must not overwrite each other's alerts.
_LOCK = insert(requests).values(seen_at=utc_now())
_LOCK = _LOCK.on_duplicate_key_update(illrequest_id=requests.c.illrequest_id)
_SELECT_ALERTS = (
    select(requests.c.attention)
    .where(requests.c.illrequest_id == bindparam("b_illrequest_id"))
    .with_for_update()
)
_SET_ALERTS = (
    update(requests)
    .where(requests.c.illrequest_id == bindparam("b_illrequest_id"))
    .values(attention=bindparam("b_attention"), attention_at=utc_now())
)
_DISMISS = (
    update(requests)
    .where(requests.c.illrequest_id == bindparam("b_illrequest_id"))
    .values(attention=None, attention_at=None)
)
_NEWEST_ALERTS = text(
    "SELECT illrequest_id, attention, attention_at AS written_at, seen_status AS status"
    " FROM ill_sidecar_requests WHERE attention_at IS NOT NULL ORDER BY attention_at DESC LIMIT :limit"
).columns(written_at=UTCDateTime)


def add_alert(tx: Transaction, ill_request: ILLRequest, messages: Sequence[LazyMessage]) -> None:
    """
    Add messages to the alerts of a request; three statements.

    A message that is there already is not added again. If there are too many, the oldest are dropped and
    :data:`LEFT_OUT` takes their place.
    """
    key = {"b_illrequest_id": ill_request.illrequest_id}
    tx.connection.execute(_LOCK, _seen(ill_request) | {"order_id": ill_request.orderid})
    before = _parse_alerts(tx.connection.scalar(_SELECT_ALERTS, key))
    after = list(dict.fromkeys([*map(to_json, before), *map(to_json, messages)]))
    # With nothing new the time must stay: staff dismiss what they have read by it.
    if len(after) > len(before):
        tx.connection.execute(_SET_ALERTS, key | {"b_attention": _join_messages(after)})


def dismiss_alerts(tx: Transaction, illrequest_id: int, *, written_at: datetime | None = None) -> bool:
    """
    Remove the alerts of a request; return whether there was such a request.

    Args:
        written_at: Remove them only if the last one was written then.
    """
    statement = _DISMISS if written_at is None else _DISMISS.where(requests.c.attention_at == written_at)
    return bool(tx.connection.execute(statement, {"b_illrequest_id": illrequest_id}).rowcount)


def find_alerts(tx: Transaction, *, limit: int) -> list[StaffAlert]:
    """Return the alerts of all requests, newest first, at most *limit*; one query that reads no more of its index."""
    return [
        StaffAlert(
            illrequest_id=row.illrequest_id,
            messages=_parse_alerts(row.attention),
            written_at=row.written_at,
            status=row.status,
        )
        for row in tx.connection.execute(_NEWEST_ALERTS, {"limit": limit})
    ]


# Counts: Koha's table has no index on status, ours has one on status and ID, so no row needs to be read.

_ONE_STATUS = f"""
SELECT :status_{{n}} AS status,
  (SELECT COUNT(*) FROM (
    SELECT 1 FROM ill_sidecar_requests FORCE INDEX (ill_sidecar_requests_status)
    WHERE is_open = 1 AND seen_status = :status_{{n}} LIMIT :limit) some) AS number,
  (SELECT o.illrequest_id FROM ill_sidecar_requests o FORCE INDEX (ill_sidecar_requests_status)
    JOIN {koha_requests.SOURCE} ON r.illrequest_id = o.illrequest_id
    WHERE o.is_open = 1 AND o.seen_status = :status_{{n}} ORDER BY o.illrequest_id LIMIT 1) AS oldest
"""


def count_waiting(tx: Transaction, statuses: Sequence[str], *, limit: int) -> list[Row[Any]]:
    """
    Count the open requests of each status, as the watch saw them some seconds ago; one query.

    The rows have the status, their number (at most *limit*), the ID of the oldest, and when that was placed.
    """
    counts = " UNION ALL ".join(_ONE_STATUS.format(n=n) for n in range(len(statuses)))
    statement = text(
        "SELECT w.status, w.number, w.oldest, r.placed AS oldest_placed"
        f" FROM ({counts}) w LEFT JOIN {koha_requests.SOURCE} ON r.illrequest_id = w.oldest"
    )
    values = {f"status_{n}": str(status) for n, status in enumerate(statuses)}
    found = {row.status: row for row in tx.connection.execute(statement, {**values, "limit": limit})}
    return [found[status] for status in statuses]


def _seen(ill_request: ILLRequest) -> dict[str, Any]:
    return {
        "illrequest_id": ill_request.illrequest_id,
        "seen_status": ill_request.status,
        "seen_alias": ill_request.status_alias,
        "is_open": is_open(ill_request.status),
    }


def _join_messages(messages: Sequence[str]) -> str:
    """Join messages, each as JSON, and drop the oldest as long as they are too many or too long."""
    document = f"[{', '.join(messages)}]"
    if len(messages) <= MAX_ALERTS and len(document.encode()) <= _MOST_BYTES:
        return document
    left_out = to_json(LEFT_OUT)
    return _join_messages([left_out, *[message for message in messages if message != left_out][1:]])


def _parse_alerts(stored: str | None) -> tuple[LazyMessage, ...]:
    # An earlier version stored plain English.
    return tuple(part if isinstance(part, LazyMessage) else literal(part) for part in from_stored(stored))
