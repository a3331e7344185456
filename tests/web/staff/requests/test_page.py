"""The page of a request."""

import json
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from urllib.parse import quote

import pytest
from office import HOSTILE, Office
from web.conftest import Desk
from web.staff.pages import (
    attribute,
    check_nothing_runs,
    field,
    link,
    one,
    press,
    select,
    text_of,
    version_in,
)

from cast import ADA, CLARA, NORTH, PAT_WITHOUT_EMAIL, RIVERSIDE, SAM, SOUTH, SUPER, WEN
from koha_ill_sidecar.config.settings import IllSite
from koha_ill_sidecar.domain.callbacks import Progress, Verdict
from koha_ill_sidecar.domain.status_reports import ReportedStatus
from koha_ill_sidecar.domain.statuses import Status
from koha_ill_sidecar.messages import lazy
from koha_ill_sidecar.services.partners import placing
from koha_ill_sidecar.services.requests import lifecycle, notices
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.koha import requests as stored
from koha_ill_sidecar.storage.sidecar import requests as sidecar_requests
from messaging import BY_CLARA

Queries = Callable[[], AbstractContextManager[list[str]]]


def toolbar(page: str) -> list[str]:
    """Return the labels of the buttons."""
    return [text_of(button) for button in select(page, ".toolbar .button")]


@pytest.mark.all_versions
def test_everything_that_koha_shows_is_shown(clara: Desk, office: Office) -> None:
    number = office.request(
        status="REQ",
        orderid="77-1",
        cost="12.5",
        price_paid="3",
        accessurl="https://repository.example/1",
        notesstaff="Ring them\nat noon",
        notesopac="For a seminar",
        completed="2026-03-04",
        attributes={
            "type": "article",
            "title": "Nature",
            "article_title": "On <i>owls</i>",
            "shelf_mark": "Q1",
            "requested_partners": "ill@north.example.org",
        },
    )
    office.comments(number, "Asked twice")

    page = clara.get(f"/requests/{number}").text

    for shown in (
        f"Manage ILL request {number}",
        '<span class="status REQ">Requested</span>',
        '<span class="soft">(ill@north.example.org)</span>',
        "<dd>Ada Lovelace Library</dd>",
        "<dd>Journal article</dd>",
        f"<dd>{office.koha.generic_backend}</dd>",
        "<dd>77-1</dd>",
        "<dd>12.50</dd>",
        "<dd>3.00</dd>",
        '<a href="https://repository.example/1" rel="noreferrer">',
        '<dd lang="">Ring them\nat noon</dd>',
        '<dd lang="">For a seminar</dd>',
        "<dd>2026-03-04</dd>",
        "<dt>Article title</dt>\n  <dd>On &lt;i&gt;owls&lt;/i&gt;</dd>",
        "<dt>Shelf mark</dt>",
        "Sam Page",
        "<dd>20000005</dd>",
        "<dd>Patron</dd>",
        "<dd>sam.page@example.org</dd>",
        "1 comment",
        '<li class="comment_S">',
        "Clara Birchwood [20000002]",
        '<p class="text" lang="">Asked twice</p>',
    ):
        assert shown in page, shown


@pytest.mark.all_versions
@pytest.mark.parametrize("status", list(Status))
def test_the_toolbar_offers_what_the_graph_allows_and_no_circulation(
    with_suppliers: Desk, office: Office, status: Status
) -> None:
    number = office.request(status=status, biblio_id=None)

    offered = toolbar(with_suppliers.get(f"/requests/{number}").text)

    confirm, partners_, revert, complete = (
        "Confirm request",
        "Place request with partners",
        "Revert request",
        "Mark completed",
    )
    delete, switch, item = "Delete request", "Switch provider", "Edit item metadata"
    graph = {
        "NEW": {confirm, partners_, delete, switch, item},
        "UNAUTH": {confirm, partners_, delete},
        "REQ": {revert, complete, switch},
        "GENREQ": {complete, switch, revert},
        "REQREV": {confirm, partners_, delete, switch},
        "QUEUED": {confirm, delete, switch},
        "CANCREQ": {delete, confirm, switch},
        "COMP": set(),
        "CHK": set(),
        "RET": {complete},
    }[status]
    if office.koha.version.release < "23.11":
        graph -= {revert} if status == "GENREQ" else set()
    if office.koha.version.release < "25.05" and status == "UNAUTH":
        graph = set()
    always = {"Edit request", "Display supplier metadata", "ILL request log"}
    assert set(offered) - {"Send notice to patron"} == always | graph


def test_check_out_is_offered_to_nobody_yet(clara: Desk, desk: Callable[[], Desk], office: Office) -> None:
    office.prefers(CirculateILL="1")
    office.does("INSERT INTO biblio (biblionumber, frameworkcode, datecreated) VALUES (7, '', NOW())")
    number = office.request(status="REQ", biblio_id=7)

    for somebody in (clara, desk().sign_in(SUPER)):
        assert "Check out" not in somebody.get(f"/requests/{number}").text


