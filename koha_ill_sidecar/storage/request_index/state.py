"""What is to be known before the index is read."""

from collections.abc import Sequence
from dataclasses import dataclass

from koha_ill_sidecar.storage.direct import execute
from koha_ill_sidecar.storage.transaction import Transaction

COMPLETE_MARK = "index.complete"
"""The mark that stands at 1 when all is in the index, and every order made."""

_SELECT = (
    "SELECT NULL, position FROM ill_sidecar_marks WHERE name = %(mark)s"
    " UNION ALL SELECT * FROM (SELECT DISTINCT illrequest_id, NULL AS position FROM ill_sidecar_index_queue"
    " LIMIT %(limit)s) waiting"
)


@dataclass(frozen=True, slots=True)
class State:
    """
    How the index stands.

    Attributes:
        waiting: Requests that changed since they were indexed; perhaps not all of them.
    """

    is_complete: bool
    waiting: Sequence[int]


def read(tx: Transaction, *, limit: int) -> State:
    """Return how the index stands, with *limit* of the waiting requests at most; one query."""
    rows = execute(tx, _SELECT, {"mark": COMPLETE_MARK, "limit": limit}).fetchall()
    return State(
        is_complete=any(position == 1 for _, position in rows),
        waiting=[number for number, _ in rows if number is not None],
    )
