"""What staff do with messages that are not sent: look at them, retry, give up, correct the address."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from koha_ill_sidecar.config.settings import DeliverySettings
from koha_ill_sidecar.delivery.addresses import AddressRole, read_addresses
from koha_ill_sidecar.delivery.mail import Content, Mail
from koha_ill_sidecar.domain.queue_entries import DeliveryProgress, QueueEntry, QueueFilter
from koha_ill_sidecar.errors import MessageNotChangeable, MessageNotFound
from koha_ill_sidecar.services.delivery.compose import Undeliverable, compose, content_kind
from koha_ill_sidecar.storage.koha import patrons
from koha_ill_sidecar.storage.message_queue import deliveries, listing, outgoing
from koha_ill_sidecar.storage.message_queue.outgoing import OutgoingMessage
from koha_ill_sidecar.storage.sidecar import partner_enquiries
from koha_ill_sidecar.storage.transaction import Transaction

GIVEN_UP_CODE = "SENDMAIL"
"""Koha's code for mail that could not be sent; it has none for mail that was given up."""


class Change(StrEnum):
    """What can be done with a message."""

    RETRY = "retry"
    GIVE_UP = "give_up"
    SET_ADDRESS = "set_address"


_REFUSALS = {
    "in_flight": "Message {} is being sent right now. Look at it again in a minute.",
    "deleted": "Message {} was deleted in Koha. Queue a new one instead.",
    "sent": "Message {} was sent already.",
    "given_up": "Message {} was given up already.",
    "not_email": "Message {} is not an email: its address is the patron's own. "
    "Correct it there and try again.",
}


FAILED_DAYS = 30

