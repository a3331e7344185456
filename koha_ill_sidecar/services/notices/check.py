"""
Check the ILL letters without sending one, for errors that would stop a notice and for likely mistakes.

Names are checked as far as the text of a template shows them; those that depend on the request only show when it is
rendered.
"""

import dataclasses
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from koha_ill_sidecar.domain.letter_syntax import (
    LetterToken,
    each_punctuation_filter,
    escaped_tokens,
    half_tags,
    is_in_tag,
    tokens_in,
    with_punctuation_filters,
)
from koha_ill_sidecar.domain.notices import DEFAULT_LANG, Letter, letter_edit_url
from koha_ill_sidecar.messages import LazyMessage, lazy
from koha_ill_sidecar.services.notices import languages
from koha_ill_sidecar.services.notices.findings import Finding, Severity, finding_on
from koha_ill_sidecar.services.notices.kinds import ONLY_IN_KOHA
from koha_ill_sidecar.services.notices.names import (
    ROOTS,
    NoticeNames,
    UnknownName,
    nearest,
)
from koha_ill_sidecar.services.notices.plugins import AUTOMATIC, PLUGINS
from koha_ill_sidecar.services.notices.records import Shape
from koha_ill_sidecar.services.notices.rendering import ENGINE
from koha_ill_sidecar.storage.koha import letters
from koha_ill_sidecar.storage.transaction import Transaction
from koha_ill_sidecar.template_toolkit import (
    EACH,
    REFUSED_FILTERS,
    NameUse,
    Place,
    TemplateError,
    TemplateNames,
    UseKind,
    inspect_template,
)

_SEE_REFERENCE = lazy("See “What a template can name” in the notices reference (docs/reference/notices.md).")
_NO_PROGRAMS = lazy("Remove it: notice templates cannot run programs.")
_COMMENT = re.compile(r"\[%#.*?%\]", re.DOTALL)
_PARTS = ("title", "content")
_PLUGIN_FILTERS = frozenset(name for name, plugin in PLUGINS.items() if plugin.filter is not None)


@dataclass(frozen=True, kw_only=True, slots=True)
class NoticeCheck:
    """The letters that were checked, and what was found."""

    letters: tuple[Letter, ...]
    findings: tuple[Finding, ...]

    def count(self, severity: Severity) -> int:
        """Count the findings of a severity."""
        return sum(finding.severity is severity for finding in self.findings)


def check(tx: Transaction, *, codes: Collection[str] = (), langs: Collection[str] = ()) -> NoticeCheck:
    """
    Check all letters of the module, or those with some codes and languages; three queries.

    Findings are sorted by code, transport, language and library, and within a letter by position.
    """
    every = letters.all_of_module(tx)
    names = NoticeNames.read(tx)
    # All are checked even if some are wanted: a letter is compared with its default language.
    findings = sorted(_findings(every, names), key=_sort_key)
    staff_base_url = tx.preferences.text("staffClientBaseURL")

    def wanted(found: Letter | Finding) -> bool:
        return (not codes or found.code in codes) and (not langs or found.lang in langs)

    return NoticeCheck(
        letters=tuple(filter(wanted, every)),
        findings=tuple(
            dataclasses.replace(
                finding, address=letter_edit_url(staff_base_url, finding.code, finding.branchcode)
            )
            for finding in filter(wanted, findings)
        ),
    )


def _findings(every: Sequence[Letter], names: NoticeNames) -> Iterator[Finding]:
    yield from languages.missing_notices(every)
    yield from languages.missing_transports(every)
    checked = {_key(letter, letter.lang): _LetterCheck(letter, names) for letter in every}
    for (_, _, _, lang), found in checked.items():
        yield from found.findings()
        default = checked.get(_key(found.letter, DEFAULT_LANG))
        if lang != DEFAULT_LANG and default is not None:
            yield from _differences(found, default)


def _differences(found: "_LetterCheck", default: "_LetterCheck") -> Iterator[Finding]:
    if found.is_readable and default.is_readable:
        yield from languages.compare_values(found.letter, found.values(), default.values())
    yield from languages.compare_formats(found.letter, default.letter)


def _key(letter: Letter, lang: str) -> tuple[str, str, str, str]:
    return letter.code, letter.transport, letter.branchcode, lang


