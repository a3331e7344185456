"""
What the index holds of a request: its text, its facets and its sort keys.

All of it follows from Koha's rows alone, so that a search gives the same result for an indexed request and for one
whose rows are read live.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from koha_ill_sidecar.domain.identifiers import searchable_forms
from koha_ill_sidecar.domain.request_index.terms import (
    LONGEST_TERM,
    PATRON,
    TEXT,
    fold,
    gram_terms,
    word_terms,
)

ALL = "fall"
"""The term of every request."""

LONGEST_KEY = 64
"""Bytes of a sort key; texts that differ only after these are sorted by ID."""

_LONGEST_TEXT = 30_000  # characters of a request that are searched; an abstract has two thousand
_NUMBER_DIGITS = 12
_LONGEST_KEYED = 200  # characters that a key is made from, before it is truncated
_NUMBER = re.compile(r"\d+", re.ASCII)
_PRICE = re.compile(r"\s*(\d{1,12})(?:[.,](\d{1,2}))?\s*", re.ASCII)


def one_line(text: str) -> str:
    """Return a text with single spaces in place of any white space."""
    return " ".join(text.split())


class Facet(StrEnum):
    """A property that a request has once, and that is matched exactly."""

    STATUS = "status"
    ALIAS = "alias"
    PLAIN_STATUS = "plain"  # the status of a request without an alias
    LIBRARY = "library"
    BACKEND = "backend"
    TYPE = "type"
    BATCH = "batch"
    PATRON = "patron"
    PLACED = "placed"  # a day; its month and its year are terms too
    UPDATED = "updated"

    def term(self, value: str) -> str:
        """Return the term of a value."""
        return f"f{self.value}={one_line(value)[:LONGEST_TERM]}"


class Column(StrEnum):
    """
    What a list can be sorted by: the columns of Koha's own list, from left to right.

    Source: Koha, koha-tmpl/intranet-tmpl/prog/js/ill-list-table.js.
    """

    ID = "number"
    BATCH = "batch"
    AUTHOR = "author"
    TITLE = "title"
    ARTICLE_TITLE = "article_title"
    ISSUE = "issue"
    VOLUME = "volume"
    YEAR = "year"
    PAGES = "pages"
    TYPE = "type"
    ORDER_ID = "order_id"
    PATRON = "patron"
    BIBLIO = "biblio"
    LIBRARY = "library"
    STATUS = "status"
    PLACED = "placed"
    UPDATED = "updated"
    REPLIED = "replied"
    COMPLETED = "completed"
    ACCESS_URL = "access_url"
    COST = "cost"
    PRICE_PAID = "price_paid"
    COMMENTS = "comments"
    NOTES_OPAC = "notes_opac"
    NOTES_STAFF = "notes_staff"
    BACKEND = "backend"


KEYED_COLUMNS = tuple(column for column in Column if column is not Column.ID)
"""The columns that need a key; an ID is its own key."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestRows:
    """Koha's rows of a request; dates and numbers as text, in MariaDB's form."""

    illrequest_id: int
    columns: Mapping[str, str | None]  # of illrequests, by Koha's name
    patron: Mapping[str, str | None]  # of borrowers
    library_name: str | None
    batch_name: str | None
    comments: int
    attributes: Sequence[tuple[str, str]] = ()
    fingerprint: int = 0  # of all this, computed by MariaDB; changes when any of it does
    attributes_fingerprint: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A request as it is searched and sorted."""

    illrequest_id: int
    text: str  # folded words, each once per line; the first line describes the patron
    facets: tuple[tuple[Facet, str], ...]
    keys: Mapping[Column, bytes]
    is_open: bool = True
    fingerprint: int = 0
    attributes_fingerprint: int = 0

    @property
    def patron_text(self) -> str:
        """The words that describe the patron."""
        return self.text.partition("\n")[0]

    @property
    def words(self) -> Sequence[str]:
        """The words of the whole text, the patron's included."""
        return self.text.split()

    def facet_terms(self) -> set[str]:
        """Return the terms of the facets; a day stands for its month and year as well."""
        found = {ALL}
        for facet, value in self.facets:
            found.add(facet.term(value))
            if facet in (Facet.PLACED, Facet.UPDATED):
                found |= {facet.term(value[:7]), facet.term(value[:4])}
        return found

    def terms(self) -> set[str]:
        """Return all terms: of the facets and of the words."""
        return (
            self.facet_terms()
            | gram_terms(self.words, TEXT)
            | gram_terms(self.patron_text.split(), PATRON)
            | set(word_terms(self.words, TEXT))
            | set(word_terms(self.patron_text.split(), PATRON))
        )


def build_document(rows: RequestRows, *, is_open: bool) -> Document:
    """Return the document for the rows of a request."""
    columns, values = rows.columns, _values(rows.attributes)
    return Document(
        illrequest_id=rows.illrequest_id,
        text=_text(rows),
        facets=tuple(_facets(columns, values)),
        keys=_keys(rows, values),
        is_open=is_open,
        fingerprint=rows.fingerprint,
        attributes_fingerprint=rows.attributes_fingerprint,
    )


