"""
Managing a request: what the page of one request shows, and what each of its buttons would do.

What is done to a request, :mod:`koha_ill_sidecar.services.requests` does.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from koha_ill_sidecar.domain.actors import Actor
from koha_ill_sidecar.domain.attributes import REQUESTED_PARTNERS, UNAUTHENTICATED
from koha_ill_sidecar.domain.notices import EMAIL, SMS, STAFF_MENU, NoticeCode, NoticePreview
from koha_ill_sidecar.domain.requests import Attribute, ILLRequest, values_by_type
from koha_ill_sidecar.domain.statuses import Action, Status, StatusNode
from koha_ill_sidecar.errors import ActionNotAllowed
from koha_ill_sidecar.services import metadata
from koha_ill_sidecar.services.glances import glance
from koha_ill_sidecar.services.notices.sending import NOTICE_QUEUED, preview_patron_notice
from koha_ill_sidecar.services.numbers import shown_number
from koha_ill_sidecar.services.overview import status_of
from koha_ill_sidecar.services.patron_addresses import notice_email_address
from koha_ill_sidecar.services.request_log import LogEntry, full_log
from koha_ill_sidecar.services.statuses import available_actions, graph_of
from koha_ill_sidecar.services.watch import DELETED_IN_KOHA
from koha_ill_sidecar.storage.clock import library_times
from koha_ill_sidecar.storage.koha import (
    attributes,
    authorised_values,
    batches,
    comments,
    letters,
    patrons,
    requests,
)
from koha_ill_sidecar.storage.koha.authorised_values import AuthorisedValue
from koha_ill_sidecar.storage.koha.comments import Comment, Tally
from koha_ill_sidecar.storage.koha.patrons import PatronCard
from koha_ill_sidecar.storage.sidecar import history, partner_enquiries, progress, queue_entries, receipts
from koha_ill_sidecar.storage.sidecar.history import HistoryEntry
from koha_ill_sidecar.storage.sidecar.partner_enquiries import PartnerEnquiry
from koha_ill_sidecar.storage.sidecar.progress import Kept
from koha_ill_sidecar.storage.sidecar.queue_entries import Progress, QueueEntry, Selection
from koha_ill_sidecar.storage.sidecar.receipts import ReceiptExcerpt
from koha_ill_sidecar.storage.transaction import Transaction

OFFERED = frozenset(
    {
        Action.CONFIRM,
        Action.PLACE_WITH_PARTNERS,
        Action.REVERT,
        Action.MARK_COMPLETED,
        Action.DELETE,
        Action.SWITCH_PROVIDER,
        Action.EDIT_ITEM,
    }
)
"""The actions of the status graph that can be done here; to check out and in is done in Koha."""

SENDABLE = (*STAFF_MENU, NoticeCode.REQUEST_UPDATE)
"""The notices that can be sent to the patron by hand: Koha's two, and news in one's own words."""

_AFTER: Mapping[str, Status | None] = {
    Action.CONFIRM: Status.REQ,
    Action.REVERT: Status.REQREV,
    Action.MARK_COMPLETED: Status.COMP,
    Action.SWITCH_PROVIDER: Status.REQREV,
    Action.DELETE: None,
}
"""The status in which an action leaves a request."""

_MOST_COMMENTS = 30
_MOST_MESSAGES = 20
_MOST_OTHER_MESSAGES = 20
_MOST_PARTNERS = 30
_MOST_EARLIER_ENQUIRIES = 5
_MOST_RECEIPTS = 20
_MOST_NOTICES = 1000  # in our history of a request: more than anybody can have sent by hand
_BODY_BYTES = 4000
_LOG_ENTRIES = 200  # a page


@dataclass(frozen=True, kw_only=True, slots=True)
class Workplace:
    """
    Who works with requests, and with what.

    Attributes:
        permissions: The person's sub-permissions.
        suppliers: The configured backends that may supply a request.
        oldest_seconds: Messages that have been pending for longer are left alone.
    """

    actor: Actor
    permissions: Collection[str]
    suppliers: Sequence[str]
    oldest_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestHead:
    """
    What every page about a request begins with.

    Attributes:
        number: With the library's prefix.
        status: The site's own, where it has one, else Koha's.
        core_status: What Koha's graph calls the status.
        actions: What can be done now.
        notice_names: What the notices that there are in Koha are called, by code.
        suppliers: Who else could supply it, None being the backend that comes with Koha.
    """

    ill_request: ILLRequest
    number: str
    status: str
    core_status: str
    actions: tuple[StatusNode, ...]
    notice_names: Mapping[str, str]
    kept: Kept
    suppliers: tuple[str | None, ...]
    generic_backend: str

    @property
    def methods(self) -> tuple[str, ...]:
        """The names of the actions."""
        return tuple(node.method for node in self.actions if node.method)

    @property
    def notices(self) -> Mapping[str, str]:
        """Names of the notices that can be sent to the patron by hand, by code."""
        if self.ill_request.borrowernumber is None:
            return {}
        return {code: self.notice_names[code] for code in SENDABLE if code in self.notice_names}


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """
    Which part of a request's page is shown of what there may be very much of.

    Attributes:
        comments_before: Only comments with a lower number; None: the newest.
        messages_before: The same for messages.
        all_partners: All partners that were asked, and not the first ones only.
    """

    comments_before: int | None = None
    messages_before: int | None = None
    all_partners: bool = False


NEWEST = Section()
"""What is shown unless something else is asked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AskedPartner:
    """
    A partner that was asked, once or again.

    Attributes:
        partner: Empty: the patron that stood for it is gone.
        earlier: The last times that it was asked before, newest first.
    """

    partner: str
    latest: PartnerEnquiry
    earlier: Sequence[PartnerEnquiry]


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """A message in Koha's queue."""

    entry: QueueEntry
    name: str  # of its notice


