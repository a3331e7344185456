"""
Notices to patrons and staff: chosen, filled in and queued as Koha does.

Where Koha dies on a template that is missing or fails, here the action goes on and its outcome says what is
wrong; nothing half-rendered is queued.
"""

import functools
import logging
from collections.abc import Callable, Mapping, Sequence

from prometheus_client import Counter

from koha_ill_sidecar.domain.actors import Actor
from koha_ill_sidecar.domain.formats import DateStyle, parse_stored_date, without_final_punctuation
from koha_ill_sidecar.domain.letter_syntax import (
    LetterTable,
    LetterValues,
    substitute_content,
    substitute_title,
    with_punctuation_filters,
)
from koha_ill_sidecar.domain.notices import (
    DEFAULT_LANG,
    EMAIL,
    MESSAGE_NAMES,
    SMS,
    AdditionalText,
    Letter,
    NoticeOutcome,
    NoticePreview,
    NotQueued,
    NotQueuedReason,
    QueuedNotice,
    RenderedNotice,
    fit_sms,
    letter_edit_url,
    staff_notice_enabled,
)
from koha_ill_sidecar.domain.requests import Attribute, ILLRequest
from koha_ill_sidecar.errors import LetterMissing, NoticeIsBlank, TemplateFailed
from koha_ill_sidecar.messages import LazyMessage, lazy, literal
from koha_ill_sidecar.services.notices.kinds import KINDS
from koha_ill_sidecar.services.notices.metadata import Metadata, notice_metadata
from koha_ill_sidecar.services.notices.plugins import AUTOMATIC, PLUGINS, Plugin, date_style, make_plugins
from koha_ill_sidecar.services.notices.records import KohaObjects
from koha_ill_sidecar.services.people.addresses import LibraryAddresses, addresses_of
from koha_ill_sidecar.storage.direct import batch
from koha_ill_sidecar.storage.koha import action_logs, attributes, letters, messaging_preferences, requests
from koha_ill_sidecar.storage.message_queue import enqueue
from koha_ill_sidecar.storage.message_queue.enqueue import QueuedMessage
from koha_ill_sidecar.storage.sidecar import history
from koha_ill_sidecar.storage.transaction import Transaction
from koha_ill_sidecar.template_toolkit import Context, Engine, Limits, TemplateError

logger = logging.getLogger(__name__)

NOTICES = Counter(
    "koha_ill_sidecar_notices",
    "Notices by code, transport and what became of them (queued or the reason why not)",
    ["code", "transport", "outcome"],
)

NOTICE_QUEUED = "notice"
"""Kind of the history entries that tell which messages were queued for a request."""

_PLUGINS = "_plugins"  # templates cannot name what begins with an underscore
_FAILURES = (
    NotQueuedReason.NO_LETTER,
    NotQueuedReason.TEMPLATE_FAILED,
    NotQueuedReason.EMPTY,
    NotQueuedReason.NO_LIBRARY_ADDRESS,
)


def send_patron_notice(
    tx: Transaction,
    ill_request: ILLRequest,
    notice_code: str,
    actor: Actor,
    *,
    additional_text: AdditionalText = "",
) -> NoticeOutcome:
    """
    Queue a notice for the patron by each transport that they chose for it, and log it if any was queued.

    Mail comes from the request's library, not the patron's; who it goes to is looked up when it is sent.

    Args:
        additional_text: What ``ILL_REQUEST_UPDATE`` tells in its middle.

    Source: Koha, Koha/ILL/Request.pm send_patron_notice.
    """
    transports, refusal = _patron_transports(tx, ill_request, notice_code)
    if refusal is not None:
        return _told(ill_request, NoticeOutcome(code=notice_code, not_queued=refusal))
    rendering = _Rendering(tx, ill_request, additional_text=additional_text, actor=actor)
    addresses = rendering.library_addresses()
    outcome = rendering.queue(
        notice_code,
        transports,
        lambda notice: _message(ill_request, notice, sender=addresses.sender, reply_to=addresses.inbound_ill),
    )
    if outcome.queued:
        with batch(tx) as notes:
            action_logs.add_patron_notice(
                notes, ill_request.illrequest_id, notice_code=notice_code, actor=actor
            )
            _remember(notes, ill_request, outcome, actor)
    return _told(ill_request, outcome)


