"""
The brief MARC record of a requested book.

Source: Koha, Koha/ILL/Backend/Standard.pm _standard_request2biblio, C4/Biblio.pm, Koha/SimpleMARC.pm.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from koha_ill_sidecar.domain.characters import without_control_characters
from koha_ill_sidecar.domain.identifiers import split_identifiers

if TYPE_CHECKING:
    from pymarc import Field, Record

UNIMARC = "UNIMARC"
MARC21 = "MARC21"

# Characters that XML 1.0 does not allow: a single one makes the record unreadable for Koha.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_FIRST_DATA_TAG = "010"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Subfield:
    key: str  # of the request's field
    tag: str
    code: str
    indicators: tuple[str, str] = (" ", " ")


_SUBFIELDS: Mapping[str, tuple[_Subfield, ...]] = MappingProxyType(
    {
        MARC21: (
            _Subfield(key="isbn", tag="020", code="a"),
            _Subfield(key="author", tag="100", code="a", indicators=("1", " ")),
            _Subfield(key="title", tag="245", code="a", indicators=("0", "0")),
        ),
        UNIMARC: (
            _Subfield(key="isbn", tag="010", code="a"),
            _Subfield(key="title", tag="200", code="a"),
            _Subfield(key="author", tag="200", code="f"),
        ),
    }
)
_MAPPING: Mapping[str, Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        MARC21: {
            "biblio.author": ("100", "a"),
            "biblio.biblionumber": ("999", "c"),
            "biblio.title": ("245", "a"),
            "biblioitems.biblioitemnumber": ("999", "d"),
            "biblioitems.isbn": ("020", "a"),
        },
        UNIMARC: {
            "biblio.author": ("200", "f"),
            "biblio.biblionumber": ("090", "a"),
            "biblio.title": ("200", "a"),
            "biblioitems.biblioitemnumber": ("090", "9"),
            "biblioitems.isbn": ("010", "a"),
        },
    }
)
_SUPPRESSION = ("942", "n")


@dataclass(frozen=True, kw_only=True, slots=True)
class Default:
    """The default value of a subfield in a cataloguing framework."""

    tag: str
    code: str
    value: str


class BriefRecord:
    """A record that is being built."""

    def __init__(self, record: "Record", mapping: Mapping[str, tuple[str, str]]) -> None:
        self._record = record
        self._mapping = mapping

    def columns(self, table: str) -> dict[str, str]:
        """
        Return the values for the columns of a table, by the installation's mapping.

        Several values of one column are joined as Koha joins them. Source: Koha, C4/Biblio.pm
        TransformMarcToKoha.
        """
        found: dict[str, str] = {}
        for kohafield, (tag, code) in self._mapping.items():
            of_table, _, column = kohafield.partition(".")
            values = [value for field in self._record.get_fields(tag) for value in _values(field, code)]
            if of_table == table and values:
                found[column] = " | ".join(values)
        return found

    def set_ids(self, *, biblionumber: int, biblioitemnumber: int) -> None:
        """Write the record's IDs into the fields that the installation maps to them."""
        by_tag: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for kohafield, number in (
            ("biblio.biblionumber", biblionumber),
            ("biblioitems.biblioitemnumber", biblioitemnumber),
        ):
            tag, code = self._mapping[kohafield]
            by_tag[tag].append((code, str(number)))
        for tag, subfields in by_tag.items():
            self._record.remove_fields(tag)
            self._record.add_field(_field(tag, subfields))  # type: ignore[no-untyped-call]

    def set_control_field(self, tag: str, value: str) -> None:
        """Write a control field, in order at the beginning of the record."""
        self._record.remove_fields(tag)
        self._record.add_ordered_field(_field(tag, [("", value)]))

    def set_subfield(self, tag: str, code: str, value: str) -> None:
        """Write a subfield, in the first field of the tag or in a new one. Source: Koha, Koha/Util/MARC.pm."""
        present = self._record.get_fields(tag)
        if present:
            present[0].delete_subfield(code)
            present[0].add_subfield(code, value)
        else:
            self._record.add_ordered_field(_field(tag, [(code, value)]))

    def set_unimarc_processing_data(self, *, today: str, language: str) -> None:
        """
        Write UNIMARC's field 100, keeping a framework's default of the right length.

        Args:
            today: As ``YYYYMMDD``.
            language: Three letters; anything else counts as French, as in Koha.
        """
        width, language_at, script_at = 36, 22, 25
        present = self._record.get_fields("100")
        given = next((value for field in present for value in _values(field, "a")), "")
        if len(given) != width:
            code = language if len(language) == 3 else "fre"
            given = today.ljust(language_at) + code.ljust(width - language_at)
        given = given[:script_at] + "y50" + given[script_at + 3 :]
        self._record.remove_fields("100")
        self._record.add_ordered_field(_field("100", [("a", given)]))

    def as_marcxml(self) -> str:
        """Return the record as Koha stores it."""
        from pymarc import Leader, record_to_xml  # noqa: PLC0415  (see new_brief_record)

        self._record.leader = Leader(self._record.as_marc()[:24].decode("ascii"))
        xml: bytes = record_to_xml(self._record, namespace=True)  # type: ignore[no-untyped-call]
        return f'<?xml version="1.0" encoding="UTF-8"?>\n{xml.decode("utf-8")}\n'


