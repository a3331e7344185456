"""Whether two requests are for the same thing."""

import re
from collections.abc import Mapping

from koha_ill_sidecar.domain.identifiers import normalise_isbn, normalised
from koha_ill_sidecar.domain.request_index.terms import fold

_PARTS = ("chapter", "paper_title", "volume", "issue")


def is_same_item(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """
    Return whether two descriptions are of the same item.

    The first of these that *one* has decides: DOI, PubMed ID, ISBN, title of the article, title with author. For the
    last three, different parts (chapter, paper, volume, issue) are different items.

    Koha's own check (Koha/ILL/Request/Workflow/HistoryCheck.pm) compares the first three exactly as they were typed.
    """
    for reader in (_doi, _pmid):
        if wanted := reader(one):
            return reader(other) == wanted
    for reader in (_isbn, _article, _whole):
        if wanted := reader(one):
            return reader(other) == wanted and not _are_different_parts(one, other)
    return False


def folded(text: str) -> str:
    """Return a text without letter case, accents, punctuation and spaces."""
    return re.sub(r"[\W_]+", "", fold(text))


def _doi(values: Mapping[str, str]) -> str:
    # What is not quite a DOI still equals itself, with or without the usual prefixes.
    found = normalised("doi", _text(values, "doi")).lower()
    return re.sub(r"^(https?://(dx\.|www\.)?doi\.org/|(info:)?doi[:/])", "", found).strip()


def _pmid(values: Mapping[str, str]) -> str:
    return re.sub(r"\D", "", _text(values, "pmid") or _text(values, "pubmedid"))


def _isbn(values: Mapping[str, str]) -> str:
    typed = _text(values, "isbn")
    return normalise_isbn(typed) or folded(typed)  # a wrong ISBN still equals itself


def _article(values: Mapping[str, str]) -> str:
    return folded(_text(values, "article_title"))


def _whole(values: Mapping[str, str]) -> str:
    title, author = folded(_text(values, "title")), folded(_text(values, "author"))
    return f"{title}\0{author}" if title else ""


def _are_different_parts(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    pairs = [(folded(_text(one, key)), folded(_text(other, key))) for key in _PARTS]
    return any(first and second and first != second for first, second in pairs)


def _text(values: Mapping[str, str], key: str) -> str:
    return values.get(key, "").strip()
