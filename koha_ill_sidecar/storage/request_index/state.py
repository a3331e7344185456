"""Whether the index is complete, and what waits to be indexed: known before the index is read."""

from collections.abc import Sequence
from dataclasses import dataclass

from koha_ill_sidecar.storage.direct import execute
from koha_ill_sidecar.storage.transaction import Transaction

COMPLETE_MARK = "index.complete"
"""The checkpoint that is 1 once every request is in the index and every sort order is built."""

_SELECT = (
    "SELECT NULL, position FROM ill_sidecar_marks WHERE name = %(name)s"
    " UNION ALL SELECT * FROM (SELECT DISTINCT illrequest_id, NULL AS position FROM ill_sidecar_index_queue"
    " LIMIT %(limit)s) waiting"
)


@dataclass(frozen=True, slots=True)
class State:
    """
    The state of the index.

    Attributes:
        waiting: Requests that changed since they were indexed, up to the limit.
    """

    is_complete: bool
    waiting: Sequence[int]


def read(tx: Transaction, *, limit: int) -> State:
    """Return the state, with *limit* waiting requests at most; one query."""
    rows = execute(tx, _SELECT, {"name": COMPLETE_MARK, "limit": limit}).fetchall()
    return State(
        is_complete=any(position == 1 for _, position in rows),
        waiting=[illrequest_id for illrequest_id, _ in rows if illrequest_id is not None],
    )
