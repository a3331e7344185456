"""
Reading of OpenURLs: version 0.1, version 1.0 in key/encoded-value form, and COinS.

Koha's own mapping (:func:`koha_ill_sidecar.domain.attributes.from_openurl`) knows the keys of version 0.1 and has one
field for each, whatever the kind of material. This reader looks at the kind first: an author is that of the book, or
that of the article.

Sources: ANSI/NISO Z39.88-2004 with the matrices of its registry (journal, book, dissertation), the OpenURL 0.1
specification of 2003, and Koha, Koha/ILL/Backend/Standard.pm _openurl_to_ill, for Koha's own keys.
"""

import html
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from urllib.parse import unquote

from koha_ill_sidecar.domain.attributes import LABELS, MaterialType, Reference
from koha_ill_sidecar.domain.characters import without_control_characters
from koha_ill_sidecar.domain.identifiers import (
    TYPES,
    Identifier,
    IdentifierKind,
    identify,
    split_identifiers,
)

_MOST_KEYS = 500

_TYPES: Mapping[str, MaterialType] = {
    "article": MaterialType.ARTICLE,
    "preprint": MaterialType.ARTICLE,
    "fulltext": MaterialType.ARTICLE,
    "selectedft": MaterialType.ARTICLE,
    "journal": MaterialType.JOURNAL,
    "issue": MaterialType.JOURNAL,
    "book": MaterialType.BOOK,
    "print": MaterialType.BOOK,
    "ebook": MaterialType.BOOK,
    "bookitem": MaterialType.CHAPTER,
    "chapter": MaterialType.CHAPTER,
    "conference": MaterialType.CONFERENCE,
    "proceeding": MaterialType.CONFERENCE,
    "dissertation": MaterialType.THESIS,
    "thesis": MaterialType.THESIS,
    "dvd": MaterialType.DVD,
    "report": MaterialType.RESOURCE,
    "document": MaterialType.RESOURCE,
    "unknown": MaterialType.RESOURCE,
    "resource": MaterialType.RESOURCE,
    "other": MaterialType.OTHER,
}
_KEYS_OF_TYPE = ("genre", "content", "format", "type")

_LINK_KEY = re.compile(
    r"(ctx|url|rfr|rfe|req|svc|res)_.*|rft_(val_fmt|ref|ref_fmt|dat)|(rfr|rfe|req|svc|res)\..*"
)
_IGNORED_KEYS = frozenset(
    {
        "sid", "pid", "openurl", "backend", "method", "op", "opac", "cardnumber", "branchcode", "userid",
        "password", "koha_login_context", "stage",
    }
)  # fmt: skip
_IDS = ("id", "rft_id")

# The fields of keys that mean the same for every kind of material.
_FIELDS: Mapping[str, str] = {
    "volume": "volume",
    "issue": "issue",
    "issn": "issn",
    "eissn": "eissn",
    "isbn": "isbn",
    "doi": "doi",
    "pmid": "pubmedid",
    "pub": "publisher",
    "publisher": "publisher",
    "place": "published_place",
    "edition": "part_edition",
    "inst": "institution",
    "language": "language",
    "editor": "editor",
}
_ID = re.compile(
    r"(?:info:(?P<info>[a-z]+)/|(?:urn:)?(?P<scheme>[a-z]+):(?!//))(?P<rest>.+)", re.IGNORECASE | re.DOTALL
)
_DATE_WITH_YEAR = re.compile(r"(?P<year>\d{4})(?P<rest>\D.*)?", re.ASCII | re.DOTALL)


def read_openurl(text: str) -> Reference | None:
    """
    Read an OpenURL: the whole URL, its query alone, or an HTML element with a COinS; None for any other text.

    Values without a field become custom ones; only keys that describe the link itself are dropped.
    """
    found = _item_values(text.strip())
    if not found:
        return None
    known = {key: values[0] for key, values in found.items()}
    kind = _type(known)
    for key in _KEYS_OF_TYPE:
        if known.get(key, "").lower() in _TYPES:
            del known[key]
    values = {key: value for key, value in _values(known, kind).items() if value}
    for key, value in known.items():
        values[f"other_{key}" if key in values or key == "type" else key] = value
    for key, (_, *others) in found.items():
        name = f"other_{_FIELDS.get(key, key)}"
        repeated = [*filter(None, [values.get(name)]), *others]
        if others:
            values[name] = "; ".join(dict.fromkeys(repeated))
    return Reference(
        type=kind,
        fields={key: value for key, value in values.items() if key in LABELS},
        custom={key: value for key, value in values.items() if key not in LABELS},
    )


