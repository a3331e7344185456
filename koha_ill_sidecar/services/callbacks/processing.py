"""What a callback does: find and lock the request, decide, and write what was decided."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeAlias

from koha_ill_sidecar.domain.actors import Actor, Interface
from koha_ill_sidecar.domain.callbacks import (
    RULES,
    Decision,
    Effect,
    Situation,
    Supply,
    Verdict,
    additional_text,
    decide,
)
from koha_ill_sidecar.domain.request_ids import WrittenID, unknown_prefix
from koha_ill_sidecar.domain.requests import ILLRequest
from koha_ill_sidecar.domain.status_reports import StatusReport
from koha_ill_sidecar.domain.statuses import Status
from koha_ill_sidecar.errors import InvalidReport, NotStrictJSON
from koha_ill_sidecar.messages import LazyMessage, lazy
from koha_ill_sidecar.services.callbacks.matching import AmbiguousOrder, RequestDeleted, Target, find_target
from koha_ill_sidecar.services.notices.sending import send_patron_notice
from koha_ill_sidecar.services.requests import lifecycle, statuses
from koha_ill_sidecar.storage.clock import in_library_time
from koha_ill_sidecar.storage.koha import comments, requests
from koha_ill_sidecar.storage.sidecar import partner_enquiries
from koha_ill_sidecar.storage.sidecar import requests as sidecar_requests
from koha_ill_sidecar.storage.sidecar.receipts import NewReceipt
from koha_ill_sidecar.storage.sidecar.requests import RequestState
from koha_ill_sidecar.storage.transaction import Transaction
from koha_ill_sidecar.translations import match, translate

Reading: TypeAlias = StatusReport | InvalidReport | NotStrictJSON
"""What a body says, or why it cannot be read."""

AnswerStatus: TypeAlias = Callable[[Verdict, Reading], int]
"""The status that a callback is answered with, in the protocol that it came by; receipts keep it."""

_ACTOR = Actor(interface=Interface.API)
_CLOCK_TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True, slots=True)
class Callback:
    """
    A callback from an authenticated sender.

    Attributes:
        event_id: The key: the header's, else the body's, else a hash of the body.
        has_signed_id: Whether the event ID is the header's. If not, equal bodies are one event.
        headers: Those that help staff later; secrets are masked.
        accept_any_request: Whether the backend may change requests that are not known to be its own.
    """

    backend: str
    event_id: str
    body: bytes
    headers: Mapping[str, str]
    authentication: str
    remote_address: str
    reading: Reading
    has_signed_id: bool = False
    accept_any_request: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """A callback with the decision about it; only the receipt, if there is nothing to do."""

    receipt: NewReceipt
    report: StatusReport | None = None
    target: Target | None = None
    decision: Decision | None = None


def read_callback(
    read: Callable[..., StatusReport], body: bytes, event_id_in_header: str | None
) -> tuple[str, Reading]:
    """Read a body and find its key: the header's event ID, else the body's, else a hash of the body."""
    reading: Reading
    try:
        reading = read(body, event_id_in_header=event_id_in_header is not None)
    except (InvalidReport, NotStrictJSON) as error:
        reading = error
    in_body = None if isinstance(reading, NotStrictJSON) else reading.event_id
    return event_id_in_header or in_body or f"sha256:{hashlib.sha256(body).hexdigest()}", reading


def judge(tx: Transaction, callback: Callback, answer_status: AnswerStatus) -> Judged:
    """Find and lock the request and decide; writes nothing."""
    reading = callback.reading

    def receipt(
        verdict: Verdict, answer: Mapping[str, object], illrequest_id: int | None = None
    ) -> NewReceipt:
        report = reading if isinstance(reading, StatusReport) else None
        body_sha256 = hashlib.sha256(callback.body).hexdigest()
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
            body_sha256=body_sha256,
            body_key=None if callback.has_signed_id else body_sha256,
            verdict=verdict,
            answer_status=answer_status(verdict, reading),
            answer={"outcome": verdict.value, **answer},
        )

    if isinstance(reading, StatusReport) and reading.id_prefix:
        reading = _with_known_prefix(tx, reading)
    if not isinstance(reading, StatusReport):
        return Judged(receipt=receipt(Verdict.INVALID, _mistakes(reading)))
    try:
        target = find_target(tx, reading, callback.backend, accept_any_request=callback.accept_any_request)
    except AmbiguousOrder:
        detail = f"Several requests have the order {reading.order_id}; send ill_request_id as well."
        return Judged(receipt=receipt(Verdict.AMBIGUOUS_ORDER, {"detail": detail}))
    except RequestDeleted as deleted:
        detail = f"The library has deleted {deleted}. Nothing more can be reported on it."
        return Judged(receipt=receipt(Verdict.DELETED_REQUEST, {"detail": detail}))
    if target is None:
        named = reading.illrequest_id or reading.order_id
        detail = (
            f"This backend has no request {named}. The event is kept, and can be applied once there is one."
        )
        return Judged(receipt=receipt(Verdict.UNKNOWN_REQUEST, {"detail": detail}))
    report = _with_plausible_time(reading)  # the receipt keeps the time as it was sent
    ill_request, decision = target.ill_request, _decide(tx, target, report)
    answer = {
        "ill_request_id": ill_request.illrequest_id,
        "status": decision.path[-1] if decision.path else ill_request.status,
        "detail": decision.detail,
    }
    return Judged(
        receipt=receipt(decision.verdict, answer, ill_request.illrequest_id),
        report=report,
        target=target,
        decision=decision,
    )


def _with_known_prefix(tx: Transaction, report: StatusReport) -> StatusReport | InvalidReport:
    written, prefixes = (
        WrittenID(report.illrequest_id or 0, report.id_prefix or ""),
        tx.site.prefixes.values(),
    )
    if written.has_prefix_of(prefixes):
        return report
    mistake = unknown_prefix(written.prefix, prefixes)
    return InvalidReport([("/request/ill_request_id", mistake)], event_id=report.event_id)


def _with_plausible_time(report: StatusReport) -> StatusReport:
    """Drop a time in the future: it does not say when the event happened, and would make all later events late."""
    is_plausible = report.occurred_at is None or report.occurred_at <= datetime.now(UTC) + _CLOCK_TOLERANCE
    return report if is_plausible else replace(report, occurred_at=None)


def apply(tx: Transaction, judged: Judged) -> None:
    """Do what was decided."""
    decision, target, report = judged.decision, judged.target, judged.report
    if decision is None or target is None or report is None:
        return
    if decision.verdict is Verdict.UNCHANGED and decision.progress == target.state.progress:
        return
    alert = decision.alert
    if decision.progress is not None:
        alert = _write(tx, target, report, decision) or alert
    if alert:
        sidecar_requests.add_alert(tx, target.ill_request, alert)


def _mistakes(error: InvalidReport | NotStrictJSON) -> Mapping[str, object]:
    if not isinstance(error, InvalidReport):
        return {"detail": str(error)}
    errors = [{"pointer": pointer, "detail": detail} for pointer, detail in error.errors]
    return {"detail": str(error), "errors": errors}


def _decide(tx: Transaction, target: Target, report: StatusReport) -> Decision:
    if target.is_former_order:
        return Decision(
            verdict=Verdict.LATE,
            detail="The request has another order now; this event of the former one was only recorded.",
        )
    ill_request, state = target.ill_request, target.state
    long_values = state.long_values or {}
    situation = Situation(
        status=ill_request.status,
        order_id=target.order_id,
        cost=ill_request.cost,
        access_url=long_values.get("access_url") or ill_request.accessurl,
        due=ill_request.due_date,
        tracking=long_values.get("tracking"),
        progress=state.progress,
        other_partners_open=_other_partners_are_open(tx, ill_request, report),
    )
    return decide(situation, report, statuses.graph_of(tx, ill_request))


def _other_partners_are_open(tx: Transaction, ill_request: ILLRequest, report: StatusReport) -> bool:
    # Only a report that returns the request unfilled needs to know; all others save the query.
    if ill_request.status != Status.GENREQ or RULES[report.status].effect is not Effect.REVERTED:
        return False
    enquiries = partner_enquiries.find_for_request(tx, ill_request.illrequest_id)
    return sum(enquiry.closed_at is None for enquiry in enquiries) > 1


def _write(
    tx: Transaction, target: Target, report: StatusReport, decision: Decision
) -> tuple[LazyMessage, ...]:
    """Write what a report brings; return an alert if Koha's columns cannot hold it."""
    ill_request = target.ill_request
    for status in decision.path:
        ill_request = _move(tx, ill_request, status)
    columns, long_values, too_long = _supplied(tx, target.state, report, decision.supply)
    if columns:
        requests.update(tx, ill_request.illrequest_id, **columns)
    order_id = None if decision.supply.ends_order else decision.supply.order_id or target.order_id
    sidecar_requests.save_progress(
        tx,
        ill_request,
        decision.progress or target.state.progress,
        order_id=order_id,
        long_values=long_values,
    )
    if decision.comment is not None:
        comments.add(tx, ill_request.illrequest_id, borrowernumber=None, comment=decision.comment)
    if decision.notice is not None:
        send_patron_notice(
            tx, ill_request, decision.notice, _ACTOR, additional_text=partial(_additional_text, report)
        )
    return too_long


