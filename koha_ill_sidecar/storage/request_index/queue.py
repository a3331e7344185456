"""
Rows of ``ill_sidecar_index_queue``: requests that changed since they were indexed.

Every change inserts a row of its own, so no change waits for another. The indexer reads the rows, then the requests,
and deletes the rows that it read; a change in between has a later row.
"""

from collections.abc import Collection, Sequence

from koha_ill_sidecar.storage.direct import execute, queue
from koha_ill_sidecar.storage.transaction import Transaction

_ADD = "INSERT INTO ill_sidecar_index_queue (illrequest_id) VALUES (%(illrequest_id)s)"
_SELECT = "SELECT change_id, illrequest_id FROM ill_sidecar_index_queue ORDER BY change_id LIMIT %(limit)s"
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