def new_brief_record(
    fields: Mapping[str, str],
    *,
    marcflavour: str,
    mapping: Mapping[str, tuple[str, str]],
    defaults: Iterable[Default] = (),
    never_defaulted: Sequence[str] = (),
) -> BriefRecord:
    """
    Return a record with a request's ISBN, author and title, hidden from the OPAC.

    Characters that XML does not allow are left out. Flavours other than MARC21 and UNIMARC only get the suppression.

    Args:
        mapping: Tag and subfield by ``table.column``, from the installation's default framework; where it has none,
            the usual one of the flavour is used.
        defaults: The framework's default values, for subfields that are not there yet.
        never_defaulted: Tags that belong to items.
    """
    # Imported only when a book is requested: pymarc would cost the idle daemon memory.
    from pymarc import Record  # noqa: PLC0415

    flavour = marcflavour.upper()
    record = Record(force_utf8=True)
    for place in _SUBFIELDS.get(flavour, ()):
        text = without_control_characters(fields.get(place.key) or "")
        # An ISBN with other words would not be found in the catalogue.
        value = _NOT_XML.sub("", split_identifiers(place.key, text)[0])
        if value:
            _add_value(record, place, value)
    record.add_field(_field(_SUPPRESSION[0], [(_SUPPRESSION[1], "1")]))  # type: ignore[no-untyped-call]
    for default in defaults:
        if default.tag not in never_defaulted:
            _add_default(record, default)
    return BriefRecord(record, {**_MAPPING.get(flavour, _MAPPING[MARC21]), **mapping})


def _add_value(record: "Record", place: _Subfield, value: str) -> None:
    present = record.get_fields(place.tag)
    if present:
        present[0].add_subfield(place.code, value)
    else:
        field = _field(place.tag, [(place.code, value)], place.indicators)
        record.add_field(field)  # type: ignore[no-untyped-call]


def _add_default(record: "Record", default: Default) -> None:
    present = record.get_fields(default.tag)
    for field in present:
        if not field.is_control_field() and not _values(field, default.code):
            field.add_subfield(default.code, default.value)
    if not present:
        record.add_ordered_field(_field(default.tag, [(default.code, default.value)]))


def _field(
    tag: str, subfields: Sequence[tuple[str, str]], indicators: tuple[str, str] = (" ", " ")
) -> "Field":
    from pymarc import Field, Indicators, Subfield  # noqa: PLC0415  (see new_brief_record)

    if tag < _FIRST_DATA_TAG:
        return Field(tag, data=subfields[0][1])
    return Field(tag, Indicators(*indicators), [Subfield(code, value) for code, value in subfields])


def _values(field: "Field", code: str) -> list[str]:
    if field.is_control_field():
        return [field.data] if field.data else []
    return [value for value in field.get_subfields(code) if value]
