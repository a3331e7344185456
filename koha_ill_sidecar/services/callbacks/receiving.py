"""
Receiving a vendor's callback: the receipt and all that follows from it, in one transaction.

A callback is keyed by its backend and event id. The request's row is locked first, so that two events on one
request follow one another; the receipt's unique key then tells a repeat from news, whatever arrives at once.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from koha_ill_sidecar.backends.http.callback_formats import callback_format
from koha_ill_sidecar.config.settings import BackendCallbackSettings, BackendSettings
from koha_ill_sidecar.domain.actors import Actor, Interface
from koha_ill_sidecar.domain.callbacks import (
    OPEN_VERDICTS,
    REPLAYABLE_VERDICTS,
    RULES,
    Decision,
    Effect,
    Situation,
    Supply,
    Verdict,
    additional_text,
    decide,
)
from koha_ill_sidecar.domain.requests import ILLRequest
from koha_ill_sidecar.domain.status_reports import StatusReport
from koha_ill_sidecar.domain.statuses import Status
from koha_ill_sidecar.errors import (
    BackendNotConfigured,
    InvalidReport,
    NotStrictJSON,
    ReceiptNotReplayable,
    RequestNotFound,
)
from koha_ill_sidecar.messages import LazyMessage, lazy
from koha_ill_sidecar.services.notices.sending import send_patron_notice
from koha_ill_sidecar.services.requests import lifecycle as request_services
from koha_ill_sidecar.services.requests import statuses
from koha_ill_sidecar.storage.clock import in_library_time
from koha_ill_sidecar.storage.koha import comments, requests
from koha_ill_sidecar.storage.koha.installed import truncate
from koha_ill_sidecar.storage.sidecar import partner_enquiries, receipts
from koha_ill_sidecar.storage.sidecar import requests as sidecar_requests
from koha_ill_sidecar.storage.sidecar.receipts import NewReceipt, Receipt
from koha_ill_sidecar.storage.sidecar.requests import RequestState
from koha_ill_sidecar.storage.transaction import Transaction

logger = logging.getLogger(__name__)

_ACTOR = Actor(interface=Interface.API)


@dataclass(frozen=True, kw_only=True, slots=True)
class Callback:
    """
    A callback as it came, from a sender who was believed.

    Attributes:
        event_id: The key: the header's, else the body's, else a hash of the body.
        reading: What the body says, or why it cannot be read.
        accept_any_request: Whether requests that are not known to be this backend's may be changed too.
    """

    backend: str
    event_id: str
    body: bytes
    headers: Mapping[str, str]
    authentication: str
    remote_address: str
    reading: StatusReport | InvalidReport | NotStrictJSON
    accept_any_request: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Received:
    """What became of a callback, for its answer."""

    receipt_id: int
    event_id: str
    verdict: Verdict
    answer: Mapping[str, Any]
    is_repeat: bool = False  # the first answer, once more
    is_conflict: bool = False  # the key was used for another body


def read_callback(
    read: Callable[..., StatusReport], body: bytes, event_id_in_header: str | None
) -> tuple[str, StatusReport | InvalidReport | NotStrictJSON]:
    """Read a body and find its key: the header's event id, else the body's, else a hash of the body."""
    reading: StatusReport | InvalidReport | NotStrictJSON
    try:
        reading = read(body, event_id_in_header=event_id_in_header is not None)
    except (InvalidReport, NotStrictJSON) as error:
        reading = error
    in_body = reading.event_id if isinstance(reading, StatusReport) else None
    return event_id_in_header or in_body or f"sha256:{hashlib.sha256(body).hexdigest()}", reading


def receive(tx: Transaction, callback: Callback) -> Received:
    """
    Write a callback down, do what it says, and tell what became of it.

    A repeat changes nothing and gets the first answer, unless nothing was decided then (the request was not known
    yet, or the body could not be read): such an event is looked at again. About ten statements.
    """
    judged = _judge(tx, callback)
    receipt_id = receipts.add(tx, judged.receipt)
    if receipt_id is None:
        return _receive_again(tx, callback, judged)
    _apply(tx, judged)
    return _received(receipt_id, judged)


def replay(
    tx: Transaction,
    receipt_id: int,
    read: Callable[..., StatusReport],
    *,
    accept_any_request: bool = False,
) -> Received:
    """
    Look again at a callback that was kept, with today's mapping and the request as it is now.

    Args:
        read: The backend's format.
        accept_any_request: As the backend's settings have it.

    Raises:
        ReceiptNotFound: There is no such receipt.
        ReceiptNotReplayable: It was applied, or was a repeat of what was known.
    """
    receipt = receipts.get(tx, receipt_id, lock=True)
    if receipt.verdict not in REPLAYABLE_VERDICTS:
        raise ReceiptNotReplayable(
            f"Receipt {receipt_id} was {receipt.verdict} already; there is nothing to replay."
        )
    header = None if receipt.event_id.startswith("sha256:") else receipt.event_id
    _, reading = read_callback(read, receipt.body, header)
    judged = _judge(tx, _as_callback(receipt, reading, accept_any_request=accept_any_request))
    receipts.update_result(tx, receipt_id, judged.receipt)
    receipts.record_replay(tx, receipt_id)
    _apply(tx, judged)
    return _received(receipt_id, judged)


def replay_kept(tx: Transaction, receipt_id: int, backends: Mapping[str, BackendSettings]) -> Received:
    """
    Look again at a callback that was kept, as its backend is set up now.

    Raises:
        BackendNotConfigured: Its backend takes no callbacks any more.
        ReceiptNotFound: There is no such receipt.
        ReceiptNotReplayable: It was applied, or was a repeat of what was known.
    """
    backend = receipts.get(tx, receipt_id).backend
    settings = callback_settings(backends, backend)
    read = callback_format(backend, settings.mapping).read
    return replay(tx, receipt_id, read, accept_any_request=settings.accept_any_request)


def callback_settings(backends: Mapping[str, BackendSettings], backend: str) -> BackendCallbackSettings:
    """Return how a backend's callbacks are taken; raises BackendNotConfigured."""
    found = backends.get(backend)
    if found is None or found.callbacks is None:
        known = [name for name, one in backends.items() if one.callbacks]
        raise BackendNotConfigured(
            f"The configuration has no callbacks for a backend {backend!r}; "
            f"it has {', '.join(known) or 'none at all'}."
        )
    return found.callbacks


