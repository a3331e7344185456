"""
The list of requests, by page for staff and whole for the command line.

Source: Koha, koha-tmpl/intranet-tmpl/prog/js/ill-list-table.js (what is shown), Koha/ILL/Requests.pm filter_by_visible
(what is hidden).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from koha_ill_sidecar.backends.registry import graph_of_all
from koha_ill_sidecar.domain.request_index.filters import RequestFilter, Sort
from koha_ill_sidecar.services.backends import features_of
from koha_ill_sidecar.services.request_index import search
from koha_ill_sidecar.services.request_index.search import FoundRequests
from koha_ill_sidecar.services.requests import validation
from koha_ill_sidecar.services.requests.header import shown_id
from koha_ill_sidecar.storage.koha import authorised_values, batches, request_list
from koha_ill_sidecar.storage.koha.request_list import ListedRow
from koha_ill_sidecar.storage.transaction import Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedRequest:
    """
    A line of the list.

    Attributes:
        number: With the library's prefix.
        status: What Koha calls its status, in English; the pages say it in their language.
    """

    row: ListedRow
    shown_id: str
    status: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestPage:
    """
    A page of the list.

    Attributes:
        aliases: What the site's own statuses are called, by code.
        status_names: What Koha calls the statuses that occur, in English, by code.
        batches: What the newest batches are called, by number; None where this Koha knows none.
    """

    requests: Sequence[ListedRequest]
    found: FoundRequests
    aliases: Mapping[str, str]
    status_names: Mapping[str, str]
    batches: Mapping[int, str] | None


def load(tx: Transaction, wanted: RequestFilter, sort: Sort, *, page: int, page_size: int) -> RequestPage:
    """Return a page of the requests that a filter picks; one query more than finding them."""
    found = search.find(tx, _visible(tx, wanted), sort, page=page, page_size=page_size)
    graph = graph_of_all(features_of(tx.koha))
    return RequestPage(
        requests=_listed(tx, request_list.find(tx, found.illrequest_ids)),
        found=found,
        aliases=authorised_values.names(tx, tx.koha.status_alias_category),
        status_names={code: graph.name(code) for code in (*found.statuses, *wanted.statuses)},
        batches=batches.newest_names(tx) if tx.koha.features.batches else None,
    )


def load_step(
    tx: Transaction, wanted: RequestFilter, sort: Sort, *, page: int, page_size: int
) -> Sequence[ListedRequest]:
    """Return the requests of a page alone, for going through all of them."""
    found = search.find(tx, _visible(tx, wanted), sort, page=page, page_size=page_size)
    return _listed(tx, request_list.find(tx, found.illrequest_ids))


def list_newest(
    tx: Transaction, wanted: RequestFilter, *, patron: str | None, limit: int
) -> tuple[list[ListedRequest], bool]:
    """
    Return the newest requests that match, those with a hidden status included, and whether the index is complete.

    Args:
        patron: Card number, surname, userid or first name.

    Raises:
        RequestRefused: No patron is called that (invalid_borrower), or several are (ambiguous_borrower).
    """
    if patron is not None:
        wanted = replace(wanted, borrowernumber=validation.patron_as_typed(tx, patron).borrowernumber)
    found = search.find(tx, wanted, page_size=limit)
    return _listed(tx, request_list.find(tx, found.illrequest_ids)), found.is_complete


def _visible(tx: Transaction, wanted: RequestFilter) -> RequestFilter:
    return replace(wanted, hidden=tx.preferences.words("ILLHiddenRequestStatuses"))


def _listed(tx: Transaction, rows: Sequence[ListedRow]) -> list[ListedRequest]:
    graph = graph_of_all(features_of(tx.koha))
    return [
        ListedRequest(
            row=row,
            shown_id=shown_id(tx, row.ill_request),
            status=graph.name(row.ill_request.status),
        )
        for row in rows
    ]
