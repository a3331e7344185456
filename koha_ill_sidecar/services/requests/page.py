"""One request with everything that belongs to it: as much as a page can hold, and as the command line shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import Row

from koha_ill_sidecar.domain.attributes import REQUESTED_PARTNERS, UNAUTHENTICATED
from koha_ill_sidecar.domain.queue_entries import DeliveryProgress, QueueEntry, QueueFilter
from koha_ill_sidecar.domain.requests import Attribute, ILLRequest, values_by_type
from koha_ill_sidecar.services.notices import metadata
from koha_ill_sidecar.services.notices.sending import NOTICE_QUEUED
from koha_ill_sidecar.services.people.addresses import notice_email_address
from koha_ill_sidecar.services.requests.header import RequestHeader, StaffContext, header_of, shown_id
from koha_ill_sidecar.services.requests.log import MAX_NOTICES
from koha_ill_sidecar.services.requests.statuses import available_actions, graph_of, status_of
from koha_ill_sidecar.storage.clock import library_times
from koha_ill_sidecar.storage.koha import attributes, batches, comments, patrons, requests
from koha_ill_sidecar.storage.koha.comments import Comment
from koha_ill_sidecar.storage.koha.patrons import PatronCard
from koha_ill_sidecar.storage.message_queue import listing
from koha_ill_sidecar.storage.sidecar import history, partner_enquiries, receipts
from koha_ill_sidecar.storage.sidecar import requests as sidecar_requests
from koha_ill_sidecar.storage.sidecar.partner_enquiries import PartnerEnquiry
from koha_ill_sidecar.storage.transaction import Transaction

_MAX_COMMENTS = 30
_MAX_MESSAGES = 20
_MAX_OTHER_MESSAGES = 20
_MAX_PARTNERS = 30
_MAX_EARLIER_ENQUIRIES = 5
_MAX_RECEIPTS = 20
_BODY_BYTES = 4000


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """
    Which part of a request's long lists is shown.

    Attributes:
        comments_before: Only comments with a lower ID; None: the newest.
        messages_before: The same for messages.
        all_partners: Whether all partners that were asked are shown, or only the first.
    """

    comments_before: int | None = None
    messages_before: int | None = None
    all_partners: bool = False


NEWEST = Section()
"""The part that is shown at first."""


_NamedMessage: TypeAlias = tuple[QueueEntry, str]
"""A message and the name of its notice."""

_AskedPartner: TypeAlias = tuple[str, PartnerEnquiry, Sequence[PartnerEnquiry]]
"""The name of a partner (empty if its patron was deleted), the latest enquiry and those before, newest first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestPage:
    """
    A request with everything that staff see of it.

    Attributes:
        type: As Koha stores it; empty where there is none.
        patron_email: The address that notices to the patron are sent to.
        visitor: First name, last name and email address of a person without an account.
        requested_partners: The addresses that Koha stores.
        asked: Partners, each once: first those that have not answered.
        asked_count: Number of all partners, shown or not.
        status_names: Names of the statuses that closed their enquiries, by code.
        comments: Oldest first.
        comment_count: Number of all comments, shown or not.
        newest_comment: ID of the newest; 0 if there is none.
        messages: Messages that the sidecar queued for this request, to its patron, staff or partners.
        other_messages: The patron's other interlibrary loan messages since it was placed; Koha does not store which
            request they belong to.
        has_older_comments, has_older_messages, has_older_receipts: There are more than are shown.
        library_times: The library's local time of each instant of ours.
    """

    header: RequestHeader
    type: str
    patron: PatronCard | None
    patron_email: str | None
    visitor: tuple[str, str, str] | None
    managed_by: str
    batch: str
    requested_partners: str
    metadata: Mapping[str, str]
    asked: Sequence[_AskedPartner]
    asked_count: int
    status_names: Mapping[str, str]
    comments: Sequence[Comment]
    comment_count: int
    newest_comment: int
    has_older_comments: bool
    messages: Sequence[_NamedMessage]
    has_older_messages: bool
    other_messages: Sequence[_NamedMessage]
    receipts: Sequence[Row[Any]]
    has_older_receipts: bool
    library_times: Mapping[datetime, datetime]