def test_the_links_lead_to_the_pages_of_the_other_actions(clara: Desk, office: Office) -> None:
    number = office.request()

    page = clara.get(f"/requests/{number}").text

    for path in ("edit", "partners", "item", "actions/confirm", "actions/delete", "log", "metadata"):
        assert f'href="/requests/{number}/{path}"' in page


def test_one_backend_alone_cannot_be_switched(clara: Desk, office: Office) -> None:
    assert "Switch provider" not in clara.get(f"/requests/{office.request()}").text


def test_a_request_of_a_backend_that_only_koha_knows_has_the_core_actions(
    with_suppliers: Desk, office: Office
) -> None:
    number = office.request(backend="BLDSS")

    page = with_suppliers.get(f"/requests/{number}").text

    assert "<dd>BLDSS</dd>" in page
    assert toolbar(page) == [
        "Edit request",
        "Confirm request",
        "Place request with partners",
        "Delete request",
        "Display supplier metadata",
        "ILL request log",
    ]


def test_an_unknown_number_is_a_page(clara: Desk) -> None:
    for number in (4711, 10**30):
        answer = clara.get(f"/requests/{number}")

        assert answer.status_code == 404
        assert "There is no such request" in answer.text
    assert clara.get("/requests/-1", Accept="text/html").status_code == 404


def test_a_request_that_koha_is_only_making_can_be_looked_at(clara: Desk, office: Office) -> None:
    number = office.request(backend=None, status=None, borrowernumber=None, attributes={})

    page = clara.get(f"/requests/{number}")

    assert page.status_code == 200
    assert toolbar(page.text) == ["Edit request", "Display supplier metadata", "ILL request log"]


def test_who_is_not_signed_in_sees_nothing(desk: Callable[[], Desk], office: Office) -> None:
    number = office.request()

    for path in ("", "/actions/confirm", "/notices/ILL_PICKUP_READY", "/log", "/metadata"):
        assert desk().get(f"/requests/{number}{path}").status_code == 303


def test_the_number_has_the_prefix_of_its_library(clara: Desk, office: Office, database: Database) -> None:
    number = office.request()
    site = database.site
    database.site = IllSite(prefixes={ADA: "ADA"})
    try:
        page = clara.get(f"/requests/{number}").text
    finally:
        database.site = site

    assert f"Manage ILL request ADA-{number}" in page


def test_a_status_of_the_sites_own_is_shown_with_kohas(clara: Desk, office: Office) -> None:
    number = office.request(status="REQ", status_alias="WAITING")

    page = clara.get(f"/requests/{number}").text

    assert '<span class="status REQ">Waiting for supplier</span>' in page
    assert "(Requested)" in page


def test_links_lead_to_koha_where_its_address_is_known(clara: Desk, office: Office) -> None:
    office.does("INSERT INTO biblio (biblionumber, frameworkcode, datecreated) VALUES (7, '', NOW())")
    number = office.request(biblio_id=7)
    koha = "https://koha.example.org"

    assert "/cgi-bin/koha/" not in clara.get(f"/requests/{number}").text
    office.prefers(staffClientBaseURL=f"{koha}/")
    page = clara.get(f"/requests/{number}").text

    assert f'href="{koha}/cgi-bin/koha/catalogue/detail.pl?biblionumber=7"' in page
    assert f'href="{koha}/cgi-bin/koha/members/moremember.pl?borrowernumber={SAM}"' in page
    assert f'href="{koha}/cgi-bin/koha/ill/ill-requests.pl?op=illview&amp;illrequest_id={number}"' in page


def test_the_patrons_card_says_what_stands_against_a_loan(clara: Desk, office: Office) -> None:
    number = office.request(borrowernumber=PAT_WITHOUT_EMAIL)
    assert "Restricted" not in clara.get(f"/requests/{number}").text
    office.does(
        "UPDATE borrowers SET dateexpiry = '2020-01-31', debarred = '9999-12-31' WHERE borrowernumber = :pat",
        pat=PAT_WITHOUT_EMAIL,
    )

    page = clara.get(f"/requests/{number}").text

    assert '<span class="badge">Expired</span>' in page
    assert '<span class="badge">Restricted</span>' in page
    assert "<dd>2020-01-31</dd>" in page
    assert '<dd><span class="soft">none</span></dd>' in page


