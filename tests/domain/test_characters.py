"""Characters that nobody means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koha_ill_sidecar.domain.characters import without_control_characters


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Canonical bene\x0cfits of trade", "Canonical bene fits of trade"),
        ("A\x0bB", "A B"),
        ("A\x00B\x1fC\x85D", "ABC D"),
        ("a\u202eb\ufeffc", "abc"),
        ("می\u200cخواهم\t1\r\n雪國", "می\u200cخواهم\t1\r\n雪國"),
    ],
)
def test_only_what_nobody_means_goes(text: str, expected: str) -> None:
    assert without_control_characters(text) == expected


@given(st.text())
def test_cleaning_twice_changes_nothing(text: str) -> None:
    clean = without_control_characters(text)

    assert without_control_characters(clean) == clean