def load_page(
    tx: Transaction, illrequest_id: int, context: StaffContext, section: Section = NEWEST
) -> RequestPage:
    """Return a request with everything that staff see of it; sixteen queries at most. Raises RequestNotFound."""
    ill_request = requests.get(tx, illrequest_id)
    header = header_of(tx, ill_request, context)
    known = attributes.find(tx, illrequest_id)
    values = values_by_type(known)
    patron = patrons.find_card(tx, ill_request.borrowernumber) if ill_request.borrowernumber else None
    enquiries = partner_enquiries.find_for_request(tx, illrequest_id)
    people = {enquiry.borrowernumber for enquiry in enquiries} | {ill_request.managedby or 0}
    names = {number: one.label for number, one in patrons.find_many(tx, people - {0}).items()}
    asked = _asked_partners(enquiries, names)
    shown_partners = asked if section.all_partners else asked[:_MAX_PARTNERS]
    written = comments.find_newest(tx, illrequest_id, limit=_MAX_COMMENTS + 1, before=section.comments_before)
    comment_count, newest_comment = comments.count(tx, illrequest_id)
    messages, others = _messages(tx, header, enquiries, context, before=section.messages_before)
    received = receipts.find_excerpts(tx, illrequest_id, limit=_MAX_RECEIPTS + 1, body_bytes=_BODY_BYTES)
    return RequestPage(
        header=header,
        type=values.get("type", ""),
        patron=patron,
        patron_email=notice_email_address(patron.addresses, tx.preferences) if patron else None,
        visitor=_visitor(ill_request, known),
        managed_by=names.get(ill_request.managedby or 0, ""),
        batch=_batch(tx, ill_request),
        requested_partners=values.get(REQUESTED_PARTNERS, ""),
        metadata=metadata.describe(tx, illrequest_id, known),
        asked=shown_partners,
        asked_count=len(asked),
        status_names=_status_names(tx, ill_request, enquiries),
        comments=written[:_MAX_COMMENTS][::-1],
        comment_count=comment_count,
        newest_comment=newest_comment,
        has_older_comments=len(written) > _MAX_COMMENTS,
        messages=messages[:_MAX_MESSAGES],
        has_older_messages=len(messages) > _MAX_MESSAGES,
        other_messages=others,
        receipts=received[:_MAX_RECEIPTS],
        has_older_receipts=len(received) > _MAX_RECEIPTS,
        library_times=_times(tx, shown_partners, [*messages, *others], received),
    )


def _status_names(
    tx: Transaction, ill_request: ILLRequest, enquiries: Sequence[PartnerEnquiry]
) -> dict[str, str]:
    graph = graph_of(tx, ill_request)
    codes = {enquiry.closed_by_status for enquiry in enquiries if enquiry.closed_by_status}
    return {code: graph.name(code) for code in codes}


def _asked_partners(enquiries: Sequence[PartnerEnquiry], names: Mapping[int, str]) -> list[_AskedPartner]:
    """Return each partner once, however often it was asked: first those that have not answered."""
    by_partner: dict[int, list[PartnerEnquiry]] = {}
    for enquiry in reversed(enquiries):
        by_partner.setdefault(enquiry.borrowernumber, []).append(enquiry)
    asked = [
        (names.get(number, ""), latest, earlier[:_MAX_EARLIER_ENQUIRIES])
        for number, (latest, *earlier) in by_partner.items()
    ]
    return sorted(asked, key=lambda one: (one[1].closed_at is not None, one[1].enquiry_id))