def test_somebody_without_an_account_is_shown_as_they_named_themselves(clara: Desk, office: Office) -> None:
    number = office.request(
        borrowernumber=None,
        status="UNAUTH",
        attributes={
            "type": "book",
            "unauthenticated_first_name": "Vera",
            "unauthenticated_last_name": "Visitor",
            "unauthenticated_email": "vera@example.org",
        },
    )

    page = clara.get(f"/requests/{number}").text

    assert "Unauthenticated request details" in page
    assert "<dd>Vera</dd>" in page
    assert "Send notice to patron" not in page
    office.does("UPDATE illrequests SET borrowernumber = :sam", sam=SAM)
    assert "Vera" not in clara.get(f"/requests/{number}").text


class TestComments:
    def test_are_added_and_counted(self, clara: Desk, office: Office) -> None:
        number = office.request()

        answer = clara.post(f"/requests/{number}/comments", {"comment": "First\r\nsecond line"})

        assert answer.status_code == 303
        assert answer.location == f"/requests/{number}#comments"
        page = clara.get(f"/requests/{number}").text
        assert "The comment was added." in page
        assert '<p class="text" lang="">First\nsecond line</p>' in page
        assert "1 comment" in page

    def test_a_form_that_is_sent_twice_adds_one(self, clara: Desk, office: Office) -> None:
        number = office.request()
        newest = field(clara.get(f"/requests/{number}").text, "newest_comment")
        form = {"newest_comment": newest, "comment": "Asked them again"}

        for _ in range(2):
            assert clara.post(f"/requests/{number}/comments", form).status_code == 303
        assert clara.get(f"/requests/{number}").text.count("Asked them again") == 1

        form["newest_comment"] = field(clara.get(f"/requests/{number}").text, "newest_comment")
        clara.post(f"/requests/{number}/comments", form)
        assert clara.get(f"/requests/{number}").text.count("Asked them again") == 2, "it was said again"

    def test_of_two_people_may_say_the_same(
        self, clara: Desk, desk: Callable[[], Desk], office: Office
    ) -> None:
        number = office.request()

        for person in (clara, desk().sign_in(SUPER)):
            person.post(f"/requests/{number}/comments", {"newest_comment": "0", "comment": "Me too"})

        assert clara.get(f"/requests/{number}").text.count("Me too") == 2

    def test_that_are_too_long_are_refused_and_kept_in_the_form(self, clara: Desk, office: Office) -> None:
        number = office.request()

        answer = clara.post(f"/requests/{number}/comments", {"comment": "漢" * 22_000})

        assert answer.status_code == 422
        assert "This is too long" in answer.text
        assert "漢" * 22_000 in answer.text

    def test_need_a_text(self, clara: Desk, office: Office) -> None:
        number = office.request()

        answer = clara.post(f"/requests/{number}/comments", {"comment": " \r\n"})

        assert answer.status_code == 422
        assert 'aria-describedby="comment-hint comment-problem" aria-invalid="true"' in answer.text
        assert "Enter a comment first." in answer.text

    @pytest.mark.parametrize("text", ["雪" * 21_846, "x" * 65_536])
    def test_that_are_too_long_for_koha_stay_in_the_form(
        self, clara: Desk, office: Office, text: str
    ) -> None:
        number = office.request()

        answer = clara.post(f"/requests/{number}/comments", {"comment": text})

        assert answer.status_code == 422
        assert f">\n{text}</textarea>" in answer.text
        assert "bytes, and Koha can store 65535" in answer.text

    @pytest.mark.parametrize("text", ["雪" * 21_845, "😀" * 16_383, "x" * 65_535])
    def test_may_be_as_long_as_koha_takes_them(self, clara: Desk, office: Office, text: str) -> None:
        number = office.request()

        assert clara.post(f"/requests/{number}/comments", {"comment": text}).status_code == 303
        assert f'<p class="text" lang="">{text}</p>' in clara.get(f"/requests/{number}").text

    def test_that_are_very_many_are_walked_through_from_the_newest(self, clara: Desk, office: Office) -> None:
        number = office.request()
        office.does(
            "INSERT INTO illcomments (illrequest_id, borrowernumber, comment)"
            " SELECT :number, :clara, CONCAT('Comment no. ', seq, '.') FROM seq_1_to_10000",
            number=number,
            clara=CLARA,
        )

        page = clara.get(f"/requests/{number}").text
        assert "10000 comments" in page
        shown = [int(one) for one in re.findall(r"Comment no\. (\d+)\.", page)]
        assert shown == list(range(9971, 10001))
        assert len(page) < 40_000

        page = clara.get(link(page, 'a[href*="comments_before="]', "Show older ones")).text
        shown = [int(one) for one in re.findall(r"Comment no\. (\d+)\.", page)]
        assert shown == list(range(9941, 9971))
        assert "Show the newest" in page

    def test_on_a_request_that_is_gone_are_refused(self, clara: Desk) -> None:
        assert clara.post("/requests/4711/comments", {"comment": "x"}).status_code == 404