def preview_patron_notice(
    tx: Transaction,
    ill_request: ILLRequest,
    notice_code: str,
    actor: Actor,
    *,
    additional_text: str = "",
) -> NoticePreview:
    """
    Fill in a notice as :func:`send_patron_notice` would, by every transport, and queue nothing.

    Args:
        additional_text: What ``ILL_REQUEST_UPDATE`` tells in its middle.
    """
    chosen, refusal = _patron_transports(tx, ill_request, notice_code)
    transports = tuple(dict.fromkeys((EMAIL, SMS, *chosen)))
    rendering = _Rendering(tx, ill_request, additional_text=additional_text, actor=actor)
    return NoticePreview(
        code=notice_code,
        chosen=chosen,
        refusal=refusal[0].reason if refusal else None,
        by_transport=rendering.try_all(notice_code, transports),
    )


def send_staff_notice(
    tx: Transaction, ill_request: ILLRequest, notice_code: str, *, actor: Actor
) -> NoticeOutcome:
    """
    Queue a notice for the staff of the request's library, if ``ILLSendStaffNotices`` names it.

    It is an email from and to the library's ILL address; the row bears the patron's number, so that Koha shows it
    among the patron's notices. Nothing is logged.

    Source: Koha, Koha/ILL/Request.pm send_staff_notice.
    """
    if not staff_notice_enabled(tx.preferences.text("ILLSendStaffNotices"), notice_code):
        return NoticeOutcome(
            code=notice_code,
            not_queued=(
                _not_queued(
                    EMAIL, NotQueuedReason.NOT_ENABLED, lazy("ILLSendStaffNotices does not name it.")
                ),
            ),
        )
    rendering = _Rendering(tx, ill_request, actor=actor)
    address = rendering.library_addresses().inbound_ill
    if address is None:
        refusal = _not_queued(
            EMAIL,
            NotQueuedReason.NO_LIBRARY_ADDRESS,
            lazy(
                "Library %(library)s has no ILL address; set one in Koha under Libraries, or the preference "
                "ILLDefaultStaffEmail.",
                library=ill_request.branchcode,
            ),
        )
        return _told(ill_request, NoticeOutcome(code=notice_code, not_queued=(refusal,)))
    outcome = rendering.queue(
        notice_code,
        (EMAIL,),
        lambda notice: _message(ill_request, notice, sender=address, to=address),
    )
    if outcome.queued:
        _remember(tx, ill_request, outcome, actor)
    return _told(ill_request, outcome)


def render_notice(
    tx: Transaction,
    ill_request: ILLRequest,
    notice_code: str,
    transport: str,
    *,
    additional_text: str = "",
    lang: str | None = None,
    actor: Actor | None = None,
) -> RenderedNotice:
    """
    Fill in a notice without queueing it: a preview, or the draft of a message to partners.

    Args:
        lang: Language to prefer instead of the patron's.

    Raises:
        LetterMissing: Koha has no letter for the code and transport.
        TemplateFailed: Its template cannot be processed; the message tells where.
    """
    return _Rendering(tx, ill_request, additional_text=additional_text, actor=actor).render(
        notice_code, transport, lang=lang
    )


def preview_notice(
    tx: Transaction,
    illrequest_id: int,
    notice_code: str,
    transport: str,
    *,
    lang: str | None = None,
    additional_text: str = "",
) -> RenderedNotice:
    """
    Fill in a notice for a request known by its number.

    Raises:
        RequestNotFound: There is no such request.
        LetterMissing: Koha has no letter for the code and transport.
        TemplateFailed: Its template cannot be processed.
    """
    ill_request = requests.get(tx, illrequest_id)
    return render_notice(tx, ill_request, notice_code, transport, additional_text=additional_text, lang=lang)


