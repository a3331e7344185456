"""What is done to a request from its page."""

import pytest
from office import Office
from vendor import callback_settings
from web.conftest import Desk

from cast import ADA, CLARA, NORTH, SOUTH
from conftest import KohaDatabase
from koha_ill_sidecar.config.settings import IllSite
from koha_ill_sidecar.domain.actors import Actor, Interface
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services import partners
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.web.app import create_app

BY_CLARA = Actor(interface=Interface.INTRANET, borrowernumber=CLARA, branchcode=ADA)


@pytest.fixture
def with_suppliers(koha_database: KohaDatabase, database: Database) -> Desk:
    """Clara, where suppliers are configured."""
    app = create_app(Runtime(settings=callback_settings(koha_database.settings), database=database))
    return Desk(app.test_client(), database).sign_in(CLARA)


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
def test_an_action_tells_what_it_will_do_then_does_it_and_tells_what_is_so(
    clara: Desk, office: Office, method: str, before: str, after: str, label: str
) -> None:
    number = office.request(status=before)
    address = f"/requests/{number}/actions/{method}"

    asked = clara.get(address).text
    assert f'→ <span class="status">{label}</span>' in asked
    assert "No notice is sent to anybody." in asked
    assert "This is recorded in Koha&#39;s log." in asked
    assert office.status(number) == before

    done = clara.post(address)
    assert (done.status_code, done.location) == (303, f"/requests/{number}")
    assert office.status(number) == after
    assert f"The status is now: {label}. No notice was queued." in clara.get(done.location).text
    logged = (
        "SELECT user FROM action_logs WHERE module = 'ILL' AND object = :number AND action = 'STATUS_CHANGE'"
    )
    assert office.asks(logged, number=number) == [(CLARA,)]
    assert office.asks("SELECT 1 FROM message_queue") == []


def test_asking_changes_nothing(clara: Desk, office: Office) -> None:
    number = office.request()

    for method in ("confirm", "delete"):
        clara.get(f"/requests/{number}/actions/{method}")

    assert office.status(number) == "NEW"


def test_the_page_says_where_kohas_log_is_off(clara: Desk, office: Office) -> None:
    office.prefers(IllLog="0")
    number = office.request()

    assert (
        "Koha&#39;s log is off (preference IllLog)" in clara.get(f"/requests/{number}/actions/confirm").text
    )
    assert "Koha does not log deletions" in clara.get(f"/requests/{number}/actions/delete").text


@pytest.mark.parametrize("kind", ["GET", "POST"])
def test_what_the_status_does_not_allow_any_more_is_a_page_that_says_what_it_allows(
    clara: Desk, office: Office, kind: str
) -> None:
    number = office.request(status="REQ")
    address = f"/requests/{number}/actions/confirm"

    answer = clara.get(address) if kind == "GET" else clara.post(address)

    assert answer.status_code == 409
    assert '<span class="status REQ">Requested</span>' in answer.text
    assert f'href="/requests/{number}/actions/mark_completed"' in answer.text
    assert f'href="/requests/{number}/actions/confirm"' not in answer.text
    assert office.status(number) == "REQ"


def test_of_two_who_act_at_once_the_second_is_told(clara: Desk, office: Office) -> None:
    number = office.request()
    clara.get(f"/requests/{number}/actions/delete")
    clara.post(f"/requests/{number}/actions/confirm")

    answer = clara.post(f"/requests/{number}/actions/delete")

    assert answer.status_code == 409
    assert office.status(number) == "REQ"


@pytest.mark.parametrize(
    "method", ["check_out", "check_in", "create", "edititem", "generic_confirm", "x%00", "DELETE"]
)
def test_there_is_no_other_action(clara: Desk, office: Office, method: str) -> None:
    number = office.request()

    assert clara.get(f"/requests/{number}/actions/{method}").status_code == 404
    assert clara.post(f"/requests/{number}/actions/{method}").status_code == 404


def test_there_is_nothing_to_do_with_a_request_that_is_gone(clara: Desk) -> None:
    for method in ("confirm", "delete", "migrate"):
        assert clara.get(f"/requests/4711/actions/{method}").status_code == 404
        assert clara.post(f"/requests/4711/actions/{method}").status_code == 404


def test_a_form_from_elsewhere_does_nothing(clara: Desk, office: Office) -> None:
    number = office.request()

    assert clara.client.post(f"/requests/{number}/actions/delete").status_code == 400
    assert office.status(number) == "NEW"


