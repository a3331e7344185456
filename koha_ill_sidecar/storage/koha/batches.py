"""Batches of requests (``illbatches``, from 23.11)."""

from collections.abc import Mapping

from sqlalchemy import exists as sql_exists
from sqlalchemy import select

from koha_ill_sidecar.storage.transaction import Transaction

_NEWEST = 200  # more than anyone chooses from a list


def name(tx: Transaction, ill_batch_id: int) -> str | None:
    """Return the name of a batch, if it exists; KeyError where this Koha has no batches."""
    table = tx.koha.table("illbatches")
    found: str | None = tx.connection.scalar(select(table.c.name).where(table.c.ill_batch_id == ill_batch_id))
    return found


def exists(tx: Transaction, ill_batch_id: int) -> bool:
    """Return whether a batch exists; KeyError where this Koha has no batches."""
    table = tx.koha.table("illbatches")
    return bool(tx.connection.scalar(select(sql_exists().where(table.c.ill_batch_id == ill_batch_id))))


def newest_names(tx: Transaction) -> Mapping[int, str]:
    """Return the names of the newest batches by ID, from the cache; KeyError where this Koha has no batches."""
    return tx.cache.get("newest batches", lambda: names(tx, limit=_NEWEST)).value


def names(tx: Transaction, *, limit: int | None = None) -> dict[int, str]:
    """Return the names of batches by ID, newest first; KeyError where this Koha has no batches."""
    table = tx.koha.table("illbatches")
    statement = select(table.c.ill_batch_id, table.c.name).order_by(table.c.ill_batch_id.desc()).limit(limit)
    return {row.ill_batch_id: row.name for row in tx.connection.execute(statement)}
