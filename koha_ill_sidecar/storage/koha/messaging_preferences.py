"""By which transports patrons want to get messages: ``borrower_message_preferences`` and related tables."""

import functools
from typing import Any

from sqlalchemy import Select, bindparam, select

from koha_ill_sidecar.storage.koha.installed import InstalledKoha
from koha_ill_sidecar.storage.transaction import Transaction


def transports(tx: Transaction, borrowernumber: int, message_name: str) -> tuple[str, ...]:
    """
    Return the transports that a patron chose for a message, in alphabetical order. One query.

    Only transports that Koha offers for the message count. The category's defaults do not: Koha copies them to a new
    patron. Nor does the choice of digests, which these messages do not have.

    Args:
        message_name: For example ``Ill_ready``.

    Source: Koha, C4/Members/Messaging.pm GetMessagingPreferences.
    """
    found = tx.connection.scalars(
        _select_transports(tx.koha), {"borrowernumber": borrowernumber, "message_name": message_name}
    )
    return tuple(found)


@functools.cache
def _select_transports(koha: InstalledKoha) -> Select[Any]:
    preference = koha.table("borrower_message_preferences")
    chosen = koha.table("borrower_message_transport_preferences")
    attribute = koha.table("message_attributes")
    offered = koha.table("message_transports")
    return (
        select(chosen.c.message_transport_type)
        .distinct()
        .join_from(
            chosen,
            preference,
            chosen.c.borrower_message_preference_id == preference.c.borrower_message_preference_id,
        )
        .join(attribute, attribute.c.message_attribute_id == preference.c.message_attribute_id)
        .join(
            offered,
            (offered.c.message_attribute_id == attribute.c.message_attribute_id)
            & (offered.c.message_transport_type == chosen.c.message_transport_type),
        )
        .where(
            preference.c.borrowernumber == bindparam("borrowernumber"),
            attribute.c.message_name == bindparam("message_name"),
        )
        .order_by(chosen.c.message_transport_type)
    )
