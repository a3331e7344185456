"""Libraries (``branches``)."""

from collections.abc import Mapping

from sqlalchemy import select

from koha_ill_sidecar.storage.transaction import Transaction


def find_code(tx: Transaction, branchcode: str) -> str | None:
    """Return the code of a library as Koha spells it; ignores letter case and trailing spaces."""
    table = tx.koha.table("branches")
    found: str | None = tx.connection.scalar(
        select(table.c.branchcode).where(table.c.branchcode == branchcode)
    )
    return found


def names(tx: Transaction) -> Mapping[str, str]:
    """Return the names of all libraries by code, sorted by name, from the cache."""
    return tx.cache.get("libraries", lambda: _names(tx)).value


def _names(tx: Transaction) -> Mapping[str, str]:
    table = tx.koha.table("branches")
    statement = select(table.c.branchcode, table.c.branchname).order_by(
        table.c.branchname, table.c.branchcode
    )
    return {row.branchcode: row.branchname or row.branchcode for row in tx.connection.execute(statement)}
