"""
How far a job has read a table that only grows, by primary key.

MariaDB assigns a key when a row is inserted, but shows the row only when its transaction commits, so a row may appear
below one that was read already. A *lagging* checkpoint solves this: it is where the end of the table was some time
ago. All transactions of that time are over, and the rows above it are read again each time.
"""

from sqlalchemy import bindparam, select, text
from sqlalchemy.dialects.mysql import insert

from koha_ill_sidecar.storage.direct import execute
from koha_ill_sidecar.storage.sidecar.schema import checkpoints, utc_now
from koha_ill_sidecar.storage.transaction import Transaction

_LOCK = (
    "INSERT INTO ill_sidecar_marks (name, position, moved_at) VALUES (%(name)s, 0, UTC_TIMESTAMP(6))"
    " ON DUPLICATE KEY UPDATE moved_at = VALUES(moved_at)"
)

_AHEAD = ".ahead"  # suffix of the row with the next position of a lagging checkpoint

_SELECT = select(checkpoints.c.position).where(checkpoints.c.name == bindparam("checkpoint"))

_SELECT_PAIR = select(
    checkpoints.c.name,
    checkpoints.c.position,
    (checkpoints.c.moved_at <= text("UTC_TIMESTAMP(6) - INTERVAL :lag_microseconds MICROSECOND")).label(
        "is_old"
    ),
).where(checkpoints.c.name.in_((bindparam("checkpoint"), bindparam("ahead"))))

_INSERT = insert(checkpoints).values(moved_at=utc_now())
_SAVE = _INSERT.on_duplicate_key_update(
    position=_INSERT.inserted.position, moved_at=_INSERT.inserted.moved_at
)


def lock(tx: Transaction, name: str) -> None:
    """Lock a checkpoint until the transaction ends; others that lock it wait. Created if missing."""
    execute(tx, _LOCK, {"name": name})


def get(tx: Transaction, name: str) -> int | None:
    """Return the position of a checkpoint; None if it was never set."""
    found: int | None = tx.connection.scalar(_SELECT, {"checkpoint": name})
    return found


def save(tx: Transaction, name: str, position: int) -> None:
    """Set a checkpoint, forward or back."""
    tx.connection.execute(_SAVE, {"name": name, "position": position})


def advance(tx: Transaction, name: str, highest: int, *, lag_seconds: float) -> int:
    """
    Let a checkpoint follow the end of its table at a distance, and return its position.

    One query, and two writes whenever *lag_seconds* have passed. The checkpoint lags by one to two times *lag_seconds*;
    at its first use it is set to *highest*. If the table has shrunk, it goes back.

    Args:
        highest: The highest visible key; 0 for an empty table.
        lag_seconds: Longer than any transaction that inserts into the table.
    """
    values = {"checkpoint": name, "ahead": name + _AHEAD, "lag_microseconds": round(lag_seconds * 1_000_000)}
    found = {row.name: row for row in tx.connection.execute(_SELECT_PAIR, values)}
    behind, ahead = found.get(name), found.get(name + _AHEAD)
    if behind is None or ahead is None or highest < behind.position:
        save(tx, name, highest)
        save(tx, name + _AHEAD, highest)
        return highest
    if ahead.is_old:
        save(tx, name, min(ahead.position, highest))
        save(tx, name + _AHEAD, highest)
        return int(min(ahead.position, highest))
    return int(behind.position)
