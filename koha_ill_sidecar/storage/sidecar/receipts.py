"""Every callback as it was received, with its result."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pymysql.err
from pymysql.constants import ER
from sqlalchemy import Row, Select, bindparam, func, select, text, update
from sqlalchemy.exc import IntegrityError

from koha_ill_sidecar.domain import strict_json
from koha_ill_sidecar.domain.callbacks import Verdict
from koha_ill_sidecar.errors import ReceiptNotFound
from koha_ill_sidecar.storage.direct import execute
from koha_ill_sidecar.storage.sidecar.schema import UTCDateTime, in_utc, receipts, utc_now
from koha_ill_sidecar.storage.transaction import Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class NewReceipt:
    """A callback to store."""

    backend: str
    event_id: str  # unique within its backend
    occurred_at: datetime | None
    illrequest_id: int | None
    order_id: str | None
    authentication: str
    remote_address: str
    headers: Mapping[str, str]  # secrets masked
    body: bytes
    body_sha256: str
    verdict: Verdict
    answer_status: int
    answer: Mapping[str, Any]
    body_key: str | None = None  # unique within its backend; None: the sender signed the event ID

    @property
    def has_only_hash(self) -> bool:
        """Whether no event ID could be read, so that a hash of the body stands for it."""
        return self.event_id == f"sha256:{self.body_sha256}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt(NewReceipt):
    """A stored callback."""

    receipt_id: int
    received_at: datetime
    repeats: int
    conflicts: int  # how often the event ID came with another body
    conflicting_body: bytes | None
    replayed_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ReceiptFilter:
    """Conditions of a list, all of which must hold; those that are empty or None are ignored."""

    backend: str | None = None
    verdicts: Sequence[Verdict] = ()
    illrequest_id: int | None = None
    received_within: timedelta | None = None


_ADD = (
    "INSERT INTO ill_sidecar_receipts (backend, event_id, received_at, occurred_at, illrequest_id, order_id,"
    " authentication, remote_address, headers, body, body_sha256, body_key, verdict, answer_status, answer)"
    " VALUES (%(backend)s, %(event_id)s, UTC_TIMESTAMP(6), %(occurred_at)s, %(illrequest_id)s, %(order_id)s,"
    " %(authentication)s, %(remote_address)s, %(headers)s, %(body)s, %(body_sha256)s, %(body_key)s,"
    " %(verdict)s, %(answer_status)s, %(answer)s)"
)
_BY_KEY = (
    select(receipts)
    .where(receipts.c.backend == bindparam("b_backend"), receipts.c.event_id == bindparam("b_event_id"))
    .with_for_update()
)
_BY_BODY = (
    select(receipts)
    .where(receipts.c.backend == bindparam("b_backend"), receipts.c.body_key == bindparam("b_body_key"))
    .with_for_update()
)
_BY_ID = select(receipts).where(receipts.c.receipt_id == bindparam("b_receipt_id"))
_BY_ID_LOCKED = _BY_ID.with_for_update()
_HAS_REPORTED = (
    select(receipts.c.receipt_id)
    .where(
        receipts.c.illrequest_id == bindparam("b_illrequest_id"), receipts.c.backend == bindparam("b_backend")
    )
    .limit(1)
)
_REQUESTS_OF_ORDER = (
    select(receipts.c.illrequest_id)
    .distinct()
    .where(
        receipts.c.order_id == bindparam("b_order_id"),
        receipts.c.backend == bindparam("b_backend"),
        receipts.c.illrequest_id.is_not(None),
    )
    .limit(5)
)
_OF_EVERY_LIST = (
    *("receipt_id", "backend", "event_id", "received_at", "verdict"),
    *("repeats", "conflicts", "replayed_at"),
)
_EXCERPTS: Select[Any] = (
    select(
        *(receipts.c[name] for name in _OF_EVERY_LIST),
        *(receipts.c.occurred_at, receipts.c.answer),
        func.left(receipts.c.body, bindparam("b_bytes"), type_=receipts.c.body.type).label("body"),
        func.length(receipts.c.body).label("body_length"),
    )
    .where(receipts.c.illrequest_id == bindparam("b_illrequest_id"))
    .order_by(receipts.c.receipt_id.desc())
    .limit(bindparam("b_limit"))
)
_RECORD_REPEAT = text("UPDATE ill_sidecar_receipts SET repeats = repeats + 1 WHERE receipt_id = :receipt_id")
_RECORD_CONFLICT = text(
    "UPDATE ill_sidecar_receipts SET conflicts = conflicts + 1, conflicting_body = :body"
    " WHERE receipt_id = :receipt_id"
)
_UPDATE_RESULT = (
    update(receipts)
    .where(receipts.c.receipt_id == bindparam("b_receipt_id"))
    .values(
        {
            name: bindparam(f"b_{name}")
            for name in (
                *("event_id", "occurred_at", "illrequest_id", "order_id", "body", "body_sha256", "body_key"),
                *("verdict", "answer_status", "answer"),
            )
        }
    )
)
_RECORD_REPLAY = (
    update(receipts).where(receipts.c.receipt_id == bindparam("b_receipt_id")).values(replayed_at=utc_now())
)
_REMOVE_OLD = text(
    "DELETE FROM ill_sidecar_receipts WHERE received_at < UTC_TIMESTAMP(6) - INTERVAL :seconds SECOND"
    " ORDER BY received_at LIMIT :limit"
)
_ACTIVITY = (
    text(
        "SELECT l.backend, l.last_received_at, COALESCE(e.errors, 0) AS errors"
        " FROM (SELECT backend, MAX(received_at) AS last_received_at FROM ill_sidecar_receipts GROUP BY backend) l"
        " LEFT JOIN (SELECT backend, COUNT(*) AS errors FROM ill_sidecar_receipts"
        "   WHERE verdict IN :errors AND received_at >= UTC_TIMESTAMP(6) - INTERVAL 1 DAY GROUP BY backend) e"
        " ON e.backend = l.backend ORDER BY l.backend"
    )
    .bindparams(bindparam("errors", expanding=True))
    .columns(last_received_at=UTCDateTime)
)


def add(tx: Transaction, receipt: NewReceipt) -> int | None:
    """
    Store a callback and return its ID; None if its event ID or its body key was used before.

    One statement. If another transaction is using the same key, it waits for that one to end.
    """
    try:
        cursor = execute(tx, _ADD, _plain(_row(receipt)))
    except IntegrityError as error:
        if _is_duplicate(error):
            return None
        raise
    return int(cursor.lastrowid)


def lock_by_key(tx: Transaction, backend: str, event_id: str) -> Receipt | None:
    """Return the receipt of an event and lock its row."""
    row = tx.connection.execute(_BY_KEY, {"b_backend": backend, "b_event_id": event_id}).one_or_none()
    return None if row is None else _receipt(row)


def lock_by_body(tx: Transaction, backend: str, body_key: str) -> Receipt | None:
    """Return the receipt that has a body key and lock its row."""
    row = tx.connection.execute(_BY_BODY, {"b_backend": backend, "b_body_key": body_key}).one_or_none()
    return None if row is None else _receipt(row)


def get(tx: Transaction, receipt_id: int, *, lock: bool = False) -> Receipt:
    """Return a receipt; raises ReceiptNotFound."""
    statement = _BY_ID_LOCKED if lock else _BY_ID
    row = tx.connection.execute(statement, {"b_receipt_id": receipt_id}).one_or_none()
    if row is None:
        raise ReceiptNotFound(receipt_id)
    return _receipt(row)


def find(
    tx: Transaction,
    wanted: ReceiptFilter,
    *,
    limit: int,
    before: int | None = None,
) -> list[Receipt]:
    """Return receipts, newest first; *before*: only those with a lower ID. One query."""
    statement = select(receipts).order_by(receipts.c.receipt_id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(receipts.c.receipt_id < before)
    statement = _matching(statement, wanted)
    return [_receipt(row) for row in tx.connection.execute(statement)]


def find_excerpts(tx: Transaction, illrequest_id: int, *, limit: int, body_bytes: int) -> Sequence[Row[Any]]:
    """
    Return the receipts of a request, newest first, with the first *body_bytes* of each body; one query.

    *body_length* is that of the whole body.
    """
    return tx.connection.execute(
        _EXCERPTS, {"b_illrequest_id": illrequest_id, "b_limit": limit, "b_bytes": body_bytes}
    ).all()


def list_page(
    tx: Transaction, wanted: ReceiptFilter, *, limit: int, before: int | None = None
) -> Sequence[Row[Any]]:
    """
    Return receipts for a list, newest first, without the body, which may be long.

    Two queries, each by an index: every single condition has one that ends in the time of receipt. For a backend *and*
    a verdict together, the receipts of one are searched for the other.

    Args:
        before: Only those received before this one.
    """
    names = (*_OF_EVERY_LIST, "illrequest_id", "order_id")
    statement: Select[Any] = select(*(receipts.c[name] for name in names))
    statement = statement.order_by(receipts.c.received_at.desc(), receipts.c.receipt_id.desc()).limit(limit)
    if before is not None:
        at = tx.connection.scalar(select(receipts.c.received_at).where(receipts.c.receipt_id == before))
        if at is None:  # removed for its age, and with it all older ones
            return []
        statement = statement.where(
            receipts.c.received_at <= at,
            (receipts.c.received_at < at) | (receipts.c.receipt_id < before),
        )
    return tx.connection.execute(_matching(statement, wanted)).all()


def find_activity(tx: Transaction, errors: Collection[Verdict]) -> Sequence[Row[Any]]:
    """
    Return when each backend's last callback came, and how many of the last day could not be applied; one query.

    The index on backend and time finds the last of each without reading the others, the one on verdict and time finds
    the last day's failures.
    """
    return tx.connection.execute(_ACTIVITY, {"errors": [verdict.value for verdict in errors]}).all()


def backends(tx: Transaction) -> list[str]:
    """Return the names of all backends that have receipts; by an index, one entry each."""
    return list(tx.connection.scalars(select(receipts.c.backend).group_by(receipts.c.backend)))


def count(tx: Transaction, verdicts: Collection[Verdict], *, limit: int) -> int:
    """Count the receipts with these verdicts, at most *limit*; one query that reads no more of the index."""
    some = select(receipts.c.receipt_id).where(receipts.c.verdict.in_(verdicts)).limit(limit).subquery()
    return int(tx.connection.scalar(select(func.count()).select_from(some)) or 0)


def requests_of_order(tx: Transaction, backend: str, order_id: str) -> list[int]:
    """Return the requests of a backend's earlier events about this order, at most five."""
    values = {"b_backend": backend, "b_order_id": order_id}
    return [int(illrequest_id) for illrequest_id in tx.connection.scalars(_REQUESTS_OF_ORDER, values)]