@dataclass(frozen=True, kw_only=True, slots=True)
class ManagedRequest:
    """
    A request with all that staff see of it.

    Attributes:
        type: As Koha stores it; empty where there is none.
        patron_email: Where notices to the patron go.
        visitor: Names and address of somebody without an account: first name, last name, email.
        requested_partners: The addresses that Koha remembers.
        asked: Partners, each once: first those from which an answer is awaited.
        asked_count: How many there are, shown or not.
        status_names: What the statuses that ended their enquiries are called, by code.
        comments: Oldest first.
        comment_tally: How many there are, shown or not.
        messages: Those that are known to be this request's: queued here for it, to its patron, staff or partners.
        other_messages: The patron's other interlibrary loan messages since it was placed; Koha does not say which
            request they belong to.
        has_older_comments, has_older_messages, has_older_receipts: There are more than are shown.
        library_times: What instants of ours are on the library's clock.
    """

    head: RequestHead
    type: str
    patron: PatronCard | None
    patron_email: str | None
    visitor: tuple[str, str, str] | None
    managed_by: str
    batch: str
    requested_partners: str
    metadata: Mapping[str, str]
    asked: Sequence[AskedPartner]
    asked_count: int
    status_names: Mapping[str, str]
    comments: Sequence[Comment]
    comment_tally: Tally
    has_older_comments: bool
    messages: Sequence[Message]
    has_older_messages: bool
    other_messages: Sequence[Message]
    receipts: Sequence[ReceiptExcerpt]
    has_older_receipts: bool
    library_times: Mapping[datetime, datetime]


