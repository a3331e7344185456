"""Which request a callback is about."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from koha_ill_sidecar.domain.requests import ILLRequest
from koha_ill_sidecar.domain.status_reports import StatusReport
from koha_ill_sidecar.errors import CallbackError, RequestNotFound
from koha_ill_sidecar.storage.koha import requests
from koha_ill_sidecar.storage.sidecar import receipts
from koha_ill_sidecar.storage.sidecar import requests as sidecar_requests
from koha_ill_sidecar.storage.sidecar.requests import RequestState
from koha_ill_sidecar.storage.transaction import Transaction

logger = logging.getLogger(__name__)


class AmbiguousOrder(CallbackError):
    """Several requests of the backend have the order ID."""


class RequestDeleted(CallbackError):
    """The request that is named was deleted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """The request that a report is about, locked, with our state of it."""

    ill_request: ILLRequest
    state: RequestState
    is_former_order: bool = False  # found by an order ID that the request no longer has

    @property
    def order_id(self) -> str | None:
        """The order ID in full: our copy, if Koha's column holds the beginning of it."""
        in_full, in_koha = self.state.order_id, self.ill_request.orderid
        return in_full if in_full and in_koha and in_full.startswith(in_koha) else in_koha


def find_target(
    tx: Transaction, report: StatusReport, backend: str, *, accept_any_request: bool
) -> Target | None:
    """
    Find and lock the request that a report names; None if there is none that the backend may change.

    Raises:
        AmbiguousOrder: Several requests have the order ID.
        RequestDeleted: The backend has reported on the request before, and it is gone.
    """
    if report.illrequest_id is not None:
        found_by_id = _lock(tx, report.illrequest_id, backend, accept_any_request=accept_any_request)
        if found_by_id is None and _is_deleted(tx, report.illrequest_id, backend):
            raise RequestDeleted(f"request {report.illrequest_id}")
        return found_by_id
    order_id = report.order_id or ""
    for candidates, by_receipt in _candidates(tx, backend, order_id):
        locked = [
            _lock(tx, illrequest_id, backend, accept_any_request=accept_any_request)
            for illrequest_id in candidates
        ]
        found = [target for target in locked if target is not None]
        if by_receipt:
            found = [
                replace(target, is_former_order=target.order_id not in (None, order_id)) for target in found
            ]
        else:
            found = [target for target in found if target.order_id == order_id]
        if len(found) == 1:
            return found[0]
        if found:
            logger.warning("order id of several requests", extra={"backend": backend})
            raise AmbiguousOrder
        if by_receipt and candidates and all(_is_deleted(tx, number, backend) for number in candidates):
            raise RequestDeleted(f"the request with order {order_id}")
    return None


def _is_deleted(tx: Transaction, illrequest_id: int, backend: str) -> bool:
    """Return whether a request is gone; only of a request that the backend has reported on, for others are no concern
    of its."""
    if not receipts.has_reported(tx, backend, illrequest_id):
        return False
    try:
        requests.get(tx, illrequest_id)
    except RequestNotFound:
        return True
    return False


def _candidates(tx: Transaction, backend: str, order_id: str) -> Iterable[tuple[Sequence[int], bool]]:
    """Yield the requests that may be meant, the cheapest search first, and whether receipts name them."""
    yield sidecar_requests.find_by_order(tx, order_id), False
    # Koha's own confirmation takes the request's ID as order ID (Koha, Koha/ILL/Backend/Standard.pm confirm).
    if order_id.isascii() and order_id.isdecimal() and len(order_id) < len(str(2**63)):
        yield [int(order_id)], False
    yield receipts.requests_of_order(tx, backend, order_id), True
    yield requests.find_by_orderid(tx, order_id), False


def _lock(tx: Transaction, illrequest_id: int, backend: str, *, accept_any_request: bool) -> Target | None:
    try:
        ill_request = requests.get_for_update(tx, illrequest_id)
    except RequestNotFound:
        return None
    state = sidecar_requests.get(tx, illrequest_id)
    # Where we have recorded who supplies a request, only that backend may change it. Where not, Koha's column decides,
    # or the setting that the backend may change any request.
    is_ours = accept_any_request or ill_request.backend == backend
    if state.supplier_backend is not None:
        is_ours = state.supplier_backend == backend
    if ill_request.is_in_progress or not is_ours:
        return None
    return Target(ill_request=ill_request, state=state)
