"""Placing a request with partner libraries."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from sqlalchemy import Engine, text
from web.conftest import Desk
from web.staff.pages import error, field, one, press, select, text_of, version_in
from werkzeug.test import TestResponse

from cast import EAST_WITHOUT_EMAIL, NORTH, SAM, SOUTH
from factories import make_request
from koha_ill_sidecar.storage.database import Database

MESSAGE = {"subject": "Could you lend this?", "body": "Please.\r\nThank you."}


@pytest.fixture
def number(admin: Engine, database: Database) -> int:
    with admin.begin() as connection:
        return make_request(connection, database.koha())


def send(desk: Desk, number: int, wish: str = "send", **fields: object) -> TestResponse:
    chosen = {"partners": [str(NORTH), str(SOUTH)], **MESSAGE, **fields}
    return press(desk, f"/requests/{number}/partners", {**chosen, "do": wish})


def queued(admin: Engine) -> list[dict[str, Any]]:
    with admin.connect() as connection:
        rows = connection.execute(text("SELECT * FROM message_queue ORDER BY message_id")).mappings()
        return [dict(row) for row in rows]


def status(admin: Engine) -> str | None:
    with admin.connect() as connection:
        found: str | None = connection.scalar(text("SELECT status FROM illrequests"))
        return found


def shown(page: str) -> list[str]:
    return [text_of(item) for item in select(page, "li:not([hidden]) label.choice")]


def test_partners_are_listed_as_koha_does_and_those_without_address_say_so(clara: Desk, number: int) -> None:
    page = clara.get(f"/requests/{number}/partners").text

    assert shown(page) == [
        "MPL - East Partner has no email address in Koha",
        "MPL - North Partner ill@north.example.org",
        "MPL - South Partner ill@south.example.org",
    ]
    assert one(page, f'[value="{EAST_WITHOUT_EMAIL}"]').has_attr("disabled")
    assert not one(page, f'[value="{NORTH}"]').has_attr("disabled")


def test_a_partner_whose_address_cannot_be_used_says_so(clara: Desk, admin: Engine, number: int) -> None:
    with admin.begin() as koha:
        koha.execute(text(f"UPDATE borrowers SET email = 'see notes' WHERE borrowernumber = {NORTH}"))

    page = clara.get(f"/requests/{number}/partners").text

    assert "MPL - North Partner see notes (this email address cannot be used)" in shown(page)
    assert one(page, f'[value="{NORTH}"]').has_attr("disabled")


def test_subject_and_text_come_from_the_notice(clara: Desk, admin: Engine, number: int) -> None:
    with admin.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO letter"
                " (module, code, branchcode, name, is_html, title, content, message_transport_type, lang)"
                " VALUES ('ill', 'ILL_PARTNER_REQ', '', 'x', 0, 'Request [% illrequest.illrequest_id %]',"
                " 'Title: [% ill_bib_title %]', 'email', 'default')"
            )
        )

    page = clara.get(f"/requests/{number}/partners").text

    assert f'value="Request {number}"' in page
    assert "Title: A journal" in page


def test_why_the_notice_cannot_be_used_is_told_in_the_language_of_the_page(clara: Desk, number: int) -> None:
    clara.post("/language", {"language": "zh-Hant-TW"})

    page = clara.get(f"/requests/{number}/partners").text

    assert "無法使用通知 ILL_PARTNER_REQ：沒有電子郵件的通知範本 ILL_PARTNER_REQ。" in page


def test_without_the_notice_the_form_says_so_and_works(clara: Desk, admin: Engine, number: int) -> None:
    page = clara.get(f"/requests/{number}/partners").text
    assert "The notice ILL_PARTNER_REQ cannot be used:" in page

    assert send(clara, number).status_code == 303
    assert status(admin) == "GENREQ"


def test_the_preview_shows_each_email_as_it_will_be_sent(clara: Desk, admin: Engine, number: int) -> None:
    page = send(clara, number, "preview", subject=" Could  you <b>lend</b>? ").text

    assert [text_of(value) for value in select(page, "dd:not(.recipients)")] == [
        "desk@ada.example.org", "ill@ada.example.org", "Could you <b>lend</b>?",
    ]  # fmt: skip
    assert [text_of(item) for item in select(page, "dd.recipients li")] == [
        "MPL - North Partner ill@north.example.org",
        "MPL - South Partner ill@south.example.org",
    ]
    assert page.count(">\nPlease.\nThank you.</pre>") == 1
    assert "Send 2 emails" in page
    assert queued(admin) == []
    assert status(admin) == "NEW"


def test_what_was_previewed_is_what_is_sent(clara: Desk, admin: Engine, number: int) -> None:
    preview = send(clara, number, "preview").text
    fields = {
        **version_in(preview),
        "partners": [str(tag["value"]) for tag in select(preview, "[name=partners]")],
        "subject": field(preview, "subject"),
        "body": field(preview, "body"),
    }

    answer = clara.post(f"/requests/{number}/partners", {**fields, "do": "send"})

    assert (answer.status_code, answer.location) == (303, f"/requests/{number}")
    rows = queued(admin)
    assert [row["to_address"] for row in rows] == ["ill@north.example.org", "ill@south.example.org"]
    assert {(row["subject"], row["content"]) for row in rows} == {
        ("Could you lend this?", "Please.\nThank you.")
    }
    assert status(admin) == "GENREQ"
    assert "2 emails were queued, to North Partner, South Partner." in clara.get("/requests").text


def test_the_form_can_be_changed_after_the_preview(clara: Desk, number: int) -> None:
    page = send(clara, number, "change", partners=str(SOUTH)).text

    assert one(page, f'[value="{SOUTH}"]').has_attr("checked")
    assert not one(page, f'[value="{NORTH}"]').has_attr("checked")
    assert 'value="Could you lend this?"' in page
    assert "Please.\nThank you.</textarea>" in page


def test_without_a_script_the_filter_is_a_button_and_keeps_what_is_chosen(clara: Desk, number: int) -> None:
    page = send(clara, number, "filter", partners=str(SOUTH), filter="nórth").text

    assert shown(page) == [
        "MPL - North Partner ill@north.example.org",
        "MPL - South Partner ill@south.example.org",
    ]


@pytest.mark.parametrize("wish", ["preview", "send"])
@pytest.mark.parametrize(
    ("fields", "name", "said"),
    [
        ({"partners": []}, "partners", "Choose at least one partner library that has an email address."),
        ({"partners": [str(EAST_WITHOUT_EMAIL)]}, "partners", "Choose at least one partner library"),
        ({"partners": [str(SAM)]}, "partners", "no longer a partner library"),
        ({"subject": "  "}, "subject", "The email needs a subject line."),
        ({"subject": "漢" * 501}, "subject", "This is too long: the maximum is 500 characters."),
        ({"body": " \r\n "}, "body", "The email needs some text."),
    ],
)
def test_a_mistake_is_told_and_nothing_is_sent(
    clara: Desk, admin: Engine, number: int, wish: str, fields: dict[str, object], name: str, said: str
) -> None:
    answer = send(clara, number, wish, **fields)

    assert answer.status_code == 422
    assert said in error(answer.text, name)
    assert queued(admin) == []
    assert status(admin) == "NEW"


def test_a_library_without_an_address_is_told_how_to_get_one(
    clara: Desk, admin: Engine, number: int, database: Database
) -> None:
    with admin.begin() as connection:
        connection.execute(text("UPDATE branches SET branchemail = NULL"))
        connection.execute(text("DELETE FROM systempreferences WHERE variable = 'KohaAdminEmailAddress'"))
    database.cache.clear()

    answer = send(clara, number, "preview")

    assert answer.status_code == 422
    assert "Your library has no email address to send from." in answer.text


def test_hostile_values_are_shown_as_text(clara: Desk, admin: Engine, number: int) -> None:
    hostile = "\"></textarea><script>alert('雪')</script>"
    with admin.begin() as connection:
        connection.execute(
            text("UPDATE borrowers SET surname = :hostile WHERE borrowernumber = :north"),
            {"hostile": hostile, "north": NORTH},
        )

    for wish in ("filter", "preview"):
        page = send(clara, number, wish, subject=hostile, body=hostile, filter=hostile).text
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert" in page


@pytest.mark.parametrize("state", ["REQ", "COMP", "QUEUED"])
def test_only_where_the_status_allows_it(clara: Desk, admin: Engine, number: int, state: str) -> None:
    with admin.begin() as connection:
        connection.execute(text("UPDATE illrequests SET status = :state"), {"state": state})

    assert clara.get(f"/requests/{number}/partners").status_code == 409
    assert send(clara, number).status_code == 409
    assert queued(admin) == []


def test_sent_twice_it_is_queued_once(clara: Desk, admin: Engine, number: int) -> None:
    address = f"/requests/{number}/partners"
    form = {**version_in(clara.get(address).text), "partners": [str(NORTH)], **MESSAGE, "do": "send"}
    assert clara.post(address, form).status_code == 303

    assert clara.post(address, form).status_code == 409
    with admin.begin() as connection:
        connection.execute(text("UPDATE illrequests SET status = 'REQREV'"))
    again = clara.post(address, form)

    assert again.status_code == 409
    assert "The request has changed since this page was opened" in again.text
    assert len(queued(admin)) == 1


@pytest.mark.parametrize("wish", ["preview", "send"])
def test_what_changed_meanwhile_is_told_before_anything_is_sent(
    clara: Desk, admin: Engine, number: int, wish: str
) -> None:
    address = f"/requests/{number}/partners"
    form = {**version_in(clara.get(address).text), "partners": [str(NORTH)], **MESSAGE}
    with admin.begin() as connection:
        connection.execute(text("UPDATE illrequests SET borrowernumber = NULL"))

    told = clara.post(address, {**form, "do": wish})

    assert told.status_code == 409
    assert '<th scope="row">Patron</th><td>Sam Page [20000005]</td><td>–</td>' in told.text
    assert one(told.text, f'[value="{NORTH}"]').has_attr("checked")
    assert queued(admin) == []
    form |= version_in(told.text)
    assert clara.post(address, {**form, "do": "send"}).status_code == 303
    assert len(queued(admin)) == 1


def test_a_request_without_a_patron_is_to_be_linked_to_one_first(
    clara: Desk, admin: Engine, number: int
) -> None:
    assert "The request has no patron." not in clara.get(f"/requests/{number}/partners").text
    with admin.begin() as connection:
        connection.execute(text("UPDATE illrequests SET borrowernumber = NULL, status = 'UNAUTH'"))

    page = clara.get(f"/requests/{number}/partners").text

    assert "The request has no patron. Link it to one before you continue:" in page
    assert f'<a href="/requests/{number}/edit">Edit request</a>' in page


def test_many_partners_are_told_in_short(clara: Desk, admin: Engine, number: int) -> None:
    with admin.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO borrowers (cardnumber, surname, email, branchcode, categorycode, address, city)"
                " SELECT CONCAT('8', seq), CONCAT('Partner ', seq), CONCAT('p', seq, '@x.example'), 'CPL', 'IL', '', ''"
                " FROM seq_1_to_40"
            )
        )
        chosen = [
            str(one)
            for one in connection.scalars(
                text("SELECT borrowernumber FROM borrowers WHERE cardnumber LIKE '8%'")
            )
        ]

    send(clara, number, partners=chosen)

    assert re.search(r"40 emails were queued, to Partner .* and 30 more\.", clara.get("/requests").text)


def test_the_form_costs_few_queries(
    clara: Desk, number: int, queries: Callable[[], AbstractContextManager[list[str]]]
) -> None:
    clara.get("/requests")

    with queries() as opened:
        page = clara.get(f"/requests/{number}/partners").text
    form = {**version_in(page), "partners": [str(NORTH), str(SOUTH)], **MESSAGE}
    with queries() as previewed:
        shown = clara.post(f"/requests/{number}/partners", {**form, "do": "preview"})

    assert shown.status_code == 200
    assert len(opened) <= 20, opened
    assert len(previewed) <= 15, previewed
