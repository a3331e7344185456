"""Set up what notices need in Koha: messaging preferences, letters, system preferences."""

import dataclasses
from typing import Any

from sqlalchemy import Connection, Engine, insert, select

from cast import ADA, CLARA
from factories import make_request
from koha_ill_sidecar.domain.actors import Actor, Interface
from koha_ill_sidecar.services.notices.rendering import render_notice
from koha_ill_sidecar.storage.koha import requests
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
    """Choose the transports of a message for a patron, or as the default of a category."""
    with admin.begin() as connection:
        message_attribute_id = _message_attribute_id(connection, koha, message_name)
        preference = connection.execute(
            insert(koha.table("borrower_message_preferences")),
            {
                "borrowernumber": borrowernumber,
                "categorycode": categorycode,
                "message_attribute_id": message_attribute_id,
                "wants_digest": wants_digest,
            },
        ).lastrowid
        for transport in transports:
            connection.execute(
                insert(koha.table("borrower_message_transport_preferences")),
                {"borrower_message_preference_id": preference, "message_transport_type": transport},
            )


def _message_attribute_id(connection: Connection, koha: InstalledKoha, message_name: str) -> int:
    """Return the ID of a message; add the message where Koha is older than 22.05, which has none for ILL."""
    attribute = koha.table("message_attributes")
    found = connection.scalar(
        select(attribute.c.message_attribute_id).where(attribute.c.message_name == message_name)
    )
    if found is not None:
        return int(found)
    added = connection.execute(insert(attribute).values(message_name=message_name)).lastrowid
    for transport in ("email", "sms", "phone"):
        connection.execute(
            insert(koha.table("message_transports")),
            {
                "message_attribute_id": added,
                "message_transport_type": transport,
                "is_digest": 0,
                "letter_module": "ill",
                "letter_code": "",
            },
        )
    return int(added)


def add_letter(tx: Transaction, code: str = "ILL_PICKUP_READY", **columns: Any) -> None:
    """Insert a letter; the columns that are not named have the plainest values."""
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
    """Return the same transaction under other system preferences; those not named are unset."""
    return dataclasses.replace(tx, preferences=Preferences(values))


BY_CLARA = Actor(interface=Interface.INTRANET, borrowernumber=CLARA, branchcode=ADA)


def rendered(tx: Transaction, template: str, *, actor: Actor | None = BY_CLARA, **columns: Any) -> str:
    """Render a template for a new request; *columns* are the request's. The letter and the request are undone."""
    with tx.connection.begin_nested() as savepoint:
        add_letter(tx, "TRY", content=template)
        ill_request = requests.get(tx, make_request(tx.connection, tx.koha, **columns))
        content = render_notice(tx, ill_request, "TRY", "email", actor=actor).content
        savepoint.rollback()
    return content
