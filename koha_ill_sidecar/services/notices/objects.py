"""
Koha's objects as notice templates see them: ``borrower``, ``branch``, ``biblio``, ``illrequest``, and what hangs on
them.

A row is read once in a notice, however often and in whichever syntax it is named. ``KINDS`` tells what every kind of
record answers beyond its columns, and where that leads.

Sources: Koha, Koha/Patron.pm, Koha/Library.pm, Koha/Biblio.pm, Koha/ILL/Request.pm, Koha/ILL/Batch.pm,
Koha/ILL/Comment.pm, Koha/Patron/Attribute.pm, Koha/AuthorisedValue.pm.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import date, datetime, timedelta

from koha_ill_sidecar.domain import attributes as item
from koha_ill_sidecar.domain.requests import Attribute, ILLRequest
from koha_ill_sidecar.services.library_addresses import LibraryAddresses, addresses_of
from koha_ill_sidecar.services.notices.records import (
    A_TEXT,
    ANYTHING,
    Accessor,
    Kind,
    KohaRecord,
    KohaRecords,
    Promise,
    Shape,
)
from koha_ill_sidecar.services.patron_addresses import first_valid_email_address, notice_email_address
from koha_ill_sidecar.storage.koha import notice_tables
from koha_ill_sidecar.storage.koha.notice_tables import PatronAttribute, TextRow
from koha_ill_sidecar.storage.transaction import Transaction

_NO_END = "9999"  # the year that stands for "for ever"
_LONGEST_NOTICE_DAYS = 36_525  # a century: what a date can bear, whatever somebody typed


class KohaObjects:
    """The objects around one request; rows are read once and shared between the syntaxes of a letter."""

    def __init__(
        self,
        tx: Transaction,
        ill_request: ILLRequest,
        *,
        attributes: Callable[[], Sequence[Attribute]],
    ) -> None:
        self.tx = tx
        self.attributes = attributes
        self._ill_request = ill_request
        self._request_row = _request_row(ill_request)
        self._rows: dict[tuple[str, str], TextRow | None] = {}
        self._lists: dict[str, Sequence[TextRow]] = {}
        self._authorised_values: dict[tuple[str, str], TextRow | None] = {}
        self._patron_attributes: dict[str, tuple[PatronAttribute, ...]] = {}
        self._preferences: dict[str, str | None] = {}

    def row(self, table: str, key: str | int | None) -> TextRow | None:
        """Read a row of a table that notices lead to, once."""
        if key is None or key == "":
            return None
        if table == "illrequests":
            return self._request_row
        known = (table, str(key))
        if known not in self._rows:
            self._rows[known] = notice_tables.row(self.tx, table, key)
        return self._rows[known]

    def rows(self, table: str) -> Sequence[TextRow]:
        """Read all of ``branches`` or ``categories`` by name, once."""
        if table not in self._lists:
            self._lists[table] = notice_tables.rows(self.tx, table)
        return self._lists[table]

    def authorised_value_row(self, category: str, code: str) -> TextRow | None:
        """Read an authorised value, once."""
        known = (category, code)
        if known not in self._authorised_values:
            self._authorised_values[known] = notice_tables.authorised_value(self.tx, category, code)
        return self._authorised_values[known]

    def patron_attributes(self, borrowernumber: str | int) -> tuple[PatronAttribute, ...]:
        """Read the extended attributes of a patron, once."""
        known = str(borrowernumber)
        if known not in self._patron_attributes:
            self._patron_attributes[known] = notice_tables.patron_attributes(self.tx, int(borrowernumber))
        return self._patron_attributes[known]

    def preference(self, name: str) -> str | None:
        """Read any preference, once."""
        if name not in self._preferences:
            self._preferences[name] = notice_tables.preference(self.tx, name)
        return self._preferences[name]

    def is_superlibrarian(self, borrowernumber: int) -> bool:
        """Tell whether a staff member may everything."""
        return int((self.row("borrowers", borrowernumber) or {}).get("flags") or 0) % 2 == 1

    @functools.cached_property
    def now(self) -> str:
        """The present time of the library, as ``YYYY-MM-DD HH:MM:SS``."""
        return notice_tables.now(self.tx)

    @property
    def today(self) -> str:
        """The present day of the library, as ``YYYY-MM-DD``."""
        return self.now[:10]

    def request(self) -> KohaRecord:
        """Give ``illrequest``."""
        return KohaRecord(KINDS["illrequest"], self, lambda: self._request_row)

    def patron(self, borrowernumber: str | int | None) -> KohaRecord | None:
        """Give ``borrower``; None where the request has no patron."""
        return self._lazy("borrower", "borrowers", borrowernumber)

    def library(self, branchcode: str | None) -> KohaRecord | None:
        """Give ``branch``."""
        return self._lazy("branch", "branches", branchcode)

    def biblio(self, biblionumber: str | int | None) -> KohaRecord | None:
        """Give ``biblio``; None also where the record is gone (up to 22.11 nothing tells the request so)."""
        return self._existing("biblio", "biblio", biblionumber)

    def biblioitem(self, biblionumber: str | int | None) -> KohaRecord | None:
        """Give the publication data of a record."""
        return self._existing("biblioitem", "biblioitems", biblionumber)

    def items(self, biblionumber: str | None) -> list[KohaRecord]:
        """Give the items of a record."""
        found = notice_tables.items(self.tx, biblionumber) if biblionumber else ()
        return [self.record("item", row) for row in found]

    def category(self, categorycode: str | None) -> KohaRecord | None:
        """Give a patron category."""
        return self._existing("category", "categories", categorycode)

    def batch(self, batch_id: str | None) -> KohaRecord | None:
        """Give a batch of requests; None also where this Koha has none."""
        return self._existing("batch", "illbatches", batch_id)

    def batch_status(self, code: str | None) -> KohaRecord | None:
        """Give what a batch's status is called."""
        return self._existing("batch status", "illbatch_statuses", code)

    def authorised_value(self, category: str | None, code: str | None) -> KohaRecord | None:
        """Give an authorised value; None where there is no such value."""
        row = self.authorised_value_row(category, code) if category and code else None
        return None if row is None else self.record("authorised value", row)

    def comments(self, illrequest_id: int) -> list[KohaRecord]:
        """Give the comments on a request, oldest first."""
        return [self.record("comment", row) for row in notice_tables.comments(self.tx, illrequest_id)]

    def attribute_value(self, kind: str) -> str | None:
        """Give one thing that is known of the wanted item."""
        return next((one.value for one in self.attributes() if one.type == kind), None)

    def record(self, kind: str, row: TextRow) -> KohaRecord:
        """Make a record of a row that was read."""
        return KohaRecord(KINDS[kind], self, lambda: row)

    def _lazy(self, kind: str, table: str, key: str | int | None) -> KohaRecord | None:
        """Make a record whose row a foreign key promises, so that it need not be read to know that it is there."""
        if key is None or key == "":
            return None
        return KohaRecord(KINDS[kind], self, lambda: self.row(table, key))

    def _existing(self, kind: str, table: str, key: str | int | None) -> KohaRecord | None:
        row = self.row(table, key)
        return None if row is None else self.record(kind, row)


