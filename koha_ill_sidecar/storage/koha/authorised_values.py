"""Authorised values; one category holds the site's own statuses."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, or_, select
from sqlalchemy.sql.elements import ColumnElement

from koha_ill_sidecar.storage.koha.installed import InstalledKoha
from koha_ill_sidecar.storage.transaction import Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class AuthorisedValue:
    """A code and its names."""

    authorised_value: str
    lib: str  # for staff
    lib_opac: str  # for patrons


def exists(tx: Transaction, category: str, code: str) -> bool:
    """Return whether a category has a value, exactly as written."""
    table = tx.koha.table("authorised_values")
    statement = select(table.c.authorised_value).where(
        table.c.category == category, table.c.authorised_value == code
    )
    return code in set(tx.connection.scalars(statement))


def find(tx: Transaction, category: str, *, branchcode: str | None = None) -> list[AuthorisedValue]:
    """Return the values of a category, sorted by their name for staff; only those visible at a library, if given."""
    table = tx.koha.table("authorised_values")
    statement = select(table.c.authorised_value, table.c.lib, table.c.lib_opac).where(
        table.c.category == category
    )
    if branchcode is not None:
        statement = statement.where(visible_at(tx.koha, branchcode))
    rows = tx.connection.execute(statement.order_by(func.lower(table.c.lib), table.c.id))
    return [
        AuthorisedValue(
            authorised_value=row.authorised_value,
            lib=row.lib or row.authorised_value,
            lib_opac=row.lib_opac or row.lib or row.authorised_value,
        )
        for row in rows
    ]


def names(tx: Transaction, category: str) -> Mapping[str, str]:
    """Return the names of a category's values for staff, by code, from the cache."""
    return tx.cache.get(
        f"authorised values {category}",
        lambda: {value.authorised_value: value.lib for value in find(tx, category)},
    ).value


def visible_at(koha: InstalledKoha, branchcode: str) -> ColumnElement[bool]:
    """
    Return the condition that an authorised value is visible at a library: it has no limits or one to this library.

    Source: Koha, Koha/Objects/Limit/Library.pm search_with_library_limits.
    """
    table, limits = koha.table("authorised_values"), koha.table("authorised_values_branches")
    of_value = select(limits.c.av_id).where(limits.c.av_id == table.c.id)
    return or_(~of_value.exists(), of_value.where(limits.c.branchcode == branchcode).exists())
