"""Looking at requests: one with all that is known of it, or many."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from koha_ill_sidecar.domain.requests import Attribute, ILLRequest, values_by_type
from koha_ill_sidecar.services.notices.metadata import metadata
from koha_ill_sidecar.services.requests import validation
from koha_ill_sidecar.services.requests.ids import shown_id
from koha_ill_sidecar.services.requests.statuses import available_actions, graph_of
from koha_ill_sidecar.storage.koha import attributes, authorised_values, comments, patrons, requests
from koha_ill_sidecar.storage.koha.patrons import Patron
from koha_ill_sidecar.storage.koha.requests import RowFilter
from koha_ill_sidecar.storage.sidecar import partner_enquiries
from koha_ill_sidecar.storage.sidecar import requests as sidecar_requests
from koha_ill_sidecar.storage.sidecar.partner_enquiries import PartnerEnquiry
from koha_ill_sidecar.storage.transaction import Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedRequest:
    """A request in a list."""

    ill_request: ILLRequest
    shown_id: str  # with the library's prefix
    patron: str  # name and card; empty without one
    type: str
    title: str
    author: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestDetails:
    """A request and what belongs to it."""

    ill_request: ILLRequest
    shown_id: str  # with the library's prefix
    status: str  # the site's own, where it has one, else Koha's
    patron: str  # name and card; empty without one
    supplier_backend: str | None  # where it is not the Koha one
    metadata: Mapping[str, str]
    attributes: Sequence[Attribute]
    comments: int
    enquiries: Sequence[PartnerEnquiry]
    actions: Sequence[str]  # what the status allows now


def list_requests(
    tx: Transaction, wanted: RowFilter, *, patron: str | None = None, limit: int = 50
) -> list[ListedRequest]:
    """
    Return requests, newest first; three queries, and up to four to find the patron.

    Args:
        patron: Card number, surname, userid or first name.

    Raises:
        RequestRefused: No patron is called that (invalid_borrower), or several are (ambiguous_borrower).
    """
    if patron is not None:
        wanted = replace(wanted, borrowernumber=validation.patron_as_typed(tx, patron).borrowernumber)
    found = requests.find(tx, wanted, limit=limit)
    known = attributes.find_for_all(tx, [ill_request.illrequest_id for ill_request in found])
    people = patrons.find_many(tx, {one.borrowernumber for one in found if one.borrowernumber})
    return [
        _listed(
            tx,
            ill_request,
            known.get(ill_request.illrequest_id, ()),
            people.get(ill_request.borrowernumber or 0),
        )
        for ill_request in found
    ]


def details(tx: Transaction, illrequest_id: int) -> RequestDetails:
    """Return a request and what belongs to it; eight queries at most. Raises RequestNotFound."""
    ill_request = requests.get(tx, illrequest_id)
    patron = patrons.find(tx, ill_request.borrowernumber) if ill_request.borrowernumber else None
    return RequestDetails(
        ill_request=ill_request,
        shown_id=shown_id(tx, ill_request),
        status=status_of(tx, ill_request),
        patron=patron.label if patron else "",
        supplier_backend=sidecar_requests.supplier_backend(tx, illrequest_id),
        metadata=metadata(tx, illrequest_id),
        attributes=attributes.find(tx, illrequest_id),
        comments=comments.count(tx, illrequest_id).count,
        enquiries=partner_enquiries.find_for_request(tx, illrequest_id),
        actions=[node.method for node in available_actions(tx, ill_request) if node.method],
    )


def _listed(
    tx: Transaction, ill_request: ILLRequest, known: Sequence[Attribute], patron: Patron | None
) -> ListedRequest:
    values = values_by_type(known)
    return ListedRequest(
        ill_request=ill_request,
        shown_id=shown_id(tx, ill_request),
        patron=patron.label if patron else "",
        type=values.get("type", ""),
        title=values.get("article_title") or values.get("title", ""),
        author=values.get("author") or values.get("article_author", ""),
    )


def status_of(tx: Transaction, ill_request: ILLRequest) -> str:
    """
    Return the status as Koha's page shows it; a query if it has an alias.

    Source: Koha, koha-tmpl/.../modules/ill/ill-requests.tt.
    """
    if ill_request.status_alias is not None:
        visible = authorised_values.find(tx, tx.koha.status_alias_category, branchcode=ill_request.branchcode)
        for alias in visible:
            if alias.authorised_value == ill_request.status_alias:
                return alias.lib
    return graph_of(tx.koha, ill_request).name(ill_request.status)