def _value(find: Callable[[KohaRecord], object]) -> Accessor:
    return Accessor(lambda record, _: find(record))


def _one(kind: str, find: Callable[[KohaRecord], KohaRecord | None]) -> Accessor:
    return Accessor(lambda record, _: find(record), Promise(Shape.RECORD, kind))


def _many(kind: str, name: str, find: Callable[[KohaRecord], Sequence[KohaRecord]]) -> Accessor:
    return Accessor(
        lambda record, _: KohaRecords(KINDS[kind], f"{record.kind.name}.{name}", lambda: find(record)),
        Promise(Shape.SET, kind),
    )


def _request_attributes(record: KohaRecord) -> list[KohaRecord]:
    number = record.column("illrequest_id")
    return [
        record.objects.record(
            "request attribute",
            {
                "illrequest_id": number,
                "type": attribute.type,
                "value": attribute.value,
                "readonly": str(int(attribute.readonly)),
                "backend": attribute.backend,
            },
        )
        for attribute in record.objects.attributes()
    ]


def _request_comments(record: KohaRecord) -> list[KohaRecord]:
    return record.objects.comments(int(record.column("illrequest_id") or 0))


def _request_batch(record: KohaRecord) -> KohaRecord | None:
    return record.objects.batch(record.column("batch_id"))


def _status_alias(record: KohaRecord) -> KohaRecord | None:
    category = record.objects.tx.koha.status_alias_category
    return record.objects.authorised_value(category, record.column("status_alias"))


