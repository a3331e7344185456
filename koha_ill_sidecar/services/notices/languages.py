"""What differs between the languages of a letter, and which letters there are not."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

from koha_ill_sidecar.domain.notices import DEFAULT_LANG, EMAIL, Letter, NoticeCode
from koha_ill_sidecar.messages import LazyMessage, lazy
from koha_ill_sidecar.services.notices.findings import Finding, Severity, finding_on

Values = frozenset[tuple[str, ...]]
"""The values that a letter shows or asks for."""


def other_values(letter: Letter, values: Values, default_values: Values) -> Iterator[Finding]:
    """Compare what a letter names with what the default letter of the same library and transport does."""
    if missing := default_values - values:
        yield finding_on(
            letter,
            Severity.WARNING,
            lazy("it does not name %(values)s, which the default template does", values=_listed(missing)),
            lazy("Name it in this language, too, if its readers should be told."),
        )
    if additional := values - default_values:
        yield finding_on(
            letter,
            Severity.WARNING,
            lazy("it names %(values)s, which the default template does not", values=_listed(additional)),
            lazy("Name it in the default template, too, or leave it out here."),
        )


def other_kind_of_text(letter: Letter, default: Letter) -> Iterator[Finding]:
    """Compare whether a letter and the default one are HTML."""
    if letter.is_html != default.is_html:
        yield finding_on(
            letter,
            Severity.WARNING,
            lazy("it is HTML, the default template is plain text")
            if letter.is_html
            else lazy("it is plain text, the default template is HTML"),
            lazy("Set “HTML message” alike in both languages."),
        )


def missing_transports(letters: Sequence[Letter]) -> Iterator[Finding]:
    """Find the languages that lack a transport which another language of the same letter has."""
    by_library: dict[tuple[str, str], dict[str, dict[str, Letter]]] = defaultdict(lambda: defaultdict(dict))
    for letter in letters:
        by_library[letter.code, letter.branchcode][letter.lang][letter.transport] = letter
    for (code, branchcode), by_lang in by_library.items():
        general = by_library.get((code, ""), {}) if branchcode else {}
        # A library may have its own letter in one language only; the general letters must cover the default.
        langs = sorted({*by_lang, *([] if branchcode else [DEFAULT_LANG])})
        for lang in langs:
            found = {*by_lang.get(lang, ()), *general.get(lang, ())}
            instead = {*by_lang.get(DEFAULT_LANG, ()), *general.get(DEFAULT_LANG, ())}
            for transport, other in _of_others(by_lang, found).items():
                yield _missing_transport(other, lang, default_is_sent=transport in instead)


def missing_notices(letters: Sequence[Letter]) -> Iterator[Finding]:
    """Find the notices of Koha's core that there is no email letter for."""
    found = {letter.code for letter in letters if letter.transport == EMAIL}
    for code in NoticeCode:
        if code not in found:
            yield Finding(
                code=code.value,
                transport=EMAIL,
                lang=DEFAULT_LANG,
                branchcode="",
                severity=Severity.ERROR,
                message=lazy("there is no such notice template"),
                advice=lazy("Run `koha-ill-sidecar notices install`, or add it in Koha."),
            )


def _of_others(by_lang: Mapping[str, Mapping[str, Letter]], found: Collection[str]) -> dict[str, Letter]:
    """Return a letter for each transport that is not among those found."""
    return {
        transport: letter
        for lang in sorted(by_lang, reverse=True)
        for transport, letter in sorted(by_lang[lang].items())
        if transport not in found
    }


def _missing_transport(other: Letter, lang: str, *, default_is_sent: bool) -> Finding:
    language = _language(other.lang)
    return Finding(
        code=other.code,
        transport=other.transport,
        lang=lang,
        branchcode=other.branchcode,
        severity=Severity.WARNING,
        message=lazy(
            "there is no such notice template, while there is one in %(language)s: its readers are sent the "
            "default one",
            language=language,
        )
        if default_is_sent
        else lazy(
            "there is no such notice template, while there is one in %(language)s: its readers are sent nothing "
            "that way",
            language=language,
        ),
        advice=lazy("Add it in Koha, on the tab of the language."),
    )


def _language(lang: str) -> LazyMessage | str:
    return lazy("the default language") if lang == DEFAULT_LANG else lang


def _listed(values: Collection[tuple[str, ...]]) -> str:
    return ", ".join(sorted(".".join(path) for path in values))
