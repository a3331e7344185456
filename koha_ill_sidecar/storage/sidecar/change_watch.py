"""
How Koha's requests stand, compared with how the sidecar last saw them.

Koha's ``illrequests`` has no index on status or time, and may hold a million rows: every look here is by primary
key, of a range or of the requests that we know to be open. Values are compared byte by byte, so that neither
letter case nor a site's other collation hides a change.
"""

from dataclasses import dataclass

from sqlalchemy import bindparam, text

from koha_ill_sidecar.domain.statuses import INCOMPLETE_EXCEPT
from koha_ill_sidecar.storage.transaction import Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownStatus:
    """How we last saw a request; a status of None means that we know of it and never saw it."""

    status: str | None
    status_alias: str | None


# Our order number may be longer than Koha's column: then Koha has the beginning of it.
_DIFFERS = (
    "NOT (BINARY r.status <=> BINARY o.seen_status AND BINARY r.status_alias <=> BINARY o.seen_alias"
    " AND BINARY r.orderid <=> BINARY LEFT(o.order_id, :orderid_length))"
)

_HIGHEST_REQUEST = text("SELECT COALESCE(MAX(illrequest_id), 0) FROM illrequests")
_HIGHEST_LOG_ROW = text("SELECT COALESCE(MAX(action_id), 0) FROM action_logs")
_HIGHEST_KNOWN = text("SELECT COALESCE(MAX(illrequest_id), 0) FROM ill_sidecar_requests")

# A request without a backend is still being made by Koha (Koha, Koha/ILL/Backend/Standard.pm add_request): we
# wait, but a row that was left half-made is taken as it is after a minute.
_ADOPT = text(
    "INSERT INTO ill_sidecar_requests"
    " (illrequest_id, seen_status, seen_alias, order_id, is_open, seen_at)"
    " SELECT r.illrequest_id, r.status, r.status_alias, r.orderid,"
    " COALESCE(r.status, '') NOT IN :closed, UTC_TIMESTAMP(6)"
    " FROM illrequests r LEFT JOIN ill_sidecar_requests o ON o.illrequest_id = r.illrequest_id"
    " WHERE r.illrequest_id > :above AND r.illrequest_id <= :up_to AND o.illrequest_id IS NULL"
    " AND (r.backend IS NOT NULL OR r.updated < NOW() - INTERVAL 60 SECOND)"
    " ON DUPLICATE KEY UPDATE illrequest_id = ill_sidecar_requests.illrequest_id"
).bindparams(bindparam("closed", expanding=True))

_LOGGED = text(
    "SELECT DISTINCT r.illrequest_id FROM action_logs l FORCE INDEX (PRIMARY)"  # noqa: S608  (the condition above)
    " JOIN illrequests r ON r.illrequest_id = l.object"
    " JOIN ill_sidecar_requests o ON o.illrequest_id = r.illrequest_id"
    f" WHERE l.action_id > :above AND l.module = 'ILL' AND l.action = 'STATUS_CHANGE' AND {_DIFFERS}"
)

_OPEN_EDGE = text(
    "SELECT MAX(illrequest_id) AS edge, COUNT(*) AS looked_at FROM (SELECT illrequest_id FROM ill_sidecar_requests"
    " WHERE is_open = 1 AND illrequest_id > :above ORDER BY illrequest_id LIMIT :limit) chunk"
)

_OPEN = text(
    "SELECT o.illrequest_id FROM ill_sidecar_requests o FORCE INDEX (ill_sidecar_requests_open)"  # noqa: S608
    " LEFT JOIN illrequests r ON r.illrequest_id = o.illrequest_id"
    " WHERE o.is_open = 1 AND o.illrequest_id > :above AND o.illrequest_id <= :up_to"
    f" AND (r.illrequest_id IS NULL OR {_DIFFERS})"
)

_RANGE = text(
    "SELECT o.illrequest_id FROM ill_sidecar_requests o"  # noqa: S608  (the condition above)
    " LEFT JOIN illrequests r ON r.illrequest_id = o.illrequest_id"
    " WHERE o.illrequest_id > :above AND o.illrequest_id <= :up_to"
    f" AND (r.illrequest_id IS NULL OR {_DIFFERS})"
)

