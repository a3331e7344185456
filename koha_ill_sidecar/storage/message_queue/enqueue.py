"""Puts messages into ``message_queue`` as Koha does."""

import functools
from dataclasses import dataclass

from sqlalchemy import Insert, func, insert

from koha_ill_sidecar.domain.characters import without_control_characters
from koha_ill_sidecar.errors import NoticeEmpty
from koha_ill_sidecar.storage.koha.installed import InstalledKoha
from koha_ill_sidecar.storage.message_queue import deliveries, due
from koha_ill_sidecar.storage.transaction import Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class QueuedMessage:
    """A message to send, to a patron, an address or both."""

    borrowernumber: int | None
    letter_code: str
    transport: str
    subject: str
    content: str
    content_type: str | None = None  # None: plain text
    to_address: str | None = None  # None: the patron's, looked up when it is sent
    from_address: str | None = None  # None: the address of the patron's library
    reply_address: str | None = None
    letter_id: int | None = None


def enqueue(tx: Transaction, message: QueuedMessage) -> int:
    """
    Put a message into the queue and return its ID.

    It is pending; or already ours, if the settings keep from Koha what the sidecar delivers. Columns that the installed
    version lacks are left out.

    Raises:
        NoticeEmpty: There is nothing but white space to send; Koha queues no such message.

    Source: Koha, C4/Letters.pm EnqueueLetter.
    """
    if not message.content.strip():
        raise NoticeEmpty(message.letter_code, message.transport)
    values = {
        "letter_id": message.letter_id,
        "borrowernumber": message.borrowernumber,
        "subject": without_control_characters(message.subject),
        "content": without_control_characters(message.content),
        "metadata": "",
        "letter_code": message.letter_code,
        "message_transport_type": message.transport,
        "status": "pending",
        "to_address": message.to_address,
        "from_address": message.from_address,
        "reply_address": message.reply_address,
        "content_type": message.content_type,
        "failure_code": "",
    }
    is_ours = _is_ours(tx, message)
    if is_ours:
        values |= deliveries.HELD
    table = tx.koha.table("message_queue")
    installed = {name: value for name, value in values.items() if name in table.c}
    message_id = int(tx.connection.execute(_insert(tx.koha), installed).lastrowid)
    if is_ours:
        deliveries.hold(tx, message_id)
    tx.new_messages.append(message_id)
    return message_id


def _is_ours(tx: Transaction, message: QueuedMessage) -> bool:
    """Return whether Koha must not send a message. What we would not deliver is always left to Koha."""
    settings = tx.delivery
    return (
        settings.exclusive
        and message.transport in due.transports(settings, tx.preferences)
        and (not settings.letter_codes or message.letter_code in settings.letter_codes)
    )


@functools.cache
def _insert(koha: InstalledKoha) -> Insert:
    return insert(koha.table("message_queue")).values(time_queued=func.now())
