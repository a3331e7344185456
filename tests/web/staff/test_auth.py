"""Signing in to the staff interface."""

import base64
from collections.abc import Callable

import bcrypt
import pytest
from office import Office
from sqlalchemy import Engine, text
from web.conftest import Desk
from web.staff.pages import Form, attribute, field, link, one
from werkzeug.test import TestResponse

from cast import ADA, CLARA, DORA, RIVERSIDE
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.web.proxies import client_network

_PASSWORD = "correct horse"


@pytest.fixture
def with_passwords(admin: Engine) -> None:
    hashed = bcrypt.hashpw(_PASSWORD.encode(), bcrypt.gensalt(4, prefix=b"2a")).decode()
    with admin.begin() as connection:
        connection.execute(text("UPDATE borrowers SET password = :hashed"), {"hashed": hashed})


def _sign_in(visitor: Desk, name: str = "clara", password: str = _PASSWORD, **more: str) -> TestResponse:
    token = field(visitor.get("/sign-in").text, "csrf_token")
    fields = {"csrf_token": token, "userid": name, "password": password, **more}
    return visitor.client.post("/sign-in", data=fields)


@pytest.mark.usefixtures("with_passwords")
def test_who_is_not_signed_in_is_asked_to_and_comes_back(desk: Callable[[], Desk]) -> None:
    visitor = desk()

    refused = visitor.get("/requests?status=NEW")
    assert refused.status_code == 303
    assert refused.location == "/sign-in?next=/requests?status%3DNEW"

    entered = _sign_in(visitor, next="/requests?status=NEW")
    assert (entered.status_code, entered.location) == (303, "/requests?status=NEW")
    assert visitor.get("/requests").status_code == 200


@pytest.mark.usefixtures("with_passwords")
@pytest.mark.parametrize(
    "target",
    [
        *("//evil.example", "https://evil.example", "/\\evil.example", "javascript:1"),
        *("/a\r\nSet-Cookie: a=b", "/a\nb", "/\t/evil.example", "/\t/[", "/a\x00b", "/a\u2028b"),
    ],
)
def test_nobody_is_sent_elsewhere_by_signing_in(desk: Callable[[], Desk], target: str) -> None:
    assert _sign_in(desk(), next=target).location == "/"


@pytest.mark.usefixtures("with_passwords")
def test_the_cookie_is_for_us_alone(desk: Callable[[], Desk]) -> None:
    cookie = next(
        value for value in _sign_in(desk()).headers.getlist("Set-Cookie") if value.startswith("koha_ill")
    )

    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


@pytest.mark.usefixtures("with_passwords")
def test_a_wrong_password_says_so_and_keeps_the_name(desk: Callable[[], Desk]) -> None:
    answer = _sign_in(desk(), name='"><script>', password="wrong")

    assert answer.status_code == 403
    assert "The user name or password is wrong." in answer.text
    assert 'value="&#34;&gt;&lt;script&gt;"' in answer.text


@pytest.mark.usefixtures("with_passwords")
def test_who_lacks_the_permission_sees_why(desk: Callable[[], Desk]) -> None:
    answer = _sign_in(desk(), name="dora")

    assert answer.status_code == 403
    assert "it lacks Koha&#39;s ill permission" in answer.text


def test_who_loses_the_permission_while_signed_in_sees_why(desk: Callable[[], Desk]) -> None:
    dora = desk().sign_in(DORA)

    assert "it lacks Koha&#39;s ill permission" in dora.client.get("/requests", follow_redirects=True).text


@pytest.mark.usefixtures("with_passwords")
def test_too_many_attempts_have_to_wait(desk: Callable[[], Desk]) -> None:
    visitor = desk()
    answers = [_sign_in(visitor, password="wrong") for _ in range(21)]

    assert [answer.status_code for answer in answers] == [403] * 20 + [429]


@pytest.mark.usefixtures("with_passwords")
def test_who_has_to_wait_is_told_how_long_and_keeps_what_was_typed(desk: Callable[[], Desk]) -> None:
    visitor = desk()
    for _ in range(20):
        _sign_in(visitor, password="wrong")

    told = _sign_in(visitor, next="/requests?status=NEW")

    assert 0 < int(told.headers["Retry-After"]) <= 60
    assert f"Wait {told.headers['Retry-After']} seconds" in told.text
    assert 'name="userid" value="clara"' in told.text
    assert 'name="next" value="/requests?status=NEW"' in told.text


