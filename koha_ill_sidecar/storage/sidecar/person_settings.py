"""A person's own settings by name: columns of a list, saved views."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects.mysql import insert

from koha_ill_sidecar.storage.sidecar.schema import person_settings, utc_now
from koha_ill_sidecar.storage.transaction import Transaction


def find(tx: Transaction, borrowernumber: int) -> Mapping[str, Any]:
    """Return all settings of a person; one query."""
    statement = select(person_settings.c.name, person_settings.c.value).where(
        person_settings.c.borrowernumber == borrowernumber
    )
    return {row.name: row.value for row in tx.connection.execute(statement)}


def save(tx: Transaction, borrowernumber: int, name: str, value: object) -> None:
    """Store a setting; None deletes it."""
    if value is None:
        tx.connection.execute(
            delete(person_settings).where(
                person_settings.c.borrowernumber == borrowernumber, person_settings.c.name == name
            )
        )
        return
    statement = insert(person_settings).values(
        borrowernumber=borrowernumber, name=name, value=value, changed_at=utc_now()
    )
    tx.connection.execute(
        statement.on_duplicate_key_update(
            value=statement.inserted.value, changed_at=statement.inserted.changed_at
        )
    )