@dataclass(frozen=True, kw_only=True, slots=True)
class Farewell:
    """
    What is still known of a request that is gone.

    Attributes:
        timestamp: When it was deleted, or missed in Koha, by the library's clock.
        author: Who deleted it; empty where nobody is known.
        has_receipts: There are callbacks on it.
    """

    timestamp: datetime
    author: str
    has_receipts: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ActionPreview:
    """
    What an action would do now.

    Attributes:
        title: Of the wanted item: of an article its own; empty where none is known.
        after: What the status is called afterwards; empty: the request is gone.
        is_logged: Whether Koha's log is told.
        seen: What the request must still be like when it is done.
        open_enquiries: Partners that were asked and have not answered.
        aliases: The site's own statuses to choose from.
    """

    head: RequestHead
    node: StatusNode
    title: str
    after: str
    is_logged: bool
    seen: Mapping[str, str]
    open_enquiries: int
    comments: int
    aliases: Sequence[AuthorisedValue]


Run: TypeAlias = Callable[[Transaction, int, Actor], ILLRequest | None]
"""Does an action; gives the request that one goes on with, or nothing if it was deleted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """
    What an action led to.

    Attributes:
        number: Of the request that it was done to, with its library's prefix.
        ill_request: The one to go on with, which may be another; nothing if it was deleted.
    """

    number: str
    ill_request: ILLRequest | None
    new_number: str
    status: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SentBefore:
    """When a notice was last queued for a request, by the library's clock, and by whom; empty: by nobody."""

    timestamp: datetime
    author: str


@dataclass(frozen=True, kw_only=True, slots=True)
class NoticeSheet:
    """
    A notice as it would be sent now.

    Attributes:
        seen: What the request must still be like when it is sent.
        sent_before: The last time that it was sent from here.
        addresses: Where to; a transport without an address has none.
    """

    head: RequestHead
    seen: Mapping[str, str]
    name: str
    sent_before: SentBefore | None
    preview: NoticePreview
    patron: PatronCard | None
    addresses: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class LogSheet:
    """
    A page of the log of a request.

    Attributes:
        page: From 1.
        pages: How many there are, at least one.
        koha_logs: Whether Koha's own is kept.
    """

    head: RequestHead
    entries: Sequence[LogEntry]
    page: int
    pages: int
    koha_logs: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class MetadataSheet:
    """What is known of the wanted item, by label."""

    head: RequestHead
    item: Mapping[str, str]


def head(tx: Transaction, illrequest_id: int, workplace: Workplace) -> RequestHead:
    """Give what every page about a request begins with; three queries, or four. Raises RequestNotFound."""
    return _head(tx, requests.get(tx, illrequest_id), workplace)


def manage(
    tx: Transaction, illrequest_id: int, workplace: Workplace, section: Section = NEWEST
) -> ManagedRequest:
    """Give a request with all that staff see of it; sixteen queries at most. Raises RequestNotFound."""
    ill_request = requests.get(tx, illrequest_id)
    top = _head(tx, ill_request, workplace)
    known = attributes.find(tx, illrequest_id)
    values = values_by_type(known)
    patron = patrons.find_card(tx, ill_request.borrowernumber) if ill_request.borrowernumber else None
    enquiries = partner_enquiries.find_for_request(tx, illrequest_id)
    people = {enquiry.borrowernumber for enquiry in enquiries} | {ill_request.managedby or 0}
    names = {number: one.label for number, one in patrons.find_many(tx, people - {0}).items()}
    asked = _asked_partners(enquiries, names)
    shown_partners = asked if section.all_partners else asked[:_MOST_PARTNERS]
    written = comments.find_newest(
        tx, illrequest_id, limit=_MOST_COMMENTS + 1, before=section.comments_before
    )
    messages, others = _messages(tx, top, enquiries, workplace, before=section.messages_before)
    received = receipts.find_excerpts(tx, illrequest_id, limit=_MOST_RECEIPTS + 1, body_bytes=_BODY_BYTES)
    return ManagedRequest(
        head=top,
        type=values.get("type", ""),
        patron=patron,
        patron_email=notice_email_address(patron.addresses, tx.preferences) if patron else None,
        visitor=_visitor(ill_request, known),
        managed_by=names.get(ill_request.managedby or 0, ""),
        batch=_batch(tx, ill_request),
        requested_partners=values.get(REQUESTED_PARTNERS, ""),
        metadata=metadata.describe(known),
        asked=shown_partners,
        asked_count=len(asked),
        status_names=_status_names(tx, ill_request, enquiries),
        comments=written[:_MOST_COMMENTS][::-1],
        comment_tally=comments.tally(tx, illrequest_id),
        has_older_comments=len(written) > _MOST_COMMENTS,
        messages=messages[:_MOST_MESSAGES],
        has_older_messages=len(messages) > _MOST_MESSAGES,
        other_messages=others,
        receipts=received[:_MOST_RECEIPTS],
        has_older_receipts=len(received) > _MOST_RECEIPTS,
        library_times=_times(tx, shown_partners, [*messages, *others], received),
    )


