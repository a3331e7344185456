"""What people set up in Koha for notices: messaging preferences, letters, system preferences."""

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
    """Choose transports for a message, for a patron or as a category's default."""
    with admin.begin() as connection:
        number = _message_number(connection, koha, message_name)
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


def _message_number(connection: Connection, koha: InstalledKoha, message_name: str) -> int:
    """Find a message's number; Koha before 22.05 had none for interlibrary loans, so there it is added."""
    attribute = koha.table("message_attributes")
    found = connection.scalar(
        select(attribute.c.message_attribute_id).where(attribute.c.message_name == message_name)
    )
    if found is not None:
        return int(found)
    number = connection.execute(insert(attribute).values(message_name=message_name)).lastrowid
    for transport in ("email", "sms", "phone"):
        connection.execute(
            insert(koha.table("message_transports")),
            {
                "message_attribute_id": number,
                "message_transport_type": transport,
                "is_digest": 0,
                "letter_module": "ill",
                "letter_code": "",
            },
        )
    return int(number)


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
    """Return the same transaction under other system preferences; those not named are unset."""
    return dataclasses.replace(tx, preferences=Preferences(values))


BY_CLARA = Actor(interface=Interface.INTRANET, borrowernumber=CLARA, branchcode=ADA)


def rendered(tx: Transaction, template: str, *, actor: Actor | None = BY_CLARA, **columns: Any) -> str:
    """Make a request and give what a template says of it; the columns are the request's."""
    with tx.connection.begin_nested() as savepoint:
        add_letter(tx, "TRY", content=template)
        ill_request = requests.get(tx, make_request(tx.connection, tx.koha, **columns))
        content = render_notice(tx, ill_request, "TRY", "email", actor=actor).content
        savepoint.rollback()
    return content
