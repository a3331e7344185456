"""
Rendering of notices: a letter of Koha's filled in for one request, in both of its syntaxes.

A letter that fails raises an error that names the place; nothing half-rendered leaves this module.
"""

import functools
from collections.abc import Mapping, Sequence

from koha_ill_sidecar.domain.actors import Actor
from koha_ill_sidecar.domain.formats import DateStyle, parse_stored_date, without_final_punctuation
from koha_ill_sidecar.domain.letter_syntax import (
    LetterValues,
    substitute_content,
    substitute_title,
    with_punctuation_filters,
)
from koha_ill_sidecar.domain.notices import (
    DEFAULT_LANG,
    SMS,
    AdditionalText,
    Letter,
    NotQueued,
    NotQueuedReason,
    RenderedNotice,
    fit_sms,
    letter_edit_url,
)
from koha_ill_sidecar.domain.requests import Attribute, ILLRequest
from koha_ill_sidecar.errors import LetterMissing, NoticeEmpty, NoticeError, TemplateFailed
from koha_ill_sidecar.messages import LazyMessage, lazy, literal
from koha_ill_sidecar.services.notices.kinds import KINDS
from koha_ill_sidecar.services.notices.metadata import Metadata, notice_metadata
from koha_ill_sidecar.services.notices.plugins import AUTOMATIC, PLUGINS, Plugin, date_style, make_plugins
from koha_ill_sidecar.services.notices.records import KohaObjects
from koha_ill_sidecar.services.people.addresses import LibraryAddresses, addresses_of
from koha_ill_sidecar.storage.koha import attributes, letters, requests
from koha_ill_sidecar.storage.transaction import Transaction
from koha_ill_sidecar.template_toolkit import Context, Engine, Limits, TemplateError

_PLUGINS = "_plugins"  # templates cannot name what begins with an underscore


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
    Render a notice without queueing it: a preview, or the draft of a message to partners.

    Args:
        additional_text: The text that ``ILL_REQUEST_UPDATE`` is to pass on.
        lang: Language to prefer to the patron's.

    Raises:
        LetterMissing: Koha has no letter for the code and transport.
        TemplateFailed: Its template cannot be processed; the message names the place.
    """
    return NoticeRenderer(tx, ill_request, additional_text=additional_text, actor=actor).render(
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
    Render a notice for the request with this ID.

    Raises:
        RequestNotFound: There is no such request.
        LetterMissing: Koha has no letter for the code and transport.
        TemplateFailed: Its template cannot be processed.
    """
    ill_request = requests.get(tx, illrequest_id)
    return render_notice(tx, ill_request, notice_code, transport, additional_text=additional_text, lang=lang)


class NoticeRenderer:
    """Fills in letters for one request; reads each row once, whichever letters and syntaxes name it."""

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
        self._objects = KohaObjects(tx, ill_request, kinds=KINDS, attributes=lambda: self._attributes)

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
        """Return Koha's variable ``today``: an ISO date, and the time in the format of the preference."""
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

    def render_all(self, code: str, transports: Sequence[str]) -> Mapping[str, RenderedNotice | NotQueued]:
        """Render for each transport; where that fails, return the reason in place of the notice."""
        found = self._letters(code, transports, None)
        return {
            transport: self._render_or_explain(code, found.get(transport), transport)
            for transport in transports
        }

    def _render_or_explain(
        self, code: str, letter: Letter | None, transport: str
    ) -> RenderedNotice | NotQueued:
        if letter is None:
            missing = LetterMissing(code, transport)
            return _not_queued(transport, NotQueuedReason.NO_LETTER, missing, self._edit_url(code))
        try:
            notice = self._fill_in(letter)
        except TemplateFailed as error:
            return _not_queued(transport, NotQueuedReason.TEMPLATE_FAILED, error, error.edit_url)
        if notice.is_blank:
            edit_url = self._edit_url(code, letter.branchcode)
            return _not_queued(transport, NotQueuedReason.EMPTY, NoticeEmpty(code, transport), edit_url)
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
        """Return the library whose letters are used; staff bound to their own library use its letters."""
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
        # Koha's order: Template Toolkit in content and title, then the older syntax in both.
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
            content=self._fit(letter.transport, substitute_content(content, values)),
            is_html=letter.is_html,
            letter_id=letter.letter_id,
        )

    def _fit(self, transport: str, content: str) -> str:
        most = self._tx.preferences.number("SMSSendMaxChar")
        return fit_sms(content, most) if transport == SMS else content

    def _process(self, letter: Letter, part: str, source: str, substitutes: Mapping[str, str]) -> str:
        if "[%" not in source:
            return source
        try:
            return ENGINE.render(with_punctuation_filters(source), self._variables(substitutes))
        except TemplateError as error:
            edit_url = self._edit_url(letter.code, letter.branchcode)
            raise TemplateFailed(
                lazy(
                    "The %(part)s of notice template %(letter)s cannot be processed: %(error)s. %(advice)s",
                    part=_PARTS[part],
                    letter=_letter_name(letter),
                    error=str(error),
                    advice=_advice(edit_url),
                ),
                edit_url=edit_url,
            ) from error

    def _edit_url(self, code: str, branchcode: str = "") -> str | None:
        return letter_edit_url(self._tx.preferences.text("staffClientBaseURL"), code, branchcode)

    def _variables(self, substitutes: Mapping[str, str]) -> dict[str, object]:
        """Return the variables of a template; one that costs a query is a function, called when it is used."""
        return {
            **substitutes,
            **{name: self._plugins[name] for name in AUTOMATIC},
            "illrequest": self._objects.find("illrequest", self._request.illrequest_id),
            "borrower": self._objects.find("borrower", self._request.borrowernumber),
            "branch": self._objects.find("branch", self._request.branchcode),
            "biblio": lambda *_: self._objects.find("biblio", self._request.biblio_id),
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
        """Return a letter's language; default letters are in the OPAC's first (Koha, C4/Letters.pm)."""
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
            rows={
                table: functools.partial(self._objects.row, table, key) for table, key in keys.items() if key
            },
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


def _not_queued(
    transport: str, reason: NotQueuedReason, error: NoticeError, edit_url: str | None
) -> NotQueued:
    return NotQueued(transport=transport, reason=reason, detail=error.message, edit_url=edit_url)


_PARTS = {"title": lazy("title"), "content": lazy("content")}


def _letter_name(letter: Letter) -> LazyMessage:
    name = lazy(
        "%(code)s (%(transport)s, %(lang)s)",
        code=letter.code,
        transport=literal(letter.transport),
        lang=lazy("default") if letter.lang == DEFAULT_LANG else letter.lang,
    )
    if not letter.branchcode:
        return name
    return lazy("%(letter)s of library %(library)s", letter=name, library=letter.branchcode)


def _advice(edit_url: str | None) -> LazyMessage:
    if edit_url is None:
        return lazy("Correct it in Koha under Tools, Notices and slips.")
    return lazy("Correct it in Koha: %(address)s", address=edit_url)


def _plugin(name: str, context: Context, _args: list[object]) -> object:
    """Return the plugin made for this rendering: the engine, with its compiled templates, serves them all."""
    plugins = context.stash[_PLUGINS]
    return plugins.get(name) if isinstance(plugins, dict) else None


ENGINE = Engine(
    plugins={name: functools.partial(_plugin, name) for name in PLUGINS},
    # The transaction that sends a notice holds a lock on the request while it renders.
    limits=Limits(seconds=2, output=1_000_000, list_size=100_000, memory=200_000_000, tokens=50_000),
)
"""Renders all notices, and keeps their compiled templates."""