class _Rendering:
    """Filling in the letters for one request; what it reads, it reads once."""

    def __init__(
        self,
        tx: Transaction,
        ill_request: ILLRequest,
        *,
        additional_text: AdditionalText = "",
        actor: Actor | None = None,
    ) -> None:
        self._tx = tx
        self._request = ill_request
        self._additional_text = additional_text
        self._actor = actor
        self._objects = KohaObjects(
            tx,
            ill_request,
            kinds=KINDS,
            attributes=lambda: self._attributes,
        )

    @functools.cached_property
    def _metadata(self) -> Metadata:
        return notice_metadata(self._tx, self._request)

    @functools.cached_property
    def _attributes(self) -> Sequence[Attribute]:
        return attributes.find(self._tx, self._request.illrequest_id)

    @functools.cached_property
    def _plugins(self) -> Mapping[str, Plugin]:
        return make_plugins(self._objects, self._actor)

    def _today(self) -> str:
        """Return Koha's variable of that name: an ISO date, and the time as the preference has it."""
        style = DateStyle("iso", self._tx.preferences.text("timeformat", "24hr"))
        return style.date_and_time(parse_stored_date(self._objects.now))

    def library_addresses(self) -> LibraryAddresses:
        row = self._objects.row("branches", self._request.branchcode) or {}
        return addresses_of(row, self._tx.preferences)

    def render(self, code: str, transport: str, *, lang: str | None = None) -> RenderedNotice:
        letter = self._letters(code, (transport,), lang).get(transport)
        if letter is None:
            raise LetterMissing(code, transport)
        return self._fill_in(letter)

    def queue(
        self, code: str, transports: Sequence[str], message: Callable[[RenderedNotice], QueuedMessage]
    ) -> NoticeOutcome:
        """Render and queue by each transport; one that fails leaves the others alone."""
        tried = self.try_all(code, transports)
        return NoticeOutcome(
            code=code,
            queued=tuple(
                QueuedNotice(transport=transport, message_id=enqueue.enqueue(self._tx, message(notice)))
                for transport, notice in tried.items()
                if isinstance(notice, RenderedNotice)
            ),
            not_queued=tuple(refused for refused in tried.values() if isinstance(refused, NotQueued)),
        )

    def try_all(self, code: str, transports: Sequence[str]) -> Mapping[str, RenderedNotice | NotQueued]:
        """Render for each transport; one that fails leaves the others alone."""
        found = self._letters(code, transports, None)
        return {transport: self._try(code, found.get(transport), transport) for transport in transports}

    def _try(self, code: str, letter: Letter | None, transport: str) -> RenderedNotice | NotQueued:
        if letter is None:
            return NotQueued(
                transport=transport,
                reason=NotQueuedReason.NO_LETTER,
                detail=LetterMissing(code, transport).message,
                edit_url=self._mending_address(code),
            )
        try:
            notice = self._fill_in(letter)
        except TemplateFailed as error:
            return NotQueued(
                transport=transport,
                reason=NotQueuedReason.TEMPLATE_FAILED,
                detail=error.message,
                edit_url=error.mending_address,
            )
        if notice.is_blank:
            return NotQueued(
                transport=transport,
                reason=NotQueuedReason.EMPTY,
                detail=NoticeIsBlank(code, transport).message,
                edit_url=self._mending_address(code, letter.branchcode),
            )
        return notice

    def _letters(self, code: str, transports: Sequence[str], lang: str | None) -> Mapping[str, Letter]:
        return letters.find(
            self._tx,
            code,
            transports=transports,
            branchcode=self._letter_library(),
            lang=lang or self._patron_lang(),
        )

    def _letter_library(self) -> str:
        """Return the library whose letters count; staff bound to their own library use theirs."""
        own = self._request.branchcode or ""
        actor = self._actor
        if not (actor and actor.borrowernumber and self._tx.preferences.flag("IndependentBranches")):
            return own
        return own if self._objects.is_superlibrarian(actor.borrowernumber) else actor.branchcode or own

    def _patron_lang(self) -> str:
        if not self._tx.preferences.flag("TranslateNotices"):
            return DEFAULT_LANG
        patron = self._objects.row("borrowers", self._request.borrowernumber) or {}
        return patron.get("lang") or DEFAULT_LANG

    def _fill_in(self, letter: Letter) -> RenderedNotice:
        """Koha's order: Template Toolkit in content and title, then the older syntax in both."""
        substitutes = self._substitutes(letter)
        content = self._process(letter, "content", letter.content, substitutes)
        title = self._process(letter, "title", letter.title, substitutes)
        values = self._letter_values(substitutes)
        return RenderedNotice(
            code=letter.code,
            name=letter.name,
            transport=letter.transport,
            lang=letter.lang,
            title=substitute_title(title, values),
            content=self._fitted(letter.transport, substitute_content(content, values)),
            is_html=letter.is_html,
            letter_id=letter.letter_id,
        )

    def _fitted(self, transport: str, content: str) -> str:
        return (
            fit_sms(content, self._tx.preferences.number("SMSSendMaxChar")) if transport == SMS else content
        )

    def _process(self, letter: Letter, part: str, source: str, substitutes: Mapping[str, str]) -> str:
        if "[%" not in source:
            return source
        try:
            return ENGINE.render(with_punctuation_filters(source), self._variables(substitutes))
        except TemplateError as error:
            address = self._mending_address(letter.code, letter.branchcode)
            raise TemplateFailed(
                lazy(
                    "The %(part)s of notice template %(letter)s cannot be processed: %(error)s. %(advice)s",
                    part=_PARTS[part],
                    letter=_named(letter),
                    error=str(error),
                    advice=_how_to_fix(address),
                ),
                mending_address=address,
            ) from error

    def _mending_address(self, code: str, branchcode: str = "") -> str | None:
        return letter_edit_url(self._tx.preferences.text("staffClientBaseURL"), code, branchcode)

    def _variables(self, substitutes: Mapping[str, str]) -> dict[str, object]:
        """Return what a template can name; what would cost a query is a function, called when it is named."""
        return {
            **substitutes,
            **{name: self._plugins[name] for name in AUTOMATIC},
            "illrequest": self._objects.request(),
            "borrower": self._objects.patron(self._request.borrowernumber),
            "branch": self._objects.library(self._request.branchcode),
            "biblio": lambda *_: self._objects.biblio(self._request.biblio_id),
            "illrequestattributes": dict(self._metadata.attributes),
            "today": lambda *_: self._today(),
            _PLUGINS: dict(self._plugins),
        }

    def _substitutes(self, letter: Letter) -> Mapping[str, str]:
        text = self._additional_text
        return {
            "ill_bib_title": self._metadata.title,
            "ill_bib_author": self._metadata.author,
            "ill_full_metadata": self._metadata.lines,
            "additional_text": text if isinstance(text, str) else text(self._language(letter)),
        }

    def _language(self, letter: Letter) -> str:
        """Return which language a letter is in: the default ones are in the OPAC's first (Koha, C4/Letters.pm)."""
        if letter.lang != DEFAULT_LANG:
            return letter.lang
        return next(iter(self._tx.preferences.words("OPACLanguages")), "en")

    def _letter_values(self, substitutes: Mapping[str, str]) -> LetterValues:
        keys = {
            "illrequests": self._request.illrequest_id,
            "borrowers": self._request.borrowernumber,
            "biblio": self._request.biblio_id,
            "branches": self._request.branchcode,
        }
        return LetterValues(
            substitutes=substitutes,
            tables=[
                LetterTable(name=table, row=functools.partial(self._objects.row, table, key))
                for table, key in keys.items()
                if key
            ],
            opac_base_url=self._tx.preferences.text("OPACBaseURL"),
            dates=date_style(self._tx),
            now=lambda: self._objects.now,
            street_type=self._street_type,
            patron_attribute=self._patron_attribute,
        )

    def _street_type(self, code: str) -> str:
        return (self._objects.authorised_value_row("ROADTYPE", code) or {}).get("lib") or ""

    def _patron_attribute(self, code: str) -> str | None:
        if self._request.borrowernumber is None:
            return None
        descriptions = [
            without_final_punctuation(attribute.description)
            for attribute in self._objects.patron_attributes(self._request.borrowernumber)
            if attribute.code == code and attribute.description
        ]
        return ",".join(descriptions) if descriptions else None


