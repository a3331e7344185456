"""The dispatcher on a real queue and real mail servers."""

import asyncio
import fcntl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from mail_servers import MailServer, drop, running, taken_and_dropped
from queued import Queue, dispatching
from sqlalchemy import Connection, Engine, text

from cast import ADA, CLARA, PAT_WITHOUT_EMAIL, SAM, WEN
from conftest import USER
from koha_ill_sidecar.config.settings import RetrySettings, SmtpSettings
from koha_ill_sidecar.errors import DatabaseUnavailable
from koha_ill_sidecar.services.delivery.dispatcher import Dispatcher, _LeaseLost
from koha_ill_sidecar.services.delivery.in_flight import lease_clock
from koha_ill_sidecar.storage.database import Database

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def smtp(server: MailServer) -> Iterator[SmtpSettings]:
    with running(server, enable_SMTPUTF8=False) as settings:
        yield settings


@pytest.fixture
def dispatcher(database: Database, smtp: SmtpSettings) -> Iterator[Dispatcher]:
    with dispatching(database, smtp=smtp) as dispatcher:
        yield dispatcher


def headers(server: MailServer, position: int = 0) -> dict[str, str]:
    return dict(message_from_bytes(server.caught[position].octets, policy=default))


def now_seconds(queue: Queue) -> int:
    with queue.admin.connect() as connection:
        return int(connection.scalar(text("SELECT UNIX_TIMESTAMP()")) or 0)


@pytest.mark.all_versions
def test_pending_message_is_delivered_and_marked_as_koha_does(
    queue: Queue, server: MailServer, dispatcher: Dispatcher
) -> None:
    number = queue.add()

    report = dispatcher.run_once()

    row = queue.row(number)
    assert dict(report.counts) == {"sent": 1}
    assert queue.status(number) == ("sent", "")
    assert (row["to_address"], row["from_address"]) == ("sam.page@example.org", "ill@ada.example.org")
    assert row.get("cc_address", "") == ""
    assert headers(server)["To"] == "sam.page@example.org"
    assert headers(server)["X-Koha-Message-ID"] == str(number)
    assert headers(server)["Message-ID"] == queue.delivery(number)["mail_message_id"]
    assert queue.delivery(number)["state"] == "sent"
    assert dispatcher.run_once().handled == 0


@pytest.mark.all_versions
def test_a_message_that_is_being_sent_is_failed_and_in_flight_in_koha(
    queue: Queue, server: MailServer, dispatcher: Dispatcher
) -> None:
    number = queue.add()
    seen: list[tuple[str, str, str]] = []

    def look(*_: object) -> None:
        seen.append((*queue.status(number), queue.delivery(number)["state"]))

    server.answers["DATA"] = look
    dispatcher.run_once()

    in_flight = "IN_FLIGHT" if queue.koha.has("message_queue", "failure_code") else ""
    assert seen == [("failed", in_flight, "in_flight")]


@pytest.mark.parametrize(
    "columns",
    [
        {"letter_code": "CHECKIN"},
        {"letter_code": None},
        {"message_transport_type": "print"},
        {"message_transport_type": "sms"},  # SMSSendDriver is not Email: Koha's own business
        {"status": "sent"},
        {"status": "failed", "failure_code": "SENDMAIL"},
        {"status": "deleted"},
        {"time_queued": text("NOW() - INTERVAL 8 DAY"), "updated_on": text("NOW() - INTERVAL 8 DAY")},
    ],
)
def test_messages_that_are_not_ours_are_left_alone(
    queue: Queue, server: MailServer, dispatcher: Dispatcher, columns: dict[str, Any]
) -> None:
    number = queue.add(**columns)
    before = queue.row(number)

    assert dispatcher.run_once().handled == 0
    assert queue.row(number) == before
    assert server.caught == []


def test_configured_letter_codes_replace_those_of_the_module(
    queue: Queue, database: Database, smtp: SmtpSettings
) -> None:
    checkin, ready = queue.add(letter_code="CHECKIN"), queue.add()

    with dispatching(database, smtp=smtp, letter_codes=("CHECKIN",)) as dispatcher:
        dispatcher.run_once()

    assert queue.status(checkin) == ("sent", "")
    assert queue.status(ready) == ("pending", "")


