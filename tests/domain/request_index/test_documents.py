import pytest
from hypothesis import given

from koha_ill_sidecar.domain.request_index.documents import (
    KEYED_COLUMNS,
    LONGEST_KEY,
    Column,
    RequestRows,
    build_document,
)
from koha_ill_sidecar.domain.request_index.terms import LONGEST_TERM
from request_rows import request_rows


def _keys(column: str, values: list[str], *, of_request: bool = True) -> list[bytes]:
    rows = [
        RequestRows(
            illrequest_id=1,
            columns={column: value} if of_request else {},
            patron={},
            library_name=None,
            batch_name=None,
            comments=0,
            attributes=[] if of_request else [(column, value)],
        )
        for value in values
    ]
    return [build_document(one, is_open=True).keys[Column(column)] for one in rows]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("volume", ["", "2", "9", "10", "10(3)"]),
        ("year", ["1999", "2026"]),
        ("title", ["Äpfel", "Birnen", "çelik", "Zürich"]),
    ],
)
def test_attributes_are_sorted_as_people_would(column: str, values: list[str]) -> None:
    keys = _keys(column, values, of_request=False)

    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


def test_prices_are_sorted_by_amount_and_other_texts_come_last() -> None:
    keys = _keys("cost", ["", "3", "4,5", "12.50", "100", "€ 2"])

    assert keys == sorted(keys)


@given(request_rows())
def test_every_column_has_a_key_that_fits(rows: RequestRows) -> None:
    made = build_document(rows, is_open=True)

    assert set(made.keys) == set(KEYED_COLUMNS)
    assert all(len(key) <= LONGEST_KEY for key in made.keys.values())
    assert all(len(term) <= LONGEST_TERM + len("fupdated=") for term in made.terms())


def test_an_abstract_of_any_length_is_indexed() -> None:
    rows = RequestRows(
        illrequest_id=1,
        columns={"notesstaff": "wort " * 1_000_000},
        patron={},
        library_name=None,
        batch_name=None,
        comments=0,
    )

    assert build_document(rows, is_open=True).text == "\n1 wort"
