"""
Sending of notices to patrons and staff: queued by the transports that Koha would choose.

Koha fails when a template is missing or fails. Here the action continues, and its outcome says what is wrong.
"""

import logging
from collections.abc import Sequence

from prometheus_client import Counter

from koha_ill_sidecar.domain.actors import Actor
from koha_ill_sidecar.domain.notices import (
    EMAIL,
    MESSAGE_NAMES,
    SMS,
    AdditionalText,
    NoticeOutcome,
    NoticePreview,
    NotQueued,
    NotQueuedReason,
    QueuedNotice,
    staff_notice_enabled,
)
from koha_ill_sidecar.domain.requests import ILLRequest
from koha_ill_sidecar.messages import LazyMessage, lazy
from koha_ill_sidecar.services.notices.rendering import NoticeRenderer
from koha_ill_sidecar.storage.direct import batch
from koha_ill_sidecar.storage.koha import action_logs, messaging_preferences
from koha_ill_sidecar.storage.message_queue import enqueue
from koha_ill_sidecar.storage.message_queue.enqueue import QueuedMessage
from koha_ill_sidecar.storage.sidecar import history
from koha_ill_sidecar.storage.transaction import Transaction

logger = logging.getLogger(__name__)

NOTICES = Counter(
    "koha_ill_sidecar_notices",
    "Notices by code, transport and outcome (queued, or the reason why not)",
    ["code", "transport", "outcome"],
)

NOTICE_QUEUED = "notice"
"""Kind of the history entries that name the messages queued for a request."""

_FAILURES = (
    NotQueuedReason.NO_LETTER,
    NotQueuedReason.TEMPLATE_FAILED,
    NotQueuedReason.EMPTY,
    NotQueuedReason.NO_LIBRARY_ADDRESS,
)


def send_patron_notice(
    tx: Transaction,
    ill_request: ILLRequest,
    notice_code: str,
    actor: Actor,
    *,
    additional_text: AdditionalText = "",
) -> NoticeOutcome:
    """
    Queue a notice for the patron by each transport that they chose for it, and log it if any was queued.

    Mail comes from the request's library, not the patron's; the patron's address is looked up at delivery.

    Args:
        additional_text: The text that ``ILL_REQUEST_UPDATE`` is to pass on.

    Source: Koha, Koha/ILL/Request.pm send_patron_notice.
    """
    transports, refusal = _patron_transports(tx, ill_request, notice_code)
    if refusal is not None:
        return _report(ill_request, NoticeOutcome(code=notice_code, not_queued=refusal))
    renderer = NoticeRenderer(tx, ill_request, additional_text=additional_text, actor=actor)
    addresses = renderer.library_addresses()
    outcome = _queue(
        tx,
        renderer,
        notice_code,
        transports,
        borrowernumber=ill_request.borrowernumber,
        sender=addresses.sender,
        reply_to=addresses.inbound_ill,
    )
    if outcome.queued:
        with batch(tx) as queries:
            action_logs.add_patron_notice(
                queries, ill_request.illrequest_id, notice_code=notice_code, actor=actor
            )
            _record_messages(queries, ill_request, outcome, actor)
    return _report(ill_request, outcome)


def preview_patron_notice(
    tx: Transaction,
    ill_request: ILLRequest,
    notice_code: str,
    actor: Actor,
    *,
    additional_text: str = "",
) -> NoticePreview:
    """
    Render a notice as :func:`send_patron_notice` would, for every transport, and queue nothing.

    Args:
        additional_text: The text that ``ILL_REQUEST_UPDATE`` is to pass on.
    """
    chosen, refusal = _patron_transports(tx, ill_request, notice_code)
    transports = tuple(dict.fromkeys((EMAIL, SMS, *chosen)))
    renderer = NoticeRenderer(tx, ill_request, additional_text=additional_text, actor=actor)
    return NoticePreview(
        code=notice_code,
        chosen=chosen,
        refusal=refusal[0].reason if refusal else None,
        by_transport=renderer.render_all(notice_code, transports),
    )


