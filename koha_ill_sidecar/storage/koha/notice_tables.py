"""Whole rows for notices, which may name any column; read as text, the way Koha's templates see them."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Select, bindparam, func, select, text
from sqlalchemy.engine import RowMapping

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
}


@dataclass(frozen=True, kw_only=True, slots=True)
class PatronAttribute:
    """A value of ``borrower_attributes``."""

    code: str
    attribute: str
    description: str  # of the authorised value, where the attribute's type has a category; else the value


def row(tx: Transaction, table: str, key: str | int) -> TextRow | None:
    """
    Read one row with all columns of the installed version, also those that the sidecar knows nothing of.

    Args:
        table: biblio, biblioitems, borrowers, branches or categories; KeyError for any other.
        key: The number or code by which notices name the row; biblioitems go by biblionumber.
    """
    # The names come from the table above, never from a template.
    statement = text(f"SELECT * FROM {table} WHERE {_KEYS[table]} = :key")  # noqa: S608
    found = tx.connection.execute(statement, {"key": key}).mappings().first()
    return None if found is None else _as_text(found)


def columns(tx: Transaction) -> dict[str, frozenset[str]]:
    """Name the columns of the tables whose rows are read whole. One query."""
    found = tx.connection.execute(_COLUMNS, {"tables": list(_KEYS)}).all()
    return {
        table: frozenset(each.column_name for each in found if each.table_name == table) for table in _KEYS
    }


def comments(tx: Transaction, illrequest_id: int) -> tuple[TextRow, ...]:
    """Read the comments on a request, oldest first."""
    rows = tx.connection.execute(_select_comments(tx.koha), {"illrequest_id": illrequest_id}).mappings()
    return tuple(_as_text(row) for row in rows)


def batch(tx: Transaction, batch_id: int) -> TextRow | None:
    """Read the batch of a request; None also where this Koha has no batches."""
    if not tx.koha.has("illbatches"):
        return None
    table = tx.koha.table("illbatches")
    found = tx.connection.execute(select(table).where(table.c.ill_batch_id == batch_id)).mappings().first()
    return None if found is None else _as_text(found)


def patron_attributes(tx: Transaction, borrowernumber: int) -> tuple[PatronAttribute, ...]:
    """Read a patron's extended attributes with the staff description of each."""
    rows = tx.connection.execute(_PATRON_ATTRIBUTES, {"borrowernumber": borrowernumber})
    return tuple(
        PatronAttribute(code=row.code, attribute=row.attribute or "", description=row.description or "")
        for row in rows
    )


def patron_attribute_codes(tx: Transaction) -> frozenset[str]:
    """Name the extended attributes that patrons can have."""
    return frozenset(tx.connection.scalars(_PATRON_ATTRIBUTE_CODES))


def authorised_value(tx: Transaction, category: str, code: str, *, opac: bool = False) -> str | None:
    """Describe an authorised value, for staff or for the OPAC; None where there is no such value."""
    found = tx.connection.execute(
        _select_authorised_value(tx.koha), {"category": category, "code": code}
    ).first()
    if found is None:
        return None
    # Koha, Koha/AuthorisedValue.pm opac_description: staff's words where the OPAC has none.
    return (found.lib_opac or found.lib or "") if opac else (found.lib or "")


def preference(tx: Transaction, name: str) -> str | None:
    """Read any preference, also one that the sidecar itself has no use for."""
    return _text(tx.connection.scalar(_PREFERENCE, {"name": name}))


def now(tx: Transaction) -> str:
    """Give the present time of the library, as ``YYYY-MM-DD HH:MM:SS``."""
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
        select(table.c.lib, table.c.lib_opac)
        .where(table.c.category == bindparam("category"), table.c.authorised_value == bindparam("code"))
        .order_by(table.c.id)
        .limit(1)
    )


# Koha, Koha/Patron/Attribute.pm description.
_PATRON_ATTRIBUTES = text(
    "SELECT value.code, value.attribute, COALESCE(description.lib, value.attribute) AS description"
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