class TestCompleting:
    @pytest.mark.all_versions
    def test_asks_for_a_status_of_the_sites_own(self, clara: Desk, office: Office) -> None:
        number = office.request(status="REQ")
        address = f"/requests/{number}/actions/mark_completed"
        assert '<option value="CHASED">Supplier was reminded</option>' in clara.get(address).text

        answer = clara.post(address, {"status_alias": "CHASED"}, follow=True)

        assert "The status is now: Supplier was reminded." in answer.text
        assert office.asks("SELECT status, status_alias FROM illrequests") == [("COMP", "CHASED")]

    def test_asks_for_none_where_the_site_has_none(self, clara: Desk, office: Office) -> None:
        office.does("DELETE FROM authorised_values")
        number = office.request(status="REQ")

        assert "status_alias" not in clara.get(f"/requests/{number}/actions/mark_completed").text

    def test_refuses_one_that_does_not_exist(self, clara: Desk, office: Office) -> None:
        number = office.request(status="REQ")

        answer = clara.post(f"/requests/{number}/actions/mark_completed", {"status_alias": "GONE"})

        assert answer.status_code == 422
        assert "This status does not exist any more." in answer.text
        assert office.status(number) == "REQ"


class TestDeleting:
    @pytest.mark.all_versions
    def test_tells_what_is_lost_and_leaves_nothing(self, clara: Desk, office: Office) -> None:
        number = office.request()
        office.comments(number, "one")
        office.comments(number, "two")
        asked = clara.get(f"/requests/{number}/actions/delete").text
        assert "2 comments are deleted with it." in asked
        assert '<button class="danger">Delete request</button>' in asked

        done = clara.post(f"/requests/{number}/actions/delete")

        assert (done.status_code, done.location) == (303, "/requests")
        assert f"Request {number} was deleted. No notice was queued." in clara.get("/requests").text
        assert office.status(number) is None
        assert clara.get(f"/requests/{number}").status_code == 404

    def test_names_the_request_as_people_know_it(
        self, clara: Desk, office: Office, database: Database
    ) -> None:
        number = office.request()
        site = database.site
        database.site = IllSite(prefixes={ADA: "ADA"})
        try:
            page = clara.post(f"/requests/{number}/actions/delete", follow=True).text
        finally:
            database.site = site

        assert f"Request ADA-{number} was deleted." in page


class TestReverting:
    def test_says_that_the_partners_are_not_told(
        self, clara: Desk, office: Office, database: Database
    ) -> None:
        number = office.request()
        database.transact(
            partners.place_with_partners,
            number,
            BY_CLARA,
            borrowernumbers=[NORTH, SOUTH],
            subject="Do you have",
            body="this?",
        )

        asked = clara.get(f"/requests/{number}/actions/cancel").text

        assert "2 partners were asked and have not answered: tell them yourself." in asked


class TestSwitchingProvider:
    def test_lets_one_choose_among_the_others(self, with_suppliers: Desk, office: Office) -> None:
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

        done = with_suppliers.post(f"/requests/{number}/actions/migrate", {"supplier": "acme"})

        new = int(done.location.rpartition("/")[2])
        page = with_suppliers.get(done.location).text
        assert f"Request {new} goes on with what request {number} asked for; that one was reverted." in page
        assert "<dd>acme</dd>" in page
        assert "<dd>Dune</dd>" in page
        assert office.status(number) == "REQREV"
        assert office.status(new) == "NEW"

    def test_can_go_back_to_kohas_own_backend(self, with_suppliers: Desk, office: Office) -> None:
        number = office.request()
        done = with_suppliers.post(f"/requests/{number}/actions/migrate", {"supplier": "acme"})
        asked = with_suppliers.get(f"{done.location}/actions/migrate").text
        assert f'value="-" required> {office.koha.generic_backend}' in asked
        assert 'value="acme"' not in asked

        again = with_suppliers.post(f"{done.location}/actions/migrate", {"supplier": "-"})

        assert "Supplied by" not in with_suppliers.get(again.location).text

    @pytest.mark.parametrize("supplier", ["", "-", "off", "nobody"])
    def test_refuses_what_is_no_choice(self, with_suppliers: Desk, office: Office, supplier: str) -> None:
        number = office.request()

        answer = with_suppliers.post(f"/requests/{number}/actions/migrate", {"supplier": supplier})

        assert answer.status_code == 422
        assert "Choose another provider." in answer.text
        assert office.status(number) == "NEW"

    def test_is_not_possible_with_one_backend(self, clara: Desk, office: Office) -> None:
        number = office.request()

        assert clara.get(f"/requests/{number}/actions/migrate").status_code == 409
        assert clara.post(f"/requests/{number}/actions/migrate", {"supplier": "-"}).status_code == 409
        assert office.status(number) == "NEW"