def test_disabled_delivery_claims_nothing(queue: Queue, database: Database, smtp: SmtpSettings) -> None:
    number = queue.add()

    with dispatching(database, smtp=smtp, enabled=False) as dispatcher:
        assert dispatcher.run_once().handled == 0

    assert queue.status(number) == ("pending", "")


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        ({"borrowernumber": PAT_WITHOUT_EMAIL}, "NO_EMAIL"),
        ({"borrowernumber": None}, "INVALID_BORNUMBER"),
        ({"to_address": "sam page@example.org"}, "INVALID_EMAIL:to"),
        ({"from_address": "nobody"}, "INVALID_EMAIL:from"),
        ({"reply_address": "nobody@"}, "INVALID_EMAIL:reply_to"),
        ({"to_address": "用户@example.org"}, "INVALID_EMAIL:to"),  # the server offers no SMTPUTF8
    ],
)
def test_message_that_cannot_be_sent_gets_kohas_failure_code(
    queue: Queue, server: MailServer, dispatcher: Dispatcher, columns: dict[str, Any], code: str
) -> None:
    number = queue.add(**columns)

    report = dispatcher.run_once()

    assert dict(report.counts) == {"failed": 1}
    assert queue.status(number) == ("failed", code)
    assert queue.reason(number)
    assert server.caught == []


def test_a_message_without_a_sender_fails(queue: Queue, dispatcher: Dispatcher, database: Database) -> None:
    queue.execute("UPDATE systempreferences SET value = '' WHERE variable = 'KohaAdminEmailAddress'")
    queue.execute("UPDATE branches SET branchemail = NULL")
    database.cache.clear()
    number = queue.add(from_address=None)

    dispatcher.run_once()

    assert queue.status(number) == ("failed", "NO_FROM")


@pytest.mark.parametrize("answer", ["450 busy", "421 going down"])
def test_temporary_failure_waits_and_is_tried_again_with_the_same_message_id(
    queue: Queue, server: MailServer, dispatcher: Dispatcher, answer: str
) -> None:
    number = queue.add()
    server.answers["RCPT"] = lambda *_: answer

    assert dict(dispatcher.run_once().counts) == {"waiting": 1}
    assert queue.status(number) == ("pending", "")
    assert answer in queue.reason(number)
    first = queue.delivery(number)["mail_message_id"]
    assert dispatcher.run_once().handled == 0, "not before its time"

    server.answers.clear()
    queue.make_due()
    assert dict(dispatcher.run_once().counts) == {"sent": 1}
    assert headers(server)["Message-ID"] == first
    assert queue.delivery(number)["attempts"] == 2


def test_permanent_refusal_fails_with_the_servers_answer(
    queue: Queue, server: MailServer, dispatcher: Dispatcher
) -> None:
    number = queue.add()
    server.answers["RCPT"] = lambda *_: "550 5.1.1 no such mailbox"

    dispatcher.run_once()

    assert queue.status(number) == ("failed", "SENDMAIL")
    assert "sam.page@example.org: 550 5.1.1 no such mailbox" in queue.reason(number)


def test_doubtful_delivery_is_repeated_with_the_same_message_id(
    queue: Queue, server: MailServer, dispatcher: Dispatcher
) -> None:
    number = queue.add()
    server.answers["DATA"] = taken_and_dropped(server)

    dispatcher.run_once()
    assert queue.status(number) == ("pending", "")
    server.answers.clear()
    queue.make_due()
    dispatcher.run_once()

    assert queue.status(number) == ("sent", "")
    assert headers(server, 0)["Message-ID"] == headers(server, 1)["Message-ID"]
    assert server.caught[0].octets == server.caught[1].octets


def test_a_message_is_given_up_in_the_end(
    queue: Queue, server: MailServer, database: Database, smtp: SmtpSettings
) -> None:
    number = queue.add()
    server.answers["MAIL"] = lambda *_: "451 later"

    with dispatching(database, smtp=smtp, give_up_after=timedelta(0)) as dispatcher:
        dispatcher.run_once()

    assert queue.status(number) == ("failed", "SENDMAIL")
    assert queue.reason(number).startswith("Given up after 1 attempts")


def test_a_retry_goes_only_to_recipients_who_do_not_have_the_mail(
    queue: Queue, server: MailServer, dispatcher: Dispatcher
) -> None:
    number = queue.add(to_address="a@example.org; b@example.org, c@example.org")
    refusals = {"b@example.org": "450 busy", "c@example.org": "550 unknown"}
    server.answers["RCPT"] = lambda _, address: refusals.get(address)

    dispatcher.run_once()
    assert queue.status(number) == ("pending", "")
    del refusals["b@example.org"]
    queue.make_due()
    dispatcher.run_once()

    assert [caught.recipients for caught in server.caught] == [["a@example.org"], ["b@example.org"]]
    assert queue.status(number) == ("sent", "")
    assert "c@example.org: 550 unknown" in queue.reason(number)


