from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, text

from cast import ADA, CLARA, EAST_WITHOUT_EMAIL, NORTH, RIVERSIDE, SAM, SOUTH
from factories import make_request
from koha_ill_sidecar.config.settings import DatabaseSettings, IllSite, KohaSettings, Settings
from koha_ill_sidecar.domain.actors import Actor, Interface
from koha_ill_sidecar.errors import ActionNotAllowed, LetterMissing, RequestRefused
from koha_ill_sidecar.services.doctor.koha import check_partners
from koha_ill_sidecar.services.partners import placing
from koha_ill_sidecar.services.requests import lifecycle
from koha_ill_sidecar.storage.koha import attributes
from koha_ill_sidecar.storage.koha.preferences import Preferences
from koha_ill_sidecar.storage.sidecar import partner_enquiries
from koha_ill_sidecar.storage.transaction import Transaction

STAFF = Actor(interface=Interface.INTRANET, borrowernumber=CLARA, branchcode=ADA)

ExecuteAsKoha = Callable[..., None]


def place(tx: Transaction, number: int, *borrowernumbers: int, actor: Actor = STAFF) -> tuple[int, ...]:
    placed = placing.place_with_partners(
        tx,
        number,
        actor,
        borrowernumbers=borrowernumbers,
        subject="Could you lend 借 this?",
        body="Please.\n",
    )
    return placed.message_ids


def messages(tx: Transaction) -> list[dict[str, Any]]:
    rows = tx.connection.execute(text("SELECT * FROM message_queue ORDER BY message_id")).mappings()
    return [dict(row) for row in rows]


@pytest.mark.all_versions
def test_every_partner_gets_its_own_message(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha)

    message_ids = place(tx, number, NORTH, SOUTH, NORTH)

    rows = messages(tx)
    assert tuple(row["message_id"] for row in rows) == message_ids
    assert [row["to_address"] for row in rows] == ["ill@north.example.org", "ill@south.example.org"]
    of_partner = tx.koha.version.release >= "23.05"
    assert [row["borrowernumber"] for row in rows] == ([NORTH, SOUTH] if of_partner else [CLARA, CLARA])
    for row in rows:
        assert (row["letter_code"], row["message_transport_type"], row["status"], row["subject"]) == (
            "ILL_PARTNER_REQ",
            "email",
            "pending",
            "Could you lend 借 this?",
        )
        assert row["from_address"] == "desk@ada.example.org"
        assert row.get("reply_address", "ill@ada.example.org") == "ill@ada.example.org"


@pytest.mark.all_versions
def test_the_request_records_the_partners_it_was_placed_with(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha)

    message_ids = place(tx, number, NORTH, SOUTH)

    kinds = {attribute.type: attribute.value for attribute in attributes.find(tx, number)}
    assert kinds["requested_partners"] == "ill@north.example.org; ill@south.example.org"
    enquiries = partner_enquiries.find_for_request(tx, number)
    assert [(one.borrowernumber, one.message_id, one.closed_at) for one in enquiries] == [
        (NORTH, message_ids[0], None),
        (SOUTH, message_ids[1], None),
    ]
    assert tx.connection.scalar(text("SELECT status FROM illrequests")) == "GENREQ"
    assert tx.connection.scalar(text("SELECT COUNT(*) FROM action_logs")) == 1


@pytest.mark.all_versions
def test_placing_again_replaces_the_addresses(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha, status="REQREV")
    place(tx, number, NORTH)
    tx.connection.execute(text("UPDATE illrequests SET status = 'REQREV'"))

    place(tx, number, SOUTH)

    values = [one.value for one in attributes.find(tx, number) if one.type == "requested_partners"]
    assert values == ["ill@south.example.org"]
    states = [
        (one.borrowernumber, one.closed_at is None) for one in partner_enquiries.find_for_request(tx, number)
    ]
    assert states == [(NORTH, False), (SOUTH, True)]


@pytest.mark.parametrize(
    ("chosen", "code"),
    [
        ((), "no_target_email"),
        ((NORTH, EAST_WITHOUT_EMAIL), "no_target_email"),
        ((SAM,), "invalid_partner"),
        ((4711,), "invalid_partner"),
    ],
)
def test_one_partner_that_cannot_be_asked_stops_all(
    tx: Transaction, chosen: tuple[int, ...], code: str
) -> None:
    number = make_request(tx.connection, tx.koha)

    with pytest.raises(RequestRefused) as error:
        place(tx, number, *chosen)

    assert error.value.code == code
    assert messages(tx) == []
    assert tx.connection.scalar(text("SELECT status FROM illrequests")) == "NEW"


def test_a_partner_without_an_address_is_named(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha)

    with pytest.raises(RequestRefused, match="No email address: East Partner"):
        place(tx, number, EAST_WITHOUT_EMAIL)


@pytest.mark.parametrize("email", ["ill@north@example.org", "see notes", "ill@north.example.org, nobody"])
def test_a_partner_whose_address_cannot_be_used_is_named(admin: Engine, tx: Transaction, email: str) -> None:
    number = make_request(tx.connection, tx.koha)
    with admin.begin() as koha:
        koha.execute(
            text("UPDATE borrowers SET email = :email WHERE borrowernumber = :number"),
            {"email": email, "number": NORTH},
        )

    with pytest.raises(RequestRefused, match="cannot be used: North Partner") as error:
        place(tx, number, NORTH, SOUTH)

    assert error.value.code == "invalid_target_email"
    assert messages(tx) == []
    assert tx.connection.scalar(text("SELECT status FROM illrequests")) == "NEW"
    found = list(
        check_partners(
            Settings(koha=KohaSettings(database=DatabaseSettings(user="nobody", database="koha"))), tx
        )
    )
    assert f"that cannot be used: patron ID {NORTH}" in " ".join(str(one.seen) for one in found)