_PARTS = {"title": lazy("title"), "content": lazy("content")}


def _named(letter: Letter) -> LazyMessage:
    name = lazy(
        "%(code)s (%(transport)s, %(lang)s)",
        code=letter.code,
        transport=literal(letter.transport),
        lang=lazy("default") if letter.lang == DEFAULT_LANG else letter.lang,
    )
    if not letter.branchcode:
        return name
    return lazy("%(letter)s of library %(library)s", letter=name, library=letter.branchcode)


def _how_to_fix(address: str | None) -> LazyMessage:
    if address is None:
        return lazy("Correct it in Koha under Tools, Notices and slips.")
    return lazy("Correct it in Koha: %(address)s", address=address)


def _plugin(name: str, context: Context, _args: list[object]) -> object:
    """Return the plugin that was made for this rendering, so that one engine and its cache serve all of them."""
    plugins = context.stash[_PLUGINS]
    return plugins.get(name) if isinstance(plugins, dict) else None


ENGINE = Engine(
    plugins={name: functools.partial(_plugin, name) for name in PLUGINS},
    # The transaction that sends a notice holds the request's row meanwhile.
    limits=Limits(seconds=2, output=1_000_000),
)
"""Renders all notices."""


def _patron_transports(
    tx: Transaction, ill_request: ILLRequest, notice_code: str
) -> tuple[tuple[str, ...], tuple[NotQueued, ...] | None]:
    """Return the transports that the patron chose, or why there is none."""
    if notice_code not in MESSAGE_NAMES:
        return (), _for_all(
            NotQueuedReason.NO_PREFERENCE,
            lazy("Koha has no messaging preference for %(notice)s.", notice=notice_code),
        )
    if ill_request.borrowernumber is None:
        return (), _for_all(NotQueuedReason.NO_PATRON, lazy("The request has no patron."))
    name = MESSAGE_NAMES[notice_code]
    transports = messaging_preferences.transports(tx, ill_request.borrowernumber, name)
    if not transports:
        return (), _for_all(
            NotQueuedReason.NOT_CHOSEN,
            lazy("The patron's messaging preferences choose no transport for %(notice)s.", notice=name),
        )
    return transports, None