def test_refused_blind_copy_does_not_stop_a_notice(
    queue: Queue, server: MailServer, dispatcher: Dispatcher, database: Database
) -> None:
    preference(queue, database, NoticeBcc="audit@example.org")
    number = queue.add()
    server.answers["RCPT"] = lambda _, address: "450 busy" if address.startswith("audit") else None

    dispatcher.run_once()

    assert queue.status(number) == ("sent", "")
    assert "audit@example.org" in queue.reason(number)


def preference(queue: Queue, database: Database, **values: str) -> None:
    for variable, value in values.items():
        queue.execute(
            "INSERT INTO systempreferences (variable, value) VALUES (:variable, :value)"
            " ON DUPLICATE KEY UPDATE value = :value",
            variable=variable,
            value=value,
        )
    database.cache.clear()


def test_addresses_of_library_and_preferences_are_used_as_in_koha(
    queue: Queue, server: MailServer, dispatcher: Dispatcher, database: Database
) -> None:
    preference(queue, database, ReturnpathDefault="bounces@koha.example.org", NoticeBcc="audit@example.org")
    queue.execute(f"UPDATE branches SET branchreplyto = 'answers@ada.example.org' WHERE branchcode = '{ADA}'")
    queue.add(from_address=None)

    dispatcher.run_once()

    (caught,) = server.caught
    assert caught.sender == "bounces@koha.example.org"
    assert caught.recipients == ["sam.page@example.org", "audit@example.org"]
    assert headers(server)["From"] == "desk@ada.example.org"
    assert headers(server)["Reply-To"] == "answers@ada.example.org"
    assert headers(server)["Auto-Submitted"] == "auto-generated"


def test_one_address_for_all_mail_replaces_every_recipient(
    queue: Queue, server: MailServer, dispatcher: Dispatcher, database: Database
) -> None:
    preference(queue, database, SendAllEmailsTo="trial@example.org", NoticeBcc="audit@example.org")
    number = queue.add()

    dispatcher.run_once()

    assert server.caught[0].recipients == ["trial@example.org"]
    assert queue.row(number)["to_address"] == "trial@example.org"


@pytest.mark.parametrize(
    ("preferences", "recipients"),
    [
        ({}, ["sam.page@example.org"]),
        ({"EmailFieldPrecedence": "emailpro|email"}, ["sam@work.example.org"]),
        ({"EmailFieldPrimary": "emailpro"}, ["sam@work.example.org"]),
        (
            {"EmailFieldPrimary": "MULTI", "EmailFieldSelection": "email,emailpro"},
            ["sam.page@example.org", "sam@work.example.org"],
        ),
    ],
)
def test_patrons_address_is_the_one_that_the_preferences_name(
    queue: Queue,
    server: MailServer,
    dispatcher: Dispatcher,
    database: Database,
    preferences: dict[str, str],
    recipients: list[str],
) -> None:
    preference(queue, database, **preferences)
    queue.execute(f"UPDATE borrowers SET emailpro = 'sam@work.example.org' WHERE borrowernumber = {SAM}")
    queue.add()

    dispatcher.run_once()

    assert server.caught[0].recipients == recipients


def vouching(queue: Queue, patron: int, *guarantors: int) -> None:
    for guarantor in guarantors:
        queue.execute(
            "INSERT INTO borrower_relationships (guarantor_id, guarantee_id, relationship)"
            " VALUES (:guarantor, :patron, 'parent')",
            guarantor=guarantor,
            patron=patron,
        )


@pytest.mark.parametrize(
    ("columns", "to", "cc"),
    [
        ({}, "sam.page@example.org", "wen@example.org,clara@ada.example.org"),
        ({"to_address": "aunt@example.org"}, "aunt@example.org", "wen@example.org,clara@ada.example.org"),
        ({"borrowernumber": PAT_WITHOUT_EMAIL}, "wen@example.org", "clara@ada.example.org"),
    ],
)
def test_guarantors_get_copies_and_the_first_stands_in_for_a_patron_without_an_address(
    queue: Queue,
    server: MailServer,
    dispatcher: Dispatcher,
    database: Database,
    columns: dict[str, Any],
    to: str,
    cc: str,
) -> None:
    # As Koha's own tests have it: t/db_dependent/Letters.t, "Test guarantor handling in SendQueuedMessages".
    preference(queue, database, RedirectGuaranteeEmail="1")
    vouching(queue, SAM, WEN, PAT_WITHOUT_EMAIL, CLARA)
    vouching(queue, PAT_WITHOUT_EMAIL, WEN, CLARA)
    number = queue.add(**columns)

    dispatcher.run_once()

    assert queue.status(number) == ("sent", "")
    assert (queue.row(number)["to_address"], queue.row(number)["cc_address"]) == (to, cc)
    assert (headers(server)["To"], headers(server)["Cc"]) == (to, cc.replace(",", ", "))
    assert server.caught[0].recipients == [to, *cc.split(",")]


