"""
Koha's objects as notice templates see them: ``borrower``, ``branch``, ``illrequest`` and what hangs on them.

A row is read when a template first asks for one of its columns, and once in a notice, however often it is named.
What Koha's object would have and ours has not is an error that says so, as Koha's own unknown methods are: a
notice with a silent gap would be worse.
"""

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import date, datetime

from koha_ill_sidecar.domain import attributes as item
from koha_ill_sidecar.domain.letter_syntax import SECRET_COLUMNS
from koha_ill_sidecar.domain.requests import Attribute, ILLRequest
from koha_ill_sidecar.services.library_addresses import addresses_of
from koha_ill_sidecar.storage.koha import notice_tables, schema
from koha_ill_sidecar.storage.koha.notice_tables import PatronAttribute, TextRow
from koha_ill_sidecar.storage.transaction import Transaction
from koha_ill_sidecar.template_toolkit import MISSING, TemplateError

Accessor = Callable[[Sequence[object]], object]
"""Given the arguments in the template, gives text, a record, records, a hash, or None."""


class KohaRecord:
    """One object of Koha's: the columns of its row, and accessors that lead on to other objects."""

    def __init__(
        self,
        kind: str,
        row: Callable[[], TextRow],
        accessors: Mapping[str, Accessor] | None = None,
        *,
        table: str | None = None,
    ) -> None:
        self._kind = kind
        self._row = row
        self._accessors = accessors or {}
        self._table = table

    def template_get(self, name: str, args: Sequence[object]) -> object:
        """Give a column or what an accessor leads to."""
        if name in self._accessors:
            return self._accessors[name](args)
        if name in SECRET_COLUMNS:
            return ""
        row = self._row()
        if name in row:
            return row[name]
        if self._is_column_of_another_version(name):
            return None
        if name == "as_list":  # asked by FOREACH, which then takes the object for the only one
            return MISSING
        raise TemplateError("undef", f"{self._kind} has no {name}{self._nearest(name, row)}")

    def column(self, name: str) -> str | None:
        """Give a column, for searching among records."""
        return self._row().get(name)

    def _is_column_of_another_version(self, name: str) -> bool:
        return self._table is not None and name in schema.TABLES[self._table].optional

    def _nearest(self, name: str, row: TextRow) -> str:
        near = difflib.get_close_matches(name, [*self._accessors, *row.keys() - SECRET_COLUMNS], n=1)
        return f"; did you mean {near[0]}?" if near else " that the sidecar knows"


class KohaRecords:
    """A set of objects of Koha's, which templates loop over, count and search."""

    def __init__(self, kind: str, records: Callable[[], Sequence[KohaRecord]]) -> None:
        self._kind = kind
        self._load = records
        self._records: Sequence[KohaRecord] | None = None
        self._position = 0

    def template_get(self, name: str, args: Sequence[object]) -> object:
        """Do what Koha's sets can do: as_list, count, next, last, search, find, reset."""
        match name:
            case "as_list":
                return list(self._all())
            case "count" | "size":
                return len(self._all())
            case "first":
                return self._at(0)
            case "last":
                return self._at(len(self._all()) - 1)
            case "next":
                self._position += 1
                return self._at(self._position - 1)
            case "reset":
                self._position = 0
                return self
            case "search":
                return KohaRecords(self._kind, lambda: self._matching(args))
            case "find":
                return next(iter(self._matching(args)), None)
            case _:
                raise TemplateError("undef", f"{self._kind} has no {name} that the sidecar knows")

    def _all(self) -> Sequence[KohaRecord]:
        if self._records is None:
            self._records = self._load()
        return self._records

    def _at(self, position: int) -> KohaRecord | None:
        return self._all()[position] if 0 <= position < len(self._all()) else None

    def _matching(self, args: Sequence[object]) -> list[KohaRecord]:
        wanted = args[0] if args else {}
        if not isinstance(wanted, Mapping):
            raise TemplateError("undef", f"{self._kind} are searched by columns: {{ column => value }}")
        return [
            record
            for record in self._all()
            if all(record.column(str(name)) == str(value) for name, value in wanted.items())
        ]