def farewell(tx: Transaction, illrequest_id: int) -> Farewell | None:
    """Tell what is still known of a request that is gone; nothing of one that never was. Five queries at most."""
    for kind in ("deleted", DELETED_IN_KOHA):
        for entry in history.find_for_request(tx, illrequest_id, kind=kind, limit=1):
            return Farewell(
                timestamp=_on_our_clock(tx, entry),
                author=_author(tx, entry),
                has_receipts=bool(receipts.find_excerpts(tx, illrequest_id, limit=1, body_bytes=0)),
            )
    return None


def preview_action(tx: Transaction, illrequest_id: int, method: str, workplace: Workplace) -> ActionPreview:
    """
    Tell what an action would do; thirteen queries at most.

    Raises:
        ActionNotAllowed: The status does not allow it.
        RequestNotFound: There is no such request.
    """
    top = head(tx, illrequest_id, workplace)
    node = next((node for node in top.actions if node.method == method), None)
    if node is None or method not in _AFTER:
        raise ActionNotAllowed(f"There is no {method} now.", allowed=top.methods)
    after = _AFTER[method]
    asked = partner_enquiries.find_for_request(tx, illrequest_id)
    seen = glance(tx, top.ill_request, status=top.status)
    values = values_by_type(attributes.find(tx, illrequest_id))
    return ActionPreview(
        head=top,
        node=node,
        title=values.get("article_title") or values.get("title", ""),
        after=graph_of(tx.koha, top.ill_request).name(after) if after else "",
        is_logged=after is not None and tx.preferences.flag("IllLog"),
        seen=seen,
        open_enquiries=sum(enquiry.closed_at is None for enquiry in asked),
        comments=int(seen["comments"]) if method == Action.DELETE else 0,
        aliases=_aliases(tx, top.ill_request) if method == Action.MARK_COMPLETED else (),
    )


def carry_out(tx: Transaction, illrequest_id: int, run: Run, actor: Actor) -> Done:
    """
    Do an action and tell what is so now; what *run* raises is passed on.

    Raises:
        RequestNotFound: There is no such request.
    """
    number = shown_number(tx, requests.get(tx, illrequest_id))
    after = run(tx, illrequest_id, actor)
    return Done(
        number=number,
        ill_request=after,
        new_number=shown_number(tx, after) if after else "",
        status=status_of(tx, after) if after else "",
    )


def preview_notice(
    tx: Transaction, illrequest_id: int, notice_code: str, workplace: Workplace, *, additional_text: str = ""
) -> NoticeSheet:
    """
    Fill in a notice for a request as it would be sent now.

    Raises:
        RequestNotFound: There is no such request.
    """
    top = head(tx, illrequest_id, workplace)
    ill_request = top.ill_request
    patron = patrons.find_card(tx, ill_request.borrowernumber) if ill_request.borrowernumber else None
    addresses = {}
    if patron is not None:
        addresses[EMAIL] = notice_email_address(patron.addresses, tx.preferences) or ""
        addresses[SMS] = patron.smsalertnumber
    return NoticeSheet(
        head=top,
        seen=glance(tx, ill_request, status=top.status),
        name=top.notice_names.get(notice_code, notice_code),
        sent_before=_sent_before(tx, illrequest_id, notice_code),
        preview=preview_patron_notice(
            tx, ill_request, notice_code, workplace.actor, additional_text=additional_text
        ),
        patron=patron,
        addresses=addresses,
    )


