"""
Receive a callback: the receipt and all that follows from it, in one transaction.

A callback is keyed by its backend and event ID and, unless the sender signed that ID, by its backend and body: another
mapping may read another ID in the same bytes. The request's row is locked first, so that two events on one request are
handled one after the other; the receipt's unique keys then distinguish a repeat from a new event, even if both arrive
at once.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from koha_ill_sidecar.domain.callbacks import OPEN_VERDICTS, Verdict
from koha_ill_sidecar.errors import RequestNotFound
from koha_ill_sidecar.messages import LazyMessage, lazy
from koha_ill_sidecar.services.callbacks.processing import AnswerStatus, Callback, Judged, apply, judge
from koha_ill_sidecar.storage.koha import requests
from koha_ill_sidecar.storage.sidecar import receipts
from koha_ill_sidecar.storage.sidecar import requests as sidecar_requests
from koha_ill_sidecar.storage.sidecar.receipts import NewReceipt, Receipt
from koha_ill_sidecar.storage.transaction import Transaction

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Received:
    """The result of a callback, for its answer."""

    receipt_id: int
    event_id: str
    verdict: Verdict
    answer: Mapping[str, Any]
    is_repeat: bool = False  # the first answer is given again
    is_conflict: bool = False  # the key was used for another body

    @classmethod
    def of(
        cls,
        receipt_id: int,
        receipt: NewReceipt | Receipt,
        *,
        is_repeat: bool = False,
        is_conflict: bool = False,
    ) -> "Received":
        """Make the result of a receipt."""
        return cls(
            receipt_id=receipt_id,
            event_id=receipt.event_id,
            verdict=receipt.verdict,
            answer=receipt.answer,
            is_repeat=is_repeat,
            is_conflict=is_conflict,
        )


def receive(tx: Transaction, callback: Callback, *, answer_status: AnswerStatus) -> Received:
    """
    Store a callback, apply it, and return the result.

    A repeat changes nothing and gets the first answer, unless nothing was decided then (the request was not known
    yet, or the body could not be read): such an event is judged again. About ten statements.
    """
    judged = judge(tx, callback, answer_status)
    receipt_id = receipts.add(tx, judged.receipt)
    if receipt_id is not None:
        apply(tx, judged)
        return Received.of(receipt_id, judged.receipt)
    received = _receive_again(tx, callback, judged)
    # None: a key was freed or taken between our statements, so look again.
    return received or receive(tx, callback, answer_status=answer_status)


def _receive_again(tx: Transaction, callback: Callback, judged: Judged) -> Received | None:
    body_key, body_sha256 = judged.receipt.body_key, judged.receipt.body_sha256
    same_body = receipts.lock_by_body(tx, callback.backend, body_key) if body_key else None
    if same_body is not None and same_body.verdict not in OPEN_VERDICTS:
        return _repeat(tx, same_body)
    same_id = receipts.lock_by_key(tx, callback.backend, callback.event_id)
    if same_id is not None and same_id.body_sha256 != body_sha256:
        if same_id.verdict is not Verdict.INVALID:
            return _refuse_reused_key(tx, callback, same_id)
    elif same_id is not None and same_id.verdict not in OPEN_VERDICTS:
        return _repeat(tx, same_id)
    first = same_body or same_id
    if first is None:
        return None
    receipt = judged.receipt
    if same_body is not None and (
        receipt.has_only_hash or (same_id is not None and same_id.receipt_id != same_body.receipt_id)
    ):
        receipt = replace(receipt, event_id=same_body.event_id)
    if not receipts.update_result(tx, first.receipt_id, receipt):
        return None
    receipts.record_repeat(tx, first.receipt_id)
    apply(tx, judged)
    return Received.of(first.receipt_id, receipt)


def _repeat(tx: Transaction, first: Receipt) -> Received:
    receipts.record_repeat(tx, first.receipt_id)
    return Received.of(first.receipt_id, first, is_repeat=True)


def _refuse_reused_key(tx: Transaction, callback: Callback, first: Receipt) -> Received:
    receipts.record_conflict(tx, first.receipt_id, callback.body)
    logger.warning("event id reused", extra={"backend": callback.backend, "receipt_id": first.receipt_id})
    if first.illrequest_id is not None:
        alert = lazy(
            "The supplier sent two different events with the same event ID; callback %(number)s has both.",
            number=first.receipt_id,
        )
        _alert_staff(tx, first.illrequest_id, alert)
    return Received.of(first.receipt_id, first, is_conflict=True)


def _alert_staff(tx: Transaction, illrequest_id: int, alert: LazyMessage) -> None:
    try:
        sidecar_requests.add_alert(tx, requests.get(tx, illrequest_id), [alert])
    except RequestNotFound:
        logger.info("request of a receipt is gone", extra={"illrequest_id": illrequest_id})
