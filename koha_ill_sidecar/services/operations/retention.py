"""Remove what has been kept long enough, one step per transaction."""

from datetime import timedelta

from koha_ill_sidecar.domain.actors import session_seconds
from koha_ill_sidecar.storage.message_queue import deliveries
from koha_ill_sidecar.storage.sidecar import history, receipts, sessions
from koha_ill_sidecar.storage.transaction import Transaction

STEP = 1000
"""Rows per step; few enough that no other transaction waits long."""

_KEEP_DELIVERIES = timedelta(days=90)  # nobody resends an older notice, and Koha has cleaned up its queue


def remove_old_receipts(tx: Transaction, keep_for: timedelta) -> int:
    """Remove a step of the receipts older than *keep_for*; fewer than :data:`STEP` means that none is left."""
    return receipts.remove_old(tx, older_than=keep_for, limit=STEP)


def remove_old_deliveries(tx: Transaction) -> int:
    """Remove a step of our rows of messages settled 90 days ago; fewer than :data:`STEP` means the end."""
    return deliveries.remove_settled(tx, settled_before=_KEEP_DELIVERIES, limit=STEP)


def remove_unused_sessions(tx: Transaction) -> int:
    """Remove the sessions that were not used for as long as Koha lets a session last."""
    return sessions.remove_unused(tx, seconds=session_seconds(tx.preferences.text("timeout")))


def remove_history_of_deleted(tx: Transaction, above: int, keep_for: timedelta) -> tuple[int, int | None]:
    """
    Remove a step of our history of deleted requests, as far as it is older than *keep_for*.

    Returns how many entries were removed, and where to continue; None at the end.
    """
    return history.remove_for_deleted_requests(tx, above=above, older_than=keep_for, limit=STEP)
