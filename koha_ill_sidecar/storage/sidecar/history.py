"""
The sidecar's own log of what was done to a request.

Koha's log of a request tolerates only the rows that its core writes; everything else is recorded here.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, text

from koha_ill_sidecar.domain import strict_json
from koha_ill_sidecar.domain.actors import Actor
from koha_ill_sidecar.storage.direct import queue
from koha_ill_sidecar.storage.koha import requests as koha_requests
from koha_ill_sidecar.storage.sidecar.schema import history
from koha_ill_sidecar.storage.transaction import Transaction

_ADD = (
    "INSERT INTO ill_sidecar_history (illrequest_id, happened_at, kind, borrowernumber, interface, detail)"
    " VALUES (%(illrequest_id)s, UTC_TIMESTAMP(6), %(kind)s, %(borrowernumber)s, %(interface)s, %(detail)s)"
)

_END_OF_CHUNK = text(
    "SELECT MAX(history_id) FROM (SELECT history_id FROM ill_sidecar_history"
    " WHERE history_id > :above ORDER BY history_id LIMIT :limit) chunk"
)

# Found first and deleted afterwards: a DELETE with a join could lock Koha's rows.
_OF_DELETED_REQUESTS = text(
    "SELECT h.history_id FROM ill_sidecar_history h"
    f" LEFT JOIN {koha_requests.SOURCE} ON r.illrequest_id = h.illrequest_id"
    " WHERE h.history_id > :above AND h.history_id <= :up_to AND r.illrequest_id IS NULL"
    " AND h.happened_at < UTC_TIMESTAMP(6) - INTERVAL :seconds SECOND"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class HistoryEntry:
    """A row of the log."""

    history_id: int
    illrequest_id: int
    happened_at: datetime
    kind: str
    borrowernumber: int
    interface: str
    detail: Mapping[str, object]


def add(
    tx: Transaction,
    illrequest_id: int,
    kind: str,
    *,
    actor: Actor,
    detail: Mapping[str, object] | None = None,
) -> None:
    """
    Record what happened; one statement.

    Args:
        kind: A short name, at most 40 characters.
        detail: Further values, stored as JSON. No texts that people wrote, no secrets.
    """
    queue(
        tx,
        _ADD,
        {
            "illrequest_id": illrequest_id,
            "kind": kind,
            "borrowernumber": actor.borrowernumber,
            "interface": actor.interface.value,
            "detail": strict_json.dumps(detail or {}),
        },
    )


def find_for_request(
    tx: Transaction, illrequest_id: int, *, kind: str | None = None, limit: int | None = None
) -> list[HistoryEntry]:
    """Return the entries of a request, newest first, of one kind only if given."""
    statement = (
        select(history)
        .where(history.c.illrequest_id == illrequest_id)
        .order_by(history.c.history_id.desc())
        .limit(limit)
    )
    if kind is not None:
        statement = statement.where(history.c.kind == kind)
    rows = tx.connection.execute(statement).mappings()
    return [HistoryEntry(**{**row, "detail": _object(row["detail"])}) for row in rows]


def count(tx: Transaction, illrequest_id: int, *, kind: str) -> int:
    """Count a request's entries of a kind; one query."""
    statement = select(func.count()).where(history.c.illrequest_id == illrequest_id, history.c.kind == kind)
    return int(tx.connection.scalar(statement) or 0)


def remove_for_deleted_requests(
    tx: Transaction, *, above: int, older_than: timedelta, limit: int
) -> tuple[int, int | None]:
    """
    Look at the next *limit* entries and remove the old ones of requests that Koha no longer has.

    Returns how many were removed, and where to continue: None at the end.
    """
    up_to: int | None = tx.connection.scalar(_END_OF_CHUNK, {"above": above, "limit": limit})
    if up_to is None:
        return 0, None
    values = {"above": above, "up_to": up_to, "seconds": int(older_than.total_seconds())}
    ids = tx.connection.scalars(_OF_DELETED_REQUESTS, values).all()
    if ids:
        tx.connection.execute(delete(history).where(history.c.history_id.in_(ids)))
    return len(ids), up_to


def _object(detail: object) -> Mapping[str, object]:
    value = json.loads(detail) if isinstance(detail, str) else detail
    return value if isinstance(value, dict) else {}
