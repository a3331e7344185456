"""
How far a job has read a table that only grows, by primary key.

MariaDB gives out a key when a row is inserted and shows the row when its transaction commits, so a row may
appear below one that has been seen. Hence a mark that *lags*: it stands where the table's end was a while
ago, all transactions of that time are over, and what lies above it is read again each time.
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

_AHEAD = ".ahead"  # the row that holds where the lagging mark goes next

_SELECT = select(checkpoints.c.position).where(checkpoints.c.name == bindparam("mark"))

_SELECT_PAIR = select(
    checkpoints.c.name,
    checkpoints.c.position,
    (checkpoints.c.moved_at <= text("UTC_TIMESTAMP(6) - INTERVAL :lag_microseconds MICROSECOND")).label(
        "is_old"
    ),
).where(checkpoints.c.name.in_((bindparam("mark"), bindparam("ahead"))))

_INSERT = insert(checkpoints).values(moved_at=utc_now())
_PLACE = _INSERT.on_duplicate_key_update(
    position=_INSERT.inserted.position, moved_at=_INSERT.inserted.moved_at
)


def lock(tx: Transaction, name: str) -> None:
    """Be the only transaction that holds this checkpoint until the end; another one waits. It is created if missing."""
    execute(tx, _LOCK, {"name": name})


def get(tx: Transaction, name: str) -> int | None:
    """Return where a mark stands; nothing if it was never placed."""
    found: int | None = tx.connection.scalar(_SELECT, {"mark": name})
    return found


def save(tx: Transaction, name: str, position: int) -> None:
    """Put a mark where it shall stand, whether forward or back."""
    tx.connection.execute(_PLACE, {"name": name, "position": position})


def advance(tx: Transaction, name: str, highest: int, *, lag_seconds: float) -> int:
    """
    Let a mark follow the end of its table at a distance, and tell where it stands.

    One query, and two writes each time that *lag_seconds* have passed. The mark lies between one and two
    times *lag_seconds* back; at its first use it is placed at *highest*. A table that shrank takes it back.

    Args:
        highest: The greatest key that can be seen now; 0 for an empty table.
        lag_seconds: Longer than any transaction that inserts into the table.
    """
    values = {"mark": name, "ahead": name + _AHEAD, "lag_microseconds": round(lag_seconds * 1_000_000)}
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