_REQUEST = Kind(
    name="illrequest",
    key="illrequest_id",
    table="illrequests",
    columns=tuple(column.name for column in fields(ILLRequest)),
    accessors={
        "batch": _one("batch", _request_batch),
        "biblio": _one("biblio", lambda it: it.objects.biblio(it.column("biblio_id"))),
        "comments": _many("comment", "comments", _request_comments),
        "extended_attributes": _many("request attribute", "extended_attributes", _request_attributes),
        "get_type": _value(lambda it: it.objects.attribute_value("type")),
        "id_prefix": _value(lambda it: it.objects.tx.site.id_prefix(it.column("branchcode"))),
        "ill_batch": _one("batch", _request_batch),  # its name in newer versions
        "illbatch": _one("batch", _request_batch),
        "illcomments": _many("comment", "illcomments", _request_comments),
        "illrequestattributes": _many("request attribute", "illrequestattributes", _request_attributes),
        "library": _one("branch", lambda it: it.objects.library(it.column("branchcode"))),
        "metadata": Accessor(lambda it, _: dict(item.metadata(it.objects.attributes())), ANYTHING),
        "patron": _one("borrower", lambda it: it.objects.patron(it.column("borrowernumber"))),
        "requested_partners": _value(lambda it: it.objects.attribute_value(item.REQUESTED_PARTNERS)),
        "statusalias": _one("authorised value", _status_alias),
    },
)


def _patron_attribute_records(record: KohaRecord) -> list[KohaRecord]:
    number = record.column("borrowernumber")
    found = record.objects.patron_attributes(number) if number else ()
    return [
        record.objects.record(
            "patron attribute",
            {
                "borrowernumber": number,
                "code": one.code,
                "attribute": one.attribute,
                "description": one.description,
            },
        )
        for one in found
    ]


def _extended_attribute(record: KohaRecord, args: Sequence[object]) -> KohaRecord | None:
    """Answer ``get_extended_attribute(code, value)``, whose value may be left out."""
    code, value, *_ = (*args, None, None)
    wanted = {"code": code} if value is None else {"code": code, "attribute": value}
    attributes = KohaRecords(
        KINDS["patron attribute"],
        "borrower.get_extended_attribute",
        lambda: _patron_attribute_records(record),
    )
    return attributes.find([wanted])


def _attribute_type(record: KohaRecord) -> KohaRecord:
    stored = _stored_attribute(record)
    return record.objects.record(
        "patron attribute type",
        {
            "code": stored.code,
            "description": stored.type_description,
            "authorised_value_category": stored.category,
        },
    )


def _attribute_value(record: KohaRecord) -> KohaRecord | None:
    stored = _stored_attribute(record)
    return record.objects.authorised_value(stored.category, stored.attribute)


def _stored_attribute(record: KohaRecord) -> PatronAttribute:
    row = record.row()
    stored = record.objects.patron_attributes(row["borrowernumber"] or "")
    return next(one for one in stored if (one.code, one.attribute) == (row["code"], row["attribute"]))


def _is_expired(record: KohaRecord, *, days_ahead: int = 0) -> int:
    expiry = record.column("dateexpiry") or ""
    if not expiry or expiry.startswith(_NO_END):
        return 0
    limit = date.fromisoformat(record.objects.today) + timedelta(days=days_ahead)
    return int(expiry[:10] < limit.isoformat())


def _is_going_to_expire(record: KohaRecord) -> int:
    days = min(_number(record.objects.preference("NotifyBorrowerDeparture")), _LONGEST_NOTICE_DAYS)
    return _is_expired(record, days_ahead=days) if days else 0


def _is_debarred(record: KohaRecord) -> str | None:
    """Answer until when the patron is restricted, if they are."""
    until = record.column("debarred") or ""
    return until if until.startswith(_NO_END) or until > record.objects.today else None


def _age(record: KohaRecord) -> int | None:
    born, today = record.column("dateofbirth"), record.objects.today
    if not born:
        return None
    return int(today[:4]) - int(born[:4]) - (born[5:10] > today[5:10])


def _category_type(record: KohaRecord) -> str:
    category = record.objects.category(record.column("categorycode"))
    return (category.column("category_type") if category else None) or ""


_PATRON = Kind(
    name="borrower",
    key="borrowernumber",
    table="borrowers",
    accessors={
        "category": _one("category", lambda it: it.objects.category(it.column("categorycode"))),
        "extended_attributes": _many("patron attribute", "extended_attributes", _patron_attribute_records),
        "first_valid_email_address": _value(
            lambda it: first_valid_email_address(it.row(), it.objects.tx.preferences) or ""
        ),
        "get_age": _value(_age),
        "get_extended_attribute": Accessor(_extended_attribute, Promise(Shape.RECORD, "patron attribute")),
        "is_adult": _value(lambda it: int(_category_type(it) in {"A", "I", "S"})),
        "is_child": _value(lambda it: int(_category_type(it) == "C")),
        "is_debarred": _value(_is_debarred),
        "is_expired": _value(_is_expired),
        "is_going_to_expire": _value(_is_going_to_expire),
        "library": _one("branch", lambda it: it.objects.library(it.column("branchcode"))),
        "notice_email_address": _value(
            lambda it: notice_email_address(it.row(), it.objects.tx.preferences) or ""
        ),
    },
)


