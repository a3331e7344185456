"""Turnaround and fill rate, month by month."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from web.conftest import Desk
from web.staff.pages import one, rows, text_of

from cast import ADA, NORTH
from koha_ill_sidecar.domain.figures import (
    By,
    DaysCount,
    FigureCounter,
    Figures,
    Group,
    Outcome,
    OutcomeCount,
)
from koha_ill_sidecar.services.operations import figures
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.transaction import Transaction
from koha_ill_sidecar.web.staff.operations import charts

HOSTILE = "\"'><script>alert(1)</script>"
MONTHS = [f"2026-{month:02}" for month in range(1, 13)]


def save_figures(tx: Transaction, backends: int = 1) -> None:
    counter = FigureCounter()
    for number in range(backends):
        keys = {By.BACKEND: f"{HOSTILE}{number}", By.LIBRARY: ADA, By.PARTNER: str(NORTH)}
        for month, days in (("2026-02", 4), ("2026-03", 6), ("2026-06", 9)):
            counter.add([DaysCount(keys, days, 2, month)])
            counter.add([OutcomeCount(keys, Outcome.FILLED, 3, month)])
            counter.add([OutcomeCount(keys, Outcome.UNFILLED, 1, month)])
    figures.save(tx, counter.figures(MONTHS))


def months(page: str) -> dict[str, list[str]]:
    """Return the numbers of the first table, by month."""
    return {month: numbers for month, *numbers in rows(page)}


@pytest.mark.parametrize(
    ("by", "name"),
    [("backend", "alert(1)"), ("library", "Ada Lovelace Library"), ("partner", "North Partner")],
)
def test_each_month_is_drawn_and_told_in_a_table(clara: Desk, database: Database, by: str, name: str) -> None:
    database.transact(save_figures)

    shown = clara.get(f"/dashboard/over-time/{by}").text

    assert name in text_of(one(shown, "h2"))
    assert list(months(shown)) == MONTHS
    assert months(shown)["2026-03"] == ["6", "6", "6", "2", "75 %", "3", "1", "0"]
    assert months(shown)["2026-04"] == ["–", "–", "–", "0", "–", "0", "0", "0"]
    assert shown.count("<svg") == 2


def test_a_chart_says_what_it_shows_to_who_does_not_see_it(clara: Desk, database: Database) -> None:
    database.transact(save_figures)

    shown = clara.get("/dashboard/over-time/library").text

    assert 'role="img" aria-labelledby="group-1-turnaround-title group-1-turnaround-text"' in shown
    assert '<title id="group-1-turnaround-title">Ada Lovelace Library: turnaround by month</title>' in shown
    assert "between 4 and 9 days; in the most recent month with data, 2026-06, it is 9." in shown
    assert "between 75 and 75 percent; in the most recent month with data, 2026-06, it is 75." in shown


def test_the_dashboard_draws_the_months_of_all_requests_and_leads_to_the_others(
    clara: Desk, database: Database
) -> None:
    database.transact(save_figures)

    shown = clara.get("/dashboard").text

    assert {f'href="/dashboard/over-time/{by}"' in shown for by in ("backend", "library", "partner")} == {
        True
    }


def test_whatever_a_backend_is_called_is_shown_and_not_run(clara: Desk, database: Database) -> None:
    database.transact(save_figures)

    shown = clara.get("/dashboard/over-time/backend").text

    assert "<script>alert" not in shown
    assert "style=" not in shown


def test_of_very_many_backends_the_largest_are_drawn(clara: Desk, database: Database) -> None:
    database.transact(save_figures, 20)

    shown = clara.get("/dashboard/over-time/backend").text

    assert shown.count("<svg") == 24
    assert "8 smaller groups are not shown." in shown


def test_before_the_job_has_run_the_page_says_so(clara: Desk) -> None:
    assert "The figures have not been calculated yet" in clara.get("/dashboard/over-time/partner").text


def test_numbers_without_months_are_no_error(clara: Desk, database: Database) -> None:
    """As an earlier version kept them."""
    database.transact(figures.save, Figures())

    assert "No data." in clara.get("/dashboard/over-time/library").text
    assert clara.get("/dashboard").status_code == 200


@pytest.mark.parametrize("by", ["month", "nonsense"])
def test_by_anything_else_there_is_no_page(clara: Desk, by: str) -> None:
    assert clara.get(f"/dashboard/over-time/{by}").status_code == 404


@pytest.mark.parametrize("by", ["backend", "library", "partner"])
def test_the_page_costs_a_fixed_number_of_queries(
    clara: Desk, database: Database, by: str, queries: Callable[[], AbstractContextManager[list[str]]]
) -> None:
    database.transact(save_figures, 12)
    clara.get("/dashboard/over-time/library")

    with queries() as seen:
        clara.get(f"/dashboard/over-time/{by}")

    assert len(seen) <= 8


def group(month: str, days: int | None, filled: int = 0, unfilled: int = 0) -> Group:
    counter = FigureCounter()
    keys = {By.BACKEND: "a"}
    if days is not None:
        counter.add([DaysCount(keys, days, 1, month)])
    counter.add([OutcomeCount(keys, Outcome.FILLED, filled, month)])
    counter.add([OutcomeCount(keys, Outcome.UNFILLED, unfilled, month)])
    (found,) = counter.figures([month]).series[By.BACKEND]["a"]
    return found


def test_a_line_ends_where_a_month_has_no_number() -> None:
    by_month = {month: group(month, days) for month, days in zip(MONTHS[:5], (1, 2, None, 4, 5), strict=True)}

    chart = charts.turnaround(MONTHS, by_month, 10)

    assert [len(line.split()) for line in chart.lines] == [2, 2]
    assert len(chart.dots) == len(chart.bars) == 4


def test_bars_stay_on_the_drawing_and_are_seen_however_small() -> None:
    none = charts.fill_rate(MONTHS, {MONTHS[0]: group(MONTHS[0], None, 0, 5)}).bars
    every = charts.fill_rate(MONTHS, {MONTHS[11]: group(MONTHS[11], None, 5, 0)}).bars
    equal = charts.turnaround(MONTHS, {MONTHS[11]: group(MONTHS[11], 10)}, 10).bars

    for x, y, width, height in (*none, *every, *equal):
        assert height > 1
        assert 8 <= y < y + height <= 116
        assert 40 <= x < x + width <= 312


def test_the_last_month_has_its_name_below_it() -> None:
    assert [tick.label for tick in charts.fill_rate(MONTHS, {}).months] == [
        "2026-03",
        "2026-06",
        "2026-09",
        "2026-12",
    ]