def ask(database: Database, number: int, *partner_numbers: int) -> tuple[int, ...]:
    """Place a request with partners; gives the numbers of the messages."""
    placed = database.transact(
        placing.place_with_partners,
        number,
        BY_CLARA,
        borrowernumbers=partner_numbers,
        subject="Do you have",
        body="this?",
    )
    return placed.message_ids


def section(page: str, name: str) -> str:
    """Return a part of the page by the name of its heading."""
    return str(one(page, f'section[aria-labelledby="{name}"]'))


class TestPartners:
    def test_that_were_asked_are_listed_with_how_it_ended(
        self, clara: Desk, office: Office, database: Database
    ) -> None:
        number = office.request()
        message_ids = ask(database, number, NORTH, SOUTH)

        asked = section(clara.get(f"/requests/{number}").text, "partners")
        assert "North Partner [20000011]" in asked
        assert "ill@south.example.org" in asked
        assert asked.count(">Open</span>") == 2
        for message in message_ids:
            assert f'<a href="/operations/messages/{message}">Message {message}</a>' in asked

        database.transact(lifecycle.mark_completed, number, BY_CLARA)
        asked = section(clara.get(f"/requests/{number}").text, "partners")
        assert ">Open</span>" not in asked
        assert asked.count(" (Completed)") == 2

    def test_that_are_asked_again_stand_there_once(
        self, clara: Desk, office: Office, database: Database
    ) -> None:
        number = office.request()
        office.does("UPDATE illrequests SET status = 'REQREV'")
        first = ask(database, number, NORTH, SOUTH)
        office.does("UPDATE illrequests SET status = 'REQREV'")
        office.does(
            "UPDATE ill_sidecar_partner_enquiries SET closed_at = UTC_TIMESTAMP(), closed_by_status = 'REQREV'"
        )
        office.does("UPDATE borrowers SET email = 'new@north.example.org' WHERE borrowernumber = :n", n=NORTH)
        second = ask(database, number, NORTH)

        page = clara.get(f"/requests/{number}").text

        asked = section(page, "partners")
        assert asked.count("North Partner") == asked.count("South Partner") == 1
        assert asked.index("North Partner") < asked.index("South Partner"), "what is open comes first"
        north = str(one(asked, "li"))
        assert "<p>new@north.example.org</p>" in north
        assert "previously asked " in north
        assert "ill@north.example.org" in north
        assert all(f"Message {message}</a>" in asked for message in (*first, *second))
        assert page.count("new@north.example.org") == 3, "the status, the partner and the message"

    def test_that_are_very_many_are_shown_when_asked_for(self, clara: Desk, office: Office) -> None:
        number = office.request()
        office.does(
            "INSERT INTO ill_sidecar_partner_enquiries (illrequest_id, borrowernumber, address, asked_at)"
            " SELECT :number, 9000 + seq, CONCAT('ill@', seq, '.example.org'), UTC_TIMESTAMP(6)"
            " FROM seq_1_to_300",
            number=number,
        )

        page = clara.get(f"/requests/{number}").text
        assert page.count(".example.org</p>") == 30
        assert f'href="/requests/{number}?partners=all#partners">Show all 300 partners' in page

        assert clara.get(f"/requests/{number}?partners=all").text.count(".example.org</p>") == 300


class TestMessages:
    def test_of_the_request_are_told_from_those_that_may_be(
        self, clara: Desk, office: Office, database: Database
    ) -> None:
        office.writes_letters()
        office.wants("Ill_ready", "email")
        first, second = office.request(), office.request()
        own, other = (
            database.transact(notices.send_notice, number, "ILL_PICKUP_READY", BY_CLARA).queued[0].message_id
            for number in (first, second)
        )

        page = clara.get(f"/requests/{first}").text

        certain, _, uncertain = page.partition("Other ILL messages to this patron")
        assert f'<a href="/operations/messages/{own}">Message {own}</a>' in certain
        assert f'<a href="/operations/messages/{other}">Message {other}</a>' in uncertain
        assert f"Message {own}<" not in uncertain
        assert "Pending" in certain

    @pytest.mark.all_versions
    def test_say_why_they_were_not_sent(self, clara: Desk, office: Office, database: Database) -> None:
        office.writes_letters()
        office.wants("Ill_ready", "email")
        number = office.request()
        outcome = database.transact(notices.send_notice, number, "ILL_PICKUP_READY", BY_CLARA)
        message_id = outcome.queued[0].message_id
        office.does(
            "INSERT INTO ill_sidecar_deliveries (message_id, mail_message_id, state, attempts, first_attempt_at,"
            " last_attempt_at, settled_at, last_error) VALUES (:id, '<x@y>', 'failed', 3, UTC_TIMESTAMP(),"
            " UTC_TIMESTAMP(), UTC_TIMESTAMP(), '550 No such <user>')",
            id=message_id,
        )
        office.does("UPDATE message_queue SET status = 'failed' WHERE message_id = :id", id=message_id)

        page = clara.get(f"/requests/{number}").text

        assert '<span class="state failed">Failed</span>' in page
        assert " · 3 attempts" in page
        assert "550 No such &lt;user&gt;" in page

    def test_from_before_the_request_are_no_messages_of_it(
        self, clara: Desk, office: Office, database: Database
    ) -> None:
        office.writes_letters()
        office.wants("Ill_ready", "email")
        earlier = office.request()
        database.transact(notices.send_notice, earlier, "ILL_PICKUP_READY", BY_CLARA)
        office.does("UPDATE message_queue SET time_queued = NOW() - INTERVAL 2 DAY")

        assert "Other ILL messages" not in clara.get(f"/requests/{office.request()}").text

    def test_that_are_many_are_walked_through_from_the_newest(
        self, clara: Desk, office: Office, database: Database
    ) -> None:
        office.writes_letters()
        office.wants("Ill_ready", "email")
        number = office.request()
        sent = [
            database.transact(notices.send_notice, number, "ILL_PICKUP_READY", BY_CLARA).queued[0].message_id
            for _ in range(25)
        ]

        first = clara.get(f"/requests/{number}").text
        assert [message for message in sent if f">Message {message}<" in first] == sent[5:]
        second = clara.get(link(first, 'a[href*="messages_before="]', "Show older ones")).text
        assert [message for message in sent if f">Message {message}<" in second] == sent[:5]
        assert "Show older ones" not in second
        assert f'href="/requests/{number}#messages">Show the newest' in second


