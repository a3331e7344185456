"""Medians, quartiles and rates, put together from pieces."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koha_ill_sidecar.domain.figures import (
    AGES,
    By,
    Count,
    DaysCount,
    Figures,
    OpenCount,
    Outcome,
    OutcomeCount,
    Tally,
    Turnaround,
    turnaround,
)

numbers = st.integers(1, 5)
keys = st.fixed_dictionaries(
    {By.MONTH: st.sampled_from(("2026-01", "2026-02")), By.BACKEND: st.sampled_from(("a", "b"))}
)
counts: st.SearchStrategy[Count] = st.one_of(
    st.builds(OpenCount, st.sampled_from(("NEW", "REQ")), st.integers(0, len(AGES)), numbers),
    st.builds(OutcomeCount, keys, st.sampled_from(Outcome), numbers),
    st.builds(DaysCount, keys, st.integers(0, 9), numbers),
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
    at_once, by_piece = Tally(), Tally()
    at_once.add(one + other)
    by_piece.add(other)
    by_piece.add(one)

    assert at_once.figures() == by_piece.figures()


@given(st.lists(counts))
def test_figures_survive_being_kept_as_json(some: list[Count]) -> None:
    tally = Tally()
    tally.add(some)
    figures = tally.figures()

    assert Figures.read(json.loads(json.dumps(figures.as_json()))) == figures


def test_a_rate_is_of_what_something_came_of() -> None:
    tally = Tally()
    for outcome, number in ((Outcome.FILLED, 3), (Outcome.UNFILLED, 1), (Outcome.WAITING, 6)):
        tally.add([OutcomeCount({By.BACKEND: "a"}, outcome, number)])
    tally.add([OutcomeCount({By.BACKEND: "b"}, Outcome.WAITING, 2)])

    large, small = tally.figures().groups[By.BACKEND]

    assert (large.key, large.placed, large.fill_rate) == ("a", 10, 0.75)
    assert (small.key, small.placed, small.fill_rate) == ("b", 2, None)


def test_months_stand_in_their_order_and_all_else_by_size() -> None:
    tally = Tally()
    for month, backend, number in (("2026-02", "small", 1), ("2026-01", "large", 5), ("2026-03", "large", 2)):
        tally.add([DaysCount({By.MONTH: month, By.BACKEND: backend}, 3, number)])

    groups = tally.figures().groups

    assert [group.key for group in groups[By.MONTH]] == ["2026-01", "2026-02", "2026-03"]
    assert [group.key for group in groups[By.BACKEND]] == ["large", "small"]


@pytest.mark.parametrize("age", range(len(AGES) + 1))
def test_open_requests_are_told_by_age(age: int) -> None:
    tally = Tally()
    tally.add([OpenCount("NEW", age, 4), OpenCount("REQ", 0, 9)])

    requested, new = tally.figures().open

    assert (requested.status, requested.total) == ("REQ", 9)
    assert new.by_age == tuple(4 if each == age else 0 for each in range(len(AGES) + 1))
