"""
How Koha's objects behave in a notice template: one record, and a set of records.

A row is read when a template first uses one of its columns, and once per notice, however often and in whichever syntax
it is named. A method of Koha's object that ours lacks is an error, as an unknown method is in Koha: a notice with a
silent gap would be worse. :mod:`koha_ill_sidecar.services.notices.kinds` lists the kinds of record.
"""

import difflib
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from enum import Enum, auto
from typing import Any, TypeVar, cast

from sqlalchemy import Row

from koha_ill_sidecar.domain.letter_syntax import SECRET_COLUMNS
from koha_ill_sidecar.domain.requests import Attribute, ILLRequest
from koha_ill_sidecar.storage.koha import notice_tables, schema
from koha_ill_sidecar.storage.koha.notice_tables import TextRow
from koha_ill_sidecar.storage.transaction import Transaction
from koha_ill_sidecar.template_toolkit import MISSING, TemplateError

T = TypeVar("T")

# A foreign key guarantees the rows of these kinds, so that they are read only when a template uses a column.
_GUARANTEED = ("illrequest", "borrower", "branch")


class Shape(Enum):
    """What is known of a value before a letter is rendered."""

    TEXT = auto()
    RECORD = auto()
    SET = auto()  # of records, as Koha's objects return it
    LIST = auto()  # of records, a list of Template Toolkit's
    PLUGIN = auto()
    ANYTHING = auto()  # unknown, such as a hash whose keys depend on the request


@dataclass(frozen=True, slots=True)
class ValueType:
    """What a name can stand for; its value may still be empty."""

    shape: Shape
    kind: str = ""  # of the record or the records; the name of a plugin


TEXT = ValueType(Shape.TEXT)
ANYTHING = ValueType(Shape.ANYTHING)


@dataclass(frozen=True, slots=True)
class Accessor:
    """
    A method of a kind of record.

    Attributes:
        get: Takes the record and the arguments in the template; returns a value of the type *returns*, or None.
    """

    get: Callable[["KohaRecord", Sequence[object]], object]
    returns: ValueType = TEXT


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordKind:
    """
    A class of Koha's, as far as notices use it.

    Attributes:
        name: The name of its records in error messages.
        key: The column that Koha calls ``id``.
        table: The table of its columns; None where they come from several.
        columns: The columns of its row, where these are not all of the installed table.
    """

    name: str
    key: str
    table: str | None = None
    columns: tuple[str, ...] = ()
    accessors: Mapping[str, Accessor] = field(default_factory=dict)


class KohaRecord:
    """One object of Koha's: the columns of its row, and accessors that lead on to other objects."""

    def __init__(self, kind: RecordKind, objects: "KohaObjects", row: Callable[[], TextRow | None]) -> None:
        self.kind = kind
        self.objects = objects
        self._row = row

    def row(self) -> TextRow:
        """Return its row; an empty one where the database has no row."""
        return self._row() or {}

    def column(self, name: str) -> str | None:
        """Return a column; None where it is NULL or there is no such row."""
        return self.row().get(name)

    def template_get(self, name: str, args: Sequence[object]) -> object:
        """Return a column, or the value of an accessor."""
        if name in self.kind.accessors:
            return self.kind.accessors[name].get(self, args)
        if name in RECORD_METHODS:
            return RECORD_METHODS[name].get(self, args)
        if name == "as_list":  # FOREACH asks for it, and without it loops over the object alone
            return MISSING
        return self.visible_column(name)

    def visible_column(self, name: str) -> object:
        """
        Return a column for a template; empty if it is secret, None if there is no row.

        Raises:
            TemplateError: No known version of Koha has this column.
        """
        if name in SECRET_COLUMNS:
            return ""
        row = self._row()
        if row is None:
            return None
        if name in row:
            return row[name]
        if self._is_column_of_another_version(name):
            return None
        raise TemplateError("undef", f"{self.kind.name} has no {name}{self._nearest(name, row)}")

    def _is_column_of_another_version(self, name: str) -> bool:
        return self.kind.table is not None and name in schema.TABLES[self.kind.table].optional

    def _nearest(self, name: str, row: TextRow) -> str:
        near = difflib.get_close_matches(name, [*self.kind.accessors, *row.keys() - SECRET_COLUMNS], n=1)
        return f"; did you mean {near[0]}?" if near else " that the sidecar knows"