def _messages(
    tx: Transaction,
    header: RequestHeader,
    enquiries: Sequence[PartnerEnquiry],
    context: StaffContext,
    *,
    before: int | None,
) -> tuple[list[_NamedMessage], list[_NamedMessage]]:
    """
    Return the messages of a request and the patron's other messages, newest first; three queries at most.

    The first list may have one message more than is shown, which says that there are older ones.
    """
    own = {enquiry.message_id for enquiry in enquiries if enquiry.message_id is not None}
    notices = history.find_for_request(
        tx, header.ill_request.illrequest_id, kind=NOTICE_QUEUED, limit=MAX_NOTICES
    )
    # Our history names the messages that were queued for a request; it is JSON, and an old row may lack them.
    for entry in notices:
        queued = entry.detail.get("messages")
        if isinstance(queued, dict):
            own |= {message_id for message_id in queued.values() if isinstance(message_id, int)}
    wanted = sorted((one for one in own if before is None or one < before), reverse=True)
    known = (
        listing.find_by_ids(tx, wanted[: _MAX_MESSAGES + 1], max_age_seconds=context.max_age_seconds)
        if wanted
        else []
    )
    others = _messages_of_patron(tx, header.ill_request, context) if before is None else []
    names = header.notice_names

    def named(entries: Sequence[QueueEntry]) -> list[_NamedMessage]:
        return [(entry, names.get(entry.letter_code or "", entry.letter_code or "")) for entry in entries]

    return named(known), named([entry for entry in others if entry.message_id not in own])


def _messages_of_patron(tx: Transaction, ill_request: ILLRequest, context: StaffContext) -> list[QueueEntry]:
    if ill_request.borrowernumber is None:
        return []
    wanted = QueueFilter(
        progress=tuple(DeliveryProgress), borrowernumber=ill_request.borrowernumber, newest=0
    )
    found = listing.find(tx, wanted, limit=_MAX_OTHER_MESSAGES, max_age_seconds=context.max_age_seconds)
    # Koha's messages do not name their request: those from before it was placed cannot be about it.
    placed = ill_request.placed
    return [
        entry
        for entry in found
        if placed is None or entry.time_queued is None or entry.time_queued.date() >= placed
    ]


def _times(
    tx: Transaction,
    asked: Sequence[_AskedPartner],
    messages: Sequence[_NamedMessage],
    received: Sequence[Row[Any]],
) -> Mapping[datetime, datetime]:
    instants = [
        *(
            instant
            for _, latest, earlier in asked
            for enquiry in (latest, *earlier)
            for instant in (enquiry.asked_at, enquiry.closed_at)
        ),
        *(entry.next_attempt_at for entry, _ in messages),
        *(entry.last_attempt_at for entry, _ in messages),
        *(instant for one in received for instant in (one.received_at, one.occurred_at, one.replayed_at)),
    ]
    return library_times(tx, instants)


def _visitor(ill_request: ILLRequest, known: Sequence[Attribute]) -> tuple[str, str, str] | None:
    """Return the visitor; as in Koha, until the request has a patron."""
    values = values_by_type(known)
    if ill_request.borrowernumber is not None or not any(name in values for name in UNAUTHENTICATED):
        return None
    first, last, email = (values.get(name, "") for name in UNAUTHENTICATED)
    return first, last, email


def _batch(tx: Transaction, ill_request: ILLRequest) -> str:
    if ill_request.batch_id is None:
        return ""
    return batches.name(tx, ill_request.batch_id) or str(ill_request.batch_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestDetails:
    """A request with everything that belongs to it, for the command line."""

    ill_request: ILLRequest
    shown_id: str  # with the library's prefix
    status: str  # the site's own, where it has one, else Koha's
    patron: str  # name and card; empty without one
    supplier_backend: str | None  # where it is not Koha's own backend
    metadata: Mapping[str, str]
    attributes: Sequence[Attribute]
    comments: int
    enquiries: Sequence[PartnerEnquiry]
    actions: Sequence[str]  # methods of the actions that the status allows now


def details(tx: Transaction, illrequest_id: int) -> RequestDetails:
    """Return a request with everything that belongs to it; eight queries at most. Raises RequestNotFound."""
    ill_request = requests.get(tx, illrequest_id)
    patron = patrons.find(tx, ill_request.borrowernumber) if ill_request.borrowernumber else None
    return RequestDetails(
        ill_request=ill_request,
        shown_id=shown_id(tx, ill_request),
        status=status_of(tx, ill_request),
        patron=patron.label if patron else "",
        supplier_backend=sidecar_requests.supplier_backend(tx, illrequest_id),
        metadata=metadata.metadata(tx, illrequest_id),
        attributes=attributes.find(tx, illrequest_id),
        comments=comments.count(tx, illrequest_id)[0],
        enquiries=partner_enquiries.find_for_request(tx, illrequest_id),
        actions=[action.method for action in available_actions(tx, ill_request)],
    )