def send_staff_notice(
    tx: Transaction, ill_request: ILLRequest, notice_code: str, *, actor: Actor
) -> NoticeOutcome:
    """
    Queue a notice for the staff of the request's library, if ``ILLSendStaffNotices`` names it.

    It is an email from and to the library's ILL address. The row names the patron, so that Koha shows it among the
    patron's notices. Nothing is logged.

    Source: Koha, Koha/ILL/Request.pm send_staff_notice.
    """
    if not staff_notice_enabled(tx.preferences.text("ILLSendStaffNotices"), notice_code):
        return NoticeOutcome(
            code=notice_code,
            not_queued=_not_queued(
                NotQueuedReason.NOT_ENABLED, lazy("ILLSendStaffNotices does not include it."), (EMAIL,)
            ),
        )
    renderer = NoticeRenderer(tx, ill_request, actor=actor)
    address = renderer.library_addresses().inbound_ill
    if address is None:
        refusal = _not_queued(
            NotQueuedReason.NO_LIBRARY_ADDRESS,
            lazy(
                "Library %(library)s has no ILL address; set one in Koha under Libraries, or the preference "
                "ILLDefaultStaffEmail.",
                library=ill_request.branchcode,
            ),
            (EMAIL,),
        )
        return _report(ill_request, NoticeOutcome(code=notice_code, not_queued=refusal))
    outcome = _queue(
        tx,
        renderer,
        notice_code,
        (EMAIL,),
        borrowernumber=ill_request.borrowernumber,
        sender=address,
        to=address,
    )
    if outcome.queued:
        _record_messages(tx, ill_request, outcome, actor)
    return _report(ill_request, outcome)


def _queue(
    tx: Transaction,
    renderer: NoticeRenderer,
    code: str,
    transports: Sequence[str],
    *,
    borrowernumber: int | None,
    sender: str | None,
    reply_to: str | None = None,
    to: str | None = None,
) -> NoticeOutcome:
    """Render and queue a notice by each transport; a failure by one does not stop the others."""
    queued, not_queued = [], []
    for transport, notice in renderer.render_all(code, transports).items():
        if isinstance(notice, NotQueued):
            not_queued.append(notice)
            continue
        message = QueuedMessage(
            borrowernumber=borrowernumber,
            letter_code=notice.code,
            transport=notice.transport,
            subject=notice.title,
            content=notice.content,
            content_type=notice.content_type,
            to_address=to,
            from_address=sender,
            reply_address=reply_to,
            letter_id=notice.letter_id,
        )
        queued.append(QueuedNotice(transport=transport, message_id=enqueue.enqueue(tx, message)))
    return NoticeOutcome(code=code, queued=tuple(queued), not_queued=tuple(not_queued))


def _patron_transports(
    tx: Transaction, ill_request: ILLRequest, notice_code: str
) -> tuple[tuple[str, ...], tuple[NotQueued, ...] | None]:
    """Return the transports that the patron chose, or the reasons why there are none."""
    if notice_code not in MESSAGE_NAMES:
        return (), _not_queued(
            NotQueuedReason.NO_PREFERENCE,
            lazy("Koha has no messaging preference for %(notice)s.", notice=notice_code),
        )
    if ill_request.borrowernumber is None:
        return (), _not_queued(NotQueuedReason.NO_PATRON, lazy("The request has no patron."))
    name = MESSAGE_NAMES[notice_code]
    transports = messaging_preferences.transports(tx, ill_request.borrowernumber, name)
    if not transports:
        return (), _not_queued(
            NotQueuedReason.NOT_CHOSEN,
            lazy("The patron's messaging preferences select no transport for %(notice)s.", notice=name),
        )
    return transports, None


def _not_queued(
    reason: NotQueuedReason, detail: LazyMessage, transports: Sequence[str] = (EMAIL, SMS)
) -> tuple[NotQueued, ...]:
    return tuple(NotQueued(transport=transport, reason=reason, detail=detail) for transport in transports)


def _record_messages(tx: Transaction, ill_request: ILLRequest, outcome: NoticeOutcome, actor: Actor) -> None:
    """Record which messages belong to the request: Koha's queue does not say."""
    detail = {"code": str(outcome.code), "messages": outcome.message_ids}
    history.add(tx, ill_request.illrequest_id, NOTICE_QUEUED, actor=actor, detail=detail)


def _report(ill_request: ILLRequest, outcome: NoticeOutcome) -> NoticeOutcome:
    """Log and count the outcome of a notice; a template's own error may quote a patron, so it is not logged."""
    for queued in outcome.queued:
        NOTICES.labels(outcome.code, queued.transport, "queued").inc()
    for refused in outcome.not_queued:
        NOTICES.labels(outcome.code, refused.transport, refused.reason.value).inc()
        level = logging.WARNING if refused.reason in _FAILURES else logging.INFO
        logger.log(
            level,
            "notice not queued",
            extra={
                "illrequest_id": ill_request.illrequest_id,
                "notice_code": outcome.code,
                "transport": refused.transport,
                "reason": refused.reason.value,
            },
        )
    return outcome
