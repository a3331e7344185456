"""Whole rows for notices, whose templates may name any column; as text, as Koha's templates see them."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, Select, bindparam, func, select, text
from sqlalchemy.engine import RowMapping

from koha_ill_sidecar.storage.koha.authorised_values import visible_at
from koha_ill_sidecar.storage.koha.installed import InstalledKoha
from koha_ill_sidecar.storage.transaction import Transaction

TextRow = Mapping[str, str | None]
"""Column name to text; None for NULL."""

_KEYS = {
    "biblio": "biblionumber",
    "biblioitems": "biblionumber",
    "borrowers": "borrowernumber",
    "branches": "branchcode",
    "categories": "categorycode",
    "illbatch_statuses": "code",
    "illbatches": "ill_batch_id",
    "itemtypes": "itemtype",
}
_WHOLE = [*_KEYS, "items"]
_LISTS = {
    "branches": "ORDER BY branchname, branchcode",
    "categories": "ORDER BY description, categorycode",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ActiveCurrency:
    """The library's currency."""

    symbol: str
    precedes: bool | None  # None if this Koha does not store it
    separated_by_space: bool


def can_read(tx: Transaction, table: str) -> bool:
    """Return whether this Koha has a table and our user may read it."""
    return tx.koha.has(table)


def row(tx: Transaction, table: str, key: str | int) -> TextRow | None:
    """
    Return one row with all columns of the installed version, including those that the sidecar does not know.

    Args:
        table: A table that notices may read, KeyError for any other; None is returned if this Koha lacks it.
        key: The ID or code by which notices name the row; for biblioitems it is the biblionumber.
    """
    # The names come from the mapping above, never from a template.
    statement = text(f"SELECT * FROM {table} WHERE {_KEYS[table]} = :key")
    if not can_read(tx, table):
        return None
    found = tx.connection.execute(statement, {"key": key}).mappings().first()
    return None if found is None else _as_text(found)


def columns(tx: Transaction) -> dict[str, frozenset[str]]:
    """Return the columns of the tables whose rows are read whole; one query."""
    found = tx.connection.execute(_COLUMNS, {"tables": _WHOLE}).all()
    return {
        table: frozenset(each.column_name for each in found if each.table_name == table) for table in _WHOLE
    }


def rows(tx: Transaction, table: str) -> tuple[TextRow, ...]:
    """Return all rows of branches or categories with all columns, by name; KeyError for any other table."""
    found = tx.connection.execute(text(f"SELECT * FROM {table} {_LISTS[table]}")).mappings()
    return tuple(_as_text(row) for row in found)


def items(tx: Transaction, biblionumber: str | int) -> tuple[TextRow, ...]:
    """Return the items of a record with all columns, in the order of entry."""
    found = tx.connection.execute(_ITEMS, {"biblionumber": biblionumber}).mappings()
    return tuple(_as_text(row) for row in found)


def active_currency(tx: Transaction) -> ActiveCurrency | None:
    """
    Return the active currency; None if there is none or we may not read the table.

    Source: Koha, Koha/Acquisition/Currencies.pm get_active; ``p_cs_precedes`` came with bug 37511.
    """
    if not can_read(tx, "currency"):
        return None
    found = tx.connection.execute(_select_active_currency(tx.koha)).mappings().first()
    if found is None:
        return None
    precedes = found.get("p_cs_precedes")
    return ActiveCurrency(
        symbol=found["symbol"] or "",
        precedes=None if precedes is None else bool(precedes),
        separated_by_space=bool(found.get("p_sep_by_space")),
    )


def comments(tx: Transaction, illrequest_id: int) -> tuple[TextRow, ...]:
    """Return the comments on a request, oldest first."""
    found = tx.connection.execute(_select_comments(tx.koha), {"illrequest_id": illrequest_id}).mappings()
    return tuple(_as_text(row) for row in found)


def patron_attributes(tx: Transaction, borrowernumber: int) -> Sequence[Row[Any]]:
    """
    Return a patron's extended attributes.

    *description* is that of the authorised value, for staff, if the type has a category, else the value itself.
    """
    return tx.connection.execute(_PATRON_ATTRIBUTES, {"borrowernumber": borrowernumber}).all()


