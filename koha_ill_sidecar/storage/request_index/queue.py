"""
Rows of ``ill_sidecar_index_queue``: requests that changed since they were indexed.

Every change inserts a row of its own, so no change waits for another. The indexer reads the rows, then the requests,
and deletes the rows that it read; a change in between has a later row.
"""

from collections.abc import Collection, Sequence

from koha_ill_sidecar.storage.direct import execute, queue
from koha_ill_sidecar.storage.transaction import Transaction

COMPLETE_CHECKPOINT = "index.complete"
"""The checkpoint that is 1 once every request is in the index and every sort order is built."""

_ADD = "INSERT INTO ill_sidecar_index_queue (illrequest_id) VALUES (%(illrequest_id)s)"
_SELECT = "SELECT change_id, illrequest_id FROM ill_sidecar_index_queue ORDER BY change_id LIMIT %(limit)s"
_SELECT_STATE = (
    "SELECT NULL, position FROM ill_sidecar_marks WHERE name = %(name)s"
    " UNION ALL SELECT * FROM (SELECT DISTINCT illrequest_id, NULL AS position FROM ill_sidecar_index_queue"
    " LIMIT %(limit)s) waiting"
)
_REMOVE = "DELETE FROM ill_sidecar_index_queue WHERE change_id IN %(ids)s"


def enqueue(tx: Transaction) -> None:
    """Queue the requests that the transaction changed and has not queued yet; a statement each."""
    for illrequest_id in tx.changed.take_new():
        queue(tx, _ADD, {"illrequest_id": illrequest_id})


def oldest(tx: Transaction, *, limit: int) -> Sequence[tuple[int, int]]:
    """Return the IDs of changes and of their requests, those that have waited longest first."""
    return execute(tx, _SELECT, {"limit": limit}).fetchall()


def count(tx: Transaction) -> int:
    """Count the waiting changes."""
    row = execute(tx, "SELECT COUNT(*) FROM ill_sidecar_index_queue", {}).fetchone()
    return int(row[0]) if row else 0


def remove(tx: Transaction, change_ids: Collection[int]) -> None:
    """Delete the rows of changes that are in the index."""
    if change_ids:
        execute(tx, _REMOVE, {"ids": list(change_ids)})


def read_state(tx: Transaction, *, limit: int) -> tuple[bool, list[int]]:
    """Return whether the index is complete, and at most *limit* requests that changed since; one query."""
    rows = execute(tx, _SELECT_STATE, {"name": COMPLETE_CHECKPOINT, "limit": limit}).fetchall()
    waiting = [illrequest_id for illrequest_id, _ in rows if illrequest_id is not None]
    return any(position == 1 for _, position in rows), waiting
