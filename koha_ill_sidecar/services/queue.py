"""What people do with a message that does not go out: look, try again, give it up, give it another address."""

import uuid

from koha_ill_sidecar.delivery.addresses import AddressRole, read_addresses
from koha_ill_sidecar.errors import MessageNotChangeable
from koha_ill_sidecar.storage.sidecar import queue_entries
from koha_ill_sidecar.storage.sidecar.queue_entries import Progress, QueueEntry
from koha_ill_sidecar.storage.transaction import Transaction

GIVEN_UP_CODE = "SENDMAIL"
"""Koha's code for mail that could not be sent; it has none for mail that nobody wants sent."""

UNFINISHED = (
    Progress.PENDING,
    Progress.TOO_OLD,
    Progress.WAITING,
    Progress.IN_FLIGHT,
    Progress.ABANDONED,
    Progress.FAILED,
)
"""Whatever is neither delivered nor deleted."""


def retry(tx: Transaction, message_id: int, *, message_id_domain: str, again: bool = False) -> QueueEntry:
    """
    Have a message delivered now, with all its attempts before it; gives the message as it was.

    Args:
        again: Also when it was sent already; it then goes out as a new mail.

    Raises:
        MessageNotFound: There is none.
        MessageNotChangeable: It is being sent, was deleted, or was sent and *again* is off.
    """
    entry = _changeable(tx, message_id)
    if entry.progress is Progress.DELETED:
        raise MessageNotChangeable(f"Message {message_id} was deleted in Koha. Queue a new one instead.")
    if entry.progress is Progress.SENT and not again:
        raise MessageNotChangeable(
            f"Message {message_id} was sent already. Use --again to send it once more."
        )
    fresh = f"<{uuid.uuid4().hex}.{message_id}@{message_id_domain}>"
    queue_entries.requeue(tx, message_id, new_mail_message_id=fresh)
    return entry


def give_up(tx: Transaction, message_id: int) -> QueueEntry:
    """
    Try a message no more: it stands as failed in Koha; gives the message as it was.

    Raises:
        MessageNotFound: There is none.
        MessageNotChangeable: It is being sent, was sent or was deleted.
    """
    entry = _changeable(tx, message_id)
    if entry.progress in {Progress.SENT, Progress.DELETED}:
        raise MessageNotChangeable(f"Message {message_id} is {entry.progress}: there is nothing to give up.")
    queue_entries.give_up(tx, message_id, failure_code=GIVEN_UP_CODE, reason="Given up by hand.")
    return entry


def set_address(tx: Transaction, message_id: int, addresses: str) -> QueueEntry:
    """
    Give an email other recipients; gives the message as it was.

    Raises:
        InvalidAddress: One of them cannot be; nothing was changed.
        MessageNotFound: There is none.
        MessageNotChangeable: It is being sent, or no email.
    """
    read = read_addresses(addresses, AddressRole.TO)
    entry = _changeable(tx, message_id)
    if entry.message_transport_type != "email":
        raise MessageNotChangeable(
            f"Message {message_id} goes by {entry.message_transport_type}: its address is the patron's own. "
            "Correct it there and try again."
        )
    queue_entries.set_address(tx, message_id, ", ".join(map(str, read)))
    return entry


def _changeable(tx: Transaction, message_id: int) -> QueueEntry:
    entry = queue_entries.get(tx, message_id, oldest_seconds=0, for_update=True)
    if entry.progress is Progress.IN_FLIGHT:
        raise MessageNotChangeable(
            f"Message {message_id} is being sent right now. Look at it again in a minute."
        )
    return entry