def _item_values(text: str) -> dict[str, list[str]]:
    """Return the values by lower-case key, without the prefix of version 1.0; several authors become one value."""
    found: dict[str, list[str]] = {}
    is_openurl = False
    for given, value in _parameters(text):
        key, clean = given.strip().lower(), " ".join(value.split())
        is_openurl = is_openurl or key.startswith(("rft", "ctx_ver", "url_ver")) or key in _OPENURL_KEYS
        if not clean or (_LINK_KEY.fullmatch(key) and key != "rft_val_fmt") or key in _IGNORED_KEYS:
            continue
        key, clean = _split_id(clean) if key in _IDS else (key.removeprefix("rft."), clean)
        first, others = split_identifiers(key, clean)
        values = found.setdefault(key, [])
        values += [one for one in (first, *others) if one not in values]
    if not is_openurl:
        return {}
    return {key: ["; ".join(values)] if key in ("au", "author") else values for key, values in found.items()}


_OPENURL_KEYS = frozenset(
    {
        "genre", "atitle", "title", "stitle", "ctitle", "aulast", "author", "issn", "eissn", "isbn", "doi",
        "pmid", "id", "spage",
    }
)  # fmt: skip


def _parameters(text: str) -> list[tuple[str, str]]:
    if text.startswith("<"):
        text = _COinS.title_in(text)
    elif re.match(r"https?://", text, re.IGNORECASE):
        text = _query(text)
    query = text.strip().lstrip("?").replace("&amp;", "&")
    separator = "&" if "&" in query else _SEMICOLON
    parts = re.split(separator, query, maxsplit=_MOST_KEYS)
    if len(parts) > _MOST_KEYS:
        return []  # too many keys for any reference
    pairs = (part.partition("=") for part in parts)
    return [(_decoded(key), _decoded(value)) for key, equals, value in pairs if equals and value]


_SEMICOLON = re.compile(r";(?=[A-Za-z_.]{1,30}=)")
_WRAPPED = re.compile(r"[?&]q?url=(https?(?::|%3A).*)", re.IGNORECASE | re.DOTALL)
_MOST_WRAPPINGS = 3
_FRAGMENT = re.compile(r"#/?[A-Za-z][A-Za-z0-9_-]{0,80}\Z")


def _query(url: str) -> str:
    """
    Return the pairs of a URL.

    They begin after the first question mark, even behind a ``#`` (pages that are one script have it so), or, where
    there is none, after the first ``&``. A ``#`` in a title does not end them, because many writers do not encode it;
    only a word after it at the very end is taken for the name of a place in a page.
    """
    for _ in range(_MOST_WRAPPINGS):
        wrapped = _WRAPPED.search(url)
        if wrapped is None:
            break
        inner = wrapped[1]
        # A proxy's link has the other link either encoded, or as it is up to the end.
        url = inner if "://" in inner[:8] else unquote(inner.partition("&")[0])
    query = url.partition("?")[2] if "?" in url else url.partition("&")[2]
    return _FRAGMENT.sub("", query)


def _decoded(text: str) -> str:
    """Decode a key or value: as UTF-8 if it is, else as Windows-1252, which older databases write."""
    text = text.replace("+", " ")
    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError:
        try:
            decoded = unquote(text, encoding="cp1252", errors="strict")
        except UnicodeDecodeError:
            decoded = unquote(text, encoding="latin-1")
    return without_control_characters(_ENTITY.sub(lambda entity: html.unescape(entity[0]), decoded))


_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#x[0-9a-f]{1,6}|[a-z]{2,8});", re.IGNORECASE)


class _COinS(HTMLParser):
    """
    Finds the title of the first element with the class of a COinS.

    Source: OpenURL COinS, a convention to embed bibliographic metadata in HTML (ocoins.info).
    """

    def __init__(self) -> None:
        super().__init__()
        self._title = ""

    @classmethod
    def title_in(cls, html: str) -> str:
        parser = cls()
        parser.feed(html)
        return parser._title

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del tag
        values = dict(attrs)
        if "Z3988" in (values.get("class") or "").split() and not self._title:
            self._title = values.get("title") or ""