def _for_all(reason: NotQueuedReason, detail: LazyMessage) -> tuple[NotQueued, ...]:
    return tuple(_not_queued(transport, reason, detail) for transport in (EMAIL, SMS))


def _not_queued(transport: str, reason: NotQueuedReason, detail: LazyMessage) -> NotQueued:
    return NotQueued(transport=transport, reason=reason, detail=detail)


def _message(
    ill_request: ILLRequest,
    notice: RenderedNotice,
    *,
    sender: str | None,
    reply_to: str | None = None,
    to: str | None = None,
) -> QueuedMessage:
    return QueuedMessage(
        borrowernumber=ill_request.borrowernumber,
        letter_code=notice.code,
        transport=notice.transport,
        subject=notice.title,
        content=notice.content,
        content_type=notice.content_type,
        to_address=to,
        from_address=sender,
        reply_address=reply_to,
        letter_id=notice.letter_id,
    )


def _remember(tx: Transaction, ill_request: ILLRequest, outcome: NoticeOutcome, actor: Actor) -> None:
    """Note which messages belong to the request: Koha's queue does not say."""
    detail = {"code": str(outcome.code), "messages": outcome.message_ids}
    history.add(tx, ill_request.illrequest_id, NOTICE_QUEUED, actor=actor, detail=detail)


def _told(ill_request: ILLRequest, outcome: NoticeOutcome) -> NoticeOutcome:
    """Log and count what became of a notice; the template's own error may quote a patron and is not logged."""
    for queued in outcome.queued:
        NOTICES.labels(outcome.code, queued.transport, "queued").inc()
    for refused in outcome.not_queued:
        NOTICES.labels(outcome.code, refused.transport, refused.reason.value).inc()
        level = logging.WARNING if refused.reason in _FAILURES else logging.INFO
        logger.log(
            level,
            "notice not queued",
            extra={
                "illrequest_id": ill_request.illrequest_id,
                "notice_code": outcome.code,
                "transport": refused.transport,
                "reason": refused.reason.value,
            },
        )
    return outcome
