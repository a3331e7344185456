"""Medians, quartiles and rates, computed from partial counts."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koha_ill_sidecar.domain.figures import (
    AGES,
    MOST_SERIES,
    By,
    Count,
    DaysCount,
    FigureCounter,
    Figures,
    OpenCount,
    Outcome,
    OutcomeCount,
    Turnaround,
    turnaround,
)

MONTHS = ("2026-01", "2026-02", "2026-03")
numbers = st.integers(1, 5)
keys = st.fixed_dictionaries(
    {By.MONTH: st.sampled_from(("2026-01", "2026-02")), By.BACKEND: st.sampled_from(("a", "b"))}
)
counts: st.SearchStrategy[Count] = st.one_of(
    st.builds(OpenCount, st.sampled_from(("NEW", "REQ")), st.integers(0, len(AGES)), numbers),
    st.builds(OutcomeCount, keys, st.sampled_from(Outcome), numbers, st.sampled_from(MONTHS)),
    st.builds(DaysCount, keys, st.integers(0, 9), numbers, st.sampled_from(MONTHS)),
)


@given(st.lists(st.integers(0, 400), min_size=1))
def test_quartiles_are_the_least_days_within_which_so_many_were_completed(days: list[int]) -> None:
    found = turnaround(Counter(days))

    assert found is not None
    assert found.completed == len(days)
    for quarters, value in ((1, found.lower), (2, found.median), (3, found.upper)):
        assert sum(day <= value for day in days) * 4 >= len(days) * quarters
        assert sum(day < value for day in days) * 4 < len(days) * quarters


def test_of_nothing_there_is_no_turnaround() -> None:
    assert turnaround({}) is None
    assert turnaround({7: 1}) == Turnaround(completed=1, lower=7, median=7, upper=7)


@given(st.lists(counts), st.lists(counts))
def test_it_does_not_matter_how_the_whole_is_cut(one: list[Count], other: list[Count]) -> None:
    at_once, by_piece = FigureCounter(), FigureCounter()
    at_once.add(one + other)
    by_piece.add(other)
    by_piece.add(one)

    assert at_once.figures(MONTHS) == by_piece.figures(MONTHS)


@given(st.lists(counts))
def test_figures_survive_being_kept_as_json(some: list[Count]) -> None:
    counter = FigureCounter()
    counter.add(some)
    figures = counter.figures(MONTHS)

    assert Figures.read(json.loads(json.dumps(figures.as_json()))) == figures


def test_a_rate_is_of_what_something_came_of() -> None:
    counter = FigureCounter()
    for outcome, number in ((Outcome.FILLED, 3), (Outcome.UNFILLED, 1), (Outcome.WAITING, 6)):
        counter.add([OutcomeCount({By.BACKEND: "a"}, outcome, number, "2026-01")])
    counter.add([OutcomeCount({By.BACKEND: "b"}, Outcome.WAITING, 2, "2026-01")])

    large, small = counter.figures(MONTHS).groups[By.BACKEND]

    assert (large.key, large.placed, large.fill_rate) == ("a", 10, 0.75)
    assert (small.key, small.placed, small.fill_rate) == ("b", 2, None)


def test_months_stand_in_their_order_and_all_else_by_size() -> None:
    counter = FigureCounter()
    for month, backend, number in (("2026-02", "small", 1), ("2026-01", "large", 5), ("2026-03", "large", 2)):
        counter.add([DaysCount({By.MONTH: month, By.BACKEND: backend}, 3, number, month)])

    groups = counter.figures(MONTHS).groups

    assert [group.key for group in groups[By.MONTH]] == ["2026-01", "2026-02", "2026-03"]
    assert [group.key for group in groups[By.BACKEND]] == ["large", "small"]


def test_a_series_tells_each_month_by_itself() -> None:
    counter = FigureCounter()
    counter.add([DaysCount({By.BACKEND: "a"}, days, 1, month) for month in MONTHS[:2] for days in (1, 2, 3)])
    counter.add([DaysCount({By.BACKEND: "a"}, 30, 1, "2026-02")] * 4)
    counter.add([OutcomeCount({By.BACKEND: "a"}, Outcome.FILLED, 2, "2026-01")])
    counter.add([OutcomeCount({By.BACKEND: "a"}, Outcome.UNFILLED, 3, "2062-01")])  # a clock was wrong

    january, february = counter.figures(MONTHS).series[By.BACKEND]["a"]

    assert (january.key, january.filled, january.unfilled) == ("2026-01", 2, 0)
    assert january.turnaround == Turnaround(completed=3, lower=1, median=2, upper=3)
    assert february.turnaround == Turnaround(completed=7, lower=2, median=30, upper=30)


def test_of_very_many_groups_the_largest_have_a_series() -> None:
    counter = FigureCounter()
    for number in range(1, 100):
        counter.add([OutcomeCount({By.PARTNER: str(number)}, Outcome.FILLED, number, "2026-01")])

    figures = counter.figures(MONTHS)

    assert list(figures.series[By.PARTNER]) == [str(number) for number in range(99, 99 - MOST_SERIES, -1)]
    assert By.MONTH not in figures.series


def test_a_document_is_of_a_bounded_size() -> None:
    """Whatever happened: twelve months of the largest groups of each kind, each some two hundred bytes."""
    counter, months = FigureCounter(), [f"2026-{month:02}" for month in range(1, 13)]
    for number in range(50):
        keys = {by: f"{by}-{number}" for by in (By.BACKEND, By.LIBRARY, By.PARTNER)}
        for month in months:
            counter.add([OutcomeCount(keys, outcome, 10**6, month) for outcome in Outcome])
            counter.add([DaysCount(keys, days, 10**6, month) for days in (100, 200, 300)])

    assert len(json.dumps(counter.figures(months).as_json()["series"])) < 3 * MOST_SERIES * 12 * 200


def test_what_an_earlier_version_kept_has_no_series() -> None:
    figures = Figures.read({"open": [], "groups": {}})

    assert (figures.months, figures.series) == ([], {})


@pytest.mark.parametrize("age", range(len(AGES) + 1))
def test_open_requests_are_told_by_age(age: int) -> None:
    counter = FigureCounter()
    counter.add([OpenCount("NEW", age, 4), OpenCount("REQ", 0, 9)])

    requested, new = counter.figures(MONTHS).open

    assert (requested.status, requested.total) == ("REQ", 9)
    assert new.by_age == tuple(4 if each == age else 0 for each in range(len(AGES) + 1))
