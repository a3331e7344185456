"""What has been kept long enough: removed in small steps, so that no transaction holds others up."""

from datetime import timedelta

from sqlalchemy import bindparam, text

from koha_ill_sidecar.storage.transaction import Transaction

_OLD_RECEIPTS = text(
    "DELETE FROM ill_sidecar_receipts WHERE received_at < UTC_TIMESTAMP(6) - INTERVAL :seconds SECOND"
    " ORDER BY received_at LIMIT :limit"
)

_OLD_DELIVERIES = text(
    "DELETE FROM ill_sidecar_deliveries WHERE settled_at < UTC_TIMESTAMP(6) - INTERVAL :seconds SECOND"
    " ORDER BY settled_at LIMIT :limit"
)

_NEXT_HISTORY = text(
    "SELECT MAX(history_id) FROM (SELECT history_id FROM ill_sidecar_history"
    " WHERE history_id > :above ORDER BY history_id LIMIT :limit) chunk"
)

# Found first and deleted then: a DELETE that joins could hold Koha's rows.
_HISTORY_OF_DELETED = text(
    "SELECT h.history_id FROM ill_sidecar_history h"
    " LEFT JOIN illrequests r ON r.illrequest_id = h.illrequest_id"
    " WHERE h.history_id > :above AND h.history_id <= :up_to AND r.illrequest_id IS NULL"
    " AND h.happened_at < UTC_TIMESTAMP(6) - INTERVAL :seconds SECOND"
)

_DELETE_HISTORY = text("DELETE FROM ill_sidecar_history WHERE history_id IN :ids").bindparams(
    bindparam("ids", expanding=True)
)


def remove_receipts(tx: Transaction, *, older_than: timedelta, limit: int) -> int:
    """Remove up to *limit* receipts, oldest first; tells how many."""
    values = {"seconds": int(older_than.total_seconds()), "limit": limit}
    return tx.connection.execute(_OLD_RECEIPTS, values).rowcount


def remove_deliveries(tx: Transaction, *, settled_before: timedelta, limit: int) -> int:
    """Remove up to *limit* of what we know of messages that were sent or given up long ago; tells how many."""
    values = {"seconds": int(settled_before.total_seconds()), "limit": limit}
    return tx.connection.execute(_OLD_DELIVERIES, values).rowcount


def remove_history_of_deleted(
    tx: Transaction, *, above: int, older_than: timedelta, limit: int
) -> tuple[int, int | None]:
    """
    Look at the next *limit* history entries and remove the old ones of requests that Koha no longer has.

    Tells how many were removed, and where to go on: nothing at the end.
    """
    up_to: int | None = tx.connection.scalar(_NEXT_HISTORY, {"above": above, "limit": limit})
    if up_to is None:
        return 0, None
    values = {"above": above, "up_to": up_to, "seconds": int(older_than.total_seconds())}
    ids = tx.connection.scalars(_HISTORY_OF_DELETED, values).all()
    if ids:
        tx.connection.execute(_DELETE_HISTORY, {"ids": ids})
    return len(ids), up_to