def has_reported(tx: Transaction, backend: str, illrequest_id: int) -> bool:
    """Return whether a backend has sent a callback on this request."""
    values = {"b_backend": backend, "b_illrequest_id": illrequest_id}
    return tx.connection.scalar(_HAS_REPORTED, values) is not None


def record_repeat(tx: Transaction, receipt_id: int) -> None:
    """Count a repetition of an event."""
    tx.connection.execute(_RECORD_REPEAT, {"receipt_id": receipt_id})


def record_conflict(tx: Transaction, receipt_id: int, body: bytes) -> None:
    """Store another body that came with the same event ID."""
    tx.connection.execute(_RECORD_CONFLICT, {"receipt_id": receipt_id, "body": body})


def update_result(tx: Transaction, receipt_id: int, receipt: NewReceipt) -> bool:
    """
    Store the new result of an event that was processed again, under the keys that it has now.

    Returns False, and writes nothing, if another receipt has one of the keys.
    """
    values = {f"b_{name}": value for name, value in _row(receipt).items()}
    try:
        tx.connection.execute(_UPDATE_RESULT, values | {"b_receipt_id": receipt_id})
    except IntegrityError as error:
        if _is_duplicate(error):
            return False
        raise
    return True


def record_replay(tx: Transaction, receipt_id: int) -> None:
    """Record that staff replayed a receipt."""
    tx.connection.execute(_RECORD_REPLAY, {"b_receipt_id": receipt_id})


