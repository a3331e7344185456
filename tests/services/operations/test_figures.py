"""The numbers of the dashboard, as they stand in the database."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from cast import ADA, NORTH, RIVERSIDE, SOUTH
from factories import make_request
from koha_ill_sidecar.domain.figures import By, FigureCounter, Figures, Group
from koha_ill_sidecar.services.operations import figures
from koha_ill_sidecar.storage.sidecar import partner_enquiries
from koha_ill_sidecar.storage.sidecar import requests as sidecar_requests
from koha_ill_sidecar.storage.transaction import Transaction

pytestmark = pytest.mark.all_versions


def compute(tx: Transaction) -> Figures:
    about, counter = figures.current_period(tx), FigureCounter()
    for count in (figures.count_requests, figures.count_enquiries):
        above: int | None = 0
        while above is not None:
            counts, above = count(tx, above, about)
            counter.add(counts)
    return counter.figures(about.months)


def add(tx: Transaction, status: str, placed: int, completed: int | None = None, **columns: Any) -> int:
    """Make a request that was placed and completed so many days ago."""
    dates: dict[str, Any] = {"placed": text(f"CURDATE() - INTERVAL {placed} DAY")}
    if completed is not None:
        dates["completed"] = text(f"CURDATE() - INTERVAL {completed} DAY")
    return make_request(tx.connection, tx.koha, status=status, attributes={}, **dates, **columns)


def group(found: Figures, by: By, key: str) -> Group:
    (one,) = [each for each in found.groups[by] if each.key == key]
    return one


def test_open_requests_are_counted_by_status_and_age(tx: Transaction) -> None:
    for days in (0, 7, 8, 30, 31, 90, 91, 365, 366, 4000):
        add(tx, "NEW", days)
    make_request(tx.connection, tx.koha, status="NEW", placed=None)
    add(tx, "COMP", 5, 1)
    add(tx, "CHK", 5)
    make_request(tx.connection, tx.koha, status=None)

    found = {one.status: one.by_age for one in compute(tx).open}

    assert found == {"NEW": (2, 2, 2, 2, 3), "CHK": (1, 0, 0, 0, 0), "": (1, 0, 0, 0, 0)}


def test_turnaround_runs_from_placed_to_completed(tx: Transaction) -> None:
    for took in (1, 2, 3, 10):
        add(tx, "COMP", took + 1, 1)
    add(tx, "COMP", 800, 790)  # too long ago
    add(tx, "REQ", 20)
    add(tx, "COMP", 1, 5)  # a clock was wrong: no time at all

    found = group(compute(tx), By.BACKEND, tx.koha.generic_backend).turnaround

    assert found is not None
    assert (found.completed, found.lower, found.median, found.upper) == (5, 1, 2, 3)


def test_what_was_placed_before_and_completed_in_these_months_counts_for_turnaround_only(
    tx: Transaction,
) -> None:
    add(tx, "COMP", 500, 1)

    found = group(compute(tx), By.LIBRARY, ADA)

    assert found.placed == 0
    assert found.turnaround is not None
    assert found.turnaround.median == 499


def test_what_came_of_requests_is_told_by_library_and_supplier(tx: Transaction) -> None:
    for status in ("COMP", "CHK", "RET", "REQREV"):
        add(tx, status, 3)
    for status in ("NEW", "REQ", "GENREQ", "QUEUED"):
        add(tx, status, 3, branchcode=RIVERSIDE)
    supplied = add(tx, "COMP", 3, 1, branchcode=RIVERSIDE)
    sidecar_requests.set_supplier_backend(tx, supplied, "acme")

    found = compute(tx)
    ada, riverside = group(found, By.LIBRARY, ADA), group(found, By.LIBRARY, RIVERSIDE)

    assert (ada.filled, ada.unfilled, ada.waiting, ada.fill_rate) == (3, 1, 0, 0.75)
    assert (riverside.filled, riverside.unfilled, riverside.waiting) == (1, 0, 4)
    assert group(found, By.BACKEND, "acme").placed == 1
    assert sum(each.placed for each in found.groups[By.MONTH]) == 9


def test_partners_are_told_by_their_enquiries(tx: Transaction) -> None:
    number = add(tx, "GENREQ", 9)
    for partner in (NORTH, SOUTH):
        partner_enquiries.add(tx, number, borrowernumber=partner, address="a@example.org", message_id=None)
    tx.connection.execute(
        text("UPDATE ill_sidecar_partner_enquiries SET asked_at = asked_at - INTERVAL 5 DAY")
    )
    tx.connection.execute(
        text(
            "UPDATE ill_sidecar_partner_enquiries SET closed_at = UTC_TIMESTAMP(6), closed_by_status = 'COMP'"
            " WHERE borrowernumber = :partner"
        ),
        {"partner": NORTH},
    )

    found = compute(tx)
    north, south = (group(found, By.PARTNER, str(partner)) for partner in (NORTH, SOUTH))

    assert north.turnaround is not None
    assert (north.filled, north.turnaround.median) == (1, 5)
    assert (south.waiting, south.turnaround) == (1, None)


def test_enquiries_about_deleted_requests_do_not_count(tx: Transaction) -> None:
    number = add(tx, "GENREQ", 9)
    partner_enquiries.add(tx, number, borrowernumber=NORTH, address="a@example.org", message_id=None)
    partner_enquiries.close(tx, number, status="KILL")

    assert compute(tx).groups[By.PARTNER] == []


def test_steps_add_up_to_the_whole(tx: Transaction, monkeypatch: pytest.MonkeyPatch) -> None:
    for days in range(7):
        add(tx, "COMP", days + 3, 1)
    at_once = compute(tx)
    monkeypatch.setattr(figures, "STEP", 2)

    assert compute(tx) == at_once


def test_what_was_computed_is_stored_with_its_time(tx: Transaction, queries: Callable[[], Any]) -> None:
    assert figures.latest(tx) is None
    add(tx, "COMP", 3, 1)
    computed = compute(tx)
    figures.save(tx, Figures())
    figures.save(tx, computed)

    with queries() as seen:
        found = figures.latest(tx)

    assert found is not None
    assert found.figures == computed
    assert found.made_at.tzinfo is not None
    assert len(seen) == 1


def test_twelve_calendar_months_are_looked_at(tx: Transaction) -> None:
    about = figures.current_period(tx)
    months = (about.today.year - about.since.year) * 12 + about.today.month - about.since.month

    assert (about.since.day, months) == (1, 11)
    assert (len(about.months), about.months[0], about.months[-1]) == (
        12,
        f"{about.since:%Y-%m}",
        f"{about.today:%Y-%m}",
    )


def test_months_are_told_by_backend_library_and_partner(tx: Transaction) -> None:
    """What came of a request counts for the month that it was placed in, its time for the one it was completed in."""
    number = add(tx, "COMP", 70, 35, branchcode=RIVERSIDE)
    sidecar_requests.set_supplier_backend(tx, number, "acme")
    partner_enquiries.add(tx, number, borrowernumber=NORTH, address="a@example.org", message_id=None)
    tx.connection.execute(
        text(
            "UPDATE ill_sidecar_partner_enquiries SET asked_at = UTC_TIMESTAMP(6) - INTERVAL 70 DAY,"
            " closed_at = UTC_TIMESTAMP(6) - INTERVAL 35 DAY, closed_by_status = 'COMP'"
        )
    )
    dates = tx.connection.execute(text("SELECT CURDATE() - INTERVAL 70 DAY, CURDATE() - INTERVAL 35 DAY"))
    placed, completed = (f"{day:%Y-%m}" for day in dates.one())

    series = compute(tx).series

    for by, key in ((By.BACKEND, "acme"), (By.LIBRARY, RIVERSIDE), (By.PARTNER, str(NORTH))):
        first, last = series[by][key]
        assert (first.key, first.filled, first.turnaround) == (placed, 1, None)
        assert last.turnaround is not None
        assert (last.key, last.filled, last.turnaround.median) == (completed, 0, 35)
