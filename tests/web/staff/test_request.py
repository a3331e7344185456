"""The page of a request."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from office import HOSTILE, Office
from vendor import callback_settings
from web.conftest import Desk

from cast import ADA, CLARA, NORTH, PAT_WITHOUT_EMAIL, RIVERSIDE, SAM, SOUTH, SUPER, WEN
from conftest import KohaDatabase
from koha_ill_sidecar.config.settings import IllSite
from koha_ill_sidecar.domain.actors import Actor, Interface
from koha_ill_sidecar.domain.callbacks import Progress, Verdict
from koha_ill_sidecar.domain.status_reports import ReportedStatus
from koha_ill_sidecar.domain.statuses import Status
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services import partners, requests
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.koha import requests as stored
from koha_ill_sidecar.storage.sidecar import progress
from koha_ill_sidecar.web.app import create_app
from koha_ill_sidecar.words import sentence

BY_CLARA = Actor(interface=Interface.INTRANET, borrowernumber=CLARA, branchcode=ADA)

Queries = Callable[[], AbstractContextManager[list[str]]]


@pytest.fixture
def with_suppliers(koha_database: KohaDatabase, database: Database) -> Desk:
    """Clara, where suppliers are configured."""
    app = create_app(Runtime(settings=callback_settings(koha_database.settings), database=database))
    return Desk(app.test_client(), database).sign_in(CLARA)


def toolbar(page: str) -> list[str]:
    """Give the labels of the buttons."""
    bar = page.partition('<div class="toolbar"')[2].partition("</div>\n<")[0]
    return re.findall(r'class="button(?: danger)?"[^>]*>([^<]+)<', bar)


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

    def test_need_a_text(self, clara: Desk, office: Office) -> None:
        number = office.request()

        answer = clara.post(f"/requests/{number}/comments", {"comment": " \r\n"})

        assert answer.status_code == 422
        assert 'aria-describedby="comment-hint comment-problem" aria-invalid="true"' in answer.text
        assert "Type a comment first." in answer.text

    def test_on_a_request_that_is_gone_are_refused(self, clara: Desk) -> None:
        assert clara.post("/requests/4711/comments", {"comment": "x"}).status_code == 404


class TestPartners:
    def test_that_were_asked_are_listed_with_how_it_ended(
        self, clara: Desk, office: Office, database: Database
    ) -> None:
        number = office.request()
        placed = database.transact(
            partners.place_with_partners,
            number,
            BY_CLARA,
            borrowernumbers=[NORTH, SOUTH],
            subject="Do you have",
            body="this?",
        )

        page = clara.get(f"/requests/{number}").text
        assert "North Partner [20000011]" in page
        assert "ill@south.example.org" in page
        assert page.count("<td>Open</td>") == 2
        assert all(f'<th scope="row">{message}</th>' in page for message in placed.message_ids)

        database.transact(requests.mark_completed, number, BY_CLARA)
        page = clara.get(f"/requests/{number}").text
        assert "<td>Open</td>" not in page
        assert page.count("</span> Completed</td>") == 2


class TestMessages:
    def test_of_the_request_are_told_from_those_that_may_be(
        self, clara: Desk, office: Office, database: Database
    ) -> None:
        office.writes_letters()
        office.wants("Ill_ready", "email")
        first, second = office.request(), office.request()
        own, other = (
            database.transact(requests.send_notice, number, "ILL_PICKUP_READY", BY_CLARA).queued[0].message_id
            for number in (first, second)
        )

        page = clara.get(f"/requests/{first}").text

        certain, _, uncertain = page.partition("Other ILL messages to this patron")
        assert f'<th scope="row">{own}</th>' in certain
        assert f'<th scope="row">{other}</th>' in uncertain
        assert f'<th scope="row">{own}</th>' not in uncertain
        assert "Pending" in certain

    @pytest.mark.all_versions
    def test_say_why_they_did_not_go_out(self, clara: Desk, office: Office, database: Database) -> None:
        office.writes_letters()
        office.wants("Ill_ready", "email")
        number = office.request()
        outcome = database.transact(requests.send_notice, number, "ILL_PICKUP_READY", BY_CLARA)
        message_id = outcome.queued[0].message_id
        office.does(
            "INSERT INTO ill_sidecar_deliveries (message_id, mail_message_id, state, attempts, first_attempt_at,"
            " last_attempt_at, settled_at, last_error) VALUES (:id, '<x@y>', 'failed', 3, UTC_TIMESTAMP(),"
            " UTC_TIMESTAMP(), UTC_TIMESTAMP(), '550 No such <user>')",
            id=message_id,
        )
        office.does("UPDATE message_queue SET status = 'failed' WHERE message_id = :id", id=message_id)

        page = clara.get(f"/requests/{number}").text

        assert "Failed · 3 attempts" in page
        assert "550 No such &lt;user&gt;" in page

    def test_from_before_the_request_are_no_messages_of_it(
        self, clara: Desk, office: Office, database: Database
    ) -> None:
        office.writes_letters()
        office.wants("Ill_ready", "email")
        earlier = office.request()
        database.transact(requests.send_notice, earlier, "ILL_PICKUP_READY", BY_CLARA)
        office.does("UPDATE message_queue SET time_queued = NOW() - INTERVAL 2 DAY")

        assert "Other ILL messages" not in clara.get(f"/requests/{office.request()}").text


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

    def test_that_are_long_are_cut(self, clara: Desk, office: Office) -> None:
        number = office.request()
        office.receives(number, b'{"x": "' + b"y" * 100_000 + b'"}', Verdict.INVALID)

        page = clara.get(f"/requests/{number}").text

        assert len(page) < 60_000
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
        assert "This callback cannot be replayed" in again.text

    def test_of_other_requests_are_not_replayed_here(self, with_suppliers: Desk, office: Office) -> None:
        mine, other = office.request(), office.request()
        receipt = office.receives(other, {}, Verdict.INVALID)

        assert with_suppliers.post(f"/requests/{mine}/callbacks/{receipt}/replay").status_code == 404

    def test_without_a_configured_backend_are_only_shown(self, clara: Desk, office: Office) -> None:
        number = office.request()
        receipt = office.receives(number, {}, Verdict.INVALID, backend="gone")

        assert "Replay callback" not in clara.get(f"/requests/{number}").text
        assert clara.post(f"/requests/{number}/callbacks/{receipt}/replay").status_code == 404


def test_a_word_to_the_staff_stays_until_somebody_looked(
    clara: Desk, office: Office, database: Database
) -> None:
    number = office.request()
    ill_request = database.transact(stored.get, number)
    word = sentence("It says: %(message)s", message="We <lost> it.")
    database.transact(progress.ask_for_attention, ill_request, [word])
    assert "It says: We &lt;lost&gt; it." in clara.get(f"/requests/{number}").text

    answer = clara.post(f"/requests/{number}/attended", follow=True)

    assert "The request no longer needs attention." in answer.text
    assert "We &lt;lost&gt; it." not in clara.get(f"/requests/{number}").text
    assert clara.post("/requests/4711/attended").status_code == 404


def test_a_word_to_the_staff_is_in_the_language_of_the_page(
    clara: Desk, office: Office, database: Database
) -> None:
    number = office.request(status="CHK")
    what = sentence(
        "The supplier reports %(status)s, which was not applied: %(reason)s.",
        status=sentence("cancelled"),
        reason=sentence("the request's status %(status)s does not allow it", status="CHK"),
    )
    says = sentence("It says: %(message)s", message="<script>alert(1)</script> 100 %(sure)s")
    database.transact(progress.ask_for_attention, database.transact(stored.get, number), [what, says])
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


def test_what_koha_has_no_room_for_is_shown(clara: Desk, office: Office, database: Database) -> None:
    number = office.request(orderid="A-1")
    ill_request = database.transact(stored.get, number)
    database.transact(
        progress.keep,
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
    word = sentence("It says: %(message)s", message=hostile)
    database.transact(progress.ask_for_attention, ill_request, [word])
    office.does(
        "UPDATE ill_sidecar_requests SET long_values = JSON_OBJECT('cost', :text, :text, 'x'),"
        " supplier_backend = :text",
        text=hostile,
    )

    for path in ("", "/log", "/metadata", "/actions/mark_completed", "/notices/ILL_PICKUP_READY"):
        answer = clara.get(f"/requests/{number}{path}")

        assert answer.status_code == 200, path
        check_nothing_runs(answer.text)
    check_nothing_runs(clara.post(f"/requests/{number}/actions/confirm").text)


def check_nothing_runs(page: str) -> None:
    """Fail on tags and attributes that only a value of the tests can have brought."""
    for tag in re.findall(r"<[^!/][^>]*>", page):
        assert not re.match(r"<(script(?! src)|img|svg|b>)", tag), tag
        assert not re.search(r"""\son\w+\s*=|href=["']?javascript:""", tag), tag
    assert "49[" not in page


@pytest.mark.all_versions
def test_a_page_takes_at_most_twenty_queries(
    with_suppliers: Desk, office: Office, database: Database, queries: Queries
) -> None:
    office.writes_letters()
    office.wants("Ill_ready", "email", "sms")
    number = office.request(attributes={"type": "book", "title": "Dune"})
    for _ in range(5):
        office.comments(number, "again")
    database.transact(
        partners.place_with_partners,
        number,
        BY_CLARA,
        borrowernumbers=[NORTH, SOUTH],
        subject="Do you have",
        body="this?",
    )
    for count in range(5):
        database.transact(requests.send_notice, number, "ILL_PICKUP_READY", BY_CLARA)
        office.receives(number, {"count": count}, event_id=f"evt_{count}")
    office.does("UPDATE illrequests SET status_alias = 'WAITING'")

    for path in ("", "/log", "/metadata", "/actions/mark_completed", "/notices/ILL_PICKUP_READY"):
        database._preferences = None
        with queries() as seen:
            assert with_suppliers.get(f"/requests/{number}{path}").status_code == 200
        assert len(seen) <= 20, (path, seen)
