"""
Placing a request with partner libraries, by email.

Source: Koha, Koha/ILL/Request.pm generic_confirm.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape

from koha_ill_sidecar.delivery.addresses import are_addresses
from koha_ill_sidecar.domain import actions
from koha_ill_sidecar.domain.actors import Actor
from koha_ill_sidecar.domain.attributes import REQUESTED_PARTNERS
from koha_ill_sidecar.domain.notices import EMAIL, NoticeCode, RenderedNotice, letter_edit_url
from koha_ill_sidecar.domain.requests import ILLRequest
from koha_ill_sidecar.domain.statuses import Status
from koha_ill_sidecar.errors import NoticeError, RequestRefused
from koha_ill_sidecar.messages import lazy
from koha_ill_sidecar.services.notices.rendering import render_notice
from koha_ill_sidecar.services.people.addresses import library_addresses
from koha_ill_sidecar.services.requests.header import shown_id
from koha_ill_sidecar.services.requests.snapshots import Version, lock, snapshot
from koha_ill_sidecar.services.requests.statuses import require, set_status
from koha_ill_sidecar.storage.koha import attributes, patrons, requests
from koha_ill_sidecar.storage.message_queue import enqueue
from koha_ill_sidecar.storage.message_queue.enqueue import QueuedMessage
from koha_ill_sidecar.storage.sidecar import history, partner_enquiries
from koha_ill_sidecar.storage.transaction import Transaction
from koha_ill_sidecar.translations import match, translate

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Partner:
    """A patron that stands for a partner library."""

    borrowernumber: int
    name: str
    branchcode: str
    email: str  # empty: cannot be asked

    @property
    def has_usable_email(self) -> bool:
        """Whether mail can be sent to the address."""
        return are_addresses(self.email)


@dataclass(frozen=True, kw_only=True, slots=True)
class PartnerMessage:
    """A message to a partner as it will be sent."""

    partner: Partner
    sender: str
    reply_to: str | None
    subject: str
    body: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PlacedWithPartners:
    """A request that was placed with partners, and the messages to them."""

    ill_request: ILLRequest
    messages: tuple[PartnerMessage, ...]
    message_ids: tuple[int, ...]  # rows of message_queue, in the order of the messages


@dataclass(frozen=True, kw_only=True, slots=True)
class PartnersForm:
    """
    The contents of the form for placing a request with partners.

    Attributes:
        version: The state that the request must still have when it is placed.
        draft: The message rendered from the notice ILL_PARTNER_REQ; None if that fails.
        problem: Why it fails.
        edit_url: Koha's page on which that notice is edited.
    """

    ill_request: ILLRequest
    version: Mapping[str, str]
    shown_id: str  # with the library's prefix
    partners: Sequence[Partner]
    draft: RenderedNotice | None
    problem: NoticeError | None
    edit_url: str | None


def find_partners(tx: Transaction) -> list[Partner]:
    """
    Return all partner libraries, including those that cannot be asked because they have no email address.

    Source: Koha, Koha/ILL/Request/Config.pm partner_code (preference ILLPartnerCode, before 23.11 koha-conf.xml).
    """
    category = tx.preferences.text("ILLPartnerCode") or tx.site.partner_code
    return [
        Partner(
            borrowernumber=patron.borrowernumber,
            name=patron.name,
            branchcode=patron.branchcode,
            email=(patron.email or "").strip(),
        )
        for patron in patrons.find_partners(tx, category)
    ]


def draft(tx: Transaction, illrequest_id: int, *, actor: Actor | None = None) -> RenderedNotice:
    """
    Return the message to partners, rendered from the notice ILL_PARTNER_REQ, to be edited before it is sent.

    It ends with the request's ID if the notice has not named it: a partner's callback needs it.

    Raises:
        LetterMissing: Koha has no such letter.
        RequestNotFound: There is no such request.
        TemplateFailed: The letter's template cannot be processed.
    """
    ill_request = requests.get(tx, illrequest_id)
    rendered = render_notice(tx, ill_request, NoticeCode.PARTNER_REQUEST, EMAIL, actor=actor)
    return _with_request_id(rendered, shown_id(tx, ill_request))


def _with_request_id(rendered: RenderedNotice, shown: str) -> RenderedNotice:
    # Digits alone may be a year or a page.
    named = rf"(?:ID:?\s*|#){re.escape(shown)}(?!\d)" if shown.isdigit() else rf"{re.escape(shown)}(?!\d)"
    if re.search(named, f"{rendered.title}\n{rendered.content}"):
        return rendered
    line = translate(lazy("Request ID: %(id)s", id=shown), match(rendered.lang) or "en")
    if not rendered.is_html:
        return replace(rendered, content=f"{rendered.content.rstrip()}\n\n{line}")
    text, end, rest = rendered.content.rpartition("</body>")
    paragraph = f"<p>{escape(line)}</p>"
    content = f"{text}{paragraph}{end}{rest}" if end else f"{rest}{paragraph}"
    return replace(rendered, content=content)


def form(tx: Transaction, illrequest_id: int, actor: Actor) -> PartnersForm:
    """
    Return the partners to choose from and the message to begin with.

    Raises:
        ActionNotAllowed: The request's status does not allow it.
        RequestNotFound: There is no such request.
    """
    ill_request = requests.get(tx, illrequest_id)
    require(tx, ill_request, actions.PLACE_WITH_PARTNERS)
    proposed, problem = None, None
    try:
        proposed = draft(tx, illrequest_id, actor=actor)
    except NoticeError as error:
        problem = error
    return PartnersForm(
        ill_request=ill_request,
        version=snapshot(tx, ill_request),
        shown_id=shown_id(tx, ill_request),
        partners=find_partners(tx),
        draft=proposed,
        problem=problem,
        edit_url=letter_edit_url(
            tx.preferences.text("staffClientBaseURL"),
            NoticeCode.PARTNER_REQUEST,
            ill_request.branchcode or "",
        ),
    )


def preview(
    tx: Transaction,
    illrequest_id: int,
    actor: Actor,
    *,
    version: Version | None = None,
    borrowernumbers: Sequence[int],
    subject: str,
    body: str,
) -> tuple[str, list[PartnerMessage]]:
    """
    Return the ID to show, and the messages that :func:`place_with_partners` would send; raises what that raises.
    """
    ill_request = lock(tx, illrequest_id, version)
    require(tx, ill_request, actions.PLACE_WITH_PARTNERS)
    return shown_id(tx, ill_request), _messages(
        tx, ill_request, actor, borrowernumbers, subject=subject, body=body
    )


def place_with_partners(
    tx: Transaction,
    illrequest_id: int,
    actor: Actor,
    *,
    version: Version | None = None,
    borrowernumbers: Sequence[int],
    subject: str,
    body: str,
) -> PlacedWithPartners:
    """
    Ask partner libraries for a request: a message to each, all or none.

    The messages come from the library that the actor works at, else from the request's. The request becomes GENREQ and
    its attribute ``requested_partners`` lists the addresses; our own table records who was asked.

    Raises:
        ActionNotAllowed: The request's status does not allow it.
        RequestChanged: The request is not as *version* has it.
        RequestNotFound: There is no such request.
        RequestRefused: no_target_email, invalid_target_email, no_library_email, invalid_partner, empty_message.
    """
    ill_request = lock(tx, illrequest_id, version)
    require(tx, ill_request, actions.PLACE_WITH_PARTNERS)
    messages = _messages(tx, ill_request, actor, borrowernumbers, subject=subject, body=body)
    placed = set_status(tx, ill_request, Status.GENREQ, actor)
    partner_enquiries.close(tx, illrequest_id, status=Status.GENREQ)
    message_ids = []
    for message in messages:
        partner = message.partner
        message_id = enqueue.enqueue(
            tx,
            QueuedMessage(
                borrowernumber=_message_owner(tx, partner, actor),
                letter_code=NoticeCode.PARTNER_REQUEST,
                transport=EMAIL,
                subject=message.subject,
                content=message.body,
                to_address=partner.email,
                from_address=message.sender,
                reply_address=message.reply_to,
            ),
        )
        partner_enquiries.add(
            tx,
            illrequest_id,
            borrowernumber=partner.borrowernumber,
            address=partner.email,
            message_id=message_id,
        )
        message_ids.append(message_id)
    _record_addresses(tx, placed, [message.partner.email for message in messages])
    asked = [message.partner.borrowernumber for message in messages]
    history.add(tx, illrequest_id, "placed_with_partners", actor=actor, detail={"partners": asked})
    logger.info("placed with partners", extra={"illrequest_id": illrequest_id, "partners": len(messages)})
    return PlacedWithPartners(
        ill_request=requests.get(tx, illrequest_id), messages=tuple(messages), message_ids=tuple(message_ids)
    )


def _messages(
    tx: Transaction,
    ill_request: ILLRequest,
    actor: Actor,
    borrowernumbers: Sequence[int],
    *,
    subject: str,
    body: str,
) -> list[PartnerMessage]:
    partners = _chosen(tx, borrowernumbers)
    sender, reply_to = _sender(tx, ill_request, actor)
    if not subject.strip() or not body.strip():
        raise RequestRefused("empty_message", "The message to the partners needs a subject and some text.")
    return [
        PartnerMessage(partner=partner, sender=sender, reply_to=reply_to, subject=subject, body=body)
        for partner in partners
    ]


def _chosen(tx: Transaction, borrowernumbers: Sequence[int]) -> list[Partner]:
    known = {partner.borrowernumber: partner for partner in find_partners(tx)}
    unknown = [number for number in dict.fromkeys(borrowernumbers) if number not in known]
    if unknown:
        raise RequestRefused(
            "invalid_partner",
            "Not a partner library: %(strangers)s. Partner libraries are: %(known)s.",
            strangers=", ".join(map(str, unknown)),
            known=", ".join(map(str, known)) or "–",
        )
    partners = [known[number] for number in dict.fromkeys(borrowernumbers)]
    without_email = [
        f"{partner.name} ({partner.borrowernumber})" for partner in partners if not partner.email
    ]
    if without_email:
        raise RequestRefused(
            "no_target_email",
            "No email address: %(partners)s. Enter one in Koha, or leave them out.",
            partners=", ".join(without_email),
        )
    unusable = [f"{partner.name} ({partner.email})" for partner in partners if not partner.has_usable_email]
    if unusable:
        raise RequestRefused(
            "invalid_target_email",
            "The email address cannot be used: %(partners)s. Correct it in Koha, or leave them out.",
            partners=", ".join(unusable),
        )
    if not partners:
        raise RequestRefused("no_target_email", "No partner was chosen: choose at least one.")
    return partners


def _sender(tx: Transaction, ill_request: ILLRequest, actor: Actor) -> tuple[str, str | None]:
    """Return the sender's address and the address for replies."""
    branchcode = actor.branchcode or ill_request.branchcode or ""
    addresses = library_addresses(tx, branchcode)
    if addresses.sender is None:
        raise RequestRefused(
            "no_library_email",
            "Library %(library)s has no email address to send from. Enter one in Koha, or set"
            " KohaAdminEmailAddress.",
            library=branchcode,
        )
    return addresses.sender, addresses.inbound_ill


def _message_owner(tx: Transaction, partner: Partner, actor: Actor) -> int | None:
    """Return the patron of the message in Koha: the partner; before 23.05 the person who sends it."""
    if tx.koha.features.partners_own_their_messages:
        return partner.borrowernumber
    return actor.borrowernumber or None


def _record_addresses(tx: Transaction, ill_request: ILLRequest, addresses: Sequence[str]) -> None:
    if not tx.koha.features.updates_single_attributes:
        attributes.remove(tx, ill_request.illrequest_id, [REQUESTED_PARTNERS])
    attributes.put(tx, ill_request, {REQUESTED_PARTNERS: "; ".join(addresses)})