class TestCallbacks:
    def test_are_shown_with_their_verdict_and_a_laid_out_body(self, clara: Desk, office: Office) -> None:
        number = office.request()
        office.receives(number, {"status": "shipped", "note": "<b>"}, detail="The status was changed.")

        page = clara.get(f"/requests/{number}").text

        assert "acme – Applied" in page
        assert "The status was changed." in page
        assert (
            "{\n  &#34;status&#34;: &#34;shipped&#34;,\n  &#34;note&#34;: &#34;&lt;b&gt;&#34;\n}</pre>"
            in page
        )
        assert "Replay callback" not in page

    def test_lead_to_their_pages_and_the_newest_are_shown(self, clara: Desk, office: Office) -> None:
        number = office.request()
        receipts = [office.receives(number, {"count": count}, event_id=f"evt_{count}") for count in range(21)]

        page = clara.get(f"/requests/{number}").text

        shown = [attribute(tag, "href") for tag in select(page, 'a[href^="/operations/callbacks/"]')]
        assert shown == [f"/operations/callbacks/{receipt}" for receipt in receipts[:0:-1]]
        assert f'href="/operations/callbacks?request={number}">All callbacks of this request' in page

    def test_that_nest_deeply_do_not_grow_when_they_are_laid_out(self, clara: Desk, office: Office) -> None:
        number = office.request()
        office.receives(number, b"[" * 30 + b"1," * 1500 + b"1" + b"]" * 30)

        assert len(clara.get(f"/requests/{number}").text) < 20_000

    def test_that_are_long_are_cut(self, clara: Desk, office: Office) -> None:
        number = office.request()
        office.receives(number, b'{"x": "' + b"y" * 100_000 + b'"}', Verdict.INVALID)

        page = clara.get(f"/requests/{number}").text

        assert len(page) < 20_000
        assert "Only the beginning of 100009 bytes is shown" in page

    @pytest.mark.parametrize(
        "body",
        [b"\xff\xfe\x00", b"[" * 15_000, b"not JSON", b"", b"NaN"],
        ids=["bytes", "deep", "text", "empty", "NaN"],
    )
    def test_with_any_body_can_be_looked_at(self, clara: Desk, office: Office, body: bytes) -> None:
        number = office.request()
        office.receives(number, body, Verdict.INVALID)

        assert clara.get(f"/requests/{number}").status_code == 200

    def test_that_came_too_early_are_replayed(self, with_suppliers: Desk, office: Office) -> None:
        number = office.request()
        body = {
            "event_id": "evt_1",
            "occurred_at": "2026-03-04T05:06:07Z",
            "request": {"ill_request_id": number},
            "status": "in_process",
        }
        receipt = office.receives(number, body, Verdict.ATTENTION)
        page = with_suppliers.get(f"/requests/{number}").text
        assert f"Replay callback {receipt}" in page

        answer = with_suppliers.post(f"/requests/{number}/callbacks/{receipt}/replay", follow=True)

        assert f"Callback {receipt} was replayed: Applied." in answer.text
        assert office.status(number) == "REQ"
        again = with_suppliers.post(f"/requests/{number}/callbacks/{receipt}/replay", follow=True)
        assert "there is nothing to replay" in again.text

    def test_of_other_requests_are_not_replayed_here(self, with_suppliers: Desk, office: Office) -> None:
        mine, other = office.request(), office.request()
        receipt = office.receives(other, {}, Verdict.INVALID)

        assert with_suppliers.post(f"/requests/{mine}/callbacks/{receipt}/replay").status_code == 404

    def test_without_a_configured_backend_are_only_shown(self, clara: Desk, office: Office) -> None:
        number = office.request()
        receipt = office.receives(number, {}, Verdict.INVALID, backend="gone")

        assert "Replay callback" not in clara.get(f"/requests/{number}").text
        assert clara.post(f"/requests/{number}/callbacks/{receipt}/replay").status_code == 404