def remove_old(tx: Transaction, *, older_than: timedelta, limit: int) -> int:
    """Remove up to *limit* receipts, oldest first; return how many."""
    values = {"seconds": int(older_than.total_seconds()), "limit": limit}
    return tx.connection.execute(_REMOVE_OLD, values).rowcount


def _matching(statement: Select[Any], wanted: ReceiptFilter) -> Select[Any]:
    if wanted.backend is not None:
        statement = statement.where(receipts.c.backend == wanted.backend)
    if wanted.verdicts:
        statement = statement.where(receipts.c.verdict.in_(wanted.verdicts))
    if wanted.illrequest_id is not None:
        statement = statement.where(receipts.c.illrequest_id == wanted.illrequest_id)
    if wanted.received_within is not None:
        since = func.date_sub(utc_now(), text("INTERVAL :received_within SECOND"))
        statement = statement.where(receipts.c.received_at >= since).params(
            received_within=wanted.received_within.total_seconds()
        )
    return statement


def _row(receipt: NewReceipt) -> dict[str, Any]:
    return {
        "backend": receipt.backend,
        "event_id": receipt.event_id,
        "occurred_at": receipt.occurred_at,
        "illrequest_id": receipt.illrequest_id,
        "order_id": receipt.order_id,
        "authentication": receipt.authentication,
        "remote_address": receipt.remote_address,
        "headers": dict(receipt.headers),
        "body": receipt.body,
        "body_sha256": receipt.body_sha256,
        "body_key": receipt.body_key,
        "verdict": receipt.verdict.value,
        "answer_status": receipt.answer_status,
        "answer": dict(receipt.answer),
    }


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **row,
        "occurred_at": in_utc(row["occurred_at"]),
        "headers": strict_json.dumps(row["headers"]),
        "answer": strict_json.dumps(row["answer"]),
    }


def _receipt(row: Row[Any]) -> Receipt:
    return Receipt(**{**row._mapping, "verdict": Verdict(row.verdict)})  # noqa: SLF001  (its public name)


def _is_duplicate(error: IntegrityError) -> bool:
    return isinstance(error.orig, pymysql.err.IntegrityError) and error.orig.args[0] == ER.DUP_ENTRY
