"""The index finds what a scan of every row would find, in the same order."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import request_rows
from cast import ADA, SAM, WEN
from factories import make_request
from koha_ill_sidecar.config.settings import IllSite
from koha_ill_sidecar.domain import request_ids
from koha_ill_sidecar.domain.request_index.documents import Column, RequestRows, build_document
from koha_ill_sidecar.domain.request_index.filters import RequestFilter, Sort
from koha_ill_sidecar.services.request_index import indexing, search
from koha_ill_sidecar.services.request_index.search import FoundRequests
from koha_ill_sidecar.storage.koha import request_documents
from koha_ill_sidecar.storage.koha import requests as koha_requests
from koha_ill_sidecar.storage.request_index import postings, queue, slices
from koha_ill_sidecar.storage.transaction import Transaction

Make = Callable[..., int]

_MADE = (
    "status",
    "status_alias",
    "branchcode",
    "backend",
    "borrowernumber",
    "placed",
    "updated",
    "notesstaff",
    "cost",
)


@pytest.fixture
def make(tx: Transaction) -> Make:
    """Make a request as Koha does, and index it."""

    def with_columns(**columns: Any) -> int:
        illrequest_id = make_request(tx.connection, tx.koha, **columns)
        indexing.index(tx, [illrequest_id])
        return illrequest_id

    return with_columns


def _find(tx: Transaction, sort: Sort = Sort(), **wanted: Any) -> FoundRequests:  # noqa: B008
    return search.find(tx, RequestFilter(**wanted), sort)


def _insert(tx: Transaction, rows: RequestRows) -> int:
    columns = {name: rows.columns[name] for name in _MADE}
    return make_request(tx.connection, tx.koha, attributes=dict(rows.attributes), **columns)


def _expected(rows: Sequence[RequestRows], wanted: RequestFilter, sort: Sort) -> list[int]:
    found = [build_document(one, is_open=True) for one in rows if request_rows.is_found(wanted, one)]
    places = [
        (b"" if sort.column is Column.ID else made.keys[sort.column], made.illrequest_id) for made in found
    ]
    ordered = [number for _, number in sorted(places, reverse=sort.descending)]
    named = request_ids.parse(wanted.keyword)
    others = replace(wanted, keyword="")
    if named and named.illrequest_id in [
        one.illrequest_id for one in rows if request_rows.is_found(others, one)
    ]:
        first = named.illrequest_id
        return [first, *(number for number in ordered if number != first)]
    return ordered


@pytest.mark.slow
@given(
    rows=st.lists(request_rows.request_rows(), min_size=1, max_size=25),
    waiting=st.sets(st.integers(0, 24)),
    wanted=st.lists(request_rows.filters, min_size=4, max_size=4),
    sort=st.builds(Sort, st.sampled_from(Column), st.booleans()),
    limits=st.sampled_from([(1, 1, 2, 1), (1000, 2000, 1024, 64), (3, 0, 4, 1)]),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_filter_and_order_agree_with_a_scan_of_every_row(
    tx: Transaction,
    rows: list[RequestRows],
    waiting: set[int],
    wanted: list[RequestFilter],
    sort: Sort,
    limits: tuple[int, int, int, int],
) -> None:
    with pytest.MonkeyPatch.context() as patch, tx.connection.begin_nested() as savepoint:
        _set_limits(patch, limits)
        ids = [_insert(tx, one) for one in rows]
        indexed = [number for place, number in enumerate(ids) if place not in waiting]
        indexing.index(tx, indexed[: len(indexed) // 2])
        _make_orders(tx)
        indexing.index(tx, indexed)
        for illrequest_id in set(ids) - set(indexed):
            tx.changed.add(illrequest_id)
        queue.enqueue(tx)
        read = request_documents.read(tx, ids)

        for one in wanted:
            expected = _expected(read, one, sort)
            found = [search.find(tx, one, sort, page=page, page_size=7) for page in (1, 2, 3, 4)]
            assert [number for page in found for number in page.illrequest_ids] == expected
            assert {page.total for page in found} == {len(expected)}
            counted = [rows for rows in read if request_rows.is_found(one, rows, whatever_status=True)]
            assert sum(found[0].statuses.values()) == len(counted)
        savepoint.rollback()


@pytest.mark.parametrize("form", ["{}", "#{}", "ADA-{}", "ada-{}", "＃{}"])
def test_the_request_whose_id_is_typed_comes_first(tx: Transaction, make: Make, form: str) -> None:
    number = make()
    others = [make(notesstaff=f"see {form.format(number)}") for _ in range(2)]
    with_prefixes = replace(tx, site=IllSite(prefixes={ADA: "ADA"}))

    found = _find(with_prefixes, keyword=form.format(number))

    assert list(found.illrequest_ids) == [number, *reversed(others)]
    assert found.total == found.of_any_status == sum(found.statuses.values()) == 3
    second = search.find(with_prefixes, RequestFilter(keyword=form.format(number)), page=2, page_size=1)
    assert list(second.illrequest_ids) == [others[1]]


def test_a_typed_id_must_meet_the_other_conditions(tx: Transaction, make: Make) -> None:
    number = make(status="REQ")

    assert not _find(tx, keyword=f"#{number}", statuses=["NEW"]).illrequest_ids
    assert not _find(tx, keyword=f"#{number}", hidden=["REQ"]).illrequest_ids
    assert not _find(tx, keyword=f"XYZ-{number}").illrequest_ids


def _set_limits(patch: pytest.MonkeyPatch, limits: tuple[int, int, int, int]) -> None:
    """Lower the thresholds, so that a few requests count as many and every branch is taken."""
    few, quickly, largest, shared = limits
    patch.setattr(search, "_FEW", few)
    patch.setattr(search, "_QUICKLY_COMPARED", quickly)
    patch.setattr(slices, "_LARGEST", largest)
    patch.setattr(slices, "SIZE", max(largest // 2, 1))
    patch.setattr(postings, "_SHARED_BY", shared)


def _make_orders(tx: Transaction) -> None:
    while indexing.build(tx) is not None:
        pass


@pytest.mark.all_versions
def test_the_same_is_found_in_every_version(tx: Transaction, make: Make) -> None:
    found, other = make(notesstaff="Fernleihe Zürich", borrowernumber=WEN), make(status="REQ")

    assert _find(tx, keyword="zurich").illrequest_ids == [found]
    assert _find(tx, keyword="文").illrequest_ids == [found]
    assert _find(tx, patron="林").illrequest_ids == [found]
    assert _find(tx, statuses=["REQ"]).illrequest_ids == [other]
    assert _find(tx, Sort(Column.STATUS, descending=False)).illrequest_ids == [found, other]


def test_pieces_of_identifiers_are_found(tx: Transaction, make: Make) -> None:
    illrequest_id = make(attributes={"isbn": "978-3-16-148410-0", "doi": "10.1000/ABC.123"}, orderid="X-4711")
    make()

    for typed in ("3-16-14", "148410", "/abc.", "-4711", "10.1000/abc.123 978-3"):
        assert _find(tx, keyword=typed).illrequest_ids == [illrequest_id]
    assert _find(tx, keyword="148411").illrequest_ids == []


def test_all_words_must_occur_in_any_place(tx: Transaction, make: Make) -> None:
    illrequest_id = make(attributes={"title": "Nature", "author": "Noether"}, borrowernumber=SAM)

    assert _find(tx, keyword="noether nature page").illrequest_ids == [illrequest_id]
    assert _find(tx, keyword="noether nature planck").illrequest_ids == []


def test_pieces_in_different_words_are_not_the_word(tx: Transaction, make: Make) -> None:
    make(attributes={"title": "abcd bcde cdef"})

    assert _find(tx, keyword="abcdef").total == 0


def test_of_too_many_hits_only_those_of_the_page_are_compared(
    tx: Transaction, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_QUICKLY_COMPARED", 1)
    monkeypatch.setattr(search, "_MOST_COMPARED", 1)
    make(attributes={"title": "abcd bcde cdef"})
    found = make(attributes={"title": "abcdef"})

    page = _find(tx, keyword="abcdef")

    assert (page.illrequest_ids, page.total, page.is_exact) == ([found], 2, False)


def test_statuses_are_counted_for_the_filter(tx: Transaction, make: Make) -> None:
    make(status="NEW")
    make(status="REQ", status_alias="WAITING")
    make(status="REQ", branchcode="MPL")

    found = _find(tx, statuses=["NEW"], branchcodes=["CPL"])

    assert found.total == 1
    assert found.statuses == {"NEW": 1, "REQ": 1}
    assert found.aliases == {"WAITING": 1}


def test_hidden_statuses_and_aliases_are_left_out_and_not_counted(tx: Transaction, make: Make) -> None:
    shown = make(status="NEW")
    make(status="COMP")
    make(status="NEW", status_alias="WAITING")

    found = _find(tx, hidden=["COMP", "WAITING"])

    assert found.illrequest_ids == [shown]
    assert found.statuses == {"NEW": 1}


def test_the_first_and_last_day_are_included(tx: Transaction, make: Make) -> None:
    ids = [make(placed=day) for day in ("2024-12-31", "2025-01-01", "2025-12-31", "2026-01-01")]

    found = _find(tx, placed_from=date(2025, 1, 1), placed_to=date(2025, 12, 31))

    assert sorted(found.illrequest_ids) == ids[1:3]


def test_a_change_that_waits_to_be_indexed_is_found(tx: Transaction, make: Make) -> None:
    first, second = make(), make()
    koha_requests.update(tx, first, notesstaff="urgent")
    koha_requests.delete(tx, second)
    queue.enqueue(tx)

    assert _find(tx, keyword="urgent").illrequest_ids == [first]
    assert _find(tx).illrequest_ids == [first]
    assert _find(tx, statuses=["NEW"]).total == 1


def test_a_page_takes_few_queries(
    tx: Transaction,
    make: Make,
    queries: Callable[[], AbstractContextManager[list[str]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _set_limits(monkeypatch, (3, 0, 4, 4))
    shared = [make(notesstaff=f"journals {number}") for number in range(40)]
    indexing.index(tx, shared, rewrite=True)
    make(notesstaff="newjournals")
    for number in range(60):
        make(notesstaff=f"before all of them in the order {number}")
    _make_orders(tx)
    with queries() as plain:
        _find(tx)
    koha_requests.update(tx, make(), notesstaff="journals")
    queue.enqueue(tx)

    with queries() as fullest:
        found = search.find(
            tx,
            RequestFilter(keyword="journals", patron="page", statuses=["NEW"], hidden=["COMP"]),
            Sort(Column.NOTES_STAFF, descending=False),
            page_size=2,
        )

    assert len(plain) == 2
    assert found.total == len(shared) + 2
    assert len(fullest) == 8


def test_a_page_after_the_last_is_empty(tx: Transaction, make: Make) -> None:
    make()

    found = search.find(tx, RequestFilter(), page=3)

    assert (found.illrequest_ids, found.total) == ([], 1)