def test_a_staff_alert_stays_until_it_is_dismissed(clara: Desk, office: Office, database: Database) -> None:
    number = office.request()
    ill_request = database.transact(stored.get, number)
    word = lazy("Supplier's message: %(message)s", message="We <lost> it.")
    database.transact(sidecar_requests.add_alert, ill_request, [word])
    assert "Supplier&#39;s message: We &lt;lost&gt; it." in clara.get(f"/requests/{number}").text

    form = {"written_at": field(clara.get(f"/requests/{number}").text, "written_at")}
    answer = clara.post(f"/requests/{number}/attended", form, follow=True)

    assert "The request no longer needs attention." in answer.text
    assert "We &lt;lost&gt; it." not in clara.get(f"/requests/{number}").text
    assert clara.post("/requests/4711/attended").status_code == 404


@pytest.mark.parametrize("forged", [None, "", "x", "2026-01-01T00:00:00"])
def test_a_word_that_came_since_the_page_was_opened_stays(
    clara: Desk, office: Office, database: Database, forged: str | None
) -> None:
    number = office.request()
    ill_request = database.transact(stored.get, number)
    database.transact(sidecar_requests.add_alert, ill_request, [lazy("The first.")])
    read = field(clara.get(f"/requests/{number}").text, "written_at")
    database.transact(sidecar_requests.add_alert, ill_request, [lazy("The second.")])

    form = {"written_at": read if forged is None else forged}
    answer = clara.post(f"/requests/{number}/attended", form, follow=True)

    assert "Something new has come in that needs attention." in answer.text
    assert "The second." in answer.text


def test_a_staff_alert_is_in_the_language_of_the_page(
    clara: Desk, office: Office, database: Database
) -> None:
    number = office.request(status="CHK")
    what = lazy(
        "The supplier reports %(status)s, which was not applied: %(reason)s.",
        status=lazy("cancelled"),
        reason=lazy("the request's status %(status)s does not allow it", status="CHK"),
    )
    says = lazy("Supplier's message: %(message)s", message="<script>alert(1)</script> 100 %(sure)s")
    database.transact(sidecar_requests.add_alert, database.transact(stored.get, number), [what, says])
    clara.post("/language", {"language": "zh-Hant-TW"})

    page = clara.get(f"/requests/{number}").text

    assert "供應者回報「已取消」，但未套用：請求的狀態 CHK 不允許此變更。" in page
    assert "供應者表示：&lt;script&gt;alert(1)&lt;/script&gt; 100 %(sure)s" in page


def test_a_word_that_an_earlier_version_wrote_is_shown(clara: Desk, office: Office) -> None:
    number = office.request()
    office.does(
        "INSERT INTO ill_sidecar_requests (illrequest_id, is_open, seen_at, attention, attention_at)"
        " VALUES (:id, 1, UTC_TIMESTAMP(6), 'The supplier is 100 %(sure)s of <it>.', UTC_TIMESTAMP(6))"
        " ON DUPLICATE KEY UPDATE attention = VALUES(attention), attention_at = VALUES(attention_at)",
        id=number,
    )

    for path in (f"/requests/{number}", "/dashboard"):
        assert "The supplier is 100 %(sure)s of &lt;it&gt;." in clara.get(path).text


def test_values_too_long_for_koha_are_shown(clara: Desk, office: Office, database: Database) -> None:
    number = office.request(orderid="A-1")
    ill_request = database.transact(stored.get, number)
    database.transact(
        sidecar_requests.save_progress,
        ill_request,
        Progress(status=ReportedStatus.WILL_SUPPLY),
        order_id="A-1-and-more",
        long_values={"tracking": "RR1", "cost": "12.00 EUR", "other": "x"},
    )

    page = clara.get(f"/requests/{number}").text

    for shown in ("RR1", "12.00 EUR", "A-1-and-more", "<dt>other</dt>", "<dd>will supply</dd>"):
        assert shown in page, shown