def test_guarantors_are_left_alone_unless_the_library_wants_them_to_get_mail(
    queue: Queue, server: MailServer, dispatcher: Dispatcher
) -> None:
    vouching(queue, SAM, WEN)
    vouching(queue, PAT_WITHOUT_EMAIL, WEN)
    queue.add()
    without_address = queue.add(borrowernumber=PAT_WITHOUT_EMAIL)

    dispatcher.run_once()

    assert [caught.recipients for caught in server.caught] == [["sam.page@example.org"]]
    assert queue.status(without_address) == ("failed", "NO_EMAIL")


def test_all_mail_for_one_address_leaves_out_guarantors(
    queue: Queue, server: MailServer, dispatcher: Dispatcher, database: Database
) -> None:
    preference(queue, database, RedirectGuaranteeEmail="1", SendAllEmailsTo="trial@example.org")
    vouching(queue, SAM, WEN)
    queue.add()

    dispatcher.run_once()

    assert server.caught[0].recipients == ["trial@example.org"]


def test_text_message_goes_through_the_mobile_providers_mail(
    queue: Queue, server: MailServer, dispatcher: Dispatcher, database: Database
) -> None:
    preference(queue, database, SMSSendDriver="Email", EmailSMSSendDriverFromAddress="sms@ada.example.org")
    queue.execute("INSERT INTO sms_providers (id, name, domain) VALUES (4, 'Mobile', 'sms.example.net')")
    queue.execute(f"UPDATE borrowers SET sms_provider_id = 4 WHERE borrowernumber IN ({SAM}, {WEN})")
    number = queue.add(message_transport_type="sms")
    without = queue.add(message_transport_type="sms", borrowernumber=WEN)

    dispatcher.run_once()

    (caught,) = server.caught
    assert caught.recipients == ["+4915112345678@sms.example.net"]
    assert headers(server)["From"] == "sms@ada.example.org"
    assert queue.row(number)["to_address"] == "+4915112345678@sms.example.net"
    assert queue.status(without) == ("failed", "MISSING_SMS")


@pytest.mark.parametrize(
    ("typed", "recipient"),
    [
        ("+49 (0)151-123 456/78", "+4915112345678@sms.example.net"),
        ("０９１２‐345 678", "0912345678@sms.example.net"),
        ("(021) 123.4567", "0211234567@sms.example.net"),
        ("ask the parents", None),
        ("me@example.org", None),
    ],
)
def test_what_people_type_between_the_digits_of_a_mobile_number_goes(
    queue: Queue,
    server: MailServer,
    dispatcher: Dispatcher,
    database: Database,
    typed: str,
    recipient: str | None,
) -> None:
    preference(queue, database, SMSSendDriver="Email", EmailSMSSendDriverFromAddress="sms@ada.example.org")
    queue.execute("INSERT INTO sms_providers (id, name, domain) VALUES (4, 'Mobile', 'sms.example.net')")
    queue.execute(
        f"UPDATE borrowers SET sms_provider_id = 4, smsalertnumber = '{typed}' WHERE borrowernumber = {SAM}"
    )
    message_id = queue.add(message_transport_type="sms")

    dispatcher.run_once()

    assert [caught.recipients for caught in server.caught] == ([[recipient]] if recipient else [])
    if recipient is None:
        assert queue.status(message_id) == ("failed", "MISSING_SMS")


def test_mail_goes_through_the_server_of_the_patrons_library(
    queue: Queue, server: MailServer, smtp: SmtpSettings, database: Database
) -> None:
    other = MailServer()
    with running(other) as for_riverside:
        queue.execute(
            "INSERT INTO smtp_servers (id, name, host, port, timeout, ssl_mode, is_default)"
            f" VALUES (1, 'Main', '127.0.0.1', {smtp.port}, 2, 'disabled', 1),"
            f" (2, 'Riverside', '127.0.0.1', {for_riverside.port}, 2, 'disabled', 0)"
        )
        queue.execute("INSERT INTO library_smtp_servers (library_id, smtp_server_id) VALUES ('MPL', 2)")
        queue.add()
        queue.add(borrowernumber=WEN)
        with dispatching(database) as dispatcher:
            dispatcher.run_once()

    assert [caught.recipients for caught in server.caught] == [["sam.page@example.org"]]
    assert [caught.recipients for caught in other.caught] == [["wen@example.org"]]