def dismiss_alert(tx: Transaction, illrequest_id: int) -> None:
    """
    Take the word to the staff away from a request.

    Raises:
        RequestNotFound: Nothing is known of such a request.
    """
    if not sidecar_requests.dismiss_alerts(tx, illrequest_id):
        raise RequestNotFound(illrequest_id)


def dismiss_read_alert(tx: Transaction, illrequest_id: int, written_at: datetime) -> bool:
    """
    Take the word to the staff away that somebody has read; tells whether none is left.

    Args:
        written_at: When it was written. One that was written since stays: nobody has read it yet.
    """
    return (
        sidecar_requests.dismiss_alerts(tx, illrequest_id, written_at=written_at)
        or not sidecar_requests.get(tx, illrequest_id).alerts
    )


def _as_callback(
    receipt: Receipt,
    reading: StatusReport | InvalidReport | NotStrictJSON,
    *,
    accept_any_request: bool = False,
) -> Callback:
    return Callback(
        backend=receipt.backend,
        event_id=receipt.event_id,
        body=receipt.body,
        headers=receipt.headers,
        authentication=receipt.authentication,
        remote_address=receipt.remote_address,
        reading=reading,
        accept_any_request=accept_any_request,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Target:
    """The request that a report is about, locked, and what we keep of it."""

    ill_request: ILLRequest
    kept: RequestState
    is_former_order: bool = False  # found by a supplier's number that the request no longer has


@dataclass(frozen=True, kw_only=True, slots=True)
class _Judged:
    """A callback with the decision about it."""

    receipt: NewReceipt
    report: StatusReport | None = None
    target: _Target | None = None
    decision: Decision | None = None


def _judge(tx: Transaction, callback: Callback) -> _Judged:
    """Find and lock the request and decide; writes nothing."""
    if not isinstance(callback.reading, StatusReport):
        return _Judged(receipt=_invalid(callback, callback.reading))
    report = callback.reading
    target = _find_target(tx, callback, report)
    if target is None:
        return _Judged(receipt=_unknown_request(callback, report))
    decision = _decide(tx, target, report)
    answer = {
        "outcome": decision.verdict.value,
        "ill_request_id": target.ill_request.illrequest_id,
        "status": decision.path[-1] if decision.path else target.ill_request.status,
        "detail": decision.detail,
    }
    receipt = _new_receipt(callback, report, decision.verdict, 200, answer, target.ill_request.illrequest_id)
    return _Judged(receipt=receipt, report=report, target=target, decision=decision)


def _decide(tx: Transaction, target: _Target, report: StatusReport) -> Decision:
    if target.is_former_order:
        return Decision(
            verdict=Verdict.LATE,
            detail="The request has another order by now; this event of the former one was recorded only.",
        )
    ill_request, kept = target.ill_request, target.kept
    long_values = kept.long_values or {}
    situation = Situation(
        status=ill_request.status,
        order_id=_whole(kept.order_id, ill_request.orderid),
        cost=ill_request.cost,
        access_url=long_values.get("access_url") or ill_request.accessurl,
        due=ill_request.due_date,
        tracking=long_values.get("tracking"),
        progress=kept.progress,
        other_partners_open=_asks_other_partners(tx, ill_request, report),
    )
    return decide(situation, report, statuses.graph_of(tx, ill_request))


def _whole(kept: str | None, in_koha: str | None) -> str | None:
    """Return our longer copy of a value as long as Koha has its beginning."""
    return kept if kept and in_koha and kept.startswith(in_koha) else in_koha


def _asks_other_partners(tx: Transaction, ill_request: ILLRequest, report: StatusReport) -> bool:
    if ill_request.status != Status.GENREQ or RULES[report.status].effect is not Effect.REVERTED:
        return False
    enquiries = partner_enquiries.find_for_request(tx, ill_request.illrequest_id)
    return sum(enquiry.closed_at is None for enquiry in enquiries) > 1


def _invalid(callback: Callback, error: InvalidReport | NotStrictJSON) -> NewReceipt:
    answer: dict[str, Any] = {"outcome": Verdict.INVALID.value, "detail": str(error)}
    if isinstance(error, InvalidReport):
        answer["errors"] = [{"pointer": pointer, "detail": detail} for pointer, detail in error.errors]
        return _new_receipt(callback, None, Verdict.INVALID, 422, answer)
    return _new_receipt(callback, None, Verdict.INVALID, 400, answer)


def _unknown_request(callback: Callback, report: StatusReport) -> NewReceipt:
    named = report.illrequest_id or report.order_id
    answer = {
        "outcome": Verdict.UNKNOWN_REQUEST.value,
        "detail": f"This backend has no request {named}. The event is kept, and can be applied once there is one.",
    }
    return _new_receipt(callback, report, Verdict.UNKNOWN_REQUEST, 404, answer)


def _new_receipt(
    callback: Callback,
    report: StatusReport | None,
    verdict: Verdict,
    answer_status: int,
    answer: Mapping[str, Any],
    illrequest_id: int | None = None,
) -> NewReceipt:
    return NewReceipt(
        backend=callback.backend,
        event_id=callback.event_id,
        occurred_at=report.occurred_at if report else None,
        illrequest_id=illrequest_id,
        order_id=report.order_id if report else None,
        authentication=callback.authentication,
        remote_address=callback.remote_address,
        headers=callback.headers,
        body=callback.body,
        body_sha256=hashlib.sha256(callback.body).hexdigest(),
        verdict=verdict,
        answer_status=answer_status,
        answer=answer,
    )


# Which request is meant


def _find_target(tx: Transaction, callback: Callback, report: StatusReport) -> _Target | None:
    """Find and lock the request that a report names, if it is this backend's; else nothing."""
    if report.illrequest_id is not None:
        return _lock(tx, callback, report.illrequest_id)
    order_id = report.order_id or ""
    for candidates, by_receipt in _candidates(tx, callback.backend, order_id):
        found = [target for number in candidates if (target := _lock(tx, callback, number))]
        found = [target for target in found if by_receipt or _has_order(target, order_id)]
        if by_receipt:
            found = [replace(target, is_former_order=_has_other_order(target, order_id)) for target in found]
        if len(found) == 1:
            return found[0]
        if found:
            logger.warning("order id of several requests", extra={"backend": callback.backend})
            return None
    return None


def _candidates(tx: Transaction, backend: str, order_id: str) -> Iterable[tuple[Sequence[int], bool]]:
    """Return the requests that may be meant, from the cheapest way of finding them to the dearest."""
    yield sidecar_requests.find_by_order(tx, order_id), False
    # Koha's own confirmation makes the request's number the order's (Koha, Koha/ILL/Backend/Standard.pm confirm).
    if order_id.isascii() and order_id.isdecimal() and len(order_id) < len(str(2**63)):
        yield [int(order_id)], False
    yield receipts.requests_of_order(tx, backend, order_id), True
    yield requests.find_by_orderid(tx, order_id), False


def _lock(tx: Transaction, callback: Callback, illrequest_id: int) -> _Target | None:
    try:
        ill_request = requests.get_for_update(tx, illrequest_id)
    except RequestNotFound:
        return None
    kept = sidecar_requests.get(tx, illrequest_id)
    if ill_request.is_in_progress or not _belongs(ill_request, kept, callback):
        return None
    return _Target(ill_request=ill_request, kept=kept)


def _belongs(ill_request: ILLRequest, kept: RequestState, callback: Callback) -> bool:
    """
    Return whether a backend may change a request.

    Where it is noted who supplies a request, nobody else may. Where it is not, Koha's own column counts, or the
    backend's leave to change any.
    """
    if kept.supplier_backend is not None:
        return kept.supplier_backend == callback.backend
    return callback.accept_any_request or ill_request.backend == callback.backend


def _has_order(target: _Target, order_id: str) -> bool:
    return _whole(target.kept.order_id, target.ill_request.orderid) == order_id


def _has_other_order(target: _Target, order_id: str) -> bool:
    current = _whole(target.kept.order_id, target.ill_request.orderid)
    return current is not None and current != order_id


# A key that was used before


def _receive_again(tx: Transaction, callback: Callback, judged: _Judged) -> Received:
    first = receipts.lock_by_key(tx, callback.backend, callback.event_id)
    if first is None:  # cleaned up between our two statements: then the event is new after all
        return receive(tx, callback)
    is_same = first.body_sha256 == judged.receipt.body_sha256
    if not is_same and first.verdict is not Verdict.INVALID:
        return _refuse_reused_key(tx, callback, first)
    receipts.record_repeat(tx, first.receipt_id)
    if first.verdict not in OPEN_VERDICTS:
        return _received_before(first)
    receipts.update_result(tx, first.receipt_id, judged.receipt)
    _apply(tx, judged)
    return _received(first.receipt_id, judged)


def _refuse_reused_key(tx: Transaction, callback: Callback, first: Receipt) -> Received:
    receipts.record_conflict(tx, first.receipt_id, callback.body)
    logger.warning("event id reused", extra={"backend": callback.backend, "receipt_id": first.receipt_id})
    if first.illrequest_id is not None:
        what = lazy(
            "The supplier sent two different events under one event ID; callback %(number)s has both.",
            number=first.receipt_id,
        )
        _alert_staff(tx, first.illrequest_id, what)
    return _received_before(first, is_conflict=True)


def _alert_staff(tx: Transaction, illrequest_id: int, what: LazyMessage) -> None:
    try:
        sidecar_requests.add_alert(tx, requests.get(tx, illrequest_id), [what])
    except RequestNotFound:
        logger.info("request of a receipt is gone", extra={"illrequest_id": illrequest_id})


def _received(receipt_id: int, judged: _Judged) -> Received:
    receipt = judged.receipt
    return Received(
        receipt_id=receipt_id, event_id=receipt.event_id, verdict=receipt.verdict, answer=receipt.answer
    )


def _received_before(first: Receipt, *, is_conflict: bool = False) -> Received:
    return Received(
        receipt_id=first.receipt_id,
        event_id=first.event_id,
        verdict=first.verdict,
        answer=first.answer,
        is_repeat=not is_conflict,
        is_conflict=is_conflict,
    )


# Doing what was decided


def _apply(tx: Transaction, judged: _Judged) -> None:
    decision, target, report = judged.decision, judged.target, judged.report
    if decision is None or target is None or report is None:
        return
    attention = decision.alert
    if decision.verdict is Verdict.UNCHANGED and decision.progress == target.kept.progress:
        return
    if decision.progress is not None:
        attention = _apply_decision(tx, target, report, decision) or attention
    if attention:
        sidecar_requests.add_alert(tx, target.ill_request, attention)


def _apply_decision(
    tx: Transaction, target: _Target, report: StatusReport, decision: Decision
) -> tuple[LazyMessage, ...]:
    """Write what a report brings; gives a word to the staff where Koha's columns cannot hold it."""
    ill_request = target.ill_request
    for status in decision.path:
        ill_request = _move(tx, ill_request, status)
    supplied = _supplied(tx, target.kept, report, decision.supply)
    if supplied.columns:
        requests.update(tx, ill_request.illrequest_id, **supplied.columns)
    order_id = None if decision.supply.ends_order else decision.supply.order_id
    if not decision.supply.ends_order and order_id is None:
        order_id = _whole(target.kept.order_id, ill_request.orderid)
    sidecar_requests.save_progress(
        tx,
        ill_request,
        decision.progress or target.kept.progress,
        order_id=order_id,
        long_values=supplied.long_values,
    )
    if decision.comment is not None:
        comments.add(tx, ill_request.illrequest_id, borrowernumber=None, comment=decision.comment)
    if decision.notice is not None:
        send_patron_notice(
            tx, ill_request, decision.notice, _ACTOR, additional_text=partial(additional_text, report)
        )
    return supplied.too_long


def _move(tx: Transaction, ill_request: ILLRequest, status: str) -> ILLRequest:
    if status == Status.COMP:
        return request_services.complete(tx, ill_request, _ACTOR)
    return statuses.set_status(tx, ill_request, status, _ACTOR)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Supplied:
    columns: Mapping[str, object]  # of Koha's row
    long_values: Mapping[str, str]  # whole, where Koha has no or too short a column
    too_long: tuple[LazyMessage, ...]  # what the staff are told of it


def _supplied(tx: Transaction, kept: RequestState, report: StatusReport, supply: Supply) -> _Supplied:
    table = tx.koha.table("illrequests")
    columns: dict[str, object] = {}
    long_values = dict(kept.long_values or {})
    too_long: tuple[LazyMessage, ...] = ()
    if supply.ends_order:
        columns["orderid"] = None
    if supply.order_id is not None:
        columns["orderid"] = truncate(table.c.orderid, supply.order_id)
    if supply.cost is not None:
        columns["cost"] = truncate(table.c.cost, supply.cost)
        long_values["cost"] = str(report.cost)  # with its currency, for which Koha has no place
    if supply.tracking is not None:
        long_values["tracking"] = supply.tracking
    if supply.access_url is not None:
        long_values.pop("access_url", None)
        # Half an address leads nowhere: one that is too long is kept apart.
        if truncate(table.c.accessurl, supply.access_url) == supply.access_url:
            columns["accessurl"] = supply.access_url
        else:
            long_values["access_url"] = supply.access_url
            too_long = (
                lazy(
                    "The access URL has %(length)s characters, more than Koha can hold; the callback has it whole.",
                    length=len(supply.access_url),
                ),
            )
    if supply.due is not None and "due_date" in table.c:
        columns["due_date"] = in_library_time(supply.due)
    elif supply.due is not None:
        long_values["due_date"] = supply.due.isoformat()
    return _Supplied(columns=columns, long_values=long_values, too_long=too_long)
