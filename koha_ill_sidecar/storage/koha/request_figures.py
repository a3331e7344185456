"""
Counts of requests, a range of numbers at a time.

Koha's ``illrequests`` has no index on status or dates, so whoever counts reads every row. By primary key that is done
in pieces, none of which takes longer than some hundredths of a second.
"""

from collections.abc import Iterator
from datetime import date

from sqlalchemy import bindparam, text

from koha_ill_sidecar.domain.figures import (
    AGES,
    FILLED,
    UNFILLED,
    By,
    Count,
    DaysCount,
    OpenCount,
    Outcome,
    OutcomeCount,
)
from koha_ill_sidecar.domain.statuses import INCOMPLETE_EXCEPT
from koha_ill_sidecar.storage.transaction import Transaction

_AGE = " ".join(f"WHEN DATEDIFF(:today, placed) <= {days} THEN {age}" for age, days in enumerate(AGES))

# A request without a date was not placed by Koha or by us: it counts as the oldest.
_OPEN = text(
    f"SELECT COALESCE(status, '') AS status, CASE {_AGE} ELSE {len(AGES)} END AS age, COUNT(*) AS number"  # noqa: S608
    " FROM illrequests WHERE illrequest_id > :above AND illrequest_id <= :up_to"
    " AND COALESCE(status, '') NOT IN :closed GROUP BY 1, 2"
).bindparams(bindparam("closed", expanding=True))

_OUTCOME = "CASE WHEN {0} IN :filled THEN 'filled' WHEN {0} IN :unfilled THEN 'unfilled' ELSE 'waiting' END"

_PLACED = text(
    "SELECT COALESCE(o.supplier_backend, r.backend, '') AS backend, r.branchcode AS library,"  # noqa: S608
    f" DATE_FORMAT(r.placed, '%Y-%m') AS month, {_OUTCOME.format('r.status')} AS outcome, COUNT(*) AS number"
    " FROM illrequests r LEFT JOIN ill_sidecar_requests o ON o.illrequest_id = r.illrequest_id"
    " WHERE r.illrequest_id > :above AND r.illrequest_id <= :up_to AND r.placed >= :since GROUP BY 1, 2, 3, 4"
).bindparams(bindparam("filled", expanding=True), bindparam("unfilled", expanding=True))

_COMPLETED = text(
    "SELECT COALESCE(o.supplier_backend, r.backend, '') AS backend, r.branchcode AS library,"
    " DATE_FORMAT(r.completed, '%Y-%m') AS month, GREATEST(DATEDIFF(r.completed, r.placed), 0) AS days,"
    " COUNT(*) AS number"
    " FROM illrequests r LEFT JOIN ill_sidecar_requests o ON o.illrequest_id = r.illrequest_id"
    " WHERE r.illrequest_id > :above AND r.illrequest_id <= :up_to AND r.completed >= :since"
    " AND r.placed IS NOT NULL GROUP BY 1, 2, 3, 4"
)

_MONTH = "DATE_FORMAT(CONVERT_TZ({}, '+00:00', @@session.time_zone), '%Y-%m')"  # of the library's time

# An enquiry is closed by the status that its request went on to.
_ASKED = text(
    f"SELECT e.borrowernumber AS partner, {_MONTH.format('e.asked_at')} AS asked,"  # noqa: S608  (the texts above)
    f" IF(e.closed_by_status IN :filled, {_MONTH.format('e.closed_at')}, NULL) AS supplied,"
    f" IF(e.closed_at IS NULL, 'waiting', {_OUTCOME.format('e.closed_by_status')}) AS outcome,"
    " IF(e.closed_by_status IN :filled, GREATEST(DATEDIFF(e.closed_at, e.asked_at), 0), NULL) AS days,"
    " COUNT(*) AS number"
    " FROM ill_sidecar_partner_enquiries e"
    " WHERE e.enquiry_id > :above AND e.enquiry_id <= :up_to AND e.asked_at >= :since"
    " AND COALESCE(e.closed_by_status, '') <> 'KILL' GROUP BY 1, 2, 3, 4, 5"
).bindparams(bindparam("filled", expanding=True), bindparam("unfilled", expanding=True))

_END_OF_ENQUIRIES = text(
    "SELECT MAX(enquiry_id) FROM (SELECT enquiry_id FROM ill_sidecar_partner_enquiries"
    " WHERE enquiry_id > :above ORDER BY enquiry_id LIMIT :limit) chunk"
)


def today(tx: Transaction) -> date:
    """Return the day that it is at the library."""
    return tx.connection.execute(text("SELECT CURDATE()")).scalar_one()  # type: ignore[no-any-return]


def count_open(tx: Transaction, *, above: int, up_to: int, today: date) -> Iterator[Count]:
    """Count the open requests of a range of numbers, by status and age; one query."""
    values = {"above": above, "up_to": up_to, "today": today, "closed": sorted(INCOMPLETE_EXCEPT)}
    for row in tx.connection.execute(_OPEN, values):
        yield OpenCount(row.status, row.age, row.number)


def count_outcomes(tx: Transaction, *, above: int, up_to: int, since: date) -> Iterator[Count]:
    """Count what has come of those of a range that were placed since a day; one query."""
    values = {"above": above, "up_to": up_to, "since": since, **_outcomes()}
    for row in tx.connection.execute(_PLACED, values):
        keys = {By.MONTH: row.month, By.BACKEND: row.backend, By.LIBRARY: row.library}
        yield OutcomeCount(keys, Outcome(row.outcome), row.number, row.month)


def count_days(tx: Transaction, *, above: int, up_to: int, since: date) -> Iterator[Count]:
    """Count how many days those of a range took that were completed since a day; one query."""
    for row in tx.connection.execute(_COMPLETED, {"above": above, "up_to": up_to, "since": since}):
        keys = {By.MONTH: row.month, By.BACKEND: row.backend, By.LIBRARY: row.library}
        yield DaysCount(keys, row.days, row.number, row.month)


def count_enquiries(tx: Transaction, *, above: int, up_to: int, since: date) -> Iterator[Count]:
    """
    Count what came of the enquiries at partners in a range of theirs, and how long they took; one query.

    Where several partners were asked at once, it is not known who supplied: it counts for each.
    """
    values = {"above": above, "up_to": up_to, "since": since, **_outcomes()}
    for row in tx.connection.execute(_ASKED, values):
        keys = {By.PARTNER: str(row.partner)}
        yield OutcomeCount(keys, Outcome(row.outcome), row.number, row.asked)
        if row.days is not None:
            yield DaysCount(keys, row.days, row.number, row.supplied)


def end_of_enquiries(tx: Transaction, *, above: int, limit: int) -> int | None:
    """Return the number of the *limit*-th enquiry above a number, or of the last; nothing if there is none."""
    found: int | None = tx.connection.scalar(_END_OF_ENQUIRIES, {"above": above, "limit": limit})
    return found


def _outcomes() -> dict[str, list[str]]:
    return {"filled": sorted(FILLED), "unfilled": sorted(UNFILLED)}
