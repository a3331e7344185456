"""
Rows of ``ill_sidecar_index_queue``: requests that changed since they were indexed.

Every change adds a row of its own and none waits for another. Who indexes reads the rows, then the requests, and
deletes the rows it read: a change that comes in between has a later row.
"""

from collections.abc import Collection, Sequence

from koha_ill_sidecar.storage.direct import execute, queue
from koha_ill_sidecar.storage.transaction import Transaction

_ADD = "INSERT INTO ill_sidecar_index_queue (illrequest_id) VALUES (%(illrequest_id)s)"
_SELECT = "SELECT change_id, illrequest_id FROM ill_sidecar_index_queue ORDER BY change_id LIMIT %(limit)s"
_REMOVE = "DELETE FROM ill_sidecar_index_queue WHERE change_id IN %(ids)s"


def enqueue(tx: Transaction) -> None:
    """Note the requests that the transaction changed and that are not yet noted; a statement each."""
    for number in tx.changed.take_new():
        queue(tx, _ADD, {"illrequest_id": number})


def oldest(tx: Transaction, *, limit: int) -> Sequence[tuple[int, int]]:
    """Return the number of a change and that of its request, longest waiting first."""
    return execute(tx, _SELECT, {"limit": limit}).fetchall()


def count(tx: Transaction) -> int:
    """Count the changes that wait."""
    row = execute(tx, "SELECT COUNT(*) FROM ill_sidecar_index_queue", {}).fetchone()
    return int(row[0]) if row else 0


def remove(tx: Transaction, change_ids: Collection[int]) -> None:
    """Delete changes that are indexed."""
    if change_ids:
        execute(tx, _REMOVE, {"ids": list(change_ids)})