def patron_attribute_codes(tx: Transaction) -> frozenset[str]:
    """Return the codes of the extended attributes that patrons can have."""
    return frozenset(tx.connection.scalars(_PATRON_ATTRIBUTE_CODES))


def authorised_value(tx: Transaction, category: str, code: str) -> TextRow | None:
    """Return an authorised value, the first if there are several; None if there is none."""
    found = tx.connection.execute(
        _select_authorised_value(tx.koha), {"category": category, "code": code}
    ).mappings()
    first = found.first()
    return None if first is None else _as_text(first)


def authorised_values(tx: Transaction, category: str, branchcode: str | None) -> tuple[TextRow, ...]:
    """
    Return the values of a category, sorted by their name for staff; only those visible at a library, if given.

    Source: Koha, C4/Koha.pm GetAuthorisedValues.
    """
    table = tx.koha.table("authorised_values")
    statement = select(table).where(table.c.category == category)
    if branchcode:
        statement = statement.where(visible_at(tx.koha, branchcode))
    found = tx.connection.execute(statement.order_by(table.c.lib, table.c.lib_opac, table.c.id)).mappings()
    return tuple(_as_text(row) for row in found)


def authorised_value_categories(tx: Transaction) -> tuple[str, ...]:
    """Return the names of the categories that have values."""
    table = tx.koha.table("authorised_values")
    return tuple(tx.connection.scalars(select(table.c.category).distinct().order_by(table.c.category)))


def preference(tx: Transaction, name: str) -> str | None:
    """Return any preference, including those that the sidecar itself does not use."""
    return _text(tx.connection.scalar(_PREFERENCE, {"name": name}))


def now(tx: Transaction) -> str:
    """Return the library's time as ``YYYY-MM-DD HH:MM:SS``."""
    return _text(tx.connection.scalar(select(func.now()))) or ""


@functools.cache
def _select_comments(koha: InstalledKoha) -> Select[Any]:
    table = koha.table("illcomments")
    return (
        select(table)
        .where(table.c.illrequest_id == bindparam("illrequest_id"))
        .order_by(table.c.timestamp, table.c.illcomment_id)
    )


@functools.cache
def _select_authorised_value(koha: InstalledKoha) -> Select[Any]:
    table = koha.table("authorised_values")
    return (
        select(table)
        .where(table.c.category == bindparam("category"), table.c.authorised_value == bindparam("code"))
        .order_by(table.c.id)
        .limit(1)
    )


@functools.cache
def _select_active_currency(koha: InstalledKoha) -> Select[Any]:
    table = koha.table("currency")
    return select(table).where(table.c.active == 1).order_by(table.c.currency).limit(1)


_ITEMS = text("SELECT * FROM items WHERE biblionumber = :biblionumber ORDER BY itemnumber")
# As in Koha, Koha/Patron/Attribute.pm description: a code that is no authorised value has none.
_PATRON_ATTRIBUTES = text(
    "SELECT value.code, COALESCE(value.attribute, '') AS attribute,"
    " COALESCE(type.description, '') AS type_description, NULLIF(type.authorised_value_category, '') AS category,"
    " COALESCE(IF(type.authorised_value_category <> '', description.lib, value.attribute), '') AS description"
    " FROM borrower_attributes AS value JOIN borrower_attribute_types AS type ON type.code = value.code"
    " LEFT JOIN authorised_values AS description ON description.category = type.authorised_value_category"
    " AND description.authorised_value = value.attribute"
    " WHERE value.borrowernumber = :borrowernumber ORDER BY value.code, value.attribute"
)
_PATRON_ATTRIBUTE_CODES = text("SELECT code FROM borrower_attribute_types")
_COLUMNS = text(
    "SELECT table_name AS table_name, column_name AS column_name FROM information_schema.columns"
    " WHERE table_schema = DATABASE() AND table_name IN :tables"
).bindparams(bindparam("tables", expanding=True))
_PREFERENCE = text("SELECT value FROM systempreferences WHERE variable = :name")


def _as_text(row: RowMapping) -> TextRow:
    return {str(name): _text(value) for name, value in row.items()}


def _text(value: object) -> str | None:
    match value:
        case None:
            return None
        case datetime():
            return value.isoformat(" ", "seconds")
        case date():
            return value.isoformat()
        case bool():
            return str(int(value))
        case bytes():
            return value.decode(errors="replace")
        case _:
            return str(value)