def test_server_of_koha_conf_is_used_where_the_tables_name_none(
    queue: Queue, server: MailServer, smtp: SmtpSettings, database: Database
) -> None:
    queue.add()

    with dispatching(database, koha={"smtp": smtp}) as dispatcher:
        dispatcher.run_once()

    assert len(server.caught) == 1


def test_messages_of_a_dead_worker_are_sent_again_with_the_same_message_id(
    queue: Queue, server: MailServer, database: Database, smtp: SmtpSettings
) -> None:
    number = queue.add()
    with dispatching(database, smtp=smtp) as dead:
        (taken,) = dead._claim([number])
        dead._in_flight.remove(number)
    with dispatching(database, smtp=smtp) as living:
        assert living.run_once().handled == 0, "the lease still holds"
        queue.make_due()
        living.run_once()

    assert queue.status(number) == ("sent", "")
    assert headers(server)["Message-ID"] == taken.attempt.mail_message_id


def test_a_lease_lost_to_another_is_noticed_before_sending(
    queue: Queue, server: MailServer, database: Database, smtp: SmtpSettings
) -> None:
    number = queue.add()
    with dispatching(database, smtp=smtp) as slow, dispatching(database, smtp=smtp) as quick:
        (taken,) = slow._claim([number])
        slow._in_flight.renewed([number], lease_clock() - 3600)
        queue.make_due()
        assert dict(quick.run_once().counts) == {"sent": 1}
        with pytest.raises(_LeaseLost):
            slow._attempt(taken, lambda: True)
        slow._in_flight.remove(number)

    assert len(server.caught) == 1


def test_a_lease_lost_while_the_server_answers_is_noticed_before_the_text(
    queue: Queue, server: MailServer, database: Database, smtp: SmtpSettings
) -> None:
    number = queue.add()
    with dispatching(database, smtp=smtp) as slow, dispatching(database, smtp=smtp) as quick:

        def lose(*_: object) -> None:
            server.answers.clear()
            slow._in_flight.renewed([number], lease_clock() - 3600)
            queue.make_due()
            assert dict(quick.run_once().counts) == {"sent": 1}

        server.answers["RCPT"] = lambda *_: asyncio.to_thread(lose)
        (taken,) = slow._claim([number])
        with pytest.raises(_LeaseLost):
            slow._attempt(taken, lambda: True)
        slow._in_flight.remove(number)

    assert len(server.caught) == 1
    assert queue.status(number) == ("sent", "")


def test_only_leases_that_are_still_ours_are_renewed(
    queue: Queue, database: Database, smtp: SmtpSettings
) -> None:
    numbers = [queue.add() for _ in range(3)]
    with dispatching(database, smtp=smtp) as slow, dispatching(database, smtp=smtp) as quick:
        slow._claim(numbers)
        queue.make_due()
        quick._claim(numbers[:1])
        slow._in_flight.renewed(numbers, lease_clock() - 3600)

        slow._renew_leases()

        assert [slow._in_flight.has_safe_lease(number) for number in numbers] == [False, True, True]
        assert slow._in_flight.message_ids() == numbers[1:], "the lost one is not asked for again"
        for number in numbers:
            slow._in_flight.remove(number)
            quick._in_flight.remove(number)


def test_lease_is_kept_alive_while_a_server_is_slow(
    queue: Queue, server: MailServer, database: Database, smtp: SmtpSettings
) -> None:
    number = queue.add()
    has_waited = threading.Event()
    server.answers["MAIL"] = lambda *_: None if has_waited.wait(60) else "451 waited in vain"
    lease = timedelta(seconds=3)
    with dispatching(database, smtp=smtp, lease=lease) as slow, dispatching(database, smtp=smtp) as other:
        thread = threading.Thread(target=slow.run_once)
        thread.start()
        while not (claimed := queue.delivery(number)):
            time.sleep(0.01)
        while queue.delivery(number)["lease_until"] < claimed["lease_until"] + lease:
            assert other.run_once().handled == 0
            time.sleep(0.05)
        has_waited.set()
        thread.join()

    assert queue.status(number) == ("sent", "")
    assert len(server.caught) == 1


