"""
Finds the requests that look different in Koha from how the sidecar last saw them.

Koha's table of requests has no index on status or time and may hold a million rows. So every query here goes by
primary key: over a range, or over the requests that we know to be open. Values are compared byte by byte, so that
neither letter case nor a site's other collation hides a change.
"""

from sqlalchemy import text

from koha_ill_sidecar.storage.koha import action_logs
from koha_ill_sidecar.storage.koha import requests as koha_requests
from koha_ill_sidecar.storage.transaction import Transaction

# Our order ID may be longer than Koha's column: then Koha has the beginning of it.
_DIFFERS = (
    "NOT (BINARY r.status <=> BINARY o.seen_status AND BINARY r.status_alias <=> BINARY o.seen_alias"
    " AND BINARY r.orderid <=> BINARY LEFT(o.order_id, :orderid_length))"
)

_LOGGED = text(
    f"SELECT DISTINCT r.illrequest_id FROM {action_logs.STATUS_CHANGES}"
    f" JOIN {koha_requests.SOURCE} ON r.illrequest_id = l.object"
    " JOIN ill_sidecar_requests o ON o.illrequest_id = r.illrequest_id"
    f" WHERE l.action_id > :above AND {action_logs.IS_STATUS_CHANGE} AND {_DIFFERS}"
)

# Finds the end of the chunk first, so that the comparison is a range of the primary key.
_OPEN_EDGE = text(
    "SELECT MAX(illrequest_id) AS edge, COUNT(*) AS looked_at FROM (SELECT illrequest_id FROM ill_sidecar_requests"
    " WHERE is_open = 1 AND illrequest_id > :above ORDER BY illrequest_id LIMIT :limit) chunk"
)

_OPEN = text(
    "SELECT o.illrequest_id FROM ill_sidecar_requests o FORCE INDEX (ill_sidecar_requests_open)"
    f" LEFT JOIN {koha_requests.SOURCE} ON r.illrequest_id = o.illrequest_id"
    " WHERE o.is_open = 1 AND o.illrequest_id > :above AND o.illrequest_id <= :up_to"
    f" AND (r.illrequest_id IS NULL OR {_DIFFERS})"
)

_RANGE = text(
    "SELECT o.illrequest_id FROM ill_sidecar_requests o"
    f" LEFT JOIN {koha_requests.SOURCE} ON r.illrequest_id = o.illrequest_id"
    " WHERE o.illrequest_id > :above AND o.illrequest_id <= :up_to"
    f" AND (r.illrequest_id IS NULL OR {_DIFFERS})"
)


def changed_by_log(tx: Transaction, *, above: int) -> list[int]:
    """Return the watched requests that have a newer status change in Koha's log and look different now."""
    return list(tx.connection.scalars(_LOGGED, {"above": above, **_lengths(tx)}))


def changed_among_open(tx: Transaction, *, above: int, limit: int) -> tuple[list[int], int | None]:
    """
    Return which of the next *limit* open requests above an ID look different or are gone from Koha; two queries.

    The second value is where to continue, None at the end.
    """
    chunk = tx.connection.execute(_OPEN_EDGE, {"above": above, "limit": limit}).one()
    if chunk.edge is None:
        return [], None
    values = {"above": above, "up_to": chunk.edge, **_lengths(tx)}
    found = list(tx.connection.scalars(_OPEN, values))
    return found, chunk.edge if chunk.looked_at == limit else None


def changed_in_range(tx: Transaction, *, above: int, up_to: int) -> list[int]:
    """Return the watched requests of a range of IDs that look different or are gone from Koha."""
    return list(tx.connection.scalars(_RANGE, {"above": above, "up_to": up_to, **_lengths(tx)}))


def _lengths(tx: Transaction) -> dict[str, int]:
    return {"orderid_length": koha_requests.orderid_length(tx.koha)}