@pytest.mark.usefixtures("with_passwords")
def test_the_language_changes_on_the_sign_in_page_without_an_attempt(desk: Callable[[], Desk]) -> None:
    visitor = desk()

    page = _sign_in(visitor, name="clara", language="zh-Hant-TW", next="/requests?status=NEW")

    assert page.status_code == 200
    assert '<html lang="zh-Hant-TW">' in page.text
    assert 'value="clara"' in page.text
    assert 'name="next" value="/requests?status=NEW"' in page.text


class TestAFormWhoseSessionHasEnded:
    NOTE = "Ring them,\r\n<b>雪</b>"

    @staticmethod
    def _ended(clara: Desk, office: Office, number: int, **headers: str) -> TestResponse:
        token = field(clara.get(f"/requests/{number}/edit").text, "csrf_token")
        form = {**Form(clara, f"/requests/{number}/edit").fields, "csrf_token": token, "do": "save"}
        office.does("DELETE FROM ill_sidecar_sessions")
        return clara.client.post(
            f"/requests/{number}/edit",
            data={**form, "notesstaff": TestAFormWhoseSessionHasEnded.NOTE},
            headers=headers,
        )

    @staticmethod
    def _enter(
        clara: Desk, told: TestResponse, userid: str = "clara", password: str = _PASSWORD
    ) -> TestResponse:
        fields = {name: field(told.text, name) for name in ("csrf_token", "next", "saved_form")}
        return clara.client.post("/sign-in", data={**fields, "userid": userid, "password": password})

    @staticmethod
    def _send(clara: Desk, asked: TestResponse) -> TestResponse:
        form = one(asked.text, "form.buttons")
        fields = {attribute(tag, "name"): attribute(tag, "value") for tag in form.select("input")}
        return clara.client.post(attribute(form, "action"), data=fields)

    @pytest.mark.usefixtures("with_passwords")
    def test_is_kept_and_sent_when_its_owner_says_so(self, clara: Desk, office: Office) -> None:
        number = office.request()

        told = self._ended(clara, office, number)
        assert told.status_code == 403
        assert "What you typed is saved." in told.text
        again = self._enter(clara, told, password="wrong")
        assert "The user name or password is wrong." in again.text

        asked = self._enter(clara, again)
        assert "You are now signed in as Clara Birchwood." in asked.text
        assert "Ring them,\r\n&lt;b&gt;雪&lt;/b&gt;" in asked.text
        assert f'href="/requests/{number}/edit">Discard it' in asked.text
        assert office.asks("SELECT notesstaff FROM illrequests") == [(None,)]

        assert self._send(clara, asked).location == f"/requests/{number}"
        assert office.asks("SELECT notesstaff FROM illrequests") == [("Ring them,\n<b>雪</b>",)]

    @pytest.mark.usefixtures("with_passwords")
    def test_is_shown_to_somebody_else_who_signs_in_before_it_is_sent_as_theirs(
        self, clara: Desk, office: Office
    ) -> None:
        asked = self._enter(clara, self._ended(clara, office, office.request()), userid="super")

        assert "You are now signed in as Sue Over." in asked.text

    def test_is_asked_about_if_one_has_signed_in_elsewhere_meanwhile(
        self, clara: Desk, office: Office
    ) -> None:
        number = office.request()
        old = {"csrf_token": "of the session before", "comment": "Typed for long"}

        asked = clara.client.post(
            f"/requests/{number}/comments", data=old, headers={"Sec-Fetch-Site": "same-origin"}
        )

        assert "Typed for long" in asked.text
        assert f'href="/requests/{number}">Discard it' in asked.text
        assert self._send(clara, asked).location == f"/requests/{number}#comments"

    def test_continues_for_staff_who_have_signed_in_to_koha(self, clara: Desk, office: Office) -> None:
        told = self._ended(clara, office, office.request())
        fields = {name: field(told.text, name) for name in ("csrf_token", "saved_form")}

        still_out = clara.client.post("/go-on", data=fields)
        clara.sign_in(CLARA)
        asked = clara.client.post("/go-on", data=fields)

        assert "What you typed is saved." in still_out.text
        assert "You are now signed in as Clara Birchwood." in asked.text

    def test_is_not_kept_if_it_is_no_form_of_ours(self, clara: Desk, office: Office) -> None:
        number = office.request()

        assert self._ended(clara, office, number, **{"Sec-Fetch-Site": "cross-site"}).status_code == 400
        assert clara.client.post(f"/requests/{number}/comments", data={"comment": "x"}).status_code == 400

    def test_that_is_too_large_is_said_not_to_be_kept(self, clara: Desk, office: Office) -> None:
        form = {"csrf_token": "old", "comment": "x" * 600_000}

        told = clara.client.post(
            f"/requests/{office.request()}/comments", data=form, headers={"Sec-Fetch-Site": "same-origin"}
        )

        assert told.status_code == 413
        assert "Go back and copy it first." in told.text

    @pytest.mark.usefixtures("with_passwords")
    @pytest.mark.parametrize(
        "kept",
        [
            *("nonsense", "[]", "7", '["//evil.example", []]', '["/x", [["a"]]]', "[7, []]"),
            *("[" * 100_000, '["/a\\nb", []]', '["/a", [["x", "\\ud800"]]]', '["/\\ud800", []]', "9" * 5_000),
        ],
    )
    def test_that_cannot_have_been_saved_is_ignored(self, desk: Callable[[], Desk], kept: str) -> None:
        assert _sign_in(desk(), saved_form=kept, next="/requests").location == "/requests"