def _addresses(record: KohaRecord) -> LibraryAddresses:
    return addresses_of(record.row(), record.objects.tx.preferences)


_LIBRARY = Kind(
    name="branch",
    key="branchcode",
    table="branches",
    accessors={
        "from_email_address": _value(lambda it: _addresses(it).sender),
        "get_effective_marcorgcode": _value(
            lambda it: it.column("marcorgcode") or it.objects.preference("MARCOrgCode")
        ),
        "inbound_email_address": _value(lambda it: _addresses(it).inbound),
        "inbound_ill_address": _value(lambda it: _addresses(it).inbound_ill),
    },
)


def _biblioitem_of(record: KohaRecord) -> KohaRecord | None:
    return record.objects.biblioitem(record.column("biblionumber"))


def _biblio_of(record: KohaRecord) -> KohaRecord | None:
    return record.objects.biblio(record.column("biblionumber"))


def _item_type(record: KohaRecord) -> str | None:
    biblioitem = _biblioitem_of(record)
    return biblioitem.column("itemtype") if biblioitem else None


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        _REQUEST,
        _PATRON,
        _LIBRARY,
        Kind(
            name="biblio",
            key="biblionumber",
            table="biblio",
            accessors={
                "biblioitem": _one("biblioitem", _biblioitem_of),
                "items": _many("item", "items", lambda it: it.objects.items(it.column("biblionumber"))),
                "itemtype": _value(_item_type),
            },
        ),
        Kind(
            name="biblioitem",
            key="biblioitemnumber",
            table="biblioitems",
            accessors={"biblio": _one("biblio", _biblio_of)},
        ),
        Kind(
            name="item",
            key="itemnumber",
            table="items",
            accessors={
                "biblio": _one("biblio", _biblio_of),
                "biblioitem": _one("biblioitem", _biblioitem_of),
                "holding_branch": _one("branch", lambda it: it.objects.library(it.column("holdingbranch"))),
                "home_branch": _one("branch", lambda it: it.objects.library(it.column("homebranch"))),
            },
        ),
        Kind(name="category", key="categorycode", table="categories"),
        Kind(
            name="comment",
            key="illcomment_id",
            table="illcomments",
            accessors={"patron": _one("borrower", lambda it: it.objects.patron(it.column("borrowernumber")))},
        ),
        Kind(
            name="batch",
            key="ill_batch_id",
            table="illbatches",
            accessors={
                "library": _one("branch", lambda it: it.objects.library(it.column("library_id"))),
                "patron": _one("borrower", lambda it: it.objects.patron(it.column("patron_id"))),
                "status": _one("batch status", lambda it: it.objects.batch_status(it.column("status_code"))),
            },
        ),
        Kind(name="batch status", key="id", table="illbatch_statuses"),
        Kind(
            name="authorised value",
            key="id",
            table="authorised_values",
            accessors={"opac_description": _value(lambda it: it.column("lib_opac") or it.column("lib"))},
        ),
        Kind(
            name="request attribute",
            key="illrequest_id",
            columns=("illrequest_id", "type", "value", "readonly", "backend"),
        ),
        Kind(
            name="patron attribute",
            key="code",
            columns=("borrowernumber", "code", "attribute", "description"),
            accessors={
                "authorised_value": _one("authorised value", _attribute_value),
                "type": _one("patron attribute type", _attribute_type),
            },
        ),
        Kind(
            name="patron attribute type",
            key="code",
            columns=("code", "description", "authorised_value_category"),
        ),
    )
}
"""Every kind of record that a template can come to, by its name."""

SUBSTITUTES = ("ill_bib_title", "ill_bib_author", "ill_full_metadata", "additional_text")
"""Texts that the older syntax names like variables."""

VARIABLES: Mapping[str, Promise] = {
    **{name: Promise(Shape.RECORD, name) for name in ("illrequest", "borrower", "biblio", "branch")},
    **dict.fromkeys(SUBSTITUTES, A_TEXT),
    "illrequestattributes": ANYTHING,
    "today": A_TEXT,
}
"""The variables that a notice is given; records in the order in which the older syntax looks for a column in them."""


def _number(text: str | None) -> int:
    return int(text) if text and text.strip().isdecimal() else 0


def _request_row(ill_request: ILLRequest) -> TextRow:
    return {field.name: _text(getattr(ill_request, field.name)) for field in fields(ill_request)}


def _text(value: object) -> str | None:
    if isinstance(value, datetime):
        return value.isoformat(" ", "seconds")
    if isinstance(value, date):
        return value.isoformat()
    return None if value is None else str(value)
