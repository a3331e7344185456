"""The rules on what follows from an attempt."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koha_ill_sidecar.config.settings import DeliverySettings, RetrySettings
from koha_ill_sidecar.delivery.addresses import Address
from koha_ill_sidecar.delivery.mail import Mail
from koha_ill_sidecar.delivery.smtp import Receipt, Refusal
from koha_ill_sidecar.errors import PermanentDeliveryFailure
from koha_ill_sidecar.services.delivery.outcomes import (
    accepted_by_server,
    permanently_refused,
    retry_later,
)
from koha_ill_sidecar.storage.message_queue.deliveries import Attempt, DeliveryState

SETTINGS = DeliverySettings()
NOW = datetime(2026, 3, 4, tzinfo=UTC)
MAIL = Mail(
    sender=Address("desk@ada.example.org"),
    to=(Address("a@example.org"), Address("b@example.org")),
    bcc=(Address("audit@example.org"),),
    subject="",
    body="",
    message_id="<1@x>",
    date=NOW,
)


def attempt(**more: Any) -> Attempt:
    values: dict[str, Any] = {
        "message_id": 1,
        "mail_message_id": "<1@x>",
        "attempts": 1,
        "age_seconds": 0.0,
        "first_attempt_at": NOW,
        "reached": (),
    }
    return Attempt(**(values | more))


def refused(recipient: str, code: int) -> Refusal:
    return Refusal(recipient=recipient, code=code, answer="no")


@pytest.mark.parametrize(
    ("accepted", "refusals", "state"),
    [
        (["a", "b", "audit"], {}, DeliveryState.SENT),
        (["a", "audit"], {"b": 550}, DeliveryState.SENT),
        (["a", "audit"], {"b": 450}, DeliveryState.WAITING),
        (["a", "b"], {"audit": 450}, DeliveryState.SENT),
        (["audit"], {"a": 550, "b": 550}, DeliveryState.FAILED),
        (["audit"], {"a": 550, "b": 451}, DeliveryState.WAITING),
    ],
)
def test_what_a_partly_taken_mail_becomes(
    accepted: list[str], refusals: dict[str, int], state: DeliveryState
) -> None:
    receipt = Receipt(
        accepted=tuple(f"{name}@example.org" for name in accepted),
        refused=tuple(refused(f"{name}@example.org", code) for name, code in refusals.items()),
    )

    settlement = accepted_by_server(attempt(), MAIL, receipt, SETTINGS)

    assert settlement.state is state
    if state is DeliveryState.WAITING:
        assert settlement.reached == receipt.accepted


def test_a_refusal_after_some_recipients_have_the_mail_is_a_success() -> None:
    failure = PermanentDeliveryFailure("550")

    assert permanently_refused(attempt(reached=("a@example.org",)), MAIL, failure).state is DeliveryState.SENT
    assert permanently_refused(attempt(), MAIL, failure).failure_code == "SENDMAIL"


def test_a_message_is_given_up_if_the_next_attempt_would_be_too_late() -> None:
    limit = SETTINGS.give_up_after.total_seconds()

    assert (
        retry_later(attempt(age_seconds=limit - 3600), MAIL, "450", (), SETTINGS).state
        is DeliveryState.WAITING
    )
    settlement = retry_later(attempt(age_seconds=limit), MAIL, "450", (), SETTINGS)

    assert (settlement.state, settlement.failure_code) == (DeliveryState.FAILED, "SENDMAIL")


@given(st.integers(1, 10_000))
def test_pauses_double_up_to_the_longest(attempts: int) -> None:
    retry = RetrySettings(first_delay=timedelta(seconds=10), longest_delay=timedelta(seconds=1000))
    expected = min(10 * 2.0 ** (attempts - 1), 1000) if attempts < 30 else 1000

    settlement = retry_later(attempt(attempts=attempts), MAIL, "450", (), DeliverySettings(retry=retry))

    assert 0.8 * expected <= settlement.retry_seconds <= 1.2 * expected