@pytest.mark.parametrize("seen", ["[" * 100_000, '{"status": "\\ud800"}', "9" * 5_000, '{"a":' * 50_000])
def test_a_version_that_cannot_be_read_is_no_version(clara: Desk, office: Office, seen: str) -> None:
    answer = clara.post(f"/requests/{office.request()}/item", {"do": "save", "seen": seen})

    assert answer.status_code < 500
    assert "\\ud800" not in answer.text


@pytest.mark.parametrize(
    "stored", ["[" * 3_000, '[{"kind": "done", "text": "\\ud800", "link": ""}]', "9" * 2_000]
)
def test_stored_messages_that_cannot_be_read_are_ignored(clara: Desk, stored: str) -> None:
    value = base64.urlsafe_b64encode(stored.encode()).decode()
    clara.client.set_cookie("koha_ill_sidecar_messages", value)

    assert clara.get("/requests").status_code == 200


def test_guesses_from_one_ipv6_network_are_counted_together(desk: Callable[[], Desk]) -> None:
    """A provider gives each customer at least a /64."""
    assert client_network("2001:db8:1:2::1") == client_network("2001:db8:1:2:ffff::9")
    assert client_network("2001:db8:1:2::1") != client_network("2001:db8:1:3::1")
    assert client_network("203.0.113.7") != client_network("203.0.113.8")
    assert client_network("::ffff:203.0.113.7") == client_network("203.0.113.7")
    assert client_network("") == ""
    visitor = desk()
    form = {
        "csrf_token": field(visitor.get("/sign-in").text, "csrf_token"),
        "userid": "nobody",
        "password": "x",
    }
    answers = [
        visitor.client.post(
            "/sign-in", data=form, environ_base={"REMOTE_ADDR": f"2001:db8::{number:x}"}
        ).status_code
        for number in range(1, 23)
    ]
    assert 429 in answers


def test_the_language_leads_from_what_a_form_answered_to_a_page(clara: Desk, office: Office) -> None:
    number = office.request()

    for address, wish, page in (
        (f"/requests/{number}/comments", "", f"/requests/{number}"),
        (f"/requests/{number}/item", "save", f"/requests/{number}/item"),
        ("/requests/new", "create", "/requests/new"),
    ):
        answer = clara.post(address, {"do": wish})

        assert answer.status_code == 422
        assert f'name="next" value="{page}"' in answer.text


def test_signing_out_ends_the_session(clara: Desk) -> None:
    assert clara.get("/requests").status_code == 200

    clara.post("/sign-out")

    clara.client.set_cookie("koha_ill_sidecar_session", f"token of {CLARA}")
    assert clara.get("/requests").status_code == 303


def test_a_form_from_elsewhere_changes_nothing(clara: Desk) -> None:
    without = clara.client.post("/library", data={"branchcode": RIVERSIDE})
    foreign = clara.client.post(
        "/library", data={"branchcode": RIVERSIDE}, headers={"Sec-Fetch-Site": "cross-site"}
    )

    assert (without.status_code, foreign.status_code) == (400, 400)
    assert "The form was out of date" in without.text
    assert "Ada Lovelace Library</span>" in clara.get("/nothing", Accept="text/html").text


