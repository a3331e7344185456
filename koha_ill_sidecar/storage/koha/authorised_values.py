"""Authorised values; one category holds the site's own statuses."""

from collections.abc import Mapping

from sqlalchemy import func, or_, select
from sqlalchemy.sql.elements import ColumnElement

from koha_ill_sidecar.storage.koha.installed import InstalledKoha
from koha_ill_sidecar.storage.transaction import Transaction


def exists(tx: Transaction, category: str, code: str) -> bool:
    """Return whether a category has a value, exactly as written."""
    table = tx.koha.table("authorised_values")
    statement = select(table.c.authorised_value).where(
        table.c.category == category, table.c.authorised_value == code
    )
    return code in set(tx.connection.scalars(statement))


def find(tx: Transaction, category: str, *, branchcode: str | None = None) -> dict[str, str]:
    """Return the names for staff of a category's values, by code; only of those visible at a library, if given."""
    table = tx.koha.table("authorised_values")
    statement = select(table.c.authorised_value, table.c.lib).where(table.c.category == category)
    if branchcode is not None:
        statement = statement.where(visible_at(tx.koha, branchcode))
    rows = tx.connection.execute(statement.order_by(func.lower(table.c.lib), table.c.id))
    return {row.authorised_value: row.lib or row.authorised_value for row in rows}


def names(tx: Transaction, category: str) -> Mapping[str, str]:
    """Return what :func:`find` returns for all libraries, from the cache."""
    return tx.cache.get(f"authorised values {category}", lambda: find(tx, category)).value


def visible_at(koha: InstalledKoha, branchcode: str) -> ColumnElement[bool]:
    """
    Return the condition that an authorised value is visible at a library: it has no limits or one to this library.

    Source: Koha, Koha/Objects/Limit/Library.pm search_with_library_limits.
    """
    table, limits = koha.table("authorised_values"), koha.table("authorised_values_branches")
    of_value = select(limits.c.av_id).where(limits.c.av_id == table.c.id)
    return or_(~of_value.exists(), of_value.where(limits.c.branchcode == branchcode).exists())