def _sort_key(finding: Finding) -> tuple[object, ...]:
    part = -1 if finding.part is None else _PARTS.index(finding.part)
    letter = finding.code, finding.transport, finding.lang, finding.branchcode
    return (*letter, part, finding.line or 0, finding.column or 0)


class _LetterCheck:
    """The check of one letter: its title and its content."""

    def __init__(self, letter: Letter, names: NoticeNames) -> None:
        self.letter = letter
        self._parts = [
            _PartCheck(letter, part, source, names)
            for part, source in zip(_PARTS, (letter.title, letter.content), strict=True)
        ]

    @property
    def is_readable(self) -> bool:
        """Whether both parts can be parsed."""
        return all(part.names is not None for part in self._parts)

    def findings(self) -> Iterator[Finding]:
        for part in self._parts:
            yield from part.findings()

    def values(self) -> languages.Values:
        return frozenset(value for part in self._parts for value in part.values())


class _PartCheck:
    """The check of the title or of the content of a letter."""

    def __init__(self, letter: Letter, part: str, source: str, known: NoticeNames) -> None:
        self._letter = letter
        self._part = part
        self._source = source
        self._known = known
        # Spaces of the same length keep the offsets.
        self._uncommented = _COMMENT.sub(lambda comment: " " * len(comment.group()), source)
        self._is_template = "[%" in source
        self._error: TemplateError | None = None
        self.names: TemplateNames | None = None
        try:
            self.names = inspect_template(source if self._is_template else "", given=ROOTS)
        except TemplateError as error:
            self._error = error

    def findings(self) -> Iterator[Finding]:
        if self._error is not None:
            yield self._syntax_error(self._error)
        elif self._is_template and (unusable := self._unusable()) is not None:
            yield unusable
        names = self.names or TemplateNames(uses=(), own=frozenset())
        for use in names.uses:
            if (finding := self._check(use, names)) is not None:
                yield finding
        yield from self._tokens()
        yield from self._mistakes()

    def values(self) -> Iterator[tuple[str, ...]]:
        """Yield the values that it uses, in either syntax."""
        for use in self.names.uses if self.names else ():
            if use.kind is UseKind.VARIABLE and (value := self._known.value_path(use.path)) is not None:
                yield value
        for token in self._found_tokens():
            if (value := self._known.token_path(token, self._part)) is not None:
                yield value

    # Syntax.

    def _syntax_error(self, error: TemplateError) -> Finding:
        return self._finding(
            None if error.line is None else Place(error.line, error.column or 1),
            lazy("the template cannot be parsed: %(error)s", error=error.info),
            lazy("Correct the marked place; until then nothing is sent."),
        )

    def _unusable(self) -> Finding | None:
        """Find a template that Koha's added filters break, or that is too large for the engine."""
        try:
            ENGINE.compile(with_punctuation_filters(self._source))
        except TemplateError as error:
            for offset, source in each_punctuation_filter(self._source):
                if not _is_readable(source):
                    return self._finding(
                        self._place(offset),
                        lazy(
                            "the tag cannot be read, because Koha adds a filter to tags that begin with biblio"
                        ),
                        lazy("Begin the tag differently, for example with [%%- or GET."),
                    )
            return self._finding(
                None,
                lazy("the template cannot be used: %(error)s", error=error.info),
                lazy("Simplify the template."),
            )
        return None

    def _place(self, offset: int) -> Place:
        line_start = self._source.rfind("\n", 0, offset) + 1
        return Place(self._source.count("\n", 0, offset) + 1, offset - line_start + 1)

    # Names.

    def _check(self, use: NameUse, names: TemplateNames) -> Finding | None:
        name = use.path[0]
        match use.kind:
            case UseKind.VARIABLE:
                return self._variable(use, names)
            case UseKind.FILTER:
                return self._filter(use, names)
            case UseKind.FILTER_OBJECT:
                return self._filter_object(use, names)
            case UseKind.PLUGIN:
                return self._plugin(use)
            case UseKind.BLOCK:
                return self._block(use, names)
            case UseKind.FILE:
                message = lazy("INSERT has no file to read here")
                return self._use_finding(use, message, lazy("Put the text into the template itself."))
            case UseKind.REFUSED:
                return self._use_finding(use, lazy("%(name)s is not allowed", name=name), _NO_PROGRAMS)

    def _variable(self, use: NameUse, names: TemplateNames) -> Finding | None:
        unknown = self._known.find_unknown(use.path, names.own)
        if unknown is None:
            return None
        name = use.path[unknown.position]
        if unknown.owner is not None and name in ONLY_IN_KOHA.get(unknown.owner.kind, ()):
            message = lazy(
                "%(name)s is in Koha, but not in the sidecar", name=".".join(use.path[: unknown.position + 1])
            )
            return self._use_finding(use, message, _SEE_REFERENCE, use.places[unknown.position])
        severity = Severity.ERROR if unknown.fails and not use.is_caught else Severity.WARNING
        return self._finding(
            use.places[unknown.position],
            _with_suggestion(_unknown_message(unknown, name, use), unknown.suggestion),
            _replace_advice(unknown.suggestion, name),
            severity,
        )

    def _filter(self, use: NameUse, names: TemplateNames) -> Finding | None:
        name = use.path[0]
        if name in REFUSED_FILTERS:
            return self._use_finding(use, lazy("the filter %(name)s is not allowed", name=name), _NO_PROGRAMS)
        if name in ENGINE.filters or name in ENGINE.filter_factories:
            return None
        plugins = {f"${plugin}" for plugin in _PLUGIN_FILTERS}
        known = ({*ENGINE.filters, *ENGINE.filter_factories} - REFUSED_FILTERS) | names.own | plugins
        near = f"${name}" if f"${name}" in plugins else nearest(name, known)
        return self._unknown(use, name, _no_filter(name), near)

    def _filter_object(self, use: NameUse, names: TemplateNames) -> Finding | None:
        name = use.path[0]
        if name not in PLUGINS:
            if name in ENGINE.plugins:
                return None
            near = nearest(name, _PLUGIN_FILTERS)
            message = _with_suggestion(_no_filter(f"${name}"), near and f"${near}")
            return self._use_finding(use, message, _replace_advice(near, name))
        if name not in _PLUGIN_FILTERS:
            return self._use_finding(
                use, lazy("the plugin %(name)s is not a filter", name=name), _SEE_REFERENCE
            )
        loaded = {each.path[0] for each in names.uses if each.kind is UseKind.PLUGIN}
        if name in AUTOMATIC or name in loaded:
            return None
        return self._use_finding(
            use,
            lazy("the plugin %(name)s is not loaded", name=name),
            lazy("Write [%% USE %(name)s %%] at the beginning.", name=name),
        )

    def _plugin(self, use: NameUse) -> Finding | None:
        name = use.path[0]
        if len(use.path) == 1:
            if name in ENGINE.plugins:
                return None
            message = lazy("the sidecar does not know the plugin %(name)s", name=name)
            return self._unknown(use, name, message, nearest(name, ENGINE.plugins))
        member = use.path[1]
        if name not in PLUGINS or member in PLUGINS[name].methods:
            return None
        near = nearest(member, PLUGINS[name].methods)
        return self._unknown(use, member, _no_method(name, member), near, use.places[1])

    def _block(self, use: NameUse, names: TemplateNames) -> Finding:
        name = use.path[0]
        message = lazy("there is no block %(name)s in this template", name=name)
        return self._use_finding(
            use,
            _with_suggestion(message, nearest(name, names.own)),
            lazy(
                "Define it in the template itself ([%% BLOCK %(name)s %%] … [%% END %%]): the sidecar has none of "
                "Koha's template files.",
                name=name,
            ),
        )

    # The older syntax.

    def _found_tokens(self) -> Iterator[LetterToken]:
        """Yield the tokens, except those in comments and those whose names the template itself produces."""
        return (token for token in tokens_in(self._uncommented) if "[%" not in token.name)

    def _tokens(self) -> Iterator[Finding]:
        for token in self._found_tokens():
            path = self._known.token_path(token, self._part)
            if is_in_tag(self._uncommented, token.offset):
                yield self._token_in_tag(token, path)
                continue
            if path is not None:
                continue
            near = self._known.nearest_token(token, self._part)
            yield self._finding(
                self._place(token.offset),
                _with_suggestion(
                    lazy("<<%(token)s>> has no meaning", token=token.name), near and f"<<{near}>>"
                ),
                _replace_advice(near and f"<<{near}>>", f"<<{token.name}>>"),
                Severity.WARNING,
            )

    def _token_in_tag(self, token: LetterToken, path: tuple[str, ...] | None) -> Finding:
        name = f"<<{token.name}>>"
        return self._finding(
            self._place(token.offset),
            lazy(
                "%(token)s is inside a Template Toolkit tag, where Koha versions treat it differently",
                token=name,
            ),
            _replace_advice(".".join(path) if path else None, name),
            Severity.WARNING,
        )

    def _mistakes(self) -> Iterator[Finding]:
        """Yield what looks like a tag or a token, but is sent as text."""
        for offset in half_tags(self._uncommented):
            yield self._finding(
                self._place(offset),
                lazy("this looks like half a tag"),
                lazy(
                    "Write [%% and %%] around each tag, without spaces inside, and << and >> around each token."
                ),
                Severity.WARNING,
            )
        for offset in escaped_tokens(self._uncommented):
            yield self._finding(
                self._place(offset),
                lazy("a visual editor has escaped this, so that it has no effect"),
                lazy("Open the source view of the editor, and type the tag or token there."),
                Severity.WARNING,
            )

    # Findings.

    def _unknown(
        self, use: NameUse, name: str, message: LazyMessage, near: str | None, place: Place | None = None
    ) -> Finding:
        return self._use_finding(use, _with_suggestion(message, near), _replace_advice(near, name), place)

    def _use_finding(
        self, use: NameUse, message: LazyMessage, advice: LazyMessage, place: Place | None = None
    ) -> Finding:
        severity = Severity.WARNING if use.is_caught else Severity.ERROR
        return self._finding(place or use.place, message, advice, severity)

    def _finding(
        self,
        place: Place | None,
        message: LazyMessage,
        advice: LazyMessage,
        severity: Severity = Severity.ERROR,
    ) -> Finding:
        whole = dataclasses.replace(finding_on(self._letter, severity, message, advice), part=self._part)
        if place is None:
            return whole
        line = self._source.split("\n")[place.line - 1].removesuffix("\r")
        return dataclasses.replace(whole, line=place.line, column=place.column, source=line)


