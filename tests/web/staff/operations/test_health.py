"""Whether all is well, on its page and in the navigation bar."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest
from flask import Flask
from mail_servers import MailServer, running
from sqlalchemy import Engine, text
from web.conftest import Desk
from web.staff.operations.conftest import Send
from web.staff.pages import attribute, one, text_of

from conftest import KohaDatabase
from koha_ill_sidecar.config.settings import DeliverySettings, SmtpSettings
from koha_ill_sidecar.delivery.smtp import Mailer
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.sidecar import leases
from koha_ill_sidecar.web.app import create_app
from supplier import callback_settings, report


@pytest.fixture
def app(koha_database: KohaDatabase, database: Database) -> Iterator[Flask]:
    """The application with backends and a mail server that answers."""
    mailer = Mailer()
    with running(MailServer()) as smtp:
        settings = callback_settings(koha_database.settings, delivery=DeliverySettings(smtp=smtp))
        yield create_app(Runtime(settings=settings, database=database, mailer=mailer))
    mailer.close()


def test_problems_are_listed_first_with_what_to_do(clara: Desk) -> None:
    shown = clara.get("/operations").text

    assert "no email notice template for all libraries" in shown
    assert "koha-ill-sidecar notices install" in shown
    assert "1 of 3 have no email address: patron ID 13" in shown
    assert "accepts our mail" in shown
    assert shown.index("no email notice template") < shown.index("accepts our mail")


def test_what_is_found_is_told_in_the_language_of_the_page(clara: Desk) -> None:
    clara.post("/language", {"language": "zh-Hant-TW"})

    shown = clara.get("/operations").text

    assert "沒有適用於所有圖書館的電子郵件通知範本：ILL_PARTNER_REQ, " in shown
    assert "請執行：koha-ill-sidecar notices install --only-missing" in shown
    assert "3 所中有 1 所沒有電子郵件地址：讀者編號 13" in shown
    assert "可接受我方郵件" in shown


def test_a_mail_server_that_does_not_answer_is_told(koha_database: KohaDatabase, database: Database) -> None:
    nobody = DeliverySettings(smtp=SmtpSettings(host="127.0.0.1", port=1))
    settings = callback_settings(koha_database.settings, delivery=nobody)
    application = create_app(Runtime(settings=settings, database=database))

    shown = Desk(application.test_client(), database).sign_in(1).get("/operations").text

    assert '<span class="state fail">Failed</span>' in shown
    assert "127.0.0.1:1 does not accept our mail: No connection to the mail server 127.0.0.1:1: " in shown


def test_the_checks_are_kept_until_somebody_asks_again(clara: Desk, admin: Engine) -> None:
    assert "KohaAdminEmailAddress is empty" not in clara.get("/operations").text
    with admin.begin() as connection:
        connection.execute(
            text("UPDATE systempreferences SET value = '' WHERE variable = 'KohaAdminEmailAddress'")
        )
    assert "KohaAdminEmailAddress is empty" not in clara.get("/operations").text
    database = clara._database
    database.cache.clear()

    assert "KohaAdminEmailAddress is empty" in clara.post("/operations/check", follow=True).text


def test_who_checks_again_is_told_what_was_checked_and_when(clara: Desk) -> None:
    shown = clara.post("/operations/check", follow=True).text

    assert re.match(
        r"Checked again at [-\d]+ \d\d:\d\d:\d\d: Preferences, [\w ,]*, Mail server\. 2 problems were found\.",
        text_of(one(shown, ".message.warning")),
    )
    assert "Checked again" not in clara.get("/operations").text


def test_jobs_that_do_not_run_are_told_where_one_looks_first(clara: Desk, database: Database) -> None:
    assert "Some jobs are overdue." in clara.get("/operations").text

    for name in ("watch", "index", "outbox", "figures", "cleanup"):
        database.transact(leases.acquire, name, holder="host1:1:x", lease_seconds=60)

    assert "Some jobs are overdue." not in clara.get("/operations").text


def in_navigation(page: str, backend: str) -> str:
    title = attribute(one(page, f'.backends a[title^="{backend}: "]'), "title")
    return title.removeprefix(f"{backend}: ")


def test_the_bar_tells_of_every_backend_that_is_set_up_for_callbacks(
    clara: Desk, send: Send, new_request: Callable[..., int]
) -> None:
    send(report(new_request(), "evt_1"), "evt_1")

    shown = clara.get("/requests").text

    assert in_navigation(shown, "acme") == "OK"
    assert in_navigation(shown, "plain") == "no callback received yet"
    assert "silent" not in shown
    assert 'title="off' not in shown
    assert '<span class="visually-hidden">: OK</span>' in shown


def test_the_bar_tells_of_callbacks_in_vain(clara: Desk, send: Send) -> None:
    send(report(999_999, "evt_1"), "evt_1")
    send(b"{", "evt_2")

    assert (
        in_navigation(clara.get("/requests").text, "acme")
        == "2 callbacks of the last day could not be processed"
    )


def test_what_went_wrong_the_day_before_yesterday_is_past(clara: Desk, send: Send, admin: Engine) -> None:
    send(b"{", "evt_1")
    with admin.begin() as connection:
        connection.execute(text("UPDATE ill_sidecar_receipts SET received_at = received_at - INTERVAL 2 DAY"))

    assert in_navigation(clara.get("/requests").text, "acme") == "OK"


def test_the_bar_asks_the_database_once_in_a_while(
    clara: Desk, queries: Callable[[], AbstractContextManager[list[str]]]
) -> None:
    with queries() as seen:
        for _ in range(3):
            clara.get("/requests")

    assert len([statement for statement in seen if "ill_sidecar_receipts" in statement]) == 1


def test_who_is_not_signed_in_hears_nothing_of_the_backends(desk: Callable[[], Desk]) -> None:
    assert "acme" not in desk().get("/sign-in").text


def test_the_last_callback_of_each_backend_is_read_from_the_index(admin: Engine, send: Send) -> None:
    send(b"{", "evt_1")
    with admin.connect() as connection:
        plan = connection.execute(
            text("EXPLAIN SELECT backend, MAX(received_at) FROM ill_sidecar_receipts GROUP BY backend")
        ).mappings()
        (step,) = plan

    assert step["key"] == "ill_sidecar_receipts_backend"