class KohaObjects:
    """The objects around one request; rows are read once and shared between the syntaxes of a letter."""

    def __init__(
        self,
        tx: Transaction,
        ill_request: ILLRequest,
        *,
        attributes: Callable[[], Sequence[Attribute]],
    ) -> None:
        self._tx = tx
        self._ill_request = ill_request
        self._attributes = attributes
        self._request_row = _request_row(ill_request)
        self._rows: dict[tuple[str, str], TextRow | None] = {}
        self._patron_attributes: dict[str, tuple[PatronAttribute, ...]] = {}

    def row(self, table: str, key: str | int | None) -> TextRow | None:
        """Read a row of biblio, biblioitems, borrowers, branches, categories or illrequests, once."""
        if key is None or key == "":
            return None
        if table == "illrequests":
            return self._request_row
        known = (table, str(key))
        if known not in self._rows:
            self._rows[known] = notice_tables.row(self._tx, table, key)
        return self._rows[known]

    def patron_attributes(self, borrowernumber: str | int) -> tuple[PatronAttribute, ...]:
        """Read the extended attributes of a patron, once."""
        known = str(borrowernumber)
        if known not in self._patron_attributes:
            self._patron_attributes[known] = notice_tables.patron_attributes(self._tx, int(borrowernumber))
        return self._patron_attributes[known]

    def request(self) -> KohaRecord:
        """Give ``illrequest``."""
        ill_request = self._ill_request
        return KohaRecord(
            "illrequest",
            lambda: self._request_row,
            {
                "patron": lambda _: self.patron(ill_request.borrowernumber),
                "library": lambda _: self.library(ill_request.branchcode),
                "biblio": lambda _: self.biblio(ill_request.biblio_id),
                "extended_attributes": lambda _: self._request_attributes(),
                "illrequestattributes": lambda _: self._request_attributes(),
                "comments": lambda _: self._comments(),
                "illcomments": lambda _: self._comments(),
                "batch": lambda _: self._batch(),
                "illbatch": lambda _: self._batch(),
                "statusalias": lambda _: self._status_alias(),
                "metadata": lambda _: dict(item.metadata(self._attributes())),
                "id_prefix": lambda _: self._tx.site.id_prefix(ill_request.branchcode),
                "get_type": lambda _: self._attribute_value("type"),
            },
            table="illrequests",
        )

    def patron(self, borrowernumber: str | int | None) -> KohaRecord | None:
        """Give ``borrower``; None where the request has no patron."""
        if borrowernumber is None:
            return None

        def row() -> TextRow:
            return self.row("borrowers", borrowernumber) or {}

        return KohaRecord(
            "borrower",
            row,
            {
                "library": lambda _: self.library(row().get("branchcode")),
                "category": lambda _: self._category(row().get("categorycode")),
                "extended_attributes": lambda _: self._patron_attribute_records(borrowernumber),
                "get_extended_attribute": lambda args: self._patron_attribute_records(
                    borrowernumber
                ).template_get("find", [{"code": args[0] if args else ""}]),
            },
            table="borrowers",
        )

    def library(self, branchcode: str | None) -> KohaRecord | None:
        """Give ``branch``."""
        if not branchcode:
            return None

        def row() -> TextRow:
            return self.row("branches", branchcode) or {}

        return KohaRecord(
            "branch",
            row,
            {
                "from_email_address": lambda _: addresses_of(row(), self._tx.preferences).sender,
                "inbound_email_address": lambda _: addresses_of(row(), self._tx.preferences).inbound,
                "inbound_ill_address": lambda _: addresses_of(row(), self._tx.preferences).inbound_ill,
            },
            table="branches",
        )

    def biblio(self, biblionumber: str | int | None) -> KohaRecord | None:
        """Give ``biblio``; None also where the record is gone (up to 22.11 nothing tells the request so)."""
        row = self.row("biblio", biblionumber)
        if row is None:
            return None
        return KohaRecord(
            "biblio",
            lambda: row,
            {"biblioitem": lambda _: self._biblioitem(biblionumber)},
            table="biblio",
        )

    def _biblioitem(self, biblionumber: str | int | None) -> KohaRecord | None:
        row = self.row("biblioitems", biblionumber)
        return None if row is None else KohaRecord("biblioitem", lambda: row, table="biblioitems")

    def _category(self, categorycode: str | None) -> KohaRecord | None:
        row = self.row("categories", categorycode)
        return None if row is None else KohaRecord("category", lambda: row, table="categories")

    def _batch(self) -> KohaRecord | None:
        batch_id = self._ill_request.batch_id
        row = None if batch_id is None else notice_tables.batch(self._tx, batch_id)
        return None if row is None else KohaRecord("batch", lambda: row, table="illbatches")

    def _status_alias(self) -> KohaRecord | None:
        code = self._ill_request.status_alias
        category = self._tx.koha.status_alias_category
        if not code:
            return None
        staff = notice_tables.authorised_value(self._tx, category, code)
        opac = notice_tables.authorised_value(self._tx, category, code, opac=True)
        row = {"category": category, "authorised_value": code, "lib": staff, "lib_opac": opac}
        return None if staff is None else KohaRecord("statusalias", lambda: row)

    def _request_attributes(self) -> KohaRecords:
        return KohaRecords(
            "illrequest.extended_attributes",
            lambda: [_attribute_record(attribute) for attribute in self._attributes()],
        )

    def _patron_attribute_records(self, borrowernumber: str | int) -> KohaRecords:
        return KohaRecords(
            "borrower.extended_attributes",
            lambda: [
                _patron_attribute_record(attribute) for attribute in self.patron_attributes(borrowernumber)
            ],
        )

    def _comments(self) -> KohaRecords:
        return KohaRecords(
            "illrequest.comments",
            lambda: [
                self._comment(row)
                for row in notice_tables.comments(self._tx, self._ill_request.illrequest_id)
            ],
        )

    def _comment(self, row: TextRow) -> KohaRecord:
        return KohaRecord(
            "comment",
            lambda: row,
            {"patron": lambda _: self.patron(row["borrowernumber"])},
            table="illcomments",
        )

    def _attribute_value(self, kind: str) -> str | None:
        return next((attribute.value for attribute in self._attributes() if attribute.type == kind), None)


def _request_row(ill_request: ILLRequest) -> TextRow:
    return {field.name: _text(getattr(ill_request, field.name)) for field in fields(ill_request)}


def _attribute_record(attribute: Attribute) -> KohaRecord:
    row = {
        "type": attribute.type,
        "value": attribute.value,
        "readonly": str(int(attribute.readonly)),
        "backend": attribute.backend,
    }
    return KohaRecord("attribute", lambda: row)


def _patron_attribute_record(attribute: PatronAttribute) -> KohaRecord:
    row = {"code": attribute.code, "attribute": attribute.attribute, "description": attribute.description}
    return KohaRecord("attribute", lambda: row)


def _text(value: object) -> str | None:
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds")
    if isinstance(value, date):
        return value.isoformat()
    return None if value is None else str(value)