def test_many_messages_by_two_workers_are_each_sent_once(
    queue: Queue, server: MailServer, database: Database, smtp: SmtpSettings
) -> None:
    numbers = [queue.add(subject=f"Number {position}") for position in range(120)]
    with (
        dispatching(database, smtp=smtp, batch_size=7) as one,
        dispatching(database, smtp=smtp, batch_size=9) as two,
    ):
        threads = [threading.Thread(target=worker.run_once) for worker in (one, two)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        one.run_once()

    assert {queue.status(number) for number in numbers} == {("sent", "")}
    subjects = [headers(server, position)["Subject"] for position in range(len(server.caught))]
    assert sorted(subjects) == sorted(f"Number {position}" for position in range(120))


def test_kohas_own_dispatcher_on_the_same_queue_never_meets_a_claimed_message(
    queue: Queue, server: MailServer, database: Database, smtp: SmtpSettings
) -> None:
    """Koha reads pending rows and sends each that is still pending when it comes to it, as its newer versions do."""
    numbers = [queue.add() for _ in range(80)]
    by_koha = []

    def koha() -> None:
        for number in reversed(numbers):
            with queue.admin.begin() as connection:
                if connection.execute(
                    text(
                        "UPDATE message_queue SET status = 'sent' WHERE message_id = :number AND status = 'pending'"
                    ),
                    {"number": number},
                ).rowcount:
                    by_koha.append(number)

    with dispatching(database, smtp=smtp) as dispatcher:
        thread = threading.Thread(target=koha)
        thread.start()
        dispatcher.run_once()
        thread.join()
        dispatcher.run_once()

    ours = [int(headers(server, position)["X-Koha-Message-ID"]) for position in range(len(server.caught))]
    assert sorted(ours + by_koha) == numbers
    assert {queue.status(number)[0] for number in numbers} == {"sent"}


@pytest.mark.parametrize("columns", [{"status": "deleted"}, {"status": "pending", "to_address": None}])
def test_change_by_staff_during_delivery_stays(
    queue: Queue, server: MailServer, dispatcher: Dispatcher, columns: dict[str, Any]
) -> None:
    number = queue.add()
    server.answers["DATA"] = lambda *_: queue.change(number, **columns)

    report = dispatcher.run_once(_once())

    assert dict(report.counts) == {"lost": 1}
    assert queue.row(number)["status"] == columns["status"]
    assert queue.delivery(number)["state"] == "sent", "what we did is known all the same"


def _once() -> Any:
    answers = iter([True, True])
    return lambda: next(answers, False)


def test_message_removed_while_it_waits_is_forgotten(
    queue: Queue, server: MailServer, dispatcher: Dispatcher
) -> None:
    number = queue.add()
    server.answers["MAIL"] = lambda *_: "451 later"
    dispatcher.run_once()
    queue.execute("DELETE FROM message_queue WHERE message_id = :number", number=number)
    queue.make_due()

    assert dispatcher.run_once().handled == 0
    assert queue.delivery(number)["state"] == "failed"


def test_message_that_staff_resend_is_sent_again_under_a_new_message_id(
    queue: Queue, server: MailServer, dispatcher: Dispatcher
) -> None:
    number = queue.add()
    dispatcher.run_once()

    queue.change(number, status="pending", to_address=None)
    dispatcher.run_once()

    assert queue.status(number) == ("sent", "")
    assert headers(server, 0)["Message-ID"] != headers(server, 1)["Message-ID"]


def test_an_old_message_that_staff_resend_is_found_by_the_slower_search(
    queue: Queue, database: Database, smtp: SmtpSettings
) -> None:
    number = queue.add(time_queued=text("NOW() - INTERVAL 3 DAY"))
    with dispatching(database, smtp=smtp) as dispatcher:
        dispatcher.run_once()
    fill(queue, 300)
    queue.execute(
        "UPDATE ill_sidecar_marks SET position = :mark WHERE name LIKE 'message_queue%'", mark=number + 200
    )
    queue.change(number, status="pending", time_queued=text("NOW() - INTERVAL 30 DAY"))
    with dispatching(database, smtp=smtp) as dispatcher:
        assert dict(dispatcher.run_once().counts) == {"sent": 1}


def fill(queue: Queue, count: int) -> None:
    queue.execute(
        "INSERT INTO message_queue (borrowernumber, letter_code, message_transport_type, status, time_queued, content)"
        f" SELECT {SAM}, 'CHECKIN', 'email', 'sent', NOW(), 'x' FROM seq_1_to_{count}"
    )


def test_waiting_message_is_found_however_far_down_when_the_sidecar_first_starts(
    queue: Queue, database: Database, smtp: SmtpSettings
) -> None:
    young = queue.add(time_queued=text("NOW() - INTERVAL 6 DAY"))
    old = queue.add(time_queued=text("NOW() - INTERVAL 9 DAY"), updated_on=text("NOW() - INTERVAL 9 DAY"))
    fill(queue, 12_000)

    with dispatching(database, smtp=smtp) as dispatcher:
        dispatcher.run_once()

    assert queue.status(young) == ("sent", "")
    assert queue.status(old) == ("pending", ""), "nobody expects mail of so long ago"


def test_an_old_message_that_staff_changed_since_is_delivered(
    queue: Queue, database: Database, smtp: SmtpSettings
) -> None:
    ancient = text("NOW() - INTERVAL 90 DAY")
    number = queue.add(status="sent", time_queued=ancient, updated_on=ancient)
    with dispatching(database, smtp=smtp) as dispatcher:
        dispatcher.run_once()
        queue.execute("UPDATE ill_sidecar_marks SET position = position - 60 WHERE name = 'delivery_since'")
        queue.change(number, status="pending")
        dispatcher._scanner._since = None
        dispatcher.run_once()

    assert queue.status(number) == ("sent", "")


def test_row_that_becomes_visible_late_is_found(
    queue: Queue, server: MailServer, dispatcher: Dispatcher, admin: Engine
) -> None:
    with admin.connect() as slow:
        slow.execute(
            text(
                "INSERT INTO message_queue (borrowernumber, letter_code, message_transport_type, status, time_queued,"
                f" subject, content) VALUES ({SAM}, 'ILL_PICKUP_READY', 'email', 'pending', NOW(), 'Late', 'Late')"
            )
        )
        queue.add(subject="Early")
        dispatcher.run_once()
        slow.commit()
    dispatcher.run_once()

    assert [headers(server, position)["Subject"] for position in (0, 1)] == ["Early", "Late"]


def _lock_waits(connection: Connection) -> str:
    row = connection.execute(text("SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_waits'")).one()
    return str(row[1])


def test_a_locked_row_does_not_stop_those_behind_it(
    queue: Queue, dispatcher: Dispatcher, admin: Engine
) -> None:
    held, free = queue.add(), queue.add()
    with admin.begin() as other:
        other.execute(text("SELECT * FROM message_queue WHERE message_id = :n FOR UPDATE"), {"n": held})
        waits = _lock_waits(other)
        dispatcher.run_once()

        assert queue.status(free) == ("sent", "")
        assert _lock_waits(other) == waits
    dispatcher.run_once()
    assert queue.status(held) == ("sent", "")


def test_nothing_is_claimed_while_kohas_script_runs(
    queue: Queue, database: Database, smtp: SmtpSettings, tmp_path: Path
) -> None:
    number = queue.add()
    (tmp_path / "process_message_queue.pl").touch()
    with dispatching(database, smtp=smtp, koha={"lock_directory": tmp_path}) as dispatcher:
        with (tmp_path / "process_message_queue.pl").open("w") as kohas:
            fcntl.flock(kohas, fcntl.LOCK_EX)
            report = dispatcher.run_once()
            assert (report.held_off, report.handled) == (True, 0)
            assert queue.status(number) == ("pending", "")
        assert dict(dispatcher.run_once().counts) == {"sent": 1}


def test_stop_finishes_what_is_being_sent_and_releases_the_rest(
    queue: Queue, server: MailServer, database: Database, smtp: SmtpSettings
) -> None:
    numbers = [queue.add() for _ in range(10)]
    stop = threading.Event()
    server.answers["DATA"] = lambda *_: stop.set()
    with dispatching(database, smtp=smtp, connections=1) as dispatcher:
        report = dispatcher.run_once(lambda: not stop.is_set())

        assert dict(report.counts) == {"sent": 1, "released": 9}
        assert [queue.status(number)[0] for number in numbers] == ["sent", *["pending"] * 9]
        assert dict(dispatcher.run_once().counts) == {"sent": 9}
    assert {queue.delivery(number)["attempts"] for number in numbers} == {1}


def test_a_run_that_stops_keeps_the_result_while_the_database_is_away(
    queue: Queue, server: MailServer, database: Database, smtp: SmtpSettings
) -> None:
    numbers = [queue.add(), queue.add()]
    stop = threading.Event()

    def lose(*_: object) -> None:
        stop.set()
        queue.execute(f"ALTER USER {USER}@localhost ACCOUNT LOCK")
        # Only connections to this database: the server has those of other Koha versions, too.
        with queue.admin.connect() as admin:
            theirs = text(
                "SELECT id FROM information_schema.processlist WHERE user = :user AND db = DATABASE()"
            )
            for connection_id in admin.scalars(theirs, {"user": USER}).all():
                admin.execute(text(f"KILL {connection_id}"))

    server.answers["DATA"] = lose
    with dispatching(database, smtp=smtp, connections=1) as dispatcher:
        try:
            with suppress(DatabaseUnavailable):  # unless nothing more was asked of the database
                dispatcher.run_once(lambda: not stop.is_set())
        finally:
            server.answers.clear()
            queue.execute(f"ALTER USER {USER}@localhost ACCOUNT UNLOCK")
            database.close()  # or later tests would be given the connections that were killed
        assert {queue.status(number) for number in numbers} == {("failed", "IN_FLIGHT")}
        queue.make_due()
        dispatcher.run_once()

    assert {queue.status(number) for number in numbers} == {("sent", "")}
    assert len(server.caught) == 2, "the first was not sent again although its lease was over"


REFUSALS = {
    "1021 disk full": "SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1021, MESSAGE_TEXT = 'disk full'",
    "1114 table full": "SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1114, MESSAGE_TEXT = 'The table is full'",
    "1047 node not ready": "SIGNAL SQLSTATE '08S01' SET MYSQL_ERRNO = 1047, MESSAGE_TEXT = 'not prepared'",
    "1205 lock": "SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1205, MESSAGE_TEXT = 'Lock wait timeout exceeded'",
    "1213 deadlock": "SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'Deadlock found'",
    "2006 gone away": "SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 2006, MESSAGE_TEXT = 'gone away'",
    "1644 a trigger": "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not now'",
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_a_result_that_the_database_refuses_is_recorded_later_and_the_mail_not_repeated(
    queue: Queue,
    server: MailServer,
    database: Database,
    smtp: SmtpSettings,
    refusal: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("koha_ill_sidecar.services.delivery.dispatcher._RETRY_SECONDS", 0.01)
    numbers = [queue.add() for _ in range(6)]
    queue.execute(
        "CREATE TRIGGER refuse_sent BEFORE UPDATE ON message_queue FOR EACH ROW"
        f" IF NEW.status = 'sent' THEN {refusal}; END IF"
    )
    lease = timedelta(seconds=1)
    with (
        dispatching(database, smtp=smtp, connections=2, batch_size=4, lease=lease) as dispatcher,
        dispatching(database, smtp=smtp, lease=lease) as other,
    ):
        thread = threading.Thread(target=dispatcher.run_once)
        thread.start()
        try:
            while len(dispatcher._in_flight.unrecorded) < 2:
                time.sleep(0.01)
            kept = min(dispatcher._in_flight.unrecorded)
            first_lease = queue.delivery(kept)["lease_until"]
            while queue.delivery(kept)["lease_until"] < first_lease + lease:
                time.sleep(0.01)
            assert len(server.caught) == 2, "one for each connection, and nothing new"
            assert other._scanner.find(set()) == numbers[4:], "the leases of the others are renewed"
        finally:
            queue.execute("DROP TRIGGER refuse_sent")
            thread.join()

    assert {queue.status(number) for number in numbers} == {("sent", "")}
    assert len(server.caught) == 6
    assert dispatcher._in_flight.claimed_ids() == set()


def test_html_notice_and_odd_subject_arrive(queue: Queue, server: MailServer, dispatcher: Dispatcher) -> None:
    queue.add(
        subject="您的申請\r\nBcc: all@example.org",
        content="<p>已到館</p>",
        content_type='text/html; charset="UTF-8"',
    )

    dispatcher.run_once()

    (caught,) = server.caught
    message = message_from_bytes(caught.octets, policy=default)
    assert message.get_content_type() == "multipart/alternative"
    assert message["Subject"] == "您的申請 Bcc: all@example.org"
    assert caught.recipients == ["sam.page@example.org"]


def test_a_row_that_cannot_become_a_mail_does_not_stop_those_behind_it(
    queue: Queue, dispatcher: Dispatcher
) -> None:
    odd = queue.add(subject=None, content=None, content_type="message/rfc822")
    good = queue.add()

    dispatcher.run_once()

    assert queue.status(good) == ("sent", "")
    assert queue.status(odd)[0] in {"sent", "failed"}


def test_dropped_connections_delay_but_lose_nothing(
    queue: Queue, server: MailServer, database: Database, smtp: SmtpSettings
) -> None:
    numbers = [queue.add() for _ in range(30)]
    turn = iter(range(10_000))
    server.answers["RCPT"] = lambda protocol, address: (
        drop(protocol, address) if next(turn) % 4 == 0 else None
    )
    retry = RetrySettings(first_delay=timedelta(milliseconds=10), longest_delay=timedelta(milliseconds=20))
    with dispatching(database, smtp=smtp, retry=retry) as dispatcher:
        while {queue.status(number) for number in numbers} != {("sent", "")}:
            dispatcher.run_once()

    assert len(server.caught) == 30


def test_an_idle_run_is_one_short_query(queue: Queue, dispatcher: Dispatcher, queries: Any) -> None:
    queue.add()
    dispatcher.run_once()
    dispatcher.run_once()

    with queries() as seen:
        dispatcher.run_once()

    assert len(seen) == 1
