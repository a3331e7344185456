"""The list of received callbacks."""

from collections.abc import Sequence
from dataclasses import dataclass

from koha_ill_sidecar.domain.callbacks import Verdict
from koha_ill_sidecar.errors import RequestNotFound
from koha_ill_sidecar.storage.koha import requests
from koha_ill_sidecar.storage.sidecar import receipts
from koha_ill_sidecar.storage.sidecar.receipts import ListedReceipt, Receipt, ReceiptFilter
from koha_ill_sidecar.storage.transaction import Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class ReceiptPage:
    """
    A page of the list.

    Attributes:
        backends: Of all callbacks.
        is_unknown_request: Nothing was found, and Koha has no request with the ID.
    """

    receipts: Sequence[ListedReceipt]
    has_more: bool
    backends: Sequence[str]
    is_unknown_request: bool


def list_receipts(
    tx: Transaction,
    *,
    backend: str | None,
    verdicts: Sequence[Verdict],
    illrequest_id: int | None,
    before: int | None,
    limit: int,
) -> ReceiptPage:
    """
    Return callbacks, newest first; two queries, a third for a request without callbacks.

    Args:
        before: Only receipts with a lower ID.
    """
    wanted = ReceiptFilter(backend=backend, verdicts=verdicts, illrequest_id=illrequest_id)
    found = receipts.list_page(tx, wanted, limit=limit + 1, before=before)
    return ReceiptPage(
        receipts=found[:limit],
        has_more=len(found) > limit,
        backends=receipts.backends(tx),
        is_unknown_request=not found and illrequest_id is not None and not _exists(tx, illrequest_id),
    )


def get_receipt(tx: Transaction, receipt_id: int) -> Receipt:
    """Return a callback with its body; raises ReceiptNotFound."""
    return receipts.get(tx, receipt_id)


def _exists(tx: Transaction, illrequest_id: int) -> bool:
    try:
        requests.get(tx, illrequest_id)
    except RequestNotFound:
        return False
    return True
