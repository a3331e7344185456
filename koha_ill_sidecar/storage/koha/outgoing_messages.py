"""Rows of ``message_queue`` as their sender needs them: with the patron's and the library's addresses."""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, bindparam, null, select
from sqlalchemy.sql.elements import ColumnElement

from koha_ill_sidecar.storage.koha.installed import InstalledKoha
from koha_ill_sidecar.storage.transaction import Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class OutgoingMessage:
    """
    A message to be sent, and what its addresses are made of.

    Attributes:
        patron_found: Whether *borrowernumber* is that of a patron.
        sms_domain: Domain of the patron's mobile provider, whose mail becomes a text message.
        branchcode: The **patron's** library, which Koha takes sender, answers and mail server from; so are the other
            branch columns.
    """

    message_id: int
    letter_id: int | None
    letter_code: str | None
    message_transport_type: str
    borrowernumber: int | None
    subject: str | None
    content: str | None
    content_type: str | None
    to_address: str | None
    from_address: str | None
    reply_address: str | None
    patron_found: bool
    email: str | None
    emailpro: str | None
    B_email: str | None
    smsalertnumber: str | None
    sms_domain: str | None
    branchcode: str | None
    branchemail: str | None
    branchreplyto: str | None
    branchreturnpath: str | None


_PATRON = ("email", "emailpro", "B_email", "smsalertnumber", "branchcode")
_LIBRARY = ("branchemail", "branchreplyto", "branchreturnpath")
_QUEUE = (
    "message_id",
    "letter_id",
    "letter_code",
    "message_transport_type",
    "borrowernumber",
    "subject",
    "content",
    "content_type",
    "to_address",
    "from_address",
    "reply_address",
)


def load(tx: Transaction, message_ids: Sequence[int]) -> dict[int, OutgoingMessage]:
    """Read messages by number, in one query; those that are gone are left out."""
    rows = tx.connection.execute(_select(tx.koha), {"message_ids": list(message_ids)}).mappings()
    return {row["message_id"]: OutgoingMessage(**row) for row in rows}


@functools.cache
def _select(koha: InstalledKoha) -> Select[*tuple[Any, ...]]:
    queue, patrons = koha.table("message_queue"), koha.table("borrowers")
    libraries, providers = koha.table("branches"), koha.table("sms_providers")
    return (
        select(*_columns(koha))
        .select_from(
            queue.outerjoin(patrons, patrons.c.borrowernumber == queue.c.borrowernumber)
            .outerjoin(libraries, libraries.c.branchcode == patrons.c.branchcode)
            .outerjoin(providers, providers.c.id == patrons.c.sms_provider_id)
        )
        .where(queue.c.message_id.in_(bindparam("message_ids", expanding=True)))
    )


def _columns(koha: InstalledKoha) -> Iterator[ColumnElement[Any]]:
    queue, patrons = koha.table("message_queue"), koha.table("borrowers")
    for name in _QUEUE:
        yield queue.c[name] if name in queue.c else null().label(name)
    for name in _PATRON:
        yield patrons.c[name]
    for name in _LIBRARY:
        yield koha.table("branches").c[name]
    yield patrons.c.borrowernumber.is_not(None).label("patron_found")
    yield koha.table("sms_providers").c.domain.label("sms_domain")
