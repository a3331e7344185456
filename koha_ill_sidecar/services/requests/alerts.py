"""Staff alerts of a request: dismissed when staff have read them."""

from datetime import datetime

from koha_ill_sidecar.errors import RequestNotFound
from koha_ill_sidecar.storage.sidecar import requests as sidecar_requests
from koha_ill_sidecar.storage.transaction import Transaction


def dismiss_alerts(tx: Transaction, illrequest_id: int) -> None:
    """Remove the alerts of a request. Raises RequestNotFound."""
    if not sidecar_requests.dismiss_alerts(tx, illrequest_id):
        raise RequestNotFound(illrequest_id)


def dismiss_read_alerts(tx: Transaction, illrequest_id: int, written_at: datetime) -> bool:
    """
    Remove the alerts that somebody has read; return whether none is left.

    Args:
        written_at: When the last of them was written. If there is a newer one, all stay: nobody has read it yet.
    """
    return (
        sidecar_requests.dismiss_alerts(tx, illrequest_id, written_at=written_at)
        or not sidecar_requests.get(tx, illrequest_id).alerts
    )