def test_without_a_library_of_the_actor_the_requests_library_writes(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha, branchcode=RIVERSIDE)

    place(tx, number, NORTH, actor=replace(STAFF, branchcode=None))

    assert messages(tx)[0]["from_address"] == "desk@riverside.example.org"


def test_a_library_without_any_address_cannot_write(execute_as_koha: ExecuteAsKoha, tx: Transaction) -> None:
    execute_as_koha("UPDATE branches SET branchemail = NULL, branchillemail = NULL")
    silent = replace(tx, preferences=Preferences({"ILLPartnerCode": "IL"}))
    number = make_request(tx.connection, tx.koha)

    with pytest.raises(RequestRefused) as error:
        place(silent, number, NORTH)

    assert error.value.code == "no_library_email"


def test_a_queued_request_cannot_be_placed_with_partners(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha, status="QUEUED")

    with pytest.raises(ActionNotAllowed) as error:
        place(tx, number, NORTH)

    assert set(error.value.allowed) == {"confirm", "delete", "migrate"}


@pytest.mark.all_versions
def test_partners_can_be_reverted_from_23_11(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha)
    place(tx, number, NORTH)

    if tx.koha.version.release < "23.11":
        with pytest.raises(ActionNotAllowed):
            lifecycle.revert(tx, number, STAFF)
        return
    lifecycle.revert(tx, number, STAFF)

    (enquiry,) = partner_enquiries.find_for_request(tx, number)
    assert enquiry.closed_by_status == "REQREV"


def test_without_the_preference_koha_conf_names_the_partners(tx: Transaction) -> None:
    site = replace(tx, preferences=Preferences({"IllLog": "1"}), site=IllSite(partner_code="PT"))

    assert SAM in {partner.borrowernumber for partner in placing.find_partners(site)}


@pytest.mark.parametrize(
    ("letter", "expected"),
    [
        ("Have you?", "Have you?\n\nRequest ID: N-E&W-{}"),
        ("Our N-E&W-[% illrequest.illrequest_id %].", "Our N-E&W-{}."),
        (
            "<html><body>Have you?</body></html>",
            "<html><body>Have you?<p>Request ID: N-E&amp;W-{}</p></body></html>",
        ),
    ],
)
def test_the_draft_names_the_request_as_a_callback_may(
    execute_as_koha: ExecuteAsKoha, tx: Transaction, letter: str, expected: str
) -> None:
    number = make_request(tx.connection, tx.koha)
    execute_as_koha(
        "INSERT INTO letter (module, code, branchcode, name, title, content, message_transport_type, is_html)"
        " VALUES ('ill', 'ILL_PARTNER_REQ', '', 'To partners', 'Ask', :content, 'email', :is_html)",
        content=letter,
        is_html=letter.startswith("<"),
    )

    draft = placing.draft(replace(tx, site=IllSite(prefixes={ADA: "N-E&W"})), number)

    assert draft.content == expected.format(number)


def test_the_draft_is_the_librarys_letter(execute_as_koha: ExecuteAsKoha, tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha, attributes={"type": "book", "title": "Crime"})
    with pytest.raises(LetterMissing):
        placing.draft(tx, number)
    execute_as_koha("DELETE FROM letter")
    execute_as_koha(
        "INSERT INTO letter (module, code, branchcode, name, is_html, title, content, message_transport_type, lang)"
        " VALUES ('ill', 'ILL_PARTNER_REQ', '', 'Partners', 0, 'Ask for [% ill_bib_title %]',"
        " 'Have you?\\n[% ill_full_metadata %]', 'email', 'default')"
    )

    draft = placing.draft(tx, number)

    assert (draft.title, draft.content) == (
        "Ask for Crime",
        f"Have you?\n- Title: Crime\n\nRequest ID: {number}",
    )


@pytest.mark.all_versions
def test_a_preview_shows_the_messages_that_are_then_sent(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha)
    given: dict[str, Any] = {"borrowernumbers": [NORTH, SOUTH], "subject": "Could you?", "body": "Please.\n"}

    _, shown = placing.preview(tx, number, STAFF, **given)
    assert messages(tx) == []
    sent = placing.place_with_partners(tx, number, STAFF, **given)

    assert sent.messages == tuple(shown)
    assert [
        (row["from_address"], row["to_address"], row["subject"], row["content"]) for row in messages(tx)
    ] == [(one.sender, one.partner.email, one.subject, one.body) for one in shown]


def test_a_preview_is_refused_where_placing_would_be(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha, status="REQ")

    with pytest.raises(ActionNotAllowed):
        placing.preview(tx, number, STAFF, borrowernumbers=[NORTH], subject="Could you?", body="Please.")


def test_the_form_works_without_a_letter(tx: Transaction) -> None:
    form = placing.form(tx, make_request(tx.connection, tx.koha), STAFF)

    assert form.draft is None
    assert isinstance(form.problem, LetterMissing)
    assert {partner.borrowernumber for partner in form.partners} == {NORTH, SOUTH, EAST_WITHOUT_EMAIL}
