"""Which partner was asked for which request; Koha itself stores only the addresses."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select

from koha_ill_sidecar.storage.direct import queue
from koha_ill_sidecar.storage.sidecar.schema import partner_enquiries, utc_now
from koha_ill_sidecar.storage.transaction import Transaction

_ADD = insert(partner_enquiries).values(asked_at=utc_now())
_CLOSE = (
    "UPDATE ill_sidecar_partner_enquiries SET closed_at = UTC_TIMESTAMP(6), closed_by_status = %(status)s"
    " WHERE illrequest_id = %(illrequest_id)s AND closed_at IS NULL"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PartnerEnquiry:
    """One enquiry to one partner."""

    enquiry_id: int
    illrequest_id: int
    borrowernumber: int  # the partner
    address: str
    message_id: int | None
    asked_at: datetime
    closed_at: datetime | None
    closed_by_status: str | None


def add(
    tx: Transaction, illrequest_id: int, *, borrowernumber: int, address: str, message_id: int | None
) -> None:
    """Record that a partner was asked."""
    tx.connection.execute(
        _ADD,
        {
            "illrequest_id": illrequest_id,
            "borrowernumber": borrowernumber,
            "address": address,
            "message_id": message_id,
        },
    )


def close(tx: Transaction, illrequest_id: int, *, status: str) -> None:
    """Close the open enquiries of a request that has moved to *status*."""
    queue(tx, _CLOSE, {"illrequest_id": illrequest_id, "status": status})


def find_for_request(tx: Transaction, illrequest_id: int) -> list[PartnerEnquiry]:
    """Return the enquiries of a request, oldest first."""
    statement = (
        select(partner_enquiries)
        .where(partner_enquiries.c.illrequest_id == illrequest_id)
        .order_by(partner_enquiries.c.enquiry_id)
    )
    return [PartnerEnquiry(**row) for row in tx.connection.execute(statement).mappings()]


def requests_of_messages(tx: Transaction, message_ids: Sequence[int]) -> dict[int, int]:
    """Return the request that each of these messages is about, by message; one query."""
    if not message_ids:
        return {}
    columns = partner_enquiries.c
    statement = select(columns.message_id, columns.illrequest_id).where(columns.message_id.in_(message_ids))
    return {row.message_id: row.illrequest_id for row in tx.connection.execute(statement)}


def delete_for_request(tx: Transaction, illrequest_id: int) -> None:
    """Delete the enquiries of a request."""
    tx.connection.execute(
        partner_enquiries.delete().where(partner_enquiries.c.illrequest_id == illrequest_id)
    )