def _split_id(value: str) -> tuple[str, str]:
    """Split an ID into kind and value: ``info:doi/10.1``, ``pmid:1``, ``urn:ISBN:1``, a link, or a bare DOI."""
    found = identify(value) if "://" in value or value.startswith("10.") else None
    if isinstance(found, Identifier) and found.kind in (IdentifierKind.DOI, IdentifierKind.PMID):
        return _KEY_OF_KIND[found.kind], found.value
    if match := _ID.fullmatch(value):
        return (match["info"] or match["scheme"]).lower(), match["rest"].strip()
    if value.startswith("10."):
        return "doi", value
    return ("url", value) if "://" in value else ("identifier", value)


_KEY_OF_KIND: Mapping[IdentifierKind, str] = {IdentifierKind.DOI: "doi", IdentifierKind.PMID: "pmid"}


def _type(known: Mapping[str, str]) -> str:
    for key in _KEYS_OF_TYPE:
        kind = _TYPES.get(known.get(key, "").lower())
        if kind is MaterialType.RESOURCE and key == "genre":
            break
        if kind is not None:
            return kind
    has_part = "atitle" in known or "ctitle" in known
    match known.get("rft_val_fmt", "").rpartition(":")[2]:
        case "journal":
            return MaterialType.ARTICLE if has_part else MaterialType.JOURNAL
        case "book":
            return MaterialType.CHAPTER if has_part else MaterialType.BOOK
        case "dissertation":
            return MaterialType.THESIS
    if "isbn" in known:
        return MaterialType.CHAPTER if has_part else MaterialType.BOOK
    if has_part:
        return MaterialType.ARTICLE
    identified = [TYPES[kind] for key, kind in _IDENTIFIER_KEYS.items() if key in known]
    return next(iter(identified), MaterialType.RESOURCE if known.get("genre") else "")


_IDENTIFIER_KEYS: Mapping[str, IdentifierKind] = {
    "doi": IdentifierKind.DOI,
    "pmid": IdentifierKind.PMID,
    "issn": IdentifierKind.ISSN,
    "eissn": IdentifierKind.ISSN,
}


def _values(known: dict[str, str], kind: str) -> dict[str, str]:
    """Return values by field, and remove their keys from *known*."""
    known.pop("rft_val_fmt", None)
    whole = _first(known, "btitle", "jtitle", "title", "stitle")
    part, part_author = _first(known, "atitle", "ctitle"), _first(known, "clast")
    author = _author(known)
    values = {field: known.pop(key) for key, field in _FIELDS.items() if key in known}
    values |= {"title": whole, "pages": _pages(known)} | _dates(known, kind)
    match kind:
        case MaterialType.ARTICLE:
            return values | {"article_title": part, "article_author": author or part_author}
        case MaterialType.CHAPTER:
            return values | {
                "chapter": part,
                "chapter_author": part_author or author,
                "author": author if part_author else "",
            }
        case MaterialType.CONFERENCE:
            return values | {"paper_title": part, "paper_author": author or part_author}
        case _:
            return values | {"author": author, "article_title": part, "chapter_author": part_author}


def _author(known: dict[str, str]) -> str:
    full_name, last = _first(known, "au", "author"), known.pop("aulast", "")
    first = _first(known, "aufirst", "auinit", "auinit1")
    corporate = known.pop("aucorp", "")
    return full_name or ", ".join(part for part in (last, first) if part) or corporate


def _pages(known: dict[str, str]) -> str:
    first, last = known.pop("spage", ""), known.pop("epage", "")
    given, number = known.pop("pages", ""), known.pop("artnum", "")
    return given or "-".join(part for part in dict.fromkeys((first, last)) if part) or number


def _dates(known: dict[str, str], kind: str) -> dict[str, str]:
    """Return the year, and the whole date where it says more than the year."""
    year, date = known.pop("year", ""), known.pop("date", "")
    if kind == MaterialType.THESIS:
        return {"published_date": date or year}
    match = _DATE_WITH_YEAR.fullmatch(date)
    if match is None:
        return {"year": year or date, "published_date": date if year and date != year else ""}
    has_more = bool(match["rest"]) or (year and year != match["year"])
    return {"year": year or match["year"], "published_date": date if has_more else ""}


def _first(known: dict[str, str], *keys: str) -> str:
    """Remove and return the value of the first of these keys that is present, and remove its duplicates."""
    for key in keys:
        if key in known:
            value = known.pop(key)
            for other in keys:
                if known.get(other) == value:
                    del known[other]
            return value
    return ""
