"""
The figures of the dashboard: counted a range of IDs at a time, and stored.

Koha's table of requests has no index on status or dates, so counting means reading every row. By primary key that is
done in pieces, none of which takes longer than some hundredths of a second.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import bindparam, select, text
from sqlalchemy.dialects.mysql import insert

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
from koha_ill_sidecar.domain.statuses import COMPLETED_STATUSES
from koha_ill_sidecar.storage.koha import requests as koha_requests
from koha_ill_sidecar.storage.sidecar.schema import figures, utc_now
from koha_ill_sidecar.storage.transaction import Transaction

_INSERT = insert(figures).values(made_at=utc_now())
_SAVE = _INSERT.on_duplicate_key_update(value=_INSERT.inserted.value, made_at=_INSERT.inserted.made_at)


def save(tx: Transaction, name: str, value: Mapping[str, Any]) -> None:
    """Store figures in the place of the previous ones; one statement."""
    tx.connection.execute(_SAVE, {"name": name, "value": dict(value)})


def find(tx: Transaction, name: str) -> tuple[Mapping[str, Any], datetime] | None:
    """Return the stored figures and when they were computed; None if they were never computed."""
    statement = select(figures.c.value, figures.c.made_at).where(figures.c.name == name)
    row = tx.connection.execute(statement).one_or_none()
    if row is None:
        return None
    return json.loads(row.value) if isinstance(row.value, str) else row.value, row.made_at


_AGE = " ".join(f"WHEN DATEDIFF(:today, placed) <= {days} THEN {age}" for age, days in enumerate(AGES))

# A request without a date was placed neither by Koha nor by us: it counts among the oldest.
_OPEN = text(
    f"SELECT COALESCE(status, '') AS status, CASE {_AGE} ELSE {len(AGES)} END AS age, COUNT(*) AS number"
    f" FROM {koha_requests.SOURCE} WHERE illrequest_id > :above AND illrequest_id <= :up_to"
    " AND COALESCE(status, '') NOT IN :completed GROUP BY 1, 2"
).bindparams(bindparam("completed", expanding=True))

_OUTCOME = "CASE WHEN {0} IN :filled THEN 'filled' WHEN {0} IN :unfilled THEN 'unfilled' ELSE 'waiting' END"

_PLACED = text(
    "SELECT COALESCE(o.supplier_backend, r.backend, '') AS backend, r.branchcode AS library,"
    f" DATE_FORMAT(r.placed, '%Y-%m') AS month, {_OUTCOME.format('r.status')} AS outcome, COUNT(*) AS number"
    f" FROM {koha_requests.SOURCE} LEFT JOIN ill_sidecar_requests o ON o.illrequest_id = r.illrequest_id"
    " WHERE r.illrequest_id > :above AND r.illrequest_id <= :up_to AND r.placed >= :since GROUP BY 1, 2, 3, 4"
).bindparams(bindparam("filled", expanding=True), bindparam("unfilled", expanding=True))

_COMPLETED = text(
    "SELECT COALESCE(o.supplier_backend, r.backend, '') AS backend, r.branchcode AS library,"
    " DATE_FORMAT(r.completed, '%Y-%m') AS month, GREATEST(DATEDIFF(r.completed, r.placed), 0) AS days,"
    " COUNT(*) AS number"
    f" FROM {koha_requests.SOURCE} LEFT JOIN ill_sidecar_requests o ON o.illrequest_id = r.illrequest_id"
    " WHERE r.illrequest_id > :above AND r.illrequest_id <= :up_to AND r.completed >= :since"
    " AND r.placed IS NOT NULL GROUP BY 1, 2, 3, 4"
)

_MONTH = "DATE_FORMAT(CONVERT_TZ({}, '+00:00', @@session.time_zone), '%Y-%m')"  # in the library's time

# An enquiry is closed by the next status of its request.
_ASKED = text(
    f"SELECT e.borrowernumber AS partner, {_MONTH.format('e.asked_at')} AS asked,"
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


def count_open(tx: Transaction, *, above: int, up_to: int, today: date) -> Iterator[Count]:
    """Count the open requests of a range of IDs, by status and age; one query."""
    values = {"above": above, "up_to": up_to, "today": today, "completed": sorted(COMPLETED_STATUSES)}
    for row in tx.connection.execute(_OPEN, values):
        yield OpenCount(row.status, row.age, row.number)


def count_outcomes(tx: Transaction, *, above: int, up_to: int, since: date) -> Iterator[Count]:
    """Count the outcomes of the requests of a range that were placed on or after a day; one query."""
    values = {"above": above, "up_to": up_to, "since": since, **_outcomes()}
    for row in tx.connection.execute(_PLACED, values):
        keys = {By.MONTH: row.month, By.BACKEND: row.backend, By.LIBRARY: row.library}
        yield OutcomeCount(keys, Outcome(row.outcome), row.number, row.month)


def count_days(tx: Transaction, *, above: int, up_to: int, since: date) -> Iterator[Count]:
    """Count how many days the requests of a range took that were completed on or after a day; one query."""
    for row in tx.connection.execute(_COMPLETED, {"above": above, "up_to": up_to, "since": since}):
        keys = {By.MONTH: row.month, By.BACKEND: row.backend, By.LIBRARY: row.library}
        yield DaysCount(keys, row.days, row.number, row.month)


def count_enquiries(tx: Transaction, *, above: int, up_to: int, since: date) -> Iterator[Count]:
    """
    Count the outcomes of the enquiries of a range and how long they took; one query.

    Where several partners were asked at once, nobody knows who supplied: the outcome counts for each.
    """
    values = {"above": above, "up_to": up_to, "since": since, **_outcomes()}
    for row in tx.connection.execute(_ASKED, values):
        keys = {By.PARTNER: str(row.partner)}
        yield OutcomeCount(keys, Outcome(row.outcome), row.number, row.asked)
        if row.days is not None:
            yield DaysCount(keys, row.days, row.number, row.supplied)


def end_of_enquiries(tx: Transaction, *, above: int, limit: int) -> int | None:
    """Return the ID of the *limit*-th enquiry above an ID, or of the last; None if there is none."""
    found: int | None = tx.connection.scalar(_END_OF_ENQUIRIES, {"above": above, "limit": limit})
    return found


def _outcomes() -> dict[str, list[str]]:
    return {"filled": sorted(FILLED), "unfilled": sorted(UNFILLED)}
