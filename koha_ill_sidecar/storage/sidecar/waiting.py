"""Open requests by status, from our own rows: Koha's table has no index on it."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import text

from koha_ill_sidecar.storage.transaction import Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitingRequests:
    """
    The requests of one status, as the watch has last seen them: some seconds ago.

    Attributes:
        number: Counted up to the limit.
        oldest: Number of the first of them.
        oldest_placed: When that was placed.
    """

    status: str
    number: int
    oldest: int | None
    oldest_placed: date | None


# The index holds status and number, so neither needs a row.
_COUNT = text(
    "SELECT COUNT(*) FROM (SELECT 1 FROM ill_sidecar_requests FORCE INDEX (ill_sidecar_requests_status)"
    " WHERE is_open = 1 AND seen_status = :status LIMIT :limit) some"
)
_OLDEST = text(
    "SELECT r.illrequest_id, r.placed FROM ill_sidecar_requests o FORCE INDEX (ill_sidecar_requests_status)"
    " JOIN illrequests r ON r.illrequest_id = o.illrequest_id"
    " WHERE o.is_open = 1 AND o.seen_status = :status ORDER BY o.illrequest_id LIMIT 1"
)


def look(tx: Transaction, status: str, *, limit: int) -> WaitingRequests:
    """Count the requests of a status, at most *limit*, and give the first placed; one query or two."""
    number = int(tx.connection.scalar(_COUNT, {"status": status, "limit": limit}) or 0)
    row = tx.connection.execute(_OLDEST, {"status": status}).one_or_none() if number else None
    return WaitingRequests(
        status=status,
        number=number,
        oldest=row.illrequest_id if row else None,
        oldest_placed=row.placed if row else None,
    )