_PATRON_FIELDS = (
    "surname", "firstname", "preferred_name", "middle_name", "othernames", "cardnumber", "userid",
)  # fmt: skip
# Times of day are left out: nobody searches for them, and any two digits would match them.
_DATES = ("placed", "replied", "updated", "completed", "due_date")
_SEARCHED = (
    "biblio_id", "branchcode", "status", "status_alias", "medium", "accessurl", "cost", "price_paid", "notesopac",
    "notesstaff", "orderid", "backend",
)  # fmt: skip


def _values(attributes: Sequence[tuple[str, str]]) -> dict[str, str]:
    return {kind: value for kind, value in attributes if value}


def _text(rows: RequestRows) -> str:
    """
    Return the text that a keyword is searched in, with the words of the patron in a line of their own.

    Source: Koha, koha-tmpl/intranet-tmpl/prog/js/ill-list-table.js, whose filter searches these columns, the patron's
    and eight of the attributes; here all attributes are searched.
    """
    patron = (rows.patron.get(name) or "" for name in _PATRON_FIELDS)
    columns = rows.columns
    others = [
        str(rows.illrequest_id),
        *((columns.get(name) or "")[:10] for name in _DATES),
        *(columns.get(name) or "" for name in _SEARCHED),
        rows.library_name or "",
        rows.batch_name or "",
        *(value for _, value in rows.attributes),
        *(form for kind, value in rows.attributes for form in searchable_forms(kind, value)),
    ]
    return f"{_searchable(patron)}\n{_searchable(others)}"


def _searchable(texts: Iterable[str]) -> str:
    return " ".join(dict.fromkeys(fold("\n".join(texts)[:_LONGEST_TEXT]).split()))


def _facets(columns: Mapping[str, str | None], values: Mapping[str, str]) -> Iterator[tuple[Facet, str]]:
    status, alias = columns.get("status") or "", columns.get("status_alias")
    yield Facet.STATUS, status
    if alias is None:
        yield Facet.PLAIN_STATUS, status
    known = {
        Facet.ALIAS: alias,
        Facet.LIBRARY: columns.get("branchcode"),
        Facet.BACKEND: columns.get("backend"),
        Facet.TYPE: values.get("type"),
        Facet.BATCH: columns.get("batch_id"),
        Facet.PATRON: columns.get("borrowernumber"),
        Facet.PLACED: columns.get("placed"),
        Facet.UPDATED: (columns.get("updated") or "")[:10],
    }
    for facet, value in known.items():
        if value:
            yield facet, one_line(value)


def _keys(rows: RequestRows, values: Mapping[str, str]) -> dict[Column, bytes]:
    columns, patron = rows.columns, rows.patron
    texts = {
        Column.BATCH: rows.batch_name,
        Column.AUTHOR: values.get("author") or values.get("article_author"),
        Column.TITLE: values.get("title"),
        Column.ARTICLE_TITLE: values.get("article_title"),
        Column.TYPE: values.get("type"),
        Column.PATRON: " ".join(patron.get(name) or "" for name in ("surname", "firstname")),
        Column.LIBRARY: rows.library_name or columns.get("branchcode"),
        Column.STATUS: f"{columns.get('status') or ''} {columns.get('status_alias') or ''}",
        Column.PLACED: columns.get("placed"),
        Column.UPDATED: columns.get("updated"),
        Column.REPLIED: columns.get("replied"),
        Column.COMPLETED: columns.get("completed"),
        Column.ACCESS_URL: columns.get("accessurl"),
        Column.NOTES_OPAC: columns.get("notesopac"),
        Column.NOTES_STAFF: columns.get("notesstaff"),
        Column.BACKEND: columns.get("backend"),
    }
    with_numbers = {
        Column.ISSUE: values.get("issue"),
        Column.VOLUME: values.get("volume"),
        Column.YEAR: values.get("year"),
        Column.PAGES: values.get("pages"),
        Column.ORDER_ID: columns.get("orderid"),
        Column.BIBLIO: columns.get("biblio_id"),
        Column.COMMENTS: str(rows.comments) if rows.comments else None,
    }
    prices = {Column.COST: columns.get("cost"), Column.PRICE_PAID: columns.get("price_paid")}
    keys = {column: _text_key(value or "") for column, value in texts.items()}
    keys |= {column: _text_key(_numbers_padded(value or "")) for column, value in with_numbers.items()}
    keys |= {column: _price_key(value or "") for column, value in prices.items()}
    return keys


def _text_key(text: str) -> bytes:
    return fold(one_line(text[:_LONGEST_KEYED])).encode()[:LONGEST_KEY]


def _numbers_padded(text: str) -> str:
    """Pad numbers so that ``vol. 9`` comes before ``vol. 10``."""
    return _NUMBER.sub(lambda number: number[0].zfill(_NUMBER_DIGITS), text[:_LONGEST_KEYED])


def _price_key(text: str) -> bytes:
    """Sort prices by amount, whatever the currency; other texts come after them."""
    price = _PRICE.fullmatch(text)
    if price is None:
        return _text_key(f"~{text}" if text else "")
    return f"{int(price[1]):0{_NUMBER_DIGITS}d}.{price[2] or '':0<2}".encode()