@pytest.mark.parametrize("hostile", HOSTILE)
def test_whatever_people_wrote_stays_text(
    clara: Desk, office: Office, database: Database, hostile: str
) -> None:
    short = hostile[:40]
    office.writes_letters()
    office.does("UPDATE letter SET name = :name", name=hostile)
    office.does("UPDATE branches SET branchname = :name WHERE branchcode = :code", name=short, code=RIVERSIDE)
    office.does(
        "UPDATE borrowers SET surname = :name, firstname = :name, email = :name,"
        " cardnumber = CONCAT(:card, borrowernumber)",
        name=hostile,
        card=short[:12],
    )
    office.does("UPDATE categories SET description = :name", name=hostile)
    office.does("UPDATE authorised_values SET lib = :name", name=hostile)
    number = office.request(
        status="GENREQ",
        status_alias="WAITING",
        branchcode=RIVERSIDE,
        borrowernumber=WEN,
        notesstaff=hostile,
        notesopac=hostile,
        accessurl=f"javascript:alert(1)//{hostile}",
        cost=short[:20],
        price_paid=short[:20],
        orderid=short,
        attributes={"type": hostile, "title": hostile, hostile[:40]: hostile, "requested_partners": hostile},
    )
    office.comments(number, hostile)
    office.does(
        "INSERT INTO ill_sidecar_partner_enquiries (illrequest_id, borrowernumber, address, asked_at,"
        " closed_at, closed_by_status) VALUES (:id, :north, :text, UTC_TIMESTAMP(), UTC_TIMESTAMP(), :text)",
        id=number,
        north=NORTH,
        text=short,
    )
    office.does(
        "INSERT INTO message_queue (borrowernumber, subject, content, letter_code, message_transport_type,"
        " status, time_queued, to_address) VALUES (:wen, :text, :text, 'ILL_PICKUP_READY', 'email', 'failed',"
        " NOW(), :text)",
        wen=WEN,
        text=hostile,
    )
    office.receives(
        number, {"note": hostile}, Verdict.INVALID, backend=short, event_id=hostile, detail=hostile
    )
    office.receives(number, hostile.encode(), Verdict.INVALID, event_id="evt_2")
    ill_request = database.transact(stored.get, number)
    word = lazy("Supplier's message: %(message)s", message=hostile)
    database.transact(sidecar_requests.add_alert, ill_request, [word])
    office.does(
        "UPDATE ill_sidecar_requests SET long_values = JSON_OBJECT('cost', :text, :text, 'x'),"
        " supplier_backend = :text",
        text=hostile,
    )

    for path in (
        "",
        "?comments_before=99999&messages_before=99999&partners=all",
        "/log",
        "/metadata",
        "/actions/mark_completed",
        "/actions/cancel",
        "/notices/ILL_PICKUP_READY",
        "/notices/ILL_REQUEST_UPDATE",
    ):
        answer = clara.get(f"/requests/{number}{path}")

        assert answer.status_code == 200, path
        check_nothing_runs(answer.text)
    check_nothing_runs(press(clara, f"/requests/{number}/actions/confirm").text)
    update = f"/requests/{number}/notices/ILL_REQUEST_UPDATE"
    for wish in ({"preview": "1"}, {}):
        check_nothing_runs(press(clara, update, {"additional_text": hostile, **wish}, follow=True).text)
    comment = {"newest_comment": hostile, "comment": hostile + "x" * 65_536}
    check_nothing_runs(clara.post(f"/requests/{number}/comments", comment).text)
    for path in (f"/patrons?q={quote(hostile)}", f"/patrons?q={quote(short[:12])}", "/requests"):
        check_nothing_runs(clara.get(path).text)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_whatever_partners_are_called_stays_text(clara: Desk, office: Office, hostile: str) -> None:
    short = hostile[:40]
    office.does("UPDATE branches SET branchname = :name, branchemail = :name", name=short)
    office.does(
        "UPDATE borrowers SET surname = :name, firstname = :name, email = :name WHERE categorycode = 'IL'",
        name=hostile,
    )
    office.writes_letter("ILL_PARTNER_REQ", content=f"Dear [% nobody %]{hostile}", title=hostile)
    number = office.request()
    address = f"/requests/{number}/partners"
    form = {"partners": [str(NORTH), str(SOUTH)], "subject": hostile, "body": hostile, "filter": hostile}

    for wish in ("filter", "preview", "change"):
        check_nothing_runs(press(clara, address, {**form, "do": wish}).text)
    check_nothing_runs(press(clara, address, {**form, "do": "send", "subject": ""}).text)
    stale = {**form, **version_in(clara.get(address).text), "do": "send"}
    office.does("UPDATE borrowers SET surname = :name WHERE borrowernumber = :sam", name=hostile, sam=SAM)
    told = clara.post(address, stale)
    assert told.status_code == 409
    check_nothing_runs(told.text)
    check_nothing_runs(press(clara, address, {**form, "do": "send"}, follow=True).text)
    assert office.status(number) == "NEW"  # partners with such addresses are not asked
    office.does("UPDATE borrowers SET email = 'ill@ada.example.org' WHERE categorycode = 'IL'")
    check_nothing_runs(press(clara, address, {**form, "do": "send"}, follow=True).text)
    assert office.status(number) == "GENREQ"


