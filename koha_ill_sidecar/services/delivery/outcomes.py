"""The result of an attempt to send a mail: rules on plain values."""

from collections.abc import Sequence

from koha_ill_sidecar.backoff import pause_seconds
from koha_ill_sidecar.config.settings import DeliverySettings
from koha_ill_sidecar.delivery.mail import Mail
from koha_ill_sidecar.delivery.smtp import Receipt
from koha_ill_sidecar.errors import PermanentDeliveryFailure
from koha_ill_sidecar.messages import MixedText, lazy
from koha_ill_sidecar.services.delivery.advice import ADVICE
from koha_ill_sidecar.storage.message_queue.deliveries import Attempt, AttemptResult, DeliveryState

_JITTER = 0.2  # so that messages that failed together are not all tried again at once


def accepted_by_server(
    attempt: Attempt, mail: Mail, receipt: Receipt, settings: DeliverySettings
) -> AttemptResult:
    """Return the result if a server took a mail, perhaps not for every recipient."""
    named = {address.spec for address in (*mail.to, *mail.cc)}
    refused = [refusal for refusal in receipt.refused if refusal.recipient in named]
    refusals = "; ".join(map(str, receipt.refused))
    error = (lazy("Refused:"), refusals) if refusals else ()
    if any(refusal.is_temporary for refusal in refused):
        return retry_later(attempt, mail, error, receipt.accepted, settings)
    if named & {*receipt.accepted, *attempt.reached}:
        return _finished(attempt, mail, DeliveryState.SENT, error=error)
    return _finished(attempt, mail, DeliveryState.FAILED, failure_code="SENDMAIL", error=error)


def permanently_refused(attempt: Attempt, mail: Mail, failure: PermanentDeliveryFailure) -> AttemptResult:
    """Return the result if a server will never take a mail for the recipients who do not have it yet."""
    if attempt.reached:
        return _finished(attempt, mail, DeliveryState.SENT, error=failure.reason)
    code, reason = "SENDMAIL", failure.reason
    if failure.role:
        code, reason = f"INVALID_EMAIL:{failure.role}", (*failure.reason, ADVICE[failure.role])
    return _finished(attempt, mail, DeliveryState.FAILED, failure_code=code, error=reason)


def retry_later(
    attempt: Attempt, mail: Mail, error: MixedText, accepted: Sequence[str], settings: DeliverySettings
) -> AttemptResult:
    """Return the result if a mail can be tried again: a pause, or failure after *give_up_after*."""
    reached = tuple(dict.fromkeys([*attempt.reached, *accepted]))
    delay = pause_seconds(
        attempt.attempts,
        first=settings.retry.first_delay.total_seconds(),
        longest=settings.retry.longest_delay.total_seconds(),
        jitter=_JITTER,
    )
    if attempt.age_seconds + delay > settings.give_up_after.total_seconds():
        given_up = (lazy("Given up after %(attempts)s attempts.", attempts=attempt.attempts), *error)
        if reached:
            return _finished(attempt, mail, DeliveryState.SENT, error=given_up)
        return _finished(attempt, mail, DeliveryState.FAILED, failure_code="SENDMAIL", error=given_up)
    return AttemptResult(
        message_id=attempt.message_id,
        state=DeliveryState.WAITING,
        error=error,
        retry_seconds=delay,
        reached=reached,
    )


def released(attempt: Attempt) -> AttemptResult:
    """Return the result of a message that was claimed but not begun."""
    return AttemptResult(
        message_id=attempt.message_id,
        state=DeliveryState.WAITING,
        counts_as_attempt=False,
        reached=attempt.reached,
    )


def _finished(
    attempt: Attempt, mail: Mail, state: DeliveryState, *, failure_code: str = "", error: MixedText = ()
) -> AttemptResult:
    return AttemptResult(
        message_id=attempt.message_id,
        state=state,
        failure_code=failure_code,
        error=error,
        to_address=", ".join(map(str, mail.to)),
        from_address=str(mail.sender),
        cc_address=",".join(map(str, mail.cc)) or None,
    )
