"""Messages to send, with the addresses of the patron and the library."""

import functools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Select, bindparam, null, select
from sqlalchemy.sql.elements import ColumnElement

from koha_ill_sidecar.storage.koha.installed import InstalledKoha
from koha_ill_sidecar.storage.transaction import Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class OutgoingMessage:
    """
    A message to send, and everything that its addresses are made of.

    Attributes:
        patron_found: Whether the patron still exists.
        sms_domain: Domain of the patron's mobile provider, which turns mail into text messages.
        branchcode: The **patron's** library, from which Koha takes sender, reply address and mail server; likewise the
            other branch columns.
        guarantors: The address columns of everybody who also gets the patron's mail.
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
    guarantors: tuple[Mapping[str, str | None], ...] = ()


_ADDRESSES = ("email", "emailpro", "B_email")
_PATRON = (*_ADDRESSES, "smsalertnumber", "branchcode")
_LIBRARY = ("branchemail", "branchreplyto", "branchreturnpath")
_QUEUE = (
    "message_id", "letter_id", "letter_code", "message_transport_type", "borrowernumber", "subject", "content",
    "content_type", "to_address", "from_address", "reply_address",
)  # fmt: skip


def load(tx: Transaction, message_ids: Sequence[int]) -> dict[int, OutgoingMessage]:
    """
    Read messages by ID, without those that are deleted; one query.

    A second query reads the guarantors if RedirectGuaranteeEmail sends them their patrons' mail.
    """
    rows = tx.connection.execute(_select(tx.koha), {"message_ids": list(message_ids)}).mappings()
    messages = {row["message_id"]: OutgoingMessage(**row) for row in rows}
    if not tx.preferences.flag("RedirectGuaranteeEmail") or not tx.koha.features.guarantors:
        return messages
    guarantors = _guarantors(tx, {message.borrowernumber for message in messages.values()})
    return {
        message_id: replace(message, guarantors=tuple(guarantors.get(message.borrowernumber, ())))
        for message_id, message in messages.items()
    }


def _guarantors(
    tx: Transaction, patrons: Iterable[int | None]
) -> dict[int | None, list[Mapping[str, str | None]]]:
    """Read the guarantors of each patron in the order of entry; Koha does not sort them."""
    relations, guarantors = tx.koha.table("borrower_relationships"), tx.koha.table("borrowers")
    query = (
        select(relations.c.guarantee_id, *(guarantors.c[name] for name in _ADDRESSES))
        .join(guarantors, guarantors.c.borrowernumber == relations.c.guarantor_id)
        .where(relations.c.guarantee_id.in_([patron for patron in patrons if patron is not None]))
        .order_by(relations.c.id)
    )
    found: dict[int | None, list[Mapping[str, str | None]]] = defaultdict(list)
    for row in tx.connection.execute(query).mappings():
        found[row["guarantee_id"]].append({name: row[name] for name in _ADDRESSES})
    return found


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