def test_the_library_to_work_at_is_chosen(clara: Desk) -> None:
    answer = clara.post("/library", {"branchcode": RIVERSIDE, "next": "/nothing"})

    page = clara.get(answer.location, Accept="text/html").text
    assert "You now work at Riverside." in page
    assert "Riverside</span>" in page
    assert "You now work at Riverside." not in clara.get("/nothing", Accept="text/html").text


def test_the_language_is_chosen_and_remembered(clara: Desk) -> None:
    clara.post("/language", {"language": "zh-Hant-TW"})

    assert '<html lang="zh-Hant-TW">' in clara.get("/nothing", Accept="text/html").text


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("zh-TW,zh;q=0.9,en;q=0.8", "zh-Hant-TW"),
        ("zh-Hant-HK", "zh-Hant-TW"),
        ("zh-CN,en;q=0.5", "en"),
        ("de,fr", "en"),
        ("", "en"),
    ],
)
def test_the_browser_says_which_language_is_first(
    desk: Callable[[], Desk], header: str, language: str
) -> None:
    assert f'<html lang="{language}">' in desk().get("/sign-in", **{"Accept-Language": header}).text


def test_kohas_own_choice_of_language_counts(desk: Callable[[], Desk]) -> None:
    visitor = desk()
    visitor.client.set_cookie("KohaOpacLanguage", "zh-Hant-TW")

    assert '<html lang="zh-Hant-TW">' in visitor.get("/sign-in").text


def test_every_page_bears_a_strict_policy(desk: Callable[[], Desk]) -> None:
    for address in ("/sign-in", "/nothing"):
        policy = desk().get(address, Accept="text/html").headers["Content-Security-Policy"]

        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


def test_programs_are_answered_as_programs(desk: Callable[[], Desk]) -> None:
    answer = desk().get("/callbacks/nobody/here", Accept="text/html")

    assert answer.content_type == "application/problem+json"


def test_static_files_are_cached_forever_under_their_own_version(desk: Callable[[], Desk]) -> None:
    visitor = desk()
    url = link(visitor.get("/sign-in").text, "link[rel=stylesheet]")

    assert "immutable" in visitor.get(url).headers["Cache-Control"]
    assert visitor.get("/static/other/sidecar.css").headers["Cache-Control"] == "no-cache"
    assert visitor.get("/static/x/../app.py").status_code == 404


@pytest.mark.usefixtures("with_passwords")
def test_a_home_library_is_where_one_begins(desk: Callable[[], Desk]) -> None:
    visitor = desk()
    _sign_in(visitor)

    assert f'<option value="{ADA}" selected>' in visitor.get("/nothing", Accept="text/html").text


@pytest.mark.usefixtures("with_passwords")
def test_another_library_can_be_chosen_when_signing_in(desk: Callable[[], Desk]) -> None:
    visitor = desk()
    assert f'<option value="{RIVERSIDE}">Riverside</option>' in visitor.get("/sign-in").text

    _sign_in(visitor, branchcode=RIVERSIDE)

    assert "Riverside</span>" in visitor.get("/nothing", Accept="text/html").text


@pytest.mark.usefixtures("with_passwords")
def test_with_independent_branches_no_other_library_is_offered(
    desk: Callable[[], Desk], admin: Engine, database: Database
) -> None:
    with admin.begin() as connection:
        connection.execute(
            text("REPLACE INTO systempreferences (variable, value) VALUES ('IndependentBranches', '1')")
        )
    database.cache.clear()
    visitor, boss = desk(), desk()

    assert 'name="branchcode"' not in visitor.get("/sign-in").text
    assert _sign_in(visitor, branchcode=RIVERSIDE).status_code == 403
    _sign_in(visitor)
    assert 'name="branchcode"' not in visitor.get("/nothing", Accept="text/html").text
    _sign_in(boss, "super")
    assert f'<option value="{RIVERSIDE}">' in boss.get("/nothing", Accept="text/html").text


def test_under_a_path_of_a_shared_host_every_address_begins_with_it(desk: Callable[[], Desk]) -> None:
    visitor = desk()
    under = {"SCRIPT_NAME": "/ill"}

    refused = visitor.client.get("/requests", environ_overrides=under)
    form = visitor.client.get("/sign-in", environ_overrides=under)

    assert refused.location == "/ill/sign-in?next=/ill/requests"
    assert 'action="/ill/sign-in"' in form.text
    assert 'href="/ill/static/' in form.text
    assert "Path=/ill" in refused.headers["Set-Cookie"]