def read_log(tx: Transaction, illrequest_id: int, workplace: Workplace, page: int = 1) -> LogSheet:
    """
    Give a page of the log of a request, Koha's and ours; eleven queries at most.

    Args:
        page: From 1; behind the last it is the last.

    Raises:
        RequestNotFound: There is no such request.
    """
    entries = full_log(tx, illrequest_id)
    pages = max(1, -(-len(entries) // _LOG_ENTRIES))
    page = min(max(page, 1), pages)
    return LogSheet(
        head=head(tx, illrequest_id, workplace),
        entries=entries[(page - 1) * _LOG_ENTRIES : page * _LOG_ENTRIES],
        page=page,
        pages=pages,
        koha_logs=tx.preferences.flag("IllLog"),
    )


def read_metadata(tx: Transaction, illrequest_id: int, workplace: Workplace) -> MetadataSheet:
    """Give what is known of the wanted item. Raises RequestNotFound."""
    return MetadataSheet(
        head=head(tx, illrequest_id, workplace),
        item=metadata.metadata(tx, illrequest_id),
    )


def _head(tx: Transaction, ill_request: ILLRequest, workplace: Workplace) -> RequestHead:
    kept = progress.get(tx, ill_request.illrequest_id)
    suppliers = _other_suppliers(tx, kept, workplace)
    return RequestHead(
        ill_request=ill_request,
        number=shown_number(tx, ill_request),
        status=status_of(tx, ill_request),
        core_status=graph_of(tx.koha, ill_request).name(ill_request.status),
        actions=tuple(
            node
            for node in available_actions(tx, ill_request, permissions=workplace.permissions)
            if node.method in OFFERED and (suppliers or node.method != Action.SWITCH_PROVIDER)
        ),
        notice_names=letters.names(tx),
        kept=kept,
        suppliers=suppliers,
        generic_backend=tx.koha.generic_backend,
    )


def _other_suppliers(tx: Transaction, kept: Kept, workplace: Workplace) -> tuple[str | None, ...]:
    """Give who else could supply a request; as in Koha, nobody can where there is one backend only."""
    every = (None, *(name for name in workplace.suppliers if name != tx.koha.generic_backend))
    return tuple(name for name in every if name != kept.supplier_backend)


def _visitor(ill_request: ILLRequest, known: Sequence[Attribute]) -> tuple[str, str, str] | None:
    """As in Koha, they are shown until the request has a patron."""
    values = values_by_type(known)
    if ill_request.borrowernumber is not None or not any(name in values for name in UNAUTHENTICATED):
        return None
    first, last, email = (values.get(name, "") for name in UNAUTHENTICATED)
    return first, last, email


def _batch(tx: Transaction, ill_request: ILLRequest) -> str:
    if ill_request.batch_id is None:
        return ""
    return batches.name(tx, ill_request.batch_id) or str(ill_request.batch_id)


def _aliases(tx: Transaction, ill_request: ILLRequest) -> Sequence[AuthorisedValue]:
    return authorised_values.find(tx, tx.koha.status_alias_category, branchcode=ill_request.branchcode)


def _sent_before(tx: Transaction, illrequest_id: int, notice_code: str) -> SentBefore | None:
    for entry in history.find_for_request(tx, illrequest_id, kind=NOTICE_QUEUED, limit=_MOST_NOTICES):
        if entry.detail.get("code") == notice_code:
            return SentBefore(timestamp=_on_our_clock(tx, entry), author=_author(tx, entry))
    return None


def _on_our_clock(tx: Transaction, entry: HistoryEntry) -> datetime:
    return library_times(tx, [entry.happened_at])[entry.happened_at]


def _author(tx: Transaction, entry: HistoryEntry) -> str:
    person = patrons.find(tx, entry.borrowernumber) if entry.borrowernumber else None
    return person.label if person else ""


def _status_names(
    tx: Transaction, ill_request: ILLRequest, enquiries: Sequence[PartnerEnquiry]
) -> dict[str, str]:
    graph = graph_of(tx.koha, ill_request)
    codes = {enquiry.closed_by_status for enquiry in enquiries if enquiry.closed_by_status}
    return {code: graph.name(code) for code in codes}


def _asked_partners(enquiries: Sequence[PartnerEnquiry], names: Mapping[int, str]) -> list[AskedPartner]:
    """Give each partner once, however often it was asked: first those that have not answered."""
    by_partner: dict[int, list[PartnerEnquiry]] = {}
    for enquiry in reversed(enquiries):
        by_partner.setdefault(enquiry.borrowernumber, []).append(enquiry)
    asked = [
        AskedPartner(partner=names.get(number, ""), latest=latest, earlier=earlier[:_MOST_EARLIER_ENQUIRIES])
        for number, (latest, *earlier) in by_partner.items()
    ]
    return sorted(asked, key=lambda one: (one.latest.closed_at is not None, one.latest.enquiry_id))


def _messages(
    tx: Transaction,
    top: RequestHead,
    enquiries: Sequence[PartnerEnquiry],
    workplace: Workplace,
    *,
    before: int | None,
) -> tuple[list[Message], list[Message]]:
    """
    Give the messages of a request, newest first, and those that may be; three queries at most.

    Of the request's own there may be one more than is shown.
    """
    own = {enquiry.message_id for enquiry in enquiries if enquiry.message_id is not None}
    notices = history.find_for_request(
        tx, top.ill_request.illrequest_id, kind=NOTICE_QUEUED, limit=_MOST_NOTICES
    )
    for entry in notices:
        queued = entry.detail.get("messages")
        if isinstance(queued, dict):
            own |= {number for number in queued.values() if isinstance(number, int)}
    wanted = sorted((number for number in own if before is None or number < before), reverse=True)
    known = (
        queue_entries.find_numbered(tx, wanted[: _MOST_MESSAGES + 1], oldest_seconds=workplace.oldest_seconds)
        if wanted
        else []
    )
    others = _messages_of_patron(tx, top.ill_request, workplace) if before is None else []
    names = top.notice_names

    def named(entries: Sequence[QueueEntry]) -> list[Message]:
        return [
            Message(entry=entry, name=names.get(entry.letter_code or "", entry.letter_code or ""))
            for entry in entries
        ]

    return named(known), named([entry for entry in others if entry.message_id not in own])


def _messages_of_patron(tx: Transaction, ill_request: ILLRequest, workplace: Workplace) -> list[QueueEntry]:
    if ill_request.borrowernumber is None:
        return []
    found = queue_entries.find(
        tx,
        Selection(
            progress=list(Progress),
            borrowernumber=ill_request.borrowernumber,
            oldest_seconds=workplace.oldest_seconds,
        ),
        limit=_MOST_OTHER_MESSAGES,
    )
    placed = ill_request.placed
    return [
        entry
        for entry in found
        if placed is None or entry.time_queued is None or entry.time_queued.date() >= placed
    ]


def _times(
    tx: Transaction,
    asked: Sequence[AskedPartner],
    messages: Sequence[Message],
    received: Sequence[ReceiptExcerpt],
) -> Mapping[datetime, datetime]:
    instants = [
        *(
            instant
            for one in asked
            for enquiry in (one.latest, *one.earlier)
            for instant in (enquiry.asked_at, enquiry.closed_at)
        ),
        *(message.entry.next_attempt_at for message in messages),
        *(message.entry.last_attempt_at for message in messages),
        *(instant for one in received for instant in (one.received_at, one.occurred_at, one.replayed_at)),
    ]
    return library_times(tx, instants)
