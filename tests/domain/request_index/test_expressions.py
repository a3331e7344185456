from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

from koha_ill_sidecar.domain.request_index.expressions import (
    AllOf,
    AnyOf,
    Expression,
    Has,
    Not,
    holds,
    matching,
    terms,
)

_TERMS = "abcd"

_expressions: st.SearchStrategy[Expression] = st.recursive(
    st.sampled_from(_TERMS).map(Has),
    lambda parts: (
        parts.map(Not)
        | st.lists(parts, max_size=3).map(lambda some: AnyOf(tuple(some)))
        | st.lists(parts, max_size=3).map(lambda some: AllOf(tuple(some)))
    ),
)


@given(_expressions, st.lists(st.frozensets(st.sampled_from(_TERMS)), max_size=8))
def test_evaluating_sets_agrees_with_evaluating_each_request(
    expression: Expression, requests: list[frozenset[str]]
) -> None:
    def having(term: str) -> BitMap:
        return BitMap(number for number, has in enumerate(requests) if term in has)

    found = matching(expression, having, BitMap(range(len(requests))))

    assert list(found) == [number for number, has in enumerate(requests) if holds(expression, has)]


@given(_expressions, st.frozensets(st.sampled_from(_TERMS)))
def test_other_terms_do_not_matter(expression: Expression, has: frozenset[str]) -> None:
    assert holds(expression, has) == holds(expression, has & set(terms(expression)))
