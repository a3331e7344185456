"""The list of received callbacks."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from koha_ill_sidecar.domain.callbacks import Verdict
from koha_ill_sidecar.errors import RequestNotFound
from koha_ill_sidecar.storage.koha import requests
from koha_ill_sidecar.storage.sidecar import receipts
from koha_ill_sidecar.storage.sidecar.receipts import Receipt, ReceiptFilter
from koha_ill_sidecar.storage.transaction import Transaction


def list_receipts(
    tx: Transaction,
    *,
    backend: str | None,
    verdicts: Sequence[Verdict],
    illrequest_id: int | None,
    before: int | None,
    limit: int,
) -> tuple[Sequence[Row[Any]], Sequence[str], bool]:
    """
    Return callbacks, newest first; *before*: only those with a lower ID.

    Also return the backends of all callbacks, and whether nothing was found and Koha has no request with the ID. Two
    queries, a third for a request without callbacks.
    """
    wanted = ReceiptFilter(backend=backend, verdicts=verdicts, illrequest_id=illrequest_id)
    found = receipts.list_page(tx, wanted, limit=limit, before=before)
    is_unknown = not found and illrequest_id is not None and not _exists(tx, illrequest_id)
    return found, receipts.backends(tx), is_unknown


def get_receipt(tx: Transaction, receipt_id: int) -> Receipt:
    """Return a callback with its body; raises ReceiptNotFound."""
    # Here for the page of a callback, since web does not import storage.
    return receipts.get(tx, receipt_id)


def _exists(tx: Transaction, illrequest_id: int) -> bool:
    try:
        requests.get(tx, illrequest_id)
    except RequestNotFound:
        return False
    return True
