"""
The forms of the backend that comes with Koha.

Source: Koha, the templates in includes/ill/backends/Standard.
"""

from collections.abc import Mapping
from types import MappingProxyType

from koha_ill_sidecar.domain.attributes import LABELS, Field, MaterialType
from koha_ill_sidecar.domain.item_form import FieldSet


def _fields(*keys: str, **relabelled: str) -> tuple[Field, ...]:
    return tuple(Field(key=key, label=relabelled.get(key, LABELS[key])) for key in keys)


_BOOK = (
    "title", "author", "editor", "publisher", "published_place", "year", "part_edition", "volume", "isbn",
    "doi",
)  # fmt: skip
_RESOURCE = (
    "title", "author", "editor", "publisher", "published_place", "year", "part_edition", "volume", "pages",
    "isbn", "issn", "doi",
)  # fmt: skip

_FIELDS: Mapping[MaterialType, tuple[Field, ...]] = (
    {
        MaterialType.BOOK: _fields(*_BOOK),
        MaterialType.CHAPTER: _fields(*_BOOK, "chapter_author", "chapter", "pages"),
        MaterialType.JOURNAL: _fields(
            "title", "publisher", "volume", "issue", "year", "issn", "eissn", "doi", issue="Issue number"
        ),
        MaterialType.ARTICLE: _fields(
            "title", "volume", "issue", "year", "issn",
            "article_title", "article_author", "published_date", "pages", "doi",
            issue="Issue number",
        ),
        MaterialType.THESIS: _fields("title", "author", "institution", "published_date", "doi"),
        MaterialType.CONFERENCE: _fields(
            "title", "publication", "conference_date", "venue", "sponsor", "volume", "isbn", "issn",
            "part_edition", "paper_title", "paper_author",
            title="Conference title", part_edition="Part",
        ),
        MaterialType.DVD: _fields("title", "author", "studio", "genre", "year", "format", "language"),
        MaterialType.OTHER: (),
        MaterialType.RESOURCE: _fields(*_RESOURCE),
    }
)  # fmt: skip

FIELD_SETS: Mapping[str, FieldSet] = MappingProxyType(
    {kind.value: FieldSet(kind.label, _FIELDS[kind]) for kind in MaterialType}
)
"""
The form of each type; for an article, a chapter and a conference *title* is that of the whole.

Koha calls both authors of a chapter *Author*: here the two fields stand in one list and need two names.
"""