_NEXT_IN_RANGE = text(
    "SELECT MAX(illrequest_id) FROM (SELECT illrequest_id FROM illrequests"
    " WHERE illrequest_id > :above ORDER BY illrequest_id LIMIT :limit) chunk"
)

_SEEN = text(
    "SELECT seen_status AS status, seen_alias AS status_alias FROM ill_sidecar_requests"
    " WHERE illrequest_id = :illrequest_id FOR UPDATE"
)

_CLEAR_STALE_ALIAS = text(
    "UPDATE illrequests SET status_alias = NULL"
    " WHERE illrequest_id = :illrequest_id AND status = 'RET' AND BINARY status_alias = BINARY :status_alias"
)


def highest_request(tx: Transaction) -> int:
    """Return the newest request's number, 0 where there is none."""
    return int(tx.connection.scalar(_HIGHEST_REQUEST) or 0)


def highest_log_row(tx: Transaction) -> int:
    """Return the newest number of Koha's log, 0 where it is empty."""
    return int(tx.connection.scalar(_HIGHEST_LOG_ROW) or 0)


def highest_known(tx: Transaction) -> int:
    """Return the greatest request number that we keep anything of, be it deleted in Koha."""
    return int(tx.connection.scalar(_HIGHEST_KNOWN) or 0)


def track(tx: Transaction, *, above: int, up_to: int) -> int:
    """
    Begin to watch the requests of a range of numbers that are not watched yet, as they stand; tells how many.

    Requests that Koha has begun to make less than a minute ago and not finished are left for the next time.
    """
    values = {"above": above, "up_to": up_to, "closed": sorted(INCOMPLETE_EXCEPT)}
    return tx.connection.execute(_ADOPT, values).rowcount


def changed_by_log(tx: Transaction, *, above: int) -> list[int]:
    """Find the watched requests that Koha's log says were changed, and that look different now."""
    return list(tx.connection.scalars(_LOGGED, {"above": above, **_lengths(tx)}))


def changed_among_open(tx: Transaction, *, above: int, limit: int) -> tuple[list[int], int | None]:
    """
    Find what became different among the next *limit* open requests above a number; two queries.

    Requests that are gone from Koha are among them. The second value is where to go on, nothing at the end.
    """
    chunk = tx.connection.execute(_OPEN_EDGE, {"above": above, "limit": limit}).one()
    if chunk.edge is None:
        return [], None
    values = {"above": above, "up_to": chunk.edge, **_lengths(tx)}
    found = list(tx.connection.scalars(_OPEN, values))
    return found, chunk.edge if chunk.looked_at == limit else None


def end_of_chunk(tx: Transaction, *, above: int, limit: int) -> int | None:
    """Return the number of the *limit*-th request above a number, or of the last; nothing if there is none."""
    found: int | None = tx.connection.scalar(_NEXT_IN_RANGE, {"above": above, "limit": limit})
    return found


def changed_in_range(tx: Transaction, *, above: int, up_to: int) -> list[int]:
    """Find the watched requests of a range of numbers that look different now or are gone."""
    return list(tx.connection.scalars(_RANGE, {"above": above, "up_to": up_to, **_lengths(tx)}))


def lock_known(tx: Transaction, illrequest_id: int) -> KnownStatus | None:
    """Return how we last saw a request, and hold the row; nothing if it is not watched."""
    row = tx.connection.execute(_SEEN, {"illrequest_id": illrequest_id}).mappings().one_or_none()
    return None if row is None else KnownStatus(**row)


def clear_stale_alias(tx: Transaction, illrequest_id: int, status_alias: str) -> bool:
    """
    Take away the alias that Koha's check-in leaves behind; says whether it was still there.

    Source: Koha, C4/Circulation.pm AddReturn: the alias is cleared in memory, logged as cleared and not stored.
    """
    values = {"illrequest_id": illrequest_id, "status_alias": status_alias}
    return bool(tx.connection.execute(_CLEAR_STALE_ALIAS, values).rowcount)


def _lengths(tx: Transaction) -> dict[str, int]:
    return {"orderid_length": getattr(tx.koha.table("illrequests").c.orderid.type, "length", None) or 50}
