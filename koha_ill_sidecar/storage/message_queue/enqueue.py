"""Puts messages into ``message_queue`` as Koha does."""

import functools
from dataclasses import dataclass

from sqlalchemy import Insert, func, insert

from koha_ill_sidecar.domain.characters import without_control_characters
from koha_ill_sidecar.errors import NoticeEmpty
from koha_ill_sidecar.storage.koha.installed import InstalledKoha
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
    Put a message into the queue as pending and return its ID.

    Columns that the installed version lacks are left out.

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
    table = tx.koha.table("message_queue")
    installed = {name: value for name, value in values.items() if name in table.c}
    return int(tx.connection.execute(_insert(tx.koha), installed).lastrowid)


@functools.cache
def _insert(koha: InstalledKoha) -> Insert:
    return insert(koha.table("message_queue")).values(time_queued=func.now())