FAILED_RECENTLY = QueueFilter(progress=(DeliveryProgress.FAILED,), failed_days=FAILED_DAYS)
"""What failed in the last days and was not given up, so that staff should look at it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedMessage:
    """A message in a list."""

    entry: QueueEntry
    patron: str  # name and card; empty without one
    illrequest_id: int | None  # only for enquiries to partners; Koha does not record it for other messages


@dataclass(frozen=True, kw_only=True, slots=True)
class MessageDetails:
    """
    A message with everything that is known about it.

    Attributes:
        recipients: Who gets it, or got it; empty if nobody can.
        problem: Why it cannot be sent at the moment; also None if it is finished.
    """

    entry: QueueEntry
    patron: str
    illrequest_id: int | None
    sender: str
    recipients: Sequence[str]
    reply_to: Sequence[str]
    content: str
    kind: Content
    problem: Undeliverable | None


def find_entries(
    tx: Transaction, wanted: QueueFilter, delivery: DeliverySettings, *, limit: int
) -> list[QueueEntry]:
    """Return messages, newest first; one query, whose cost *newest* bounds."""
    seconds = delivery.ignore_older_than.total_seconds()
    return listing.find(tx, _ours(wanted, delivery), limit=limit, max_age_seconds=seconds)


def count_entries(tx: Transaction, wanted: QueueFilter, delivery: DeliverySettings, *, limit: int) -> int:
    """Count what :func:`find_entries` finds, at most *limit*; one query."""
    seconds = delivery.ignore_older_than.total_seconds()
    return listing.count(tx, _ours(wanted, delivery), limit=limit, max_age_seconds=seconds)


def _ours(wanted: QueueFilter, delivery: DeliverySettings) -> QueueFilter:
    return replace(wanted, letter_codes=wanted.letter_codes or delivery.letter_codes)


def list_messages(
    tx: Transaction, wanted: QueueFilter, delivery: DeliverySettings, *, limit: int
) -> list[ListedMessage]:
    """Return messages as a list shows them, newest first; three queries."""
    entries = find_entries(tx, wanted, delivery, limit=limit)
    return _listed(tx, entries)


def chosen_messages(
    tx: Transaction, message_ids: Sequence[int], delivery: DeliverySettings
) -> list[ListedMessage]:
    """Return these messages as a list shows them, newest first, without those that are gone; three queries."""
    if not message_ids:
        return []
    oldest_seconds = delivery.ignore_older_than.total_seconds()
    return _listed(tx, listing.find_by_ids(tx, message_ids, max_age_seconds=oldest_seconds))


def details(tx: Transaction, message_id: int, delivery: DeliverySettings) -> MessageDetails:
    """Return a message and the mail that was or will be made of it; four queries. Raises MessageNotFound."""
    entry = listing.get(tx, message_id, max_age_seconds=delivery.ignore_older_than.total_seconds())
    message = outgoing.load(tx, [message_id]).get(message_id)
    if message is None:
        raise MessageNotFound(message_id)
    (listed,) = _listed(tx, [entry])
    mail = None if _is_finished(entry) else _mail(tx, message, entry)
    return MessageDetails(
        entry=entry,
        patron=listed.patron,
        illrequest_id=listed.illrequest_id,
        sender=str(mail.sender) if isinstance(mail, Mail) else message.from_address or "",
        recipients=_texts(mail.recipients) if isinstance(mail, Mail) else _filled(message.to_address),
        reply_to=_texts(mail.reply_to) if isinstance(mail, Mail) else _filled(message.reply_address),
        content=message.content or "",
        kind=content_kind(message.content_type),
        problem=mail if isinstance(mail, Undeliverable) else None,
    )


def retry(tx: Transaction, message_id: int, *, message_id_domain: str, again: bool = False) -> QueueEntry:
    """
    Deliver a message now, with all attempts left; return it as it was before.

    Args:
        again: Even if it was sent already; it is then sent as a new mail.

    Raises:
        MessageNotFound: There is none.
        MessageNotChangeable: It is being sent, was deleted, or was sent and *again* is False.
    """
    entry = _changeable(tx, message_id, Change.RETRY)
    if entry.progress is DeliveryProgress.SENT and not again:
        raise MessageNotChangeable(
            "sent", f"Message {message_id} was sent already. Use --again to send it once more."
        )
    fresh = f"<{uuid.uuid4().hex}.{message_id}@{message_id_domain}>"
    deliveries.requeue(tx, message_id, new_mail_message_id=fresh)
    return entry


def give_up(tx: Transaction, message_id: int) -> QueueEntry:
    """
    Stop the delivery of a message: it is failed in Koha; return it as it was before.

    Raises:
        MessageNotFound: There is none.
        MessageNotChangeable: It is being sent, was sent, was deleted or was given up before.
    """
    entry = _changeable(tx, message_id, Change.GIVE_UP)
    deliveries.give_up(tx, message_id, failure_code=GIVEN_UP_CODE)
    return entry


def set_address(
    tx: Transaction, message_id: int, addresses: str, *, shown: str | None = None, even_sent: bool = True
) -> QueueEntry:
    """
    Change the recipients of an email; return it as it was before.

    Args:
        shown: The address that the page showed; if it has changed since, nothing is done.
        even_sent: Even if it was sent already, in order to send it again.

    Raises:
        InvalidAddress: One of them is not usable; nothing was changed.
        MessageNotFound: There is none.
        MessageNotChangeable: It is being sent, was deleted, is not an email, its address has changed, or it was sent
            and *even_sent* is False.
    """
    read = read_addresses(addresses, AddressRole.TO)
    entry = _changeable(tx, message_id, Change.SET_ADDRESS)
    if entry.progress is DeliveryProgress.SENT and not even_sent:
        raise _refused("sent", message_id)
    if shown is not None and shown != (entry.to_address or ""):
        raise MessageNotChangeable(
            "changed", f"Message {message_id} goes to {entry.to_address} now. Look at it and try again."
        )
    deliveries.set_address(tx, message_id, ", ".join(map(str, read)))
    return entry


def set_address_and_retry(
    tx: Transaction,
    message_id: int,
    addresses: str,
    *,
    message_id_domain: str,
    shown: str | None = None,
    even_sent: bool = True,
) -> QueueEntry:
    """Change the recipients of an email and send it now (:func:`set_address`, :func:`retry`)."""
    entry = set_address(tx, message_id, addresses, shown=shown, even_sent=even_sent)
    retry(tx, message_id, message_id_domain=message_id_domain)
    return entry


def refusal(entry: QueueEntry, change: Change) -> str | None:
    """
    Return a code for why a change is not possible with a message in this state; None if it is.

    A sent message can be sent again and get another address, but only if the caller asks for it.
    """
    if entry.progress in {DeliveryProgress.IN_FLIGHT, DeliveryProgress.DELETED}:
        return entry.progress.name.lower()
    if change is Change.GIVE_UP and entry.progress in {DeliveryProgress.SENT, DeliveryProgress.GIVEN_UP}:
        return entry.progress.name.lower()
    if change is Change.SET_ADDRESS and entry.message_transport_type != "email":
        return "not_email"
    return None


def _changeable(tx: Transaction, message_id: int, change: Change) -> QueueEntry:
    entry = listing.get(tx, message_id, max_age_seconds=0, for_update=True)
    reason = refusal(entry, change)
    if reason is not None:
        raise _refused(reason, message_id)
    return entry


def _refused(reason: str, message_id: int) -> MessageNotChangeable:
    return MessageNotChangeable(reason, _REFUSALS[reason].format(message_id))


def _listed(tx: Transaction, entries: Sequence[QueueEntry]) -> list[ListedMessage]:
    people = patrons.find_many(tx, {entry.borrowernumber for entry in entries if entry.borrowernumber})
    asked = partner_enquiries.requests_of_messages(tx, [entry.message_id for entry in entries])
    return [
        ListedMessage(
            entry=entry,
            patron=people[entry.borrowernumber].label if entry.borrowernumber in people else "",
            illrequest_id=asked.get(entry.message_id),
        )
        for entry in entries
    ]


def _is_finished(entry: QueueEntry) -> bool:
    return entry.progress in {DeliveryProgress.SENT, DeliveryProgress.DELETED}


def _mail(tx: Transaction, message: OutgoingMessage, entry: QueueEntry) -> Mail | Undeliverable:
    date = entry.first_attempt_at or datetime.now(UTC)
    return compose(message, tx.preferences, mail_message_id=entry.mail_message_id or "", date=date)


def _texts(addresses: Sequence[object]) -> list[str]:
    return [str(address) for address in addresses]


def _filled(address: str | None) -> list[str]:
    return [address] if address else []