class KohaRecords:
    """A set of Koha's objects, which templates loop over, count and search."""

    def __init__(self, kind: RecordKind, name: str, records: Callable[[], Sequence[KohaRecord]]) -> None:
        self._kind = kind
        self._name = name
        self._load = records
        self._records: Sequence[KohaRecord] | None = None
        self._position = 0

    def template_get(self, name: str, args: Sequence[object]) -> object:
        """Call a method of Koha's sets."""
        if name not in SET_METHODS:
            raise TemplateError(
                "undef", f"{self._name} has no {name} here; it has {', '.join(sorted(SET_METHODS))}"
            )
        return SET_METHODS[name].call(self, args)

    def all(self) -> Sequence[KohaRecord]:
        """Return the records; reads them once."""
        if self._records is None:
            self._records = self._load()
        return self._records

    def at(self, position: int) -> KohaRecord | None:
        """Return one record; None beyond the end."""
        return self.all()[position] if 0 <= position < len(self.all()) else None

    def next(self) -> KohaRecord | None:
        """Return the next record of the iteration; None after the last."""
        self._position += 1
        return self.at(self._position - 1)

    def rewind(self) -> "KohaRecords":
        """Restart the iteration."""
        self._position = 0
        return self

    def search(self, args: Sequence[object]) -> "KohaRecords":
        """Return the records whose columns have certain values."""
        return KohaRecords(self._kind, self._name, lambda: self._matching(args))

    def find(self, args: Sequence[object]) -> KohaRecord | None:
        """Return the first record whose columns have certain values, or the record with an ID."""
        if args and not isinstance(args[0], Mapping):
            args = [{self._kind.key: args[0]}]
        return next(iter(self._matching(args)), None)

    def column_values(self, args: Sequence[object]) -> list[object]:
        """Return one column of each record."""
        return [record.visible_column(_name(args)) for record in self.all()]

    def _matching(self, args: Sequence[object]) -> list[KohaRecord]:
        wanted = args[0] if args else {}
        if not isinstance(wanted, Mapping) or any(args[1:]):
            raise TemplateError("undef", f"{self._name} is searched by columns alone: {{ column => value }}")
        conditions = {str(name).removeprefix("me."): value for name, value in wanted.items()}
        if any(isinstance(value, Mapping) for value in conditions.values()):
            raise TemplateError("undef", f"{self._name} is searched for values alone: {{ column => value }}")
        return [
            record
            for record in self.all()
            if all(_is_one_of(record.visible_column(name), value) for name, value in conditions.items())
        ]


class KohaObjects:
    """
    The objects around one request; rows are read once and shared between the syntaxes of a letter.

    Args:
        kinds: Every kind of record that a template can reach, by name.
    """

    def __init__(
        self,
        tx: Transaction,
        ill_request: ILLRequest,
        *,
        kinds: Mapping[str, RecordKind],
        attributes: Callable[[], Sequence[Attribute]],
    ) -> None:
        self.tx = tx
        self.attributes = attributes
        self._kinds = kinds
        self._request_row = _request_row(ill_request)
        self._read: dict[tuple[object, ...], object] = {}

    def row(self, table: str, key: str | int | None) -> TextRow | None:
        """Return a row of a table that notices use."""
        if key is None or key == "":
            return None
        if table == "illrequests":
            return self._request_row
        return self._once(notice_tables.row, table, str(key))

    def rows(self, table: str) -> Sequence[TextRow]:
        """Return all rows of ``branches`` or ``categories`` in the order of their names."""
        return self._once(notice_tables.rows, table)

    def authorised_value_row(self, category: str, code: str) -> TextRow | None:
        """Return the row of an authorised value."""
        return self._once(notice_tables.authorised_value, category, code)

    def patron_attributes(self, borrowernumber: str | int) -> Sequence[Row[Any]]:
        """Return the extended attributes of a patron."""
        return self._once(notice_tables.patron_attributes, int(borrowernumber))

    def preference(self, name: str) -> str | None:
        """Return any preference, also one that the sidecar itself does not use."""
        return self._once(notice_tables.preference, name)

    def is_superlibrarian(self, borrowernumber: int) -> bool:
        """Return whether a patron is a superlibrarian."""
        return int((self.row("borrowers", borrowernumber) or {}).get("flags") or 0) % 2 == 1

    @functools.cached_property
    def now(self) -> str:
        """The library's current time, as ``YYYY-MM-DD HH:MM:SS``."""
        return notice_tables.now(self.tx)

    @property
    def today(self) -> str:
        """The library's current day, as ``YYYY-MM-DD``."""
        return self.now[:10]

    def find(self, kind: str, key: str | int | None) -> KohaRecord | None:
        """Return a record by its key; None if it was deleted, as a biblio may be whose ID a request still holds."""
        if key is None or key == "":
            return None
        table = self._kinds[kind].table or ""
        if kind not in _GUARANTEED and self.row(table, key) is None:
            return None
        return KohaRecord(self._kinds[kind], self, lambda: self.row(table, key))

    def items(self, biblionumber: str | None) -> list[KohaRecord]:
        """Return the items of a record."""
        found = notice_tables.items(self.tx, biblionumber) if biblionumber else ()
        return [self.record("item", row) for row in found]

    def authorised_value(self, category: str | None, code: str | None) -> KohaRecord | None:
        """Return an authorised value; None where there is no such value."""
        row = self.authorised_value_row(category, code) if category and code else None
        return None if row is None else self.record("authorised value", row)

    def comments(self, illrequest_id: int) -> list[KohaRecord]:
        """Return the comments on a request, oldest first."""
        return [self.record("comment", row) for row in notice_tables.comments(self.tx, illrequest_id)]

    def attribute_value(self, kind: str) -> str | None:
        """Return one attribute of the wanted item."""
        return next((one.value for one in self.attributes() if one.type == kind), None)

    def record(self, kind: str, row: TextRow) -> KohaRecord:
        """Return a record for a row that was read."""
        return KohaRecord(self._kinds[kind], self, lambda: row)

    def _once(self, read: Callable[..., T], *args: object) -> T:
        key = (read, *args)
        if key not in self._read:
            self._read[key] = read(self.tx, *args)
        return cast("T", self._read[key])


