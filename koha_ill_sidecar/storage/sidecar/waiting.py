"""Open requests by status, from our own rows: Koha's table has no index on it."""

from collections.abc import Sequence
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
_ONE_STATUS = """
SELECT :status_{n} AS status,
  (SELECT COUNT(*) FROM (
    SELECT 1 FROM ill_sidecar_requests FORCE INDEX (ill_sidecar_requests_status)
    WHERE is_open = 1 AND seen_status = :status_{n} LIMIT :limit) some) AS number,
  (SELECT o.illrequest_id FROM ill_sidecar_requests o FORCE INDEX (ill_sidecar_requests_status)
    JOIN illrequests r ON r.illrequest_id = o.illrequest_id
    WHERE o.is_open = 1 AND o.seen_status = :status_{n} ORDER BY o.illrequest_id LIMIT 1) AS oldest
"""


def find(tx: Transaction, statuses: Sequence[str], *, limit: int) -> list[WaitingRequests]:
    """Count the requests of each status, at most *limit*, and give the first placed; one query."""
    counts = " UNION ALL ".join(_ONE_STATUS.format(n=n) for n in range(len(statuses)))
    statement = text(
        "SELECT w.status, w.number, w.oldest, r.placed"  # noqa: S608  (our own text)
        f" FROM ({counts}) w LEFT JOIN illrequests r ON r.illrequest_id = w.oldest"
    )
    given = {f"status_{n}": str(status) for n, status in enumerate(statuses)}
    found = {row.status: row for row in tx.connection.execute(statement, {**given, "limit": limit})}
    return [
        WaitingRequests(
            status=status,
            number=found[status].number,
            oldest=found[status].oldest,
            oldest_placed=found[status].placed,
        )
        for status in statuses
    ]
