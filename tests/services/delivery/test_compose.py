"""What a row of the queue becomes as a mail, as far as preferences decide it."""

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest

from koha_ill_sidecar.delivery.mail import Mail, style_element, style_link
from koha_ill_sidecar.services.delivery.compose import compose
from koha_ill_sidecar.services.people.addresses import first_valid_email_address, notice_email_address
from koha_ill_sidecar.storage.koha.preferences import Preferences
from koha_ill_sidecar.storage.message_queue.outgoing import OutgoingMessage

PATRON = {"email": "no address", "emailpro": "sam@work.example.org", "B_email": "sam@other.example.org"}


def a_message(**columns: Any) -> OutgoingMessage:
    nothing = dict.fromkeys(field.name for field in dataclasses.fields(OutgoingMessage))
    return OutgoingMessage(
        **{
            **nothing,
            "guarantors": (),
            "message_id": 7,
            "message_transport_type": "email",
            "patron_found": True,
            "to_address": "sam@example.org",
            "from_address": "desk@ada.example.org",
            "content_type": 'text/html; charset="UTF-8"',
            **columns,
        }
    )


def composed(message: OutgoingMessage, **preferences: str) -> Mail:
    mail = compose(
        message,
        Preferences(preferences),
        mail_message_id="<7@ill.example.org>",
        date=datetime(2026, 3, 9, tzinfo=UTC),
    )
    assert isinstance(mail, Mail)
    return mail


@pytest.mark.parametrize(
    ("preferences", "styles"),
    [
        ({}, ()),
        ({"NoticeCSS": "https://x.example/n.css"}, (style_link("https://x.example/n.css"),)),
        (
            {
                "EmailNoticeCSS": "p { color: blue }",
                "EmailNoticeStylesheet": "https://x.example/mail.css",
                "AllNoticeCSS": "p { margin: 0 }",
                "AllNoticeStylesheet": "https://x.example/all.css",
            },
            (
                style_link("https://x.example/all.css"),
                style_element("p { margin: 0 }"),
                style_link("https://x.example/mail.css"),
                style_element("p { color: blue }"),
            ),
        ),
    ],
)
def test_style_sheets_come_in_koha_s_order_under_their_old_and_new_names(
    preferences: dict[str, str], styles: tuple[str, ...]
) -> None:
    assert composed(a_message(), **preferences).styles == styles


@pytest.mark.parametrize(
    ("preferences", "address"),
    [
        ({}, "sam@work.example.org"),
        ({"EmailFieldPrecedence": "B_email|emailpro"}, "sam@other.example.org"),
        ({"EmailFieldPrimary": "B_email"}, "sam@other.example.org"),
        ({"AutoEmailPrimaryAddress": "emailpro"}, "sam@work.example.org"),
        (
            {"EmailFieldPrimary": "MULTI", "EmailFieldSelection": "emailpro,B_email"},
            "sam@work.example.org,sam@other.example.org",
        ),
        ({"EmailFieldPrimary": "MULTI"}, None),
        ({"EmailFieldPrimary": "cardnumber"}, None),
    ],
)
def test_a_patrons_address_for_notices_is_the_one_that_the_preferences_choose(
    preferences: dict[str, str], address: str | None
) -> None:
    assert notice_email_address(PATRON, Preferences(preferences)) == address


def test_without_an_address_there_is_none() -> None:
    assert first_valid_email_address({"email": None}, Preferences({})) is None