@dataclass(frozen=True, slots=True)
class SetMethod:
    """A method of a set; records that it returns are of the set's own kind."""

    call: Callable[[KohaRecords, Sequence[object]], object]
    returns: Shape

    def value_type(self, kind: str) -> ValueType:
        """Return the type of its result for a set of a kind of record."""
        return ValueType(self.returns, kind if self.returns in _RECORD_SHAPES else "")


_RECORD_SHAPES = frozenset({Shape.RECORD, Shape.SET, Shape.LIST})


def _unblessed(record: KohaRecord) -> dict[str, object]:
    return {name: record.visible_column(name) for name in record.row()}


RECORD_METHODS: Mapping[str, Accessor] = {
    "get_column": Accessor(lambda record, args: record.visible_column(_name(args))),
    "id": Accessor(lambda record, _: record.column(record.kind.key)),
    "unblessed": Accessor(lambda record, _: _unblessed(record), ANYTHING),
}
"""Methods of every record (Koha, Koha/Object.pm)."""

SET_METHODS: Mapping[str, SetMethod] = {
    "as_list": SetMethod(lambda records, _: list(records.all()), Shape.LIST),
    "count": SetMethod(lambda records, _: len(records.all()), Shape.TEXT),
    "find": SetMethod(lambda records, args: records.find(args), Shape.RECORD),
    "first": SetMethod(lambda records, _: records.at(0), Shape.RECORD),
    "get_column": SetMethod(lambda records, args: records.column_values(args), Shape.ANYTHING),
    "last": SetMethod(lambda records, _: records.at(len(records.all()) - 1), Shape.RECORD),
    "next": SetMethod(lambda records, _: records.next(), Shape.RECORD),
    "reset": SetMethod(lambda records, _: records.rewind(), Shape.SET),
    "search": SetMethod(lambda records, args: records.search(args), Shape.SET),
    "single": SetMethod(lambda records, _: records.at(0), Shape.RECORD),
    "size": SetMethod(lambda records, _: len(records.all()), Shape.TEXT),
    "unblessed": SetMethod(
        lambda records, _: [_unblessed(record) for record in records.all()], Shape.ANYTHING
    ),
}
"""Methods of every set of records (Koha, Koha/Objects.pm)."""


def _name(args: Sequence[object]) -> str:
    return str(args[0]) if args else ""


def _is_one_of(found: object, wanted: object) -> bool:
    values = wanted if isinstance(wanted, list) else [wanted]
    return any(found is None if value is None else found == str(value) for value in values)


def _request_row(ill_request: ILLRequest) -> TextRow:
    return {field.name: _text(getattr(ill_request, field.name)) for field in fields(ill_request)}


def _text(value: object) -> str | None:
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds")
    if isinstance(value, date):
        return value.isoformat()
    return None if value is None else str(value)