def _is_readable(source: str) -> bool:
    try:
        inspect_template(source)
    except TemplateError:
        return False
    return True


def _unknown_message(unknown: UnknownName, name: str, use: NameUse) -> LazyMessage:
    if unknown.owner is None:
        return lazy("there is no variable %(name)s", name=name)
    before = use.path[: unknown.position]
    owner = ".".join(part for part in before if part != EACH)
    match unknown.owner.shape:
        case Shape.TEXT:
            return lazy("%(owner)s is text and has no %(name)s", owner=owner, name=name)
        case Shape.LIST:
            return lazy("%(owner)s is a list and has no %(name)s", owner=owner, name=name)
        case Shape.PLUGIN:
            return _no_method(owner, name)
        case Shape.RECORD if before[-1] == EACH:
            return lazy("each of %(owner)s has no %(name)s", owner=owner, name=name)
    return lazy("%(owner)s has no %(name)s", owner=owner, name=name)


def _no_method(plugin: str, name: str) -> LazyMessage:
    if PLUGINS[plugin].methods.keys() - {"filter"}:
        return lazy("%(plugin)s has no %(name)s here", plugin=plugin, name=name)
    return lazy("%(plugin)s is a filter and has no %(name)s here", plugin=plugin, name=name)


def _no_filter(name: str) -> LazyMessage:
    return lazy("there is no filter %(name)s", name=name)


def _with_suggestion(lacks: LazyMessage, near: str | None) -> LazyMessage:
    """Add a suggestion to a message, if there is one."""
    if not near:
        return lacks
    return lazy("%(lacks)s; did you mean %(near)s?", lacks=lacks, near=near)


def _replace_advice(near: str | None, name: str) -> LazyMessage:
    return lazy("Write %(near)s instead of %(name)s.", near=near, name=name) if near else _SEE_REFERENCE
