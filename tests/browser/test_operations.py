"""The dashboard and the pages of operations, with eyes and hands."""

import pytest
from browser.conftest import LANGUAGES, PHONE, WIDE, Seat
from playwright.sync_api import expect
from queued import Queue, dispatching
from sqlalchemy import Engine, text

from cast import ADA, NORTH, RIVERSIDE
from conftest import KohaDatabase
from factories import make_request
from koha_ill_sidecar.config.settings import DeliverySettings, Settings
from koha_ill_sidecar.domain.callbacks import Verdict
from koha_ill_sidecar.domain.figures import By, DaysCount, FigureCounter, OpenCount, Outcome, OutcomeCount
from koha_ill_sidecar.messages import lazy
from koha_ill_sidecar.services.notices import templates
from koha_ill_sidecar.services.operations import figures
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.koha import requests
from koha_ill_sidecar.storage.sidecar import leases, receipts
from koha_ill_sidecar.storage.sidecar import requests as sidecar_requests
from koha_ill_sidecar.storage.sidecar.receipts import NewReceipt
from koha_ill_sidecar.storage.transaction import Transaction
from supplier import callback_settings

CODE = "ILL_PICKUP_READY"


def _receipt(tx: Transaction, verdict: Verdict) -> int | None:
    return receipts.add(
        tx,
        NewReceipt(
            backend="acme",
            event_id=f"evt_{verdict}_with_a_name_that_is_longer_than_a_telephone_is_wide",
            occurred_at=None,
            illrequest_id=None,
            order_id="ORDER-1",
            authentication="bearer",
            remote_address="192.0.2.1",
            headers={"content-type": "application/json", "webhook-id": "x" * 90},
            body=b'{"event_id": "evt_1", "request": {"order_id": "ORDER-1"}, "status": "in_process"}',
            body_sha256="0" * 64,
            verdict=verdict,
            answer_status=404,
            answer={"outcome": verdict.value, "detail": "This backend has no request ORDER-1."},
        ),
    )


def _work(tx: Transaction) -> dict[str, int]:
    """Let something of everything have happened."""
    number = make_request(tx.connection, tx.koha)
    sidecar_requests.add_alert(tx, requests.get(tx, number), [lazy("The supplier needs more information.")])
    templates.install(tx)
    counter = FigureCounter()
    for month in range(1, 13):
        for backend, library, days in (("acme", ADA, month), ("Standard", RIVERSIDE, 3 * month)):
            keys = {
                By.MONTH: f"2026-{month:02}",
                By.BACKEND: backend,
                By.LIBRARY: library,
                By.PARTNER: str(NORTH),
            }
            name = f"2026-{month:02}"
            counter.add(
                [DaysCount(keys, days, month, name), OutcomeCount(keys, Outcome.FILLED, 5 * month, name)]
            )
            counter.add([OutcomeCount(keys, Outcome.UNFILLED, month, name)])
            counter.add([OutcomeCount(keys, Outcome.WAITING, 1, name)])
    for age in range(5):
        counter.add([OpenCount("NEW", age, 40 - 7 * age), OpenCount("REQ", age, 11 * age + 3)])
    figures.save(tx, counter.figures([f"2026-{month:02}" for month in range(1, 13)]))
    leases.acquire(tx, "watch", holder="host1:1:x", lease_seconds=60)
    leases.acquire(tx, "cleanup", holder="host1:1:x", lease_seconds=60)
    leases.release(tx, "cleanup", holder="host1:1:x", error="The database refused a statement.")
    return {"request": number, "receipt": _receipt(tx, Verdict.UNKNOWN_REQUEST) or 0} | {
        verdict.value: _receipt(tx, verdict) or 0 for verdict in (Verdict.APPLIED, Verdict.INVALID)
    }


@pytest.fixture
def settings(koha_database: KohaDatabase) -> Settings:
    """Have backends, of which the navigation bar tells."""
    return callback_settings(koha_database.settings, delivery=DeliverySettings(enabled=False))


@pytest.fixture
def queue(admin: Engine, database: Database) -> Queue:
    return Queue(admin, database)


