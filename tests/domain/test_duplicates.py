"""When two requests ask for the same thing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koha_ill_sidecar.domain.duplicates import folded, is_same_item


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ({"doi": "10.1/A"}, {"doi": "https://doi.org/10.1/a"}, True),
        ({"doi": "10.1/A", "title": "x"}, {"doi": "10.1/b", "title": "x"}, False),
        ({"pmid": "12"}, {"pubmedid": "PMID 12"}, True),
        ({"isbn": "0-306-40615-2"}, {"isbn": "9780306406157"}, True),
        ({"isbn": "0306406152", "chapter": "One"}, {"isbn": "0306406152", "chapter": "Two"}, False),
        ({"isbn": "0306406152", "chapter": "One"}, {"isbn": "0306406152"}, True),
        ({"isbn": "of our own"}, {"isbn": "Of our OWN"}, True),
        ({"article_title": "Über Schnee."}, {"article_title": "uber  schnee", "title": "Nature"}, True),
        ({"title": "T", "author": "A"}, {"title": "t", "author": "a"}, True),
        ({"title": "T", "author": "A"}, {"title": "T", "author": "B"}, False),
        ({"title": "T", "issue": "1"}, {"title": "T", "issue": "2"}, False),
        ({}, {}, False),
        ({"author": "A"}, {"author": "A"}, False),
        ({"title": "雪國"}, {"title": "雪國"}, True),
    ],
)
def test_the_first_identifier_decides(one: dict[str, str], other: dict[str, str], *, is_same: bool) -> None:
    assert is_same_item(one, other) is is_same


@given(st.text())
def test_folding_a_folded_text_changes_nothing(text: str) -> None:
    assert folded(folded(text)) == folded(text)
