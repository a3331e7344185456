"""What the sidecar keeps of a request, and how it last saw it."""

from sqlalchemy import text

from koha_ill_sidecar.domain.requests import ILLRequest
from koha_ill_sidecar.domain.statuses import is_open
from koha_ill_sidecar.storage.direct import queue
from koha_ill_sidecar.storage.request_index import queue as index_queue
from koha_ill_sidecar.storage.transaction import Transaction

# Our order number may be longer than Koha's column: it stays as long as Koha has its beginning.
_KEEP_SEEN = (
    "INSERT INTO ill_sidecar_requests (illrequest_id, seen_status, seen_alias, order_id, is_open, seen_at)"
    " VALUES (%(illrequest_id)s, %(status)s, %(status_alias)s, %(orderid)s, %(is_open)s, UTC_TIMESTAMP(6))"
    " ON DUPLICATE KEY UPDATE seen_status = VALUES(seen_status), seen_alias = VALUES(seen_alias),"
    " order_id = IF(BINARY VALUES(order_id) <=> BINARY LEFT(order_id, %(orderid_length)s),"
    " order_id, VALUES(order_id)), is_open = VALUES(is_open), seen_at = VALUES(seen_at)"
)
_SET_SUPPLIER = text(
    "INSERT INTO ill_sidecar_requests (illrequest_id, supplier_backend, is_open, seen_at)"
    " VALUES (:illrequest_id, :supplier_backend, 1, UTC_TIMESTAMP(6))"
    " ON DUPLICATE KEY UPDATE supplier_backend = VALUES(supplier_backend)"
)
_SUPPLIER = text("SELECT supplier_backend FROM ill_sidecar_requests WHERE illrequest_id = :illrequest_id")
_FORGET = text("DELETE FROM ill_sidecar_requests WHERE illrequest_id = :illrequest_id")


def record_seen(tx: Transaction, ill_request: ILLRequest) -> None:
    """
    Note how a request stands after a change of ours, so that the watch does not take it for one of Koha's.

    One statement, and one for the index of requests; to be called in the transaction of the change.
    """
    queue(
        tx,
        _KEEP_SEEN,
        {
            "illrequest_id": ill_request.illrequest_id,
            "status": ill_request.status,
            "status_alias": ill_request.status_alias,
            "orderid": ill_request.orderid,
            "orderid_length": getattr(tx.koha.table("illrequests").c.orderid.type, "length", None) or 50,
            "is_open": is_open(ill_request.status),
        },
    )
    index_queue.enqueue(tx)  # here, because this often travels with others at no cost


def set_supplier_backend(tx: Transaction, illrequest_id: int, supplier_backend: str | None) -> None:
    """Note which configured backend supplies a request; None: the one that Koha's own column names."""
    tx.connection.execute(
        _SET_SUPPLIER, {"illrequest_id": illrequest_id, "supplier_backend": supplier_backend}
    )


def supplier_backend(tx: Transaction, illrequest_id: int) -> str | None:
    """Return which configured backend supplies a request, if one was noted."""
    found: str | None = tx.connection.scalar(_SUPPLIER, {"illrequest_id": illrequest_id})
    return found


def forget(tx: Transaction, illrequest_id: int) -> None:
    """Remove what is kept of a request that is deleted; its history stays."""
    tx.connection.execute(_FORGET, {"illrequest_id": illrequest_id})
