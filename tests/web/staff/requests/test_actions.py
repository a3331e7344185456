"""What is done to a request from its page."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import pytest
from office import Office
from web.conftest import Desk
from web.staff.pages import press, version_in

from cast import ADA, CLARA, NORTH, SOUTH, SUPER, WEN
from koha_ill_sidecar.config.settings import IllSite
from koha_ill_sidecar.services.operations import watch
from koha_ill_sidecar.services.partners import placing
from koha_ill_sidecar.storage.database import Database
from messaging import BY_CLARA


@pytest.mark.all_versions
@pytest.mark.parametrize(
    ("method", "before", "after", "label"),
    [
        ("confirm", "NEW", "REQ", "Requested"),
        ("confirm", "CANCREQ", "REQ", "Requested"),
        ("cancel", "REQ", "REQREV", "Request reverted"),
        ("mark_completed", "REQ", "COMP", "Completed"),
        ("mark_completed", "RET", "COMP", "Completed"),
    ],
)
def test_an_action_says_what_it_will_do_does_it_and_shows_the_new_status(
    clara: Desk, office: Office, method: str, before: str, after: str, label: str
) -> None:
    number = office.request(status=before)
    address = f"/requests/{number}/actions/{method}"

    asked = clara.get(address).text
    assert f'→ <span class="status">{label}</span>' in asked
    assert "No notice is sent to anyone." in asked
    assert "This is recorded in Koha&#39;s log." in asked
    assert office.status(number) == before

    done = press(clara, address)
    assert (done.status_code, done.location) == (303, f"/requests/{number}")
    assert office.status(number) == after
    assert f"The status is now: {label}. No notice was queued." in clara.get(done.location).text
    logged = (
        "SELECT user FROM action_logs WHERE module = 'ILL' AND object = :number AND action = 'STATUS_CHANGE'"
    )
    assert office.asks(logged, number=number) == [(CLARA,)]
    assert office.asks("SELECT 1 FROM message_queue") == []


def test_the_question_shows_title_and_patron(clara: Desk, office: Office) -> None:
    article = office.request(
        attributes={"type": "article", "title": "Nature", "article_title": "On <i>owls</i>"}
    )
    bare = office.request(borrowernumber=None, attributes={})

    page = clara.get(f"/requests/{article}/actions/delete").text
    assert "<dd>On &lt;i&gt;owls&lt;/i&gt;</dd>" in page
    assert "<dd>Sam Page [20000005]</dd>" in page
    page = clara.get(f"/requests/{bare}/actions/delete").text
    assert "<dt>Title</dt>" not in page
    assert "<dt>Patron</dt>" not in page


def test_confirming_takes_thirteen_statements_and_reads_the_request_once(
    clara: Desk, office: Office, queries: Callable[[], AbstractContextManager[list[str]]]
) -> None:
    number = office.request()
    address = f"/requests/{number}/actions/confirm"
    form = version_in(clara.get(address).text)

    with queries() as sent:
        clara.post(address, form)

    assert len(sent) <= 13
    assert sum("FROM illrequests" in one for one in sent) == 1
    assert office.status(number) == "REQ"


def test_showing_the_question_changes_nothing(clara: Desk, office: Office) -> None:
    number = office.request()

    for method in ("confirm", "delete"):
        clara.get(f"/requests/{number}/actions/{method}")

    assert office.status(number) == "NEW"


def test_the_question_says_that_kohas_log_is_off(clara: Desk, office: Office) -> None:
    office.prefers(IllLog="0")
    number = office.request()

    assert (
        "Koha&#39;s log is off (preference IllLog)" in clara.get(f"/requests/{number}/actions/confirm").text
    )
    assert "Koha does not log deletions" in clara.get(f"/requests/{number}/actions/delete").text


@pytest.mark.parametrize("kind", ["GET", "POST"])
def test_an_action_that_is_no_longer_allowed_shows_those_that_are(
    clara: Desk, office: Office, kind: str
) -> None:
    number = office.request(status="REQ")
    address = f"/requests/{number}/actions/confirm"

    answer = clara.get(address) if kind == "GET" else press(clara, address)

    assert answer.status_code == 409
    assert '<span class="status REQ">Requested</span>' in answer.text
    assert f'href="/requests/{number}/actions/mark_completed"' in answer.text
    assert f'href="/requests/{number}/actions/confirm"' not in answer.text
    assert office.status(number) == "REQ"


CHANGES = {
    "the status": ("UPDATE illrequests SET status = 'REQREV'", "Status"),
    "the alias": ("UPDATE illrequests SET status_alias = 'WAITING'", "Status"),
    "the patron": (f"UPDATE illrequests SET borrowernumber = {WEN}", "Patron"),
    "a note": ("UPDATE illrequests SET notesstaff = 'x'", "Staff notes"),
    "the library": ("UPDATE illrequests SET branchcode = 'MPL'", "Library"),
    "something else": (
        "UPDATE illrequests SET medium = 'x', updated = '2030-01-02 03:04:05'",
        "Last updated",
    ),
    "a comment": (
        "INSERT INTO illcomments (illrequest_id, comment) SELECT illrequest_id, 'Wait!' FROM illrequests",
        "Comments",
    ),
}
"""What Koha or a colleague may change in the meantime, and what the second person is shown."""


class TestActingAtOnce:
    @pytest.mark.parametrize("change", CHANGES)
    @pytest.mark.parametrize("method", ["confirm", "delete", "migrate"])
    def test_the_second_person_sees_what_changed_and_decides(
        self, with_suppliers: Desk, office: Office, method: str, change: str
    ) -> None:
        number = office.request()
        address = f"/requests/{number}/actions/{method}"
        form = {"supplier": "acme", **version_in(with_suppliers.get(address).text)}
        statement, label = CHANGES[change]
        office.does(statement)
        before = office.asks("SELECT * FROM illrequests")

        told = with_suppliers.post(address, form)

        assert told.status_code == 409
        assert "The request has changed since this page was opened" in told.text
        assert f'<th scope="row">{label}</th>' in told.text
        assert office.asks("SELECT * FROM illrequests") == before
        decided = with_suppliers.post(address, form | version_in(told.text))
        assert decided.status_code == 303
        assert office.asks("SELECT * FROM illrequests") != before

    @pytest.mark.parametrize(("method", "status"), [("cancel", "REQ"), ("mark_completed", "REQ")])
    def test_this_holds_for_the_actions_on_requested_ones(
        self, clara: Desk, office: Office, method: str, status: str
    ) -> None:
        number = office.request(status=status)
        address = f"/requests/{number}/actions/{method}"
        form = version_in(clara.get(address).text)
        office.comments(number, "Wait!")

        assert clara.post(address, form).status_code == 409
        assert office.status(number) == status

    def test_the_second_person_sees_why_it_is_no_longer_possible(
        self, clara: Desk, desk: Callable[[], Desk], office: Office
    ) -> None:
        number = office.request()
        address = f"/requests/{number}/actions/delete"
        form = version_in(clara.get(address).text)
        press(desk().sign_in(SUPER), f"/requests/{number}/actions/confirm")

        answer = clara.post(address, form)

        assert answer.status_code == 409
        assert '<th scope="row">Status</th><td>New request</td><td>Requested</td>' in answer.text
        assert "What can be done now:" in answer.text
        assert office.status(number) == "REQ"

    @pytest.mark.parametrize("method", ["confirm", "delete", "migrate"])
    def test_a_form_that_is_sent_twice_acts_once(
        self, with_suppliers: Desk, office: Office, method: str
    ) -> None:
        number = office.request()
        address = f"/requests/{number}/actions/{method}"
        form = {"supplier": "acme", **version_in(with_suppliers.get(address).text)}

        answers = [with_suppliers.post(address, form).status_code for _ in range(2)]

        assert answers == [303, 404 if method == "delete" else 409]
        assert office.asks("SELECT COUNT(*) FROM illrequests") == [
            ({"confirm": 1, "delete": 0, "migrate": 2}[method],)
        ]

    def test_of_two_people_at_the_same_moment_only_one_acts(
        self, desk: Callable[[], Desk], office: Office
    ) -> None:
        number = office.request()
        people = [desk().sign_in(CLARA), desk().sign_in(SUPER)]
        address = f"/requests/{number}/actions/confirm"
        forms = [version_in(person.get(address).text) for person in people]

        with ThreadPoolExecutor(2) as threads:
            answers = list(
                threads.map(lambda one: one[0].post(address, one[1]), zip(people, forms, strict=True))
            )

        assert sorted(answer.status_code for answer in answers) == [303, 409]
        assert office.asks("SELECT COUNT(*) FROM action_logs WHERE action = 'STATUS_CHANGE'") == [(1,)]

    def test_an_incomplete_form_keeps_the_version_that_it_showed(
        self, with_suppliers: Desk, office: Office
    ) -> None:
        number = office.request()
        address = f"/requests/{number}/actions/migrate"
        seen = version_in(with_suppliers.get(address).text)
        office.comments(number, "Wait!")

        asked = with_suppliers.post(address, {**seen, "supplier": ""})

        assert asked.status_code == 422
        assert version_in(asked.text) == seen


@pytest.mark.parametrize(
    ("method", "status", "is_warned"),
    [
        ("confirm", "UNAUTH", True),
        ("confirm", "NEW", True),
        ("mark_completed", "REQ", True),
        ("cancel", "REQ", False),
        ("delete", "UNAUTH", False),
    ],
)
def test_a_request_without_a_patron_is_to_be_linked_to_one_first(
    clara: Desk, office: Office, method: str, status: str, *, is_warned: bool
) -> None:
    number = office.request(status=status, borrowernumber=None)

    page = clara.get(f"/requests/{number}/actions/{method}").text

    assert ("The request has no patron. Link it to one before you continue:" in page) == is_warned
    assert (f'<a href="/requests/{number}/edit">Edit request</a>' in page) == is_warned
    with_patron = office.request(status=status)
    assert "The request has no patron" not in clara.get(f"/requests/{with_patron}/actions/{method}").text


@pytest.mark.parametrize(
    "method", ["check_out", "check_in", "create", "edititem", "generic_confirm", "x%00", "DELETE"]
)
def test_there_is_no_other_action(clara: Desk, office: Office, method: str) -> None:
    number = office.request()

    assert clara.get(f"/requests/{number}/actions/{method}").status_code == 404
    assert press(clara, f"/requests/{number}/actions/{method}").status_code == 404


def test_a_deleted_request_has_no_actions(clara: Desk) -> None:
    for method in ("confirm", "delete", "migrate"):
        assert clara.get(f"/requests/4711/actions/{method}").status_code == 404
        assert press(clara, f"/requests/4711/actions/{method}").status_code == 404


def test_a_form_of_another_site_does_nothing(clara: Desk, office: Office) -> None:
    number = office.request()

    assert clara.client.post(f"/requests/{number}/actions/delete").status_code == 400
    assert office.status(number) == "NEW"


class TestCompleting:
    @pytest.mark.all_versions
    def test_asks_for_a_status_alias(self, clara: Desk, office: Office) -> None:
        number = office.request(status="REQ")
        address = f"/requests/{number}/actions/mark_completed"
        assert '<option value="CHASED">Supplier was reminded</option>' in clara.get(address).text

        answer = press(clara, address, {"status_alias": "CHASED"}, follow=True)

        assert "The status is now: Supplier was reminded." in answer.text
        assert office.asks("SELECT status, status_alias FROM illrequests") == [("COMP", "CHASED")]

    def test_asks_for_none_where_the_site_has_none(self, clara: Desk, office: Office) -> None:
        office.does("DELETE FROM authorised_values")
        number = office.request(status="REQ")

        assert "status_alias" not in clara.get(f"/requests/{number}/actions/mark_completed").text

    def test_refuses_one_that_does_not_exist(self, clara: Desk, office: Office) -> None:
        number = office.request(status="REQ")

        answer = press(clara, f"/requests/{number}/actions/mark_completed", {"status_alias": "GONE"})

        assert answer.status_code == 422
        assert "This status no longer exists." in answer.text
        assert office.status(number) == "REQ"


class TestDeleting:
    @pytest.mark.all_versions
    def test_says_what_is_deleted_and_deletes_everything(self, clara: Desk, office: Office) -> None:
        number = office.request()
        office.comments(number, "one")
        office.comments(number, "two")
        asked = clara.get(f"/requests/{number}/actions/delete").text
        assert "2 comments are deleted with it." in asked
        assert '<button class="danger">Delete request</button>' in asked

        done = press(clara, f"/requests/{number}/actions/delete")

        assert (done.status_code, done.location) == (303, "/requests")
        assert f"Request {number} was deleted. No notice was queued." in clara.get("/requests").text
        assert office.status(number) is None
        assert clara.get(f"/requests/{number}").status_code == 404

    def test_leaves_working_pages(self, clara: Desk, office: Office, database: Database) -> None:
        number = office.request()
        placed = database.transact(
            placing.place_with_partners,
            number,
            BY_CLARA,
            borrowernumbers=[NORTH],
            subject="Do you have",
            body="this?",
        )
        office.does("UPDATE illrequests SET status = 'REQREV'")
        receipt = office.receives(number, {"status": "shipped"})
        press(clara, f"/requests/{number}/actions/delete")

        message = clara.get(f"/operations/messages/{placed.message_ids[0]}")
        assert message.status_code == 200
        assert f'href="/requests/{number}"' not in message.text
        assert clara.get(f"/operations/callbacks/{receipt}").status_code == 200
        gone = clara.get(f"/requests/{number}")
        assert gone.status_code == 404
        assert f"Request {number} was deleted" in gone.text
        assert "Clara Birchwood [20000002] deleted it on " in gone.text
        assert f'href="/operations/callbacks?request={number}"' in gone.text
        for path in ("/log", "/metadata", "/partners", "/edit", "/actions/confirm"):
            assert clara.get(f"/requests/{number}{path}").status_code == 404

    def test_in_koha_leaves_a_page(self, clara: Desk, office: Office, database: Database) -> None:
        number = office.request()
        office.does("DELETE FROM ill_sidecar_requests")
        office.does(
            "INSERT INTO ill_sidecar_requests (illrequest_id, seen_status, is_open, seen_at)"
            " VALUES (:number, 'NEW', 1, UTC_TIMESTAMP(6))",
            number=number,
        )
        office.does("DELETE FROM illrequests")
        database.transact(watch.handle_change, number)

        gone = clara.get(f"/requests/{number}").text

        assert f"Request {number} was deleted" in gone
        assert "It has been gone since " in gone
        assert "All callbacks" not in gone

    def test_names_the_request_as_people_know_it(
        self, clara: Desk, office: Office, database: Database
    ) -> None:
        number = office.request()
        site = database.site
        database.site = IllSite(prefixes={ADA: "ADA"})
        try:
            page = press(clara, f"/requests/{number}/actions/delete", follow=True).text
        finally:
            database.site = site

        assert f"Request ADA-{number} was deleted." in page


class TestReverting:
    def test_says_that_the_partners_get_no_notice(
        self, clara: Desk, office: Office, database: Database
    ) -> None:
        number = office.request()
        database.transact(
            placing.place_with_partners,
            number,
            BY_CLARA,
            borrowernumbers=[NORTH, SOUTH],
            subject="Do you have",
            body="this?",
        )

        asked = clara.get(f"/requests/{number}/actions/cancel").text

        assert "2 partners were asked and have not answered: inform them yourself." in asked


class TestSwitchingProvider:
    def test_offers_the_other_suppliers(self, with_suppliers: Desk, office: Office) -> None:
        number = office.request()

        asked = with_suppliers.get(f"/requests/{number}/actions/migrate").text

        for supplier in ("acme", "plain", "mapped", "silent"):
            assert f'<input type="radio" name="supplier" value="{supplier}" required>' in asked
        assert 'value="off"' not in asked
        assert 'value="-"' not in asked

    @pytest.mark.all_versions
    def test_makes_a_new_request_and_reverts_the_old_one(self, with_suppliers: Desk, office: Office) -> None:
        number = office.request(
            status="REQ", orderid="1", attributes={"type": "book", "title": "Dune", "x": "y"}
        )

        done = press(with_suppliers, f"/requests/{number}/actions/migrate", {"supplier": "acme"})

        new = int(done.location.rpartition("/")[2])
        page = with_suppliers.get(done.location).text
        assert f"Request {new} replaces request {number}, which was reverted." in page
        assert "<dd>acme</dd>" in page
        assert "<dd>Dune</dd>" in page
        assert office.status(number) == "REQREV"
        assert office.status(new) == "NEW"

    def test_can_go_back_to_kohas_own_backend(self, with_suppliers: Desk, office: Office) -> None:
        number = office.request()
        done = press(with_suppliers, f"/requests/{number}/actions/migrate", {"supplier": "acme"})
        asked = with_suppliers.get(f"{done.location}/actions/migrate").text
        assert f'value="-" required> {office.koha.generic_backend}' in asked
        assert 'value="acme"' not in asked

        again = press(with_suppliers, f"{done.location}/actions/migrate", {"supplier": "-"})

        assert "Supplied by" not in with_suppliers.get(again.location).text

    @pytest.mark.parametrize("supplier", ["", "-", "off", "nobody"])
    def test_refuses_an_invalid_choice(self, with_suppliers: Desk, office: Office, supplier: str) -> None:
        number = office.request()

        answer = press(with_suppliers, f"/requests/{number}/actions/migrate", {"supplier": supplier})

        assert answer.status_code == 422
        assert "Choose another provider." in answer.text
        assert office.status(number) == "NEW"

    def test_is_not_possible_with_one_backend(self, clara: Desk, office: Office) -> None:
        number = office.request()

        assert clara.get(f"/requests/{number}/actions/migrate").status_code == 409
        assert press(clara, f"/requests/{number}/actions/migrate", {"supplier": "-"}).status_code == 409
        assert office.status(number) == "NEW"
