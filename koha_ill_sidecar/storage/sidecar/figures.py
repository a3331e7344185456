"""Numbers that were reckoned some time ago, and when."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.mysql import insert

from koha_ill_sidecar.storage.sidecar.schema import figures, utc_now
from koha_ill_sidecar.storage.transaction import Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredFigures:
    """A document, and when it was made."""

    value: Mapping[str, Any]
    made_at: datetime


_INSERT = insert(figures).values(made_at=utc_now())
_KEEP = _INSERT.on_duplicate_key_update(value=_INSERT.inserted.value, made_at=_INSERT.inserted.made_at)


def save(tx: Transaction, name: str, value: Mapping[str, Any]) -> None:
    """Keep a document in the place of the one before; one statement."""
    tx.connection.execute(_KEEP, {"name": name, "value": dict(value)})


def find(tx: Transaction, name: str) -> StoredFigures | None:
    """Return a document; nothing if it was never made."""
    statement = select(figures.c.value, figures.c.made_at).where(figures.c.name == name)
    row = tx.connection.execute(statement).one_or_none()
    if row is None:
        return None
    value = json.loads(row.value) if isinstance(row.value, str) else row.value
    return StoredFigures(value=value, made_at=row.made_at)
