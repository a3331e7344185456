"""
The kinds of record that notice templates can reach, with their methods: ``borrower``, ``branch``, ``biblio``,
``illrequest`` and what they lead to.

Sources: Koha, Koha/Patron.pm, Koha/Library.pm, Koha/Biblio.pm, Koha/ILL/Request.pm, Koha/ILL/Batch.pm,
Koha/ILL/Comment.pm, Koha/Patron/Attribute.pm, Koha/AuthorisedValue.pm.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Row

from koha_ill_sidecar.domain import attributes as item
from koha_ill_sidecar.domain.requests import ILLRequest
from koha_ill_sidecar.services.backends import supplying_backend
from koha_ill_sidecar.services.notices.records import (
    ANYTHING,
    TEXT,
    Accessor,
    KohaRecord,
    KohaRecords,
    RecordKind,
    Shape,
    ValueType,
)
from koha_ill_sidecar.services.people.addresses import (
    LibraryAddresses,
    addresses_of,
    first_valid_email_address,
    notice_email_address,
)

_FOREVER = "9999"  # the year of dates that mean "never"
_LONGEST_NOTICE_DAYS = 36_525  # a century: a larger number typed into the preference must not overflow a date


def _value(find: Callable[[KohaRecord], object]) -> Accessor:
    return Accessor(lambda record, _: find(record))


def _one(kind: str, find: Callable[[KohaRecord], KohaRecord | None]) -> Accessor:
    return Accessor(lambda record, _: find(record), ValueType(Shape.RECORD, kind))


def _related(kind: str, column: str) -> Accessor:
    """Return an accessor of the record whose key is in a column."""
    return _one(kind, lambda record: record.objects.find(kind, record.column(column)))


def _many(kind: str, name: str, find: Callable[[KohaRecord], Sequence[KohaRecord]]) -> Accessor:
    return Accessor(
        lambda record, _: KohaRecords(KINDS[kind], f"{record.kind.name}.{name}", lambda: find(record)),
        ValueType(Shape.SET, kind),
    )


def _request_attributes(record: KohaRecord) -> list[KohaRecord]:
    illrequest_id = record.column("illrequest_id")
    return [
        record.objects.record(
            "request attribute",
            {
                "illrequest_id": illrequest_id,
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


def _request_metadata(record: KohaRecord, _args: Sequence[object]) -> dict[str, str]:
    illrequest_id = int(record.column("illrequest_id") or 0)
    return supplying_backend(record.objects.tx, illrequest_id).metadata(record.objects.attributes())


def _status_alias(record: KohaRecord) -> KohaRecord | None:
    category = record.objects.tx.koha.status_alias_category
    return record.objects.authorised_value(category, record.column("status_alias"))


_REQUEST = RecordKind(
    name="illrequest",
    key="illrequest_id",
    table="illrequests",
    columns=tuple(column.name for column in fields(ILLRequest)),
    accessors={
        "batch": _related("batch", "batch_id"),
        "biblio": _related("biblio", "biblio_id"),
        "comments": _many("comment", "comments", _request_comments),
        "extended_attributes": _many("request attribute", "extended_attributes", _request_attributes),
        "get_type": _value(lambda record: record.objects.attribute_value("type")),
        "id_prefix": _value(lambda record: record.objects.tx.site.id_prefix(record.column("branchcode"))),
        "ill_batch": _related("batch", "batch_id"),  # its name in newer versions
        "illbatch": _related("batch", "batch_id"),
        "illcomments": _many("comment", "illcomments", _request_comments),
        "illrequestattributes": _many("request attribute", "illrequestattributes", _request_attributes),
        "library": _related("branch", "branchcode"),
        "metadata": Accessor(_request_metadata, ANYTHING),
        "patron": _related("borrower", "borrowernumber"),
        "requested_partners": _value(lambda record: record.objects.attribute_value(item.REQUESTED_PARTNERS)),
        "statusalias": _one("authorised value", _status_alias),
    },
)


def _patron_attribute_records(record: KohaRecord) -> list[KohaRecord]:
    borrowernumber = record.column("borrowernumber")
    found = record.objects.patron_attributes(borrowernumber) if borrowernumber else ()
    return [
        record.objects.record(
            "patron attribute",
            {
                "borrowernumber": borrowernumber,
                "code": one.code,
                "attribute": one.attribute,
                "description": one.description,
            },
        )
        for one in found
    ]


def _extended_attribute(record: KohaRecord, args: Sequence[object]) -> KohaRecord | None:
    """Implement ``get_extended_attribute(code, value)``, whose value may be left out."""
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


def _stored_attribute(record: KohaRecord) -> Row[Any]:
    row = record.row()
    stored = record.objects.patron_attributes(row["borrowernumber"] or "")
    return next(one for one in stored if (one.code, one.attribute) == (row["code"], row["attribute"]))


def _is_expired(record: KohaRecord, *, days_ahead: int = 0) -> int:
    expiry = record.column("dateexpiry") or ""
    if not expiry or expiry.startswith(_FOREVER):
        return 0
    limit = date.fromisoformat(record.objects.today) + timedelta(days=days_ahead)
    return int(expiry[:10] < limit.isoformat())


def _is_going_to_expire(record: KohaRecord) -> int:
    days = min(_whole_number(record.objects.preference("NotifyBorrowerDeparture")), _LONGEST_NOTICE_DAYS)
    return _is_expired(record, days_ahead=days) if days else 0


def _is_debarred(record: KohaRecord) -> str | None:
    """Return the day until which the patron is restricted; None if they are not."""
    until = record.column("debarred") or ""
    return until if until.startswith(_FOREVER) or until > record.objects.today else None


def _age(record: KohaRecord) -> int | None:
    born, today = record.column("dateofbirth"), record.objects.today
    if not born:
        return None
    return int(today[:4]) - int(born[:4]) - (born[5:10] > today[5:10])


def _category_type(record: KohaRecord) -> str:
    category = record.objects.find("category", record.column("categorycode"))
    return (category.column("category_type") if category else None) or ""


_PATRON = RecordKind(
    name="borrower",
    key="borrowernumber",
    table="borrowers",
    accessors={
        "category": _related("category", "categorycode"),
        "extended_attributes": _many("patron attribute", "extended_attributes", _patron_attribute_records),
        "first_valid_email_address": _value(
            lambda record: first_valid_email_address(record.row(), record.objects.tx.preferences) or ""
        ),
        "get_age": _value(_age),
        "get_extended_attribute": Accessor(_extended_attribute, ValueType(Shape.RECORD, "patron attribute")),
        "is_adult": _value(lambda record: int(_category_type(record) in {"A", "I", "S"})),
        "is_child": _value(lambda record: int(_category_type(record) == "C")),
        "is_debarred": _value(_is_debarred),
        "is_expired": _value(_is_expired),
        "is_going_to_expire": _value(_is_going_to_expire),
        "library": _related("branch", "branchcode"),
        "notice_email_address": _value(
            lambda record: notice_email_address(record.row(), record.objects.tx.preferences) or ""
        ),
    },
)


def _addresses(record: KohaRecord) -> LibraryAddresses:
    return addresses_of(record.row(), record.objects.tx.preferences)


_LIBRARY = RecordKind(
    name="branch",
    key="branchcode",
    table="branches",
    accessors={
        "from_email_address": _value(lambda record: _addresses(record).sender),
        "get_effective_marcorgcode": _value(
            lambda record: record.column("marcorgcode") or record.objects.preference("MARCOrgCode")
        ),
        "inbound_email_address": _value(lambda record: _addresses(record).inbound),
        "inbound_ill_address": _value(lambda record: _addresses(record).inbound_ill),
    },
)


def _item_type(record: KohaRecord) -> str | None:
    biblioitem = record.objects.find("biblioitem", record.column("biblionumber"))
    return biblioitem.column("itemtype") if biblioitem else None


KINDS: Mapping[str, RecordKind] = {
    kind.name: kind
    for kind in (
        _REQUEST,
        _PATRON,
        _LIBRARY,
        RecordKind(
            name="biblio",
            key="biblionumber",
            table="biblio",
            accessors={
                "biblioitem": _related("biblioitem", "biblionumber"),
                "items": _many(
                    "item", "items", lambda record: record.objects.items(record.column("biblionumber"))
                ),
                "itemtype": _value(_item_type),
            },
        ),
        RecordKind(
            name="biblioitem",
            key="biblioitemnumber",
            table="biblioitems",
            accessors={"biblio": _related("biblio", "biblionumber")},
        ),
        RecordKind(
            name="item",
            key="itemnumber",
            table="items",
            accessors={
                "biblio": _related("biblio", "biblionumber"),
                "biblioitem": _related("biblioitem", "biblionumber"),
                "holding_branch": _related("branch", "holdingbranch"),
                "home_branch": _related("branch", "homebranch"),
            },
        ),
        RecordKind(name="category", key="categorycode", table="categories"),
        RecordKind(
            name="comment",
            key="illcomment_id",
            table="illcomments",
            accessors={"patron": _related("borrower", "borrowernumber")},
        ),
        RecordKind(
            name="batch",
            key="ill_batch_id",
            table="illbatches",
            accessors={
                "library": _related("branch", "library_id"),
                "patron": _related("borrower", "patron_id"),
                "status": _related("batch status", "status_code"),
            },
        ),
        RecordKind(name="batch status", key="id", table="illbatch_statuses"),
        RecordKind(
            name="authorised value",
            key="id",
            table="authorised_values",
            accessors={
                "opac_description": _value(lambda record: record.column("lib_opac") or record.column("lib"))
            },
        ),
        RecordKind(
            name="request attribute",
            key="illrequest_id",
            columns=("illrequest_id", "type", "value", "readonly", "backend"),
        ),
        RecordKind(
            name="patron attribute",
            key="code",
            columns=("borrowernumber", "code", "attribute", "description"),
            accessors={
                "authorised_value": _one("authorised value", _attribute_value),
                "type": _one("patron attribute type", _attribute_type),
            },
        ),
        RecordKind(
            name="patron attribute type",
            key="code",
            columns=("code", "description", "authorised_value_category"),
        ),
    )
}
"""Every kind of record that a template can reach, by name."""

ONLY_IN_KOHA: Mapping[str, frozenset[str]] = {
    "biblio": frozenset(
        {"cover_images", "current_holds", "holds", "metadata", "metadata_record", "record", "subscriptions"}
    ),
    "borrower": frozenset(
        {
            "account",
            "account_lines",
            "article_requests",
            "checkouts",
            "guarantor_relationships",
            "has_overdues",
            "holds",
            "ill_requests",
            "messages",
            "old_checkouts",
            "old_holds",
            "overdues",
            "pending_checkouts",
        }
    ),
    "branch": frozenset({"library_groups", "opac_info", "smtp_server"}),
    "illrequest": frozenset({"capabilities", "logs", "manager"}),
    "item": frozenset({"checkout", "current_holds", "effective_itemtype", "holds", "item_type"}),
}
"""Methods by kind of record that letters use in Koha and that the sidecar does not have."""

SUBSTITUTES = ("ill_bib_title", "ill_bib_author", "ill_full_metadata", "additional_text")
"""Texts that the older syntax names without a table, like variables."""

VARIABLES: Mapping[str, ValueType] = {
    **{name: ValueType(Shape.RECORD, name) for name in ("illrequest", "borrower", "biblio", "branch")},
    **dict.fromkeys(SUBSTITUTES, TEXT),
    "illrequestattributes": ANYTHING,
    "today": TEXT,
}
"""The variables of a notice; the older syntax looks for a column in the records in this order."""


def _whole_number(text: str | None) -> int:
    return int(text) if text and text.strip().isdecimal() else 0
