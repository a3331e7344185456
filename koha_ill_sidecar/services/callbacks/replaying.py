"""What staff do with a callback later: replay it, and dismiss the alerts that it raised."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Row

from koha_ill_sidecar.backends.http.callback_formats import callback_format
from koha_ill_sidecar.config.settings import BackendCallbackSettings, BackendSettings
from koha_ill_sidecar.domain.callbacks import REPLAYABLE_VERDICTS
from koha_ill_sidecar.errors import BackendNotConfigured, ReceiptNotReplayable
from koha_ill_sidecar.services.callbacks.processing import (
    AnswerStatus,
    Callback,
    apply,
    judge,
    read_callback,
)
from koha_ill_sidecar.services.callbacks.receiving import Received
from koha_ill_sidecar.storage.sidecar import receipts
from koha_ill_sidecar.storage.sidecar.receipts import Receipt
from koha_ill_sidecar.storage.transaction import Transaction


def replay(
    tx: Transaction,
    receipt_id: int,
    backends: Mapping[str, BackendSettings],
    *,
    answer_status: AnswerStatus,
) -> Received:
    """
    Judge a stored callback again, with the backend's current mapping and the request's current state.

    Raises:
        BackendNotConfigured: Its backend no longer has callbacks.
        ReceiptNotFound: There is no such receipt.
        ReceiptNotReplayable: It was applied, brought nothing new, or is an event that another receipt has.
    """
    receipt = receipts.get(tx, receipt_id, lock=True)
    settings = callback_settings(backends, receipt.backend)
    if receipt.verdict not in REPLAYABLE_VERDICTS:
        raise ReceiptNotReplayable(
            f"Receipt {receipt_id} was {receipt.verdict} already; there is nothing to replay."
        )
    signed_id = receipt.event_id if receipt.body_key is None and not receipt.has_only_hash else None
    event_id, reading = read_callback(
        callback_format(receipt.backend, settings.mapping).read, receipt.body, signed_id
    )
    callback = Callback(
        backend=receipt.backend,
        event_id=event_id,
        body=receipt.body,
        headers=receipt.headers,
        authentication=receipt.authentication,
        remote_address=receipt.remote_address,
        reading=reading,
        has_signed_id=receipt.body_key is None,
        accept_any_request=settings.accept_any_request,
    )
    judged = judge(tx, callback, answer_status)
    replayed = judged.receipt
    if replayed.has_only_hash:  # the ID that an earlier mapping could read stays
        replayed = replace(replayed, event_id=receipt.event_id)
    if not receipts.update_result(tx, receipt_id, replayed):
        raise ReceiptNotReplayable(
            f"Receipt {receipt_id} is of the event {event_id}, which another receipt of {receipt.backend} has."
        )
    receipts.record_replay(tx, receipt_id)
    apply(tx, judged)
    return Received.of(receipt_id, replayed)


def may_replay(receipt: Receipt | Row[Any], backends: Mapping[str, BackendSettings]) -> bool:
    """Return whether a callback can be replayed: it was not applied, and its backend still has callbacks."""
    return receipt.verdict in REPLAYABLE_VERDICTS and has_callbacks(backends, receipt.backend)


def has_callbacks(backends: Mapping[str, BackendSettings], backend: str) -> bool:
    """Return whether the configuration has callbacks for a backend."""
    return backend in backends and backends[backend].callbacks is not None


def callback_settings(backends: Mapping[str, BackendSettings], backend: str) -> BackendCallbackSettings:
    """Return how a backend's callbacks are received; raises BackendNotConfigured."""
    callbacks = backends[backend].callbacks if backend in backends else None
    if callbacks is None:
        known = [name for name, one in backends.items() if one.callbacks]
        raise BackendNotConfigured(
            f"The configuration has no callbacks for a backend {backend!r}; "
            f"it has {', '.join(known) or 'none at all'}."
        )
    return callbacks
