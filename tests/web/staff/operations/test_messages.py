"""Messages at the desk: looked at, tried again, given up, sent to another address."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from queued import Queue, dispatching
from sqlalchemy import Engine
from web.conftest import Desk
from web.staff.pages import link

from cast import NORTH, WEN
from factories import make_request
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.sidecar import partner_enquiries
from koha_ill_sidecar.storage.transaction import Transaction

HOSTILE = "\"'><script>alert(1)</script>"
ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;"


@pytest.fixture
def queue(admin: Engine, database: Database) -> Queue:
    return Queue(admin, database)


def fail(database: Database) -> None:
    with dispatching(database) as dispatcher:
        dispatcher.run_once()


def test_the_list_shows_what_is_not_delivered_and_why(clara: Desk, queue: Queue, database: Database) -> None:
    failed = queue.add(to_address="nowhere")
    fail(database)
    pending, sent = queue.add(), queue.add(status="sent")

    shown = clara.get("/operations/messages").text

    assert f"/operations/messages/{failed}" in shown
    assert (
        "The address of the recipient is not valid. Correct the patron&#39;s email address in Koha" in shown
    )
    assert f"/operations/messages/{pending}" in shown
    assert "Sam Page [20000005]" in shown
    assert f"/operations/messages/{sent}" not in shown


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=sent", "sent"),
        ("state=pending", "pending wen"),
        ("state=all", "sent pending wen"),
        (f"patron={WEN}", "wen"),
        ("letter=CHECKIN", "checkin"),
        ("state=nonsense&patron=nonsense&before=nonsense", "pending wen"),
        ("patron=99999999999999999999&endpoint=x&_external=1", "pending wen"),
    ],
)
def test_the_list_can_be_narrowed(clara: Desk, queue: Queue, query: str, found: str) -> None:
    numbers = {
        "sent": queue.add(status="sent"),
        "pending": queue.add(),
        "wen": queue.add(borrowernumber=WEN),
        "checkin": queue.add(letter_code="CHECKIN"),
    }

    shown = clara.get(f"/operations/messages?{query}").text

    assert {name for name, number in numbers.items() if f"/operations/messages/{number}" in shown} == set(
        found.split()
    )


def test_a_long_list_is_paged(clara: Desk, queue: Queue) -> None:
    numbers = [queue.add() for _ in range(51)]

    first = clara.get("/operations/messages?state=pending").text
    older = link(first, "a[rel=next]")
    second = clara.get(older).text

    assert older == f"/operations/messages?state=pending&before={numbers[1]}"
    assert f'/operations/messages/{numbers[0]}"' not in first
    assert f'/operations/messages/{numbers[0]}"' in second
    assert 'rel="next"' not in second


def test_all_of_a_page_can_be_chosen_without_a_script(clara: Desk, queue: Queue) -> None:
    queue.add()

    assert 'aria-label="Select message' in clara.get("/operations/messages?all_chosen=1").text
    assert clara.get("/operations/messages?all_chosen=1").text.count(" checked>") == 1


def test_the_list_costs_a_fixed_number_of_queries(
    clara: Desk, queue: Queue, queries: Callable[[], AbstractContextManager[list[str]]]
) -> None:
    for _ in range(20):
        queue.add()
    clara.get("/operations/messages")

    with queries() as seen:
        clara.get("/operations/messages")

    assert len(seen) <= 9


def test_a_message_to_a_partner_names_its_request(clara: Desk, queue: Queue, database: Database) -> None:
    message = queue.add(borrowernumber=NORTH, to_address="ill@north.example.org")

    def ask(tx: Transaction) -> int:
        request = make_request(tx.connection, tx.koha, status="GENREQ")
        partner_enquiries.add(
            tx, request, borrowernumber=NORTH, address="ill@north.example.org", message_id=message
        )
        return request

    request = database.transact(ask)

    assert f'href="/requests/{request}"' in clara.get("/operations/messages").text
    assert f'href="/requests/{request}"' in clara.get(f"/operations/messages/{message}").text


def test_a_message_is_shown_as_it_will_be_sent(clara: Desk, queue: Queue) -> None:
    number = queue.add(subject="Ready for you", content="Dear Sam,\nit is ready.\n")

    shown = clara.get(f"/operations/messages/{number}").text

    assert "<dd>ill@ada.example.org</dd>" in shown
    assert "<dd>sam.page@example.org</dd>" in shown
    assert "Dear Sam,\nit is ready." in shown


def test_what_keeps_a_message_from_being_sent_is_told_before_it_is_tried(clara: Desk, queue: Queue) -> None:
    number = queue.add(borrowernumber=None)

    assert (
        "The message has neither an address nor a patron." in clara.get(f"/operations/messages/{number}").text
    )


def test_whatever_a_message_holds_is_shown_and_not_run(clara: Desk, queue: Queue, database: Database) -> None:
    number = queue.add(
        subject=HOSTILE,
        content=f"<html>{HOSTILE}</html>",
        content_type='text/html; charset="UTF-8"',
        to_address=HOSTILE,
        from_address=HOSTILE,
        reply_address=HOSTILE,
    )
    fail(database)
    confirm = f"/operations/messages/confirm?action=retry&message={number}&next=/{HOSTILE}"
    for address in ("/operations/messages", f"/operations/messages/{number}", confirm):
        shown = clara.get(address).text

        assert "<script>alert" not in shown
        assert ESCAPED in shown
    shown = clara.get(f"/operations/messages?letter={HOSTILE}&state={HOSTILE}").text
    assert "<script>alert" not in shown
    assert ESCAPED in shown


def test_a_message_that_is_gone_is_not_found(clara: Desk) -> None:
    assert clara.get("/operations/messages/4711").status_code == 404
    assert clara.post("/operations/messages/4711/address", {"address": "a@example.org"}).status_code == 404


def test_several_are_tried_again_once_somebody_is_sure(clara: Desk, queue: Queue, database: Database) -> None:
    numbers = [queue.add(to_address="nowhere"), queue.add(to_address="nowhere")]
    fail(database)
    chosen = "&".join(f"message={number}" for number in numbers)

    asked = clara.get(f"/operations/messages/confirm?action=retry&{chosen}&next=/operations/messages")
    assert "Retry 2 messages?" in asked.text
    assert {queue.status(number)[0] for number in numbers} == {"failed"}

    done = clara.post("/operations/messages/retry", {"message": numbers, "next": "/operations/messages?a=1"})
    assert (done.status_code, done.location) == (303, "/operations/messages?a=1")
    assert "2 messages will be retried now." in clara.get(done.location).text
    assert {queue.status(number) for number in numbers} == {("pending", "")}
    assert {queue.delivery(number)["attempts"] for number in numbers} == {0}


def test_what_cannot_be_done_with_some_does_not_hinder_the_others(clara: Desk, queue: Queue) -> None:
    pending, sent, deleted = queue.add(), queue.add(status="sent"), queue.add(status="deleted")

    shown = clara.post(
        "/operations/messages/give-up", {"message": [pending, sent, deleted, 4711]}, follow=True
    ).text

    assert "1 message was given up: Koha shows it as failed." in shown
    assert f"Not changed (already sent): {sent}." in shown
    assert f"Not changed (deleted in Koha): {deleted}." in shown
    assert "Not changed (no longer in the queue): 4711." in shown
    assert queue.status(pending) == ("failed", "SENDMAIL")
    assert queue.reason(pending) == "Given up by hand."


def test_a_sent_message_is_sent_again_only_if_asked_for(clara: Desk, queue: Queue) -> None:
    sent = queue.add(status="sent")

    asked = clara.get(f"/operations/messages/confirm?action=retry&message={sent}").text
    assert "It is sent again, as a new email, only if you tick it." in asked

    clara.post("/operations/messages/retry", {"message": sent})
    assert queue.status(sent)[0] == "sent"

    clara.post("/operations/messages/retry", {"again": sent})
    assert queue.status(sent)[0] == "pending"


def test_of_several_messages_those_that_were_sent_are_left_out_unless_ticked(
    clara: Desk, queue: Queue, database: Database
) -> None:
    failed = queue.add(to_address="nowhere")
    fail(database)
    ticked, left = queue.add(status="sent"), queue.add(status="sent")
    chosen = "&".join(f"message={number}" for number in (failed, ticked, left))

    asked = clara.get(f"/operations/messages/confirm?action=retry&{chosen}").text
    clara.post("/operations/messages/retry", {"message": failed, "again": ticked})

    assert "Retry 1 message?" in asked
    assert "2 messages have already been sent." in asked
    assert " checked" not in asked
    assert f'type="hidden" name="message" value="{failed}"' in asked
    assert f'type="hidden" name="message" value="{left}"' not in asked
    assert f'type="checkbox" name="again" value="{left}"' in asked
    assert {number: queue.status(number)[0] for number in (failed, ticked, left)} == {
        failed: "pending",
        ticked: "pending",
        left: "sent",
    }


def test_what_was_given_up_or_sent_cannot_be_given_up(clara: Desk, queue: Queue) -> None:
    given_up, sent = queue.add(), queue.add(status="sent")
    clara.post("/operations/messages/give-up", {"message": given_up})

    shown = clara.get(f"/operations/messages/{given_up}").text
    asked = clara.get(f"/operations/messages/confirm?action=give_up&message={given_up}&message={sent}").text
    refused = clara.post("/operations/messages/give-up", {"message": given_up}, follow=True).text

    assert "Given up" in shown
    assert "Give up…" not in shown
    assert "Try again now" in shown
    assert "Give up…" not in clara.get(f"/operations/messages/{sent}").text
    assert "Left out: already given up" in asked
    assert "Left out: already sent" in asked
    assert 'class="danger"' not in asked
    assert f"Not changed (already given up): {given_up}." in refused


def test_what_was_given_up_can_be_tried_after_all(clara: Desk, queue: Queue) -> None:
    number = queue.add()
    clara.post("/operations/messages/give-up", {"message": number})

    clara.post("/operations/messages/retry", {"message": number})

    assert queue.status(number) == ("pending", "")
    assert queue.delivery(number)["last_error"] is None


def test_what_was_given_up_is_no_longer_among_what_is_to_be_delivered(clara: Desk, queue: Queue) -> None:
    number = queue.add()
    clara.post("/operations/messages/give-up", {"message": number}, follow=True)

    assert f"/operations/messages/{number}" not in clara.get("/operations/messages").text
    assert f"/operations/messages/{number}" not in clara.get("/operations/messages?state=failed").text
    assert f"/operations/messages/{number}" in clara.get("/operations/messages?state=given+up").text


def test_one_correction_reaches_all_messages_with_the_same_wrong_address(
    clara: Desk, queue: Queue, database: Database
) -> None:
    wrong = [queue.add(to_address="nowhere"), queue.add(to_address="nowhere")]
    other = queue.add(to_address="elsewhere")
    fail(database)

    listed = clara.get("/operations/messages?address=nowhere").text
    chosen = "&".join(f"message={number}" for number in wrong)
    asked = clara.get(f"/operations/messages/confirm?action=set_address&{chosen}").text
    done = clara.post(
        "/operations/messages/address",
        {
            "message": wrong,
            **{f"shown-{number}": "nowhere" for number in wrong},
            "address": "sam@example.org",
            "retry": "1",
        },
        follow=True,
    ).text

    assert f"/operations/messages/{wrong[0]}" in listed
    assert f"/operations/messages/{other}" not in listed
    assert "Correct the address of 2 messages?" in asked
    assert 'value="nowhere" autocomplete' in asked
    assert "go to several addresses" not in asked
    assert "The address of 2 messages was changed; they will be sent now." in done
    assert {queue.row(number)["to_address"] for number in wrong} == {"sam@example.org"}
    assert {queue.status(number) for number in wrong} == {("pending", "")}


def test_only_messages_to_one_address_are_corrected_together(clara: Desk, queue: Queue) -> None:
    """Nobody is to get what is meant for another."""
    chosen = [queue.add(to_address="a@x.org"), queue.add(to_address="b@x.org")]
    query = "&".join(f"message={number}" for number in chosen)

    asked = clara.get(f"/operations/messages/confirm?action=set_address&{query}").text
    refused = clara.post(
        "/operations/messages/address",
        {
            "message": chosen,
            f"shown-{chosen[0]}": "a@x.org",
            f"shown-{chosen[1]}": "b@x.org",
            "address": "c@x.org",
        },
    )

    assert "These messages go to several addresses" in asked
    assert 'href="/operations/messages?address=a@x.org"' in asked
    assert 'name="address"' not in asked
    assert refused.status_code == 422
    assert [queue.row(number)["to_address"] for number in chosen] == ["a@x.org", "b@x.org"]


def test_messages_to_the_addresses_of_several_patrons_are_not_corrected_together(
    clara: Desk, queue: Queue
) -> None:
    chosen = [queue.add(), queue.add(borrowernumber=WEN)]
    query = "&".join(f"message={number}" for number in chosen)

    asked = clara.get(f"/operations/messages/confirm?action=set_address&{query}").text
    clara.post("/operations/messages/address", {"message": chosen, "address": "c@x.org"})

    assert "These messages go to several addresses" in asked
    assert [queue.row(number)["to_address"] for number in chosen] == [None, None]


def test_an_address_is_not_corrected_where_that_cannot_be_and_each_is_told(clara: Desk, queue: Queue) -> None:
    changed, meanwhile = queue.add(to_address="old@x.org"), queue.add(to_address="old@x.org")
    sent, sms = queue.add(status="sent"), queue.add(message_transport_type="sms")
    chosen = [changed, meanwhile, sent, sms]
    query = "&".join(f"message={number}" for number in chosen)

    asked = clara.get(f"/operations/messages/confirm?action=set_address&{query}").text
    shown = clara.post(
        "/operations/messages/address",
        {
            "message": chosen,
            f"shown-{changed}": "old@x.org",
            f"shown-{meanwhile}": "older@x.org",
            "address": "right@x.org",
        },
        follow=True,
    ).text

    assert "Left out: already sent" in asked
    assert "Left out: not an email" in asked
    assert "The address of 1 message was changed." in shown
    assert f"Not changed (address changed in the meantime): {meanwhile}." in shown
    assert f"Not changed (already sent): {sent}." in shown
    assert f"Not changed (not an email): {sms}." in shown
    assert [queue.row(number)["to_address"] for number in chosen] == ["right@x.org", "old@x.org", None, None]


def test_a_correction_that_cannot_be_an_address_changes_nothing(clara: Desk, queue: Queue) -> None:
    numbers = [queue.add(to_address="old@x.org"), queue.add(to_address="old@x.org")]

    answer = clara.post(
        "/operations/messages/address",
        {"message": numbers, **{f"shown-{n}": "old@x.org" for n in numbers}, "address": HOSTILE},
    )

    assert answer.status_code == 422
    assert "This is not a valid email address. Nothing was changed." in answer.text
    assert ESCAPED in answer.text
    assert answer.text.count('type="hidden" name="message"') == 2
    assert {queue.row(number)["to_address"] for number in numbers} == {"old@x.org"}


def test_a_patrons_id_that_is_invalid_is_reported_and_ignored(clara: Desk, queue: Queue) -> None:
    number = queue.add()

    shown = clara.get("/operations/messages?patron=Sam").text

    assert "Patron ID: “Sam” is not valid and was ignored." in shown
    assert 'value="Sam" aria-invalid="true"' in shown
    assert f"/operations/messages/{number}" in shown


def test_a_patron_that_koha_does_not_have_is_told(clara: Desk, queue: Queue) -> None:
    queue.add()

    assert "Koha has no patron with the ID 20000005." in (
        clara.get("/operations/messages?patron=20000005").text
    )
    assert "Koha has no patron" not in clara.get(f"/operations/messages?patron={WEN}").text


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "javascript:alert(1)"])
def test_nobody_is_sent_elsewhere_by_a_confirmation(clara: Desk, queue: Queue, target: str) -> None:
    number = queue.add()

    asked = clara.get(f"/operations/messages/confirm?action=retry&message={number}&next={target}").text
    done = clara.post("/operations/messages/retry", {"message": number, "next": target})

    assert f'"{target}"' not in asked
    assert done.location == "/operations/messages"


def test_choosing_nothing_is_told(clara: Desk) -> None:
    for address in ("/operations/messages/confirm?action=retry", "/operations/messages/confirm?message=1"):
        answer = clara.get(address)
        assert answer.status_code == 303
        assert "No message was selected." in clara.get(answer.location).text
    assert "No message was selected." in clara.post("/operations/messages/retry", follow=True).text


def test_many_refusals_fit_into_what_is_told(clara: Desk, queue: Queue) -> None:
    numbers = [queue.add(status="sent") for _ in range(50)]

    shown = clara.post("/operations/messages/give-up", {"message": numbers}, follow=True).text

    assert f"Not changed (already sent): {', '.join(map(str, numbers))}." in shown


def test_a_message_gets_another_address_and_is_tried_at_once(
    clara: Desk, queue: Queue, database: Database
) -> None:
    number = queue.add(to_address="nowhere")
    fail(database)

    shown = clara.post(
        f"/operations/messages/{number}/address",
        {"address": "sam@example.org, Sam Page <s@example.org>", "shown": "nowhere", "retry": "1"},
        follow=True,
    ).text

    assert "The address of the message was changed." in shown
    assert queue.row(number)["to_address"] == "sam@example.org, Sam Page <s@example.org>"
    assert queue.status(number) == ("pending", "")


def test_an_address_that_cannot_be_is_refused_and_kept_in_the_form(clara: Desk, queue: Queue) -> None:
    number = queue.add(to_address="old@example.org")

    answer = clara.post(
        f"/operations/messages/{number}/address", {"address": HOSTILE, "shown": "old@example.org"}
    )

    assert answer.status_code == 422
    assert "This is not a valid email address." in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert ESCAPED in answer.text
    assert queue.row(number)["to_address"] == "old@example.org"


def test_an_address_that_somebody_else_has_changed_is_left_alone(clara: Desk, queue: Queue) -> None:
    number = queue.add(to_address="now@example.org")

    answer = clara.post(
        f"/operations/messages/{number}/address", {"address": "mine@example.org", "shown": "was@example.org"}
    )

    assert answer.status_code == 409
    assert "Another member of staff has changed its address in the meantime." in answer.text
    assert 'name="shown" value="now@example.org"' in answer.text
    assert 'value="mine@example.org"' in answer.text
    assert queue.row(number)["to_address"] == "now@example.org"


def test_a_message_that_was_sent_meanwhile_keeps_its_address(clara: Desk, queue: Queue) -> None:
    number = queue.add(status="sent", to_address="a@example.org")

    answer = clara.post(
        f"/operations/messages/{number}/address",
        {"address": "b@example.org", "shown": "a@example.org", "retry": "1"},
    )

    assert answer.status_code == 409
    assert queue.row(number)["to_address"] == "a@example.org"


def test_a_message_that_is_being_sent_offers_nothing(clara: Desk, queue: Queue) -> None:
    number = queue.add()
    queue.execute("UPDATE message_queue SET status = 'failed', failure_code = 'IN_FLIGHT'")
    queue.execute(
        "INSERT INTO ill_sidecar_deliveries (message_id, mail_message_id, state, attempts, lease_holder, lease_until,"
        " first_attempt_at, last_attempt_at) VALUES (:number, '<a@b>', 'in_flight', 1, 'x',"
        " UTC_TIMESTAMP(6) + INTERVAL 60 SECOND, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))",
        number=number,
    )

    shown = clara.get(f"/operations/messages/{number}").text
    refused = clara.post("/operations/messages/retry", {"message": number}, follow=True).text

    assert "Try again now" not in shown
    assert "Save address" not in shown
    assert f"Not changed (being sent right now): {number}." in refused


def test_a_text_message_keeps_the_patrons_own_number(clara: Desk, queue: Queue) -> None:
    number = queue.add(message_transport_type="sms")

    answer = clara.post(f"/operations/messages/{number}/address", {"address": "a@example.org", "shown": ""})

    assert "Save address" not in clara.get(f"/operations/messages/{number}").text
    assert answer.status_code == 409