@pytest.mark.parametrize("hostile", HOSTILE)
def test_whatever_a_supplier_or_a_mail_server_says_stays_text(
    clara: Desk, office: Office, database: Database, hostile: str
) -> None:
    office.writes_letters()
    office.wants("Ill_ready", "email")
    number = office.request(status=hostile[:50], orderid=hostile[:40])
    outcome = database.transact(notices.send_notice, number, "ILL_PICKUP_READY", BY_CLARA)
    message_id = outcome.queued[0].message_id
    office.does(
        "INSERT INTO ill_sidecar_deliveries (message_id, mail_message_id, state, attempts, first_attempt_at,"
        " last_attempt_at, settled_at, last_error) VALUES (:id, '<x@y>', 'failed', 3, UTC_TIMESTAMP(),"
        " UTC_TIMESTAMP(), UTC_TIMESTAMP(), :text)",
        id=message_id,
        text=hostile,
    )
    office.does("UPDATE message_queue SET status = 'failed', to_address = :text", text=hostile)
    stale = {"version": hostile}

    for path in ("", "/log"):
        check_nothing_runs(clara.get(f"/requests/{number}{path}").text)
    for method in ("confirm", "delete"):
        check_nothing_runs(clara.post(f"/requests/{number}/actions/{method}", stale).text)
    seen = json.dumps({"status": hostile, "patron": hostile, "comments": hostile, hostile: hostile})
    office.does("UPDATE illrequests SET status = 'NEW'")
    told = clara.post(f"/requests/{number}/actions/confirm", {"version": seen})
    assert told.status_code == 409
    check_nothing_runs(told.text)


def test_a_page_with_very_much_on_it_stays_small(
    with_suppliers: Desk, office: Office, database: Database, queries: Queries
) -> None:
    office.writes_letters()
    office.wants("Ill_ready", "email", "sms")
    number = office.request(attributes={"type": "book", "title": "Dune"})
    office.does(
        "INSERT INTO illcomments (illrequest_id, borrowernumber, comment)"
        " SELECT :number, :clara, REPEAT('So it goes. ', 20) FROM seq_1_to_10000",
        number=number,
        clara=CLARA,
    )
    office.does(
        "INSERT INTO ill_sidecar_history (illrequest_id, happened_at, kind, borrowernumber, interface, detail)"
        " SELECT :number, UTC_TIMESTAMP(6), 'commented', :clara, 'intranet', '{}' FROM seq_1_to_10000",
        number=number,
        clara=CLARA,
    )
    office.does(
        "INSERT INTO message_queue (borrowernumber, subject, content, letter_code, message_transport_type,"
        " status, time_queued, to_address) SELECT :north, 'x', 'y', 'ILL_PARTNER_REQ', 'email', 'sent', NOW(),"
        " 'ill@north.example.org' FROM seq_1_to_300",
        north=NORTH,
    )
    office.does(
        "INSERT INTO ill_sidecar_partner_enquiries (illrequest_id, borrowernumber, address, message_id, asked_at)"
        " SELECT :number, message_id, 'ill@north.example.org', message_id, UTC_TIMESTAMP(6) FROM message_queue",
        number=number,
    )
    for count in range(40):
        office.receives(number, {"note": "z" * 3000}, Verdict.INVALID, event_id=f"evt_{count}")

    database.cache.clear()
    with queries() as seen:
        page = with_suppliers.get(f"/requests/{number}").text

    assert len(seen) <= 20, seen
    assert len(page) < 150_000
    log = with_suppliers.get(f"/requests/{number}/log").text
    assert len(log) < 100_000


@pytest.mark.all_versions
def test_a_page_takes_at_most_twenty_queries(
    with_suppliers: Desk, office: Office, database: Database, queries: Queries
) -> None:
    office.writes_letters()
    office.wants("Ill_ready", "email", "sms")
    number = office.request(attributes={"type": "book", "title": "Dune"})
    for _ in range(5):
        office.comments(number, "again")
    ask(database, number, NORTH, SOUTH)
    for count in range(5):
        database.transact(notices.send_notice, number, "ILL_PICKUP_READY", BY_CLARA)
        office.receives(number, {"count": count}, event_id=f"evt_{count}")
    office.does("UPDATE illrequests SET status_alias = 'WAITING'")

    for path in ("", "/log", "/metadata", "/actions/mark_completed", "/notices/ILL_PICKUP_READY"):
        database.cache.clear()
        with queries() as seen:
            assert with_suppliers.get(f"/requests/{number}{path}").status_code == 200
        own = [one for one in seen if "FROM systempreferences" not in one]  # read every ten seconds at most
        assert len(own) <= 20, (path, own)
