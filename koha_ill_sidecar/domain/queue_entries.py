"""Messages in Koha's queue, with what we know of their delivery."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from koha_ill_sidecar.messages import MixedText


class DeliveryProgress(StrEnum):
    """How far a message has come, by Koha's status and our delivery together."""

    PENDING = "pending"  # claimed at the next scan
    TOO_OLD = "too old"  # pending, and ignored
    WAITING = "waiting"  # between two attempts
    IN_FLIGHT = "in flight"
    ABANDONED = "abandoned"  # its process died; another one claims it within seconds
    FAILED = "failed"
    GIVEN_UP = "given up"  # failed, because somebody gave it up
    SENT = "sent"
    DELETED = "deleted"


UNFINISHED = (
    DeliveryProgress.PENDING,
    DeliveryProgress.TOO_OLD,
    DeliveryProgress.WAITING,
    DeliveryProgress.IN_FLIGHT,
    DeliveryProgress.ABANDONED,
    DeliveryProgress.FAILED,
)
"""Everything that is neither sent nor deleted nor given up."""

RECENT_ROWS = 20_000
"""Rows at the end of Koha's queue that a list reads by default."""


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueFilter:
    """
    Which messages a list shows.

    Attributes:
        to_address: Only those to exactly this address.
        letter_codes: Only these; empty for those that we deliver, in storage for every letter of Koha's module ``ill``.
        newest: Read so many rows at the end of the queue, besides our open deliveries and the patron's messages; None:
            every row.
        failed_days: Only what failed in so many days; what we failed to deliver is found anywhere in the queue.
        before: Only those with a lower ID.
    """

    progress: Sequence[DeliveryProgress] = UNFINISHED
    borrowernumber: int | None = None
    to_address: str | None = None
    letter_codes: Sequence[str] = ()
    newest: int | None = RECENT_ROWS
    failed_days: int | None = None
    before: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueEntry:
    """
    A row of ``message_queue`` together with ours.

    Attributes:
        time_queued: In the library's time.
        attempts: Ours; 0 if we never tried.
        next_attempt_at: UTC, while the message waits.
    """

    message_id: int
    progress: DeliveryProgress
    letter_code: str | None
    message_transport_type: str
    borrowernumber: int | None
    to_address: str | None
    subject: str | None
    status: str
    failure_code: str
    time_queued: datetime | None
    attempts: int
    mail_message_id: str | None
    first_attempt_at: datetime | None
    last_attempt_at: datetime | None
    next_attempt_at: datetime | None
    last_error: MixedText  # why it was not sent, or which recipients were refused
    lease_holder: str | None