def _move(tx: Transaction, ill_request: ILLRequest, status: str) -> ILLRequest:
    if status == Status.COMP:
        return lifecycle.complete(tx, ill_request, _ACTOR)
    return statuses.set_status(tx, ill_request, status, _ACTOR)


def _supplied(
    tx: Transaction, state: RequestState, report: StatusReport, supply: Supply
) -> tuple[Mapping[str, object], Mapping[str, str], tuple[LazyMessage, ...]]:
    """Return the new columns of Koha's row, all values that Koha has no room for, and what staff should know."""
    columns: dict[str, object] = {}
    long_values = dict(state.long_values or {})
    too_long: tuple[LazyMessage, ...] = ()
    if supply.ends_order:
        columns["orderid"] = None
    if supply.order_id is not None:
        columns["orderid"] = requests.truncate(tx, "orderid", supply.order_id)
    if supply.cost is not None:
        columns["cost"] = requests.truncate(tx, "cost", supply.cost)
        long_values["cost"] = str(report.cost)  # with its currency, for which Koha has no column
    if supply.tracking is not None:
        long_values["tracking"] = supply.tracking
    if supply.access_url is not None:
        long_values.pop("access_url", None)
        # Half a URL leads nowhere: one that is too long is not written to Koha at all.
        if requests.truncate(tx, "accessurl", supply.access_url) == supply.access_url:
            columns["accessurl"] = supply.access_url
        else:
            long_values["access_url"] = supply.access_url
            too_long = (
                lazy(
                    "The access URL has %(length)s characters, more than Koha can store; the callback"
                    " has the complete URL.",
                    length=len(supply.access_url),
                ),
            )
    if supply.due is not None and tx.koha.features.due_dates:
        columns["due_date"] = in_library_time(supply.due)
    elif supply.due is not None:
        long_values["due_date"] = supply.due.isoformat()
    return columns, long_values, too_long


def _additional_text(report: StatusReport, lang: str) -> str:
    """Return what the notice says of a report, in the language of the letter (Koha's code)."""
    language = match(lang) or "en"
    return "\n".join(translate(message, language) for message in additional_text(report))
