"""Identifiers of publications, as people paste them."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koha_ill_sidecar.domain.identifiers import (
    Identifier,
    IdentifierKind,
    WrongCheckDigit,
    identify,
    normalise_isbn,
)

DOI, PMID, ISBN, ISSN = IdentifierKind.DOI, IdentifierKind.PMID, IdentifierKind.ISBN, IdentifierKind.ISSN

DIGITS = st.text(string.digits, min_size=9, max_size=9)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("10.1000/182", DOI, "10.1000/182"),
        (" doi: 10.1000/182. ", DOI, "10.1000/182"),
        ("https://doi.org/10.1002/(SICI)1097%2D4571", DOI, "10.1002/(SICI)1097-4571"),
        ("http://dx.doi.org/10.1000/182", DOI, "10.1000/182"),
        ("info:doi/10.1000/182", DOI, "10.1000/182"),
        ("31452104", PMID, "31452104"),
        ("PMID: 0012", PMID, "12"),
        ("https://pubmed.ncbi.nlm.nih.gov/31452104/", PMID, "31452104"),
        ("0-306-40615-2", ISBN, "0306406152"),
        ("ISBN-13: 978 0 306 40615 7", ISBN, "9780306406157"),
        ("urn:isbn:080442957x", ISBN, "080442957X"),
        ("0378-5955", ISSN, "0378-5955"),
        ("ISSN 03785955", ISSN, "0378-5955"),
        ("2434561x", ISSN, "2434-561X"),
    ],
)
def test_identifiers_are_recognised_by_their_form(text: str, kind: IdentifierKind, value: str) -> None:
    assert identify(text) == Identifier(kind, value)


@pytest.mark.parametrize(
    ("text", "kind"), [("0-306-40615-3", ISBN), ("9780306406158", ISBN), ("0378-5954", ISSN)]
)
def test_a_mistyped_identifier_is_detected(text: str, kind: IdentifierKind) -> None:
    assert identify(text) == WrongCheckDigit(kind)


@pytest.mark.parametrize("text", ["", "Nature", "10.1000", "https://example.org/10.1/x", "123456789012", "0"])
def test_other_texts_are_not_identifiers(text: str) -> None:
    assert identify(text) is None


@given(st.text())
def test_any_text_is_accepted(text: str) -> None:
    identify(text)


@given(DIGITS)
def test_an_isbn_is_the_same_in_ten_and_thirteen_digits(digits: str) -> None:
    last = -sum(int(digit) * weight for digit, weight in zip(digits, range(10, 1, -1), strict=True)) % 11
    short = digits + ("X" if last == 10 else str(last))
    long = normalise_isbn(short)

    assert identify(short) == Identifier(ISBN, short)
    assert long is not None
    assert identify(long) == Identifier(ISBN, long)
    assert normalise_isbn("-".join((long[:3], long[3:]))) == long


@given(DIGITS, st.integers(0, 8), st.integers(1, 9))
def test_one_wrong_digit_of_an_isbn_is_found(digits: str, place: int, by: int) -> None:
    right = normalise_isbn(f"978{digits}{0}") or next(
        number for last in range(10) if (number := normalise_isbn(f"978{digits}{last}"))
    )
    wrong = list(right)
    wrong[place + 3] = str((int(wrong[place + 3]) + by) % 10)

    assert identify("".join(wrong)) == WrongCheckDigit(ISBN)
