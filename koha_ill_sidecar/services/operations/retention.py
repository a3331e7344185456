"""Removing what has been kept long enough, a step a transaction."""

from datetime import timedelta

from koha_ill_sidecar.domain.actors import session_seconds
from koha_ill_sidecar.storage.message_queue import claim
from koha_ill_sidecar.storage.sidecar import history, receipts, sessions
from koha_ill_sidecar.storage.transaction import Transaction

STEP = 1000
"""Rows of a step; few enough that nobody waits."""

_KEEP_DELIVERIES = timedelta(days=90)  # by then nobody resends a notice, and Koha has cleaned up its queue


def remove_old_receipts(tx: Transaction, keep_for: timedelta) -> int:
    """Remove a step of the callbacks' receipts older than *keep_for*; less than :data:`STEP` is the end."""
    return receipts.remove_old(tx, older_than=keep_for, limit=STEP)


def remove_old_deliveries(tx: Transaction) -> int:
    """Remove a step of what we know of messages settled 90 days ago; less than :data:`STEP` is the end."""
    return claim.remove_settled(tx, settled_before=_KEEP_DELIVERIES, limit=STEP)


def remove_unused_sessions(tx: Transaction) -> int:
    """Remove the sessions of people who signed in here and have not been seen for as long as Koha lets one last."""
    return sessions.remove_unused(tx, seconds=session_seconds(tx.preferences.text("timeout")))


def remove_history_of_deleted(tx: Transaction, above: int, keep_for: timedelta) -> tuple[int, int | None]:
    """
    Remove, in the next step of our history, what is older than *keep_for* and of requests that are deleted.

    Tells how many, and where to go on: nothing at the end.
    """
    return history.remove_for_deleted_requests(tx, above=above, older_than=keep_for, limit=STEP)
