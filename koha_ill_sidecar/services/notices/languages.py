"""Compare a letter's languages, and find missing letters."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

from koha_ill_sidecar.domain.notices import DEFAULT_LANG, EMAIL, Letter, NoticeCode
from koha_ill_sidecar.messages import LazyMessage, lazy
from koha_ill_sidecar.services.notices.findings import Finding, Severity, finding_on

Values = frozenset[tuple[str, ...]]
"""The values that a letter uses, as paths such as ``("borrower", "surname")``."""


def compare_values(letter: Letter, values: Values, default_values: Values) -> Iterator[Finding]:
    """Compare the values that a letter uses with those of the default letter of its library and transport."""
    if missing := default_values - values:
        yield finding_on(
            letter,
            Severity.WARNING,
            lazy("it does not use %(values)s, which the default template does", values=_listed(missing)),
            lazy("Add it in this language as well, if its readers need it."),
        )
    if additional := values - default_values:
        yield finding_on(
            letter,
            Severity.WARNING,
            lazy("it uses %(values)s, which the default template does not", values=_listed(additional)),
            lazy("Add it to the default template as well, or remove it here."),
        )


def compare_formats(letter: Letter, default: Letter) -> Iterator[Finding]:
    """Check that a letter and the default one are both HTML or both plain text."""
    if letter.is_html != default.is_html:
        yield finding_on(
            letter,
            Severity.WARNING,
            lazy("it is HTML, the default template is plain text")
            if letter.is_html
            else lazy("it is plain text, the default template is HTML"),
            lazy("Set “HTML message” the same in both languages."),
        )


def missing_transports(letters: Sequence[Letter]) -> Iterator[Finding]:
    """Find the transports that one language of a letter has and another lacks."""
    by_library: dict[tuple[str, str], dict[str, dict[str, Letter]]] = defaultdict(lambda: defaultdict(dict))
    for letter in letters:
        by_library[letter.code, letter.branchcode][letter.lang][letter.transport] = letter
    for (code, branchcode), by_lang in by_library.items():
        general = by_library.get((code, ""), {}) if branchcode else {}
        # A library may have its own letter in one language only; the letters for all libraries need a default.
        langs = sorted({*by_lang, *([] if branchcode else [DEFAULT_LANG])})
        for lang in langs:
            found = {*by_lang.get(lang, ()), *general.get(lang, ())}
            defaults = {*by_lang.get(DEFAULT_LANG, ()), *general.get(DEFAULT_LANG, ())}
            for transport, other in _letters_by_missing_transport(by_lang, found).items():
                yield _missing_transport(other, lang, default_is_sent=transport in defaults)


def missing_notices(letters: Sequence[Letter]) -> Iterator[Finding]:
    """Find the notices of Koha's core that have no email letter."""
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


def _letters_by_missing_transport(
    by_lang: Mapping[str, Mapping[str, Letter]], found: Collection[str]
) -> dict[str, Letter]:
    """Return one letter for each transport that is not in *found*."""
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
            "there is no such notice template, while there is one in %(language)s: patrons with this language get "
            "the default one",
            language=language,
        )
        if default_is_sent
        else lazy(
            "there is no such notice template, while there is one in %(language)s: patrons with this language get "
            "no message by this transport",
            language=language,
        ),
        advice=lazy("Add it in Koha, on the tab of the language."),
    )


def _language(lang: str) -> LazyMessage | str:
    return lazy("the default language") if lang == DEFAULT_LANG else lang


def _listed(values: Collection[tuple[str, ...]]) -> str:
    return ", ".join(sorted(".".join(path) for path in values))
