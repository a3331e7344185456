"""What people set up in Koha for notices: messaging preferences, letters, system preferences."""

import dataclasses
from typing import Any

from sqlalchemy import Engine, insert, select

from koha_ill_sidecar.storage.koha.installed import InstalledKoha
from koha_ill_sidecar.storage.koha.preferences import Preferences
from koha_ill_sidecar.storage.transaction import Transaction


def choose_transports(
    admin: Engine,
    koha: InstalledKoha,
    message_name: str,
    *transports: str,
    borrowernumber: int | None = None,
    categorycode: str | None = None,
    wants_digest: int = 0,
) -> None:
    """Choose transports for a message, for a patron or as a category's default."""
    attribute = koha.table("message_attributes")
    with admin.begin() as connection:
        number = connection.scalar(
            select(attribute.c.message_attribute_id).where(attribute.c.message_name == message_name)
        )
        preference = connection.execute(
            insert(koha.table("borrower_message_preferences")),
            {
                "borrowernumber": borrowernumber,
                "categorycode": categorycode,
                "message_attribute_id": number,
                "wants_digest": wants_digest,
            },
        ).lastrowid
        for transport in transports:
            connection.execute(
                insert(koha.table("borrower_message_transport_preferences")),
                {"borrower_message_preference_id": preference, "message_transport_type": transport},
            )


def add_letter(tx: Transaction, code: str = "ILL_PICKUP_READY", **columns: Any) -> None:
    """Insert a letter; what is not given is the plainest."""
    values = {
        "module": "ill",
        "code": code,
        "branchcode": "",
        "name": "A notice",
        "is_html": 0,
        "title": "A title",
        "content": "A text",
        "message_transport_type": "email",
        "lang": "default",
        **columns,
    }
    tx.connection.execute(insert(tx.koha.table("letter")), values)


def with_preferences(tx: Transaction, **values: str) -> Transaction:
    """Give the same transaction under other system preferences; those not named are unset."""
    return dataclasses.replace(tx, preferences=Preferences(values))
