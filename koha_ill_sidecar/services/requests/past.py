"""What our own history still knows: of a request that is gone, and of notices that were sent."""

from dataclasses import dataclass
from datetime import datetime

from koha_ill_sidecar.services.notices.sending import NOTICE_QUEUED
from koha_ill_sidecar.services.operations.watch import DELETED_IN_KOHA
from koha_ill_sidecar.storage.clock import library_times
from koha_ill_sidecar.storage.koha import patrons
from koha_ill_sidecar.storage.sidecar import history, receipts
from koha_ill_sidecar.storage.sidecar.history import HistoryEntry
from koha_ill_sidecar.storage.transaction import Transaction

MOST_NOTICES = 1000  # in our history of a request: more than anybody can have sent by hand


@dataclass(frozen=True, kw_only=True, slots=True)
class DeletedRequest:
    """
    What is still known of a request that is gone.

    Attributes:
        timestamp: When it was deleted, or missed in Koha, by the library's clock.
        author: Who deleted it; empty where nobody is known.
        has_receipts: There are callbacks on it.
    """

    timestamp: datetime
    author: str
    has_receipts: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class PreviousNotice:
    """When a notice was last queued for a request, by the library's clock, and by whom; empty: by nobody."""

    timestamp: datetime
    author: str


def find_deleted(tx: Transaction, illrequest_id: int) -> DeletedRequest | None:
    """Return what is still known of a request that is gone; nothing of one that never was. Five queries at most."""
    for kind in ("deleted", DELETED_IN_KOHA):
        for entry in history.find_for_request(tx, illrequest_id, kind=kind, limit=1):
            return DeletedRequest(
                timestamp=_on_our_clock(tx, entry),
                author=_author(tx, entry),
                has_receipts=bool(receipts.find_excerpts(tx, illrequest_id, limit=1, body_bytes=0)),
            )
    return None


def last_sent(tx: Transaction, illrequest_id: int, notice_code: str) -> PreviousNotice | None:
    """Return when a notice was last queued for a request; three queries at most."""
    for entry in history.find_for_request(tx, illrequest_id, kind=NOTICE_QUEUED, limit=MOST_NOTICES):
        if entry.detail.get("code") == notice_code:
            return PreviousNotice(timestamp=_on_our_clock(tx, entry), author=_author(tx, entry))
    return None


def _on_our_clock(tx: Transaction, entry: HistoryEntry) -> datetime:
    return library_times(tx, [entry.happened_at])[entry.happened_at]


def _author(tx: Transaction, entry: HistoryEntry) -> str:
    person = patrons.find(tx, entry.borrowernumber) if entry.borrowernumber else None
    return person.label if person else ""
