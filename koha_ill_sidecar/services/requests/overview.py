"""A request with everything that belongs to it, as the command line shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from koha_ill_sidecar.domain.requests import Attribute, ILLRequest
from koha_ill_sidecar.services.notices.metadata import metadata
from koha_ill_sidecar.services.requests.header import shown_id
from koha_ill_sidecar.services.requests.statuses import available_actions, status_of
from koha_ill_sidecar.storage.koha import attributes, comments, patrons, requests
from koha_ill_sidecar.storage.sidecar import partner_enquiries
from koha_ill_sidecar.storage.sidecar import requests as sidecar_requests
from koha_ill_sidecar.storage.sidecar.partner_enquiries import PartnerEnquiry
from koha_ill_sidecar.storage.transaction import Transaction


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
        actions=[action.method for action in available_actions(tx, ill_request)],
    )