@pytest.fixture
def pages(database: Database, queue: Queue, admin: Engine) -> dict[str, str]:
    """Fill every page, and give their addresses."""
    failed = queue.add(to_address="nowhere", subject="Ready for you")
    with dispatching(database) as dispatcher:
        dispatcher.run_once()
    queue.add()
    sent = queue.add(status="sent")
    made = database.transact(_work)
    with admin.begin() as connection:
        connection.execute(text("UPDATE letter SET content = '[% IF %]' WHERE code = 'ILL_REQUEST_CANCEL'"))
    return {
        "dashboard": "/dashboard",
        "over time": "/dashboard/over-time/library",
        "health": "/operations",
        "messages": "/operations/messages?state=all",
        "message": f"/operations/messages/{failed}",
        "confirm": f"/operations/messages/confirm?action=give_up&message={failed}",
        "send again": f"/operations/messages/confirm?action=retry&message={failed}&message={sent}",
        "correct": f"/operations/messages/confirm?action=set_address&message={failed}&message={sent}",
        "callbacks": "/operations/callbacks",
        "callback": f"/operations/callbacks/{made['receipt']}",
        "jobs": "/operations/jobs",
        "notices": "/operations/notices",
        "preview": f"/operations/notices/preview?code={CODE}&transport=email&request={made['request']}",
    }


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_can_be_used_by_everybody(
    seat: Seat, pages: dict[str, str], size: tuple[int, int], language: str
) -> None:
    clara = seat(size=size, language=language)

    for address in pages.values():
        page = clara.open(address)

        clara.check_accessible()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), address


def test_a_plot_is_drawn_without_a_style_of_its_own(seat: Seat, pages: dict[str, str]) -> None:
    page = seat().open(pages["dashboard"])
    middle = page.locator("svg.plot .middle").first

    width = middle.bounding_box()
    assert width is not None
    assert width["width"] > 1
    assert middle.evaluate("shape => getComputedStyle(shape).fill") == "rgb(140, 191, 146)"


@pytest.mark.parametrize("javascript", [True, False])
def test_messages_are_chosen_confirmed_and_given_up(
    seat: Seat, pages: dict[str, str], *, javascript: bool
) -> None:
    page = seat(javascript=javascript).open(pages["messages"])

    page.get_by_role("link", name="Select all on this page").click()
    page.get_by_role("button", name="Give up…").click()
    expect(page.get_by_role("heading", name="Give up 2 messages?")).to_be_visible()
    expect(page.get_by_text("Left out: already sent")).to_be_visible()
    page.get_by_role("button", name="Give up").click()

    expect(page.get_by_text("2 messages were given up: Koha shows them as failed.")).to_be_visible()
    assert "state=all" in page.url


@pytest.mark.parametrize("javascript", [True, False])
def test_a_sent_message_is_sent_again_only_if_ticked(
    seat: Seat, pages: dict[str, str], *, javascript: bool
) -> None:
    page = seat(javascript=javascript).open(f"{pages['messages']}&all_chosen=1")

    page.get_by_role("button", name="Try again now…").click()
    expect(page.get_by_role("heading", name="Retry 2 messages?")).to_be_visible()
    tick = page.get_by_role("checkbox")
    expect(tick).not_to_be_checked()
    tick.check()
    page.get_by_role("button", name="Try again now").click()

    expect(page.get_by_text("3 messages will be retried now.")).to_be_visible()


def test_a_message_is_sent_to_another_address(seat: Seat, pages: dict[str, str]) -> None:
    page = seat().open(pages["message"])

    page.get_by_label("Address (separate several with commas)").fill("sam@example.org")
    page.get_by_role("button", name="Save and try again now").click()

    expect(page.get_by_text("The address of the message was changed.")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Pending")


def test_the_sections_can_be_walked_by_keyboard(seat: Seat, pages: dict[str, str]) -> None:
    page = seat().open(pages["health"])

    page.locator("nav.sections").get_by_role("link", name="Jobs").focus()
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("Jobs")
    expect(page.locator("nav.sections [aria-current]")).to_have_text("Jobs")
