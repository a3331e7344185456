"""
The attributes of a wanted item: types of material, fields, and their labels.

Source: Koha, Koha/ILL/Backend/Standard.pm and its forms (includes/ill/backends/Standard).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from koha_ill_sidecar.domain.requests import Attribute


class MaterialType(StrEnum):
    """The types of material that the generic backend has a form for, in the order of that form."""

    BOOK = "book"
    CHAPTER = "chapter"
    JOURNAL = "journal"
    ARTICLE = "article"
    THESIS = "thesis"
    CONFERENCE = "conference"
    DVD = "dvd"
    OTHER = "other"
    RESOURCE = "resource"

    @property
    def label(self) -> str:
        """The name that the form shows."""
        return _TYPE_LABELS.get(self, self.value.capitalize())


_TYPE_LABELS: Mapping[str, str] = {"article": "Journal article", "dvd": "DVD", "resource": "Generic resource"}

LABELS: Mapping[str, str] = MappingProxyType(
    {
        "article_author": "Article author",
        "article_title": "Article title",
        "associated_id": "Associated ID",
        "author": "Author",
        "chapter_author": "Chapter author",
        "chapter": "Chapter",
        "conference_date": "Conference date",
        "doi": "DOI",
        "editor": "Editor",
        "eissn": "eISSN",
        "format": "Format",
        "genre": "Genre",
        "institution": "Institution",
        "isbn": "ISBN",
        "issn": "ISSN",
        "issue": "Issue",
        "item_date": "Date",
        "language": "Language",
        "pages": "Pages",
        "pagination": "Pagination",
        "paper_author": "Paper author",
        "paper_title": "Paper title",
        "part_edition": "Part / Edition",
        "publication": "Publication",
        "published_date": "Publication date",
        "published_place": "Place of publication",
        "publisher": "Publisher",
        "pubmedid": "PubMed ID",
        "pmid": "PubMed ID",
        "sponsor": "Sponsor",
        "studio": "Studio",
        "title": "Title",
        "type": "Type",
        "venue": "Venue",
        "volume": "Volume",
        "year": "Year",
    }
)
"""Label of every field that the generic backend knows; any other key is a custom field."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """A field of a form; *label* differs from the usual one on a few forms."""

    key: str
    label: str


MIGRATED = (
    "title", "type", "author", "year", "volume", "isbn", "issn", "eissn", "article_title",
    "article_author", "pages",
)  # fmt: skip
"""The attributes that are copied when a request is switched to another backend."""

REQUESTED_PARTNERS = "requested_partners"
MIGRATED_FROM = "migrated_from"
UNAUTHENTICATED = ("unauthenticated_first_name", "unauthenticated_last_name", "unauthenticated_email")

NOT_METADATA = frozenset(
    {
        "copyrightclearance_confirmed",
        "historycheck_requests",
        REQUESTED_PARTNERS,
        "type",
        "type_disclaimer_date",
        "type_disclaimer_value",
        *UNAUTHENTICATED,
    }
)
"""Attributes that do not describe the item. Source: Koha, Koha/ILL/Backend/Standard.pm metadata, 25.11."""

MAX_TYPE_LENGTH = 191
"""Characters of an attribute's type that its key holds; the column itself has 200."""


def label(key: str) -> str:
    """Return a field's label; a custom field's is its key with a capital."""
    return LABELS.get(key) or key[:1].upper() + key[1:]


def metadata(attributes: Iterable[Attribute]) -> dict[str, str]:
    """
    Return the attributes that describe the item as label and value, in their order.

    Of several attributes with one label (PubMed ID has two keys) the last counts, as in Koha.
    """
    return {
        label(attribute.type): attribute.value
        for attribute in attributes
        if attribute.value and attribute.type not in NOT_METADATA
    }


_OPENURL_KEYS: Mapping[str, str] = MappingProxyType(
    {
        "genre": "type",
        "content": "type",
        "format": "type",
        "atitle": "article_title",
        "aulast": "article_author",
        "author": "author",
        "date": "year",
        "year": "year",
        "issue": "issue",
        "volume": "volume",
        "isbn": "isbn",
        "issn": "issn",
        "eissn": "eissn",
        "doi": "doi",
        "title": "title",
        "pages": "pages",
        "ctitle": "chapter",
        "clast": "chapter_author",
    }
)
_OPENURL_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "fulltext": "article",
        "selectedft": "article",
        "print": "book",
        "ebook": "book",
    }
)
_OPENURL_IDS = frozenset({"id", "rft_id"})
_NOT_OF_THE_ITEM = frozenset(
    {
        "openurl", "backend", "method", "opac", "cardnumber", "branchcode", "userid", "password",
        "koha_login_context", "stage",
    }
)  # fmt: skip


def from_openurl(parameters: Iterable[tuple[str, str]], *, splits_ids: bool = True) -> dict[str, str]:
    """
    Translate the parameters of an OpenURL into fields; a key that has no field becomes a custom one.

    Where several keys mean the same field the first that has a value counts (in Koha, chance decides).

    Args:
        splits_ids: From 25.11 (bug 38928) ``id=pmid:123`` becomes the field ``pmid``; before, every id is a
            DOI.

    Source: Koha, Koha/ILL/Backend/Standard.pm _openurl_to_ill.
    """
    fields: dict[str, str] = {}
    for key, value in parameters:
        if key in _NOT_OF_THE_ITEM or not value:
            continue
        field, text = _openurl_id(value, splits_ids=splits_ids) if key in _OPENURL_IDS else (key, value)
        field = _OPENURL_KEYS.get(field, field)
        if field == "type":
            text = _OPENURL_TYPES.get(text, text)
        if field and text:
            fields.setdefault(field, text)
    return fields


def _openurl_id(value: str, *, splits_ids: bool) -> tuple[str, str]:
    kind, colon, rest = value.partition(":")
    if splits_ids and colon:
        return kind.lower(), rest
    return "doi", value


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """
    What a reference, such as an OpenURL, says of a wanted item.

    Attributes:
        type: Kind of material; empty where the reference does not name one.
        fields: Values by the key of a field (:data:`LABELS`).
        custom: Values without a field of ours, by the reference's own keys.
    """

    type: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    custom: Mapping[str, str] = field(default_factory=dict)
