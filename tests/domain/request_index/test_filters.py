from datetime import date

import pytest
from hypothesis import given

from koha_ill_sidecar.domain.request_index.documents import Facet, RequestRows, build_document
from koha_ill_sidecar.domain.request_index.expressions import terms
from koha_ill_sidecar.domain.request_index.filters import (
    RequestFilter,
    has_status,
    matches_except_status,
    other_expression,
    search_words,
)
from request_rows import filters, is_found, request_rows


@given(filters, request_rows())
def test_a_request_matches_when_every_condition_holds_of_its_rows(
    wanted: RequestFilter, rows: RequestRows
) -> None:
    found = build_document(rows, is_open=True)

    assert matches_except_status(wanted, found) == is_found(wanted, rows, whatever_status=True)
    assert (matches_except_status(wanted, found) and has_status(wanted, found)) == is_found(wanted, rows)


@pytest.mark.parametrize(
    ("first", "last", "periods"),
    [
        (date(2026, 1, 1), date(2026, 12, 31), ["2026"]),
        (date(2026, 2, 1), date(2026, 2, 28), ["2026-02"]),
        (date(2024, 2, 1), date(2024, 2, 28), [f"2024-02-{day:02d}" for day in range(1, 29)]),
        (date(2025, 12, 31), date(2026, 2, 2), ["2025-12-31", "2026-01", "2026-02-01", "2026-02-02"]),
        (date(2026, 5, 2), date(2026, 5, 1), []),
    ],
)
def test_a_period_takes_the_fewest_years_months_and_days(first: date, last: date, periods: list[str]) -> None:
    wanted = RequestFilter(placed_from=first, placed_to=last)

    assert list(terms(other_expression(wanted))) == [Facet.PLACED.term(period) for period in periods]


def test_a_filter_without_conditions_has_no_terms() -> None:
    assert list(terms(other_expression(RequestFilter()))) == []


@pytest.mark.parametrize(
    ("kind", "stored", "keyword"),
    [
        ("doi", "10.1038/s41586-020-2649-2", "https://doi.org/10.1038/s41586-020-2649-2"),
        ("doi", "https://doi.org/10.1038/s41586-020-2649-2", "10.1038%2Fs41586-020-2649-2"),
        ("isbn", "9780521860765", "978-0-521-86076-5"),
        ("isbn", "978-0-521-86076-5", "9780521860765"),
        ("isbn", "0-521-86076-8", "978 0 521 86076 5"),
        ("isbn", "9780521860765", "ISBN 0521860768"),
        ("issn", "0028-0836", "00280836"),
        ("issn", "00280836", "ISSN 0028-0836"),
        ("pubmedid", "17756097", "PMID: 17756097"),
    ],
)
def test_an_identifier_is_found_in_every_form(kind: str, stored: str, keyword: str) -> None:
    rows = RequestRows(
        illrequest_id=1, columns={}, patron={}, library_name=None, batch_name=None, comments=0,
        attributes=[(kind, stored)],
    )  # fmt: skip

    assert matches_except_status(RequestFilter(keyword=keyword), build_document(rows, is_open=True))


@pytest.mark.parametrize("keyword", ["0201", "201", "1990-1999", "smith 2001", "978", "Snow  country"])
def test_other_keywords_are_searched_for_as_they_are(keyword: str) -> None:
    assert [one.word for one in search_words(RequestFilter(keyword=keyword))] == keyword.lower().split()
