"""The page of a request and what is done there, with eyes and hands."""

import pytest
from browser.conftest import LANGUAGES, PHONE, WIDE, Seat
from office import HOSTILE, Office
from playwright.sync_api import Dialog, Page, expect
from sqlalchemy import Engine

from cast import NORTH, SAM, SOUTH
from koha_ill_sidecar.domain.callbacks import Verdict
from koha_ill_sidecar.messages import lazy
from koha_ill_sidecar.services.partners import placing
from koha_ill_sidecar.services.requests import lifecycle, notices
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.koha import requests as stored
from koha_ill_sidecar.storage.sidecar import requests as sidecar_requests
from messaging import BY_CLARA


@pytest.fixture
def office(admin: Engine, database: Database) -> Office:
    """Letters are there, and Sam wants them by email and SMS."""
    office = Office(admin, database)
    office.writes_letters()
    for name in ("Ill_ready", "Ill_unavailable", "Ill_update"):
        office.wants(name, "email", "sms")
    office.prefers(staffClientBaseURL="https://koha.example.org")
    return office


@pytest.fixture
def busy(office: Office, database: Database) -> int:
    """A request with something in every part of its page; gives its number."""
    number = office.request(
        orderid="77-1",
        cost="12.5",
        accessurl="https://repository.example/items/1",
        notesstaff="Ring them\nat noon",
        attributes={
            "type": "book",
            "title": "Crime and punishment",
            "author": "Dostoyevsky, Fyodor",
            "isbn": "9780140449136",
        },
    )
    office.comments(number, "The reader is in a hurry.")
    database.transact(
        placing.place_with_partners,
        number,
        BY_CLARA,
        borrowernumbers=[NORTH, SOUTH],
        subject="Do you have",
        body="this?",
    )
    database.transact(notices.send_notice, number, "ILL_REQUEST_UPDATE", BY_CLARA, additional_text="Soon.")
    database.transact(notices.send_notice, office.request(), "ILL_PICKUP_READY", BY_CLARA)
    office.receives(number, {"status": "shipped", "request": {"ill_request_id": number}}, detail="Applied.")
    office.receives(number, b"{not JSON", Verdict.INVALID, event_id="evt_2")
    ill_request = database.transact(stored.get, number)
    database.transact(sidecar_requests.add_alert, ill_request, [lazy("The supplier needs more information.")])
    office.does("UPDATE ill_sidecar_requests SET long_values = JSON_OBJECT('tracking', 'RR123456789NO')")
    office.does(
        "UPDATE borrowers SET dateexpiry = '2020-01-31', debarred = '9999-12-31' WHERE borrowernumber = :sam",
        sam=SAM,
    )
    return number


PAGES = (
    "",
    "/actions/cancel",
    "/actions/confirm",
    "/actions/mark_completed",
    "/notices/ILL_PICKUP_READY",
    "/notices/ILL_REQUEST_UPDATE",
    "/log",
    "/metadata",
)


@pytest.mark.parametrize("size", [WIDE, PHONE])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_is_accessible_and_fits(
    seat: Seat, busy: int, office: Office, database: Database, size: tuple[int, int], language: str
) -> None:
    clara = seat(size=size, language=language)
    fresh, gone = office.request(), office.request()
    nobodys = office.request(status="UNAUTH", borrowernumber=None)
    database.transact(lifecycle.delete, gone, BY_CLARA)

    for path in (
        *(f"/requests/{busy}{page}" for page in PAGES),
        f"/requests/{fresh}",
        f"/requests/{fresh}/actions/delete",
        f"/requests/{fresh}/partners",
        f"/requests/{nobodys}",
        f"/requests/{nobodys}/actions/confirm",
        f"/requests/{gone}",
        "/patrons?q=page",
    ):
        page = clara.open(path)
        for closed in page.locator("main details:not(.menu)").all():
            closed.locator("summary").click()
        clara.check_accessible()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
        assert page.evaluate(WIDER_THAN_ITS_FRAME) == [], path
    # The browser's own word on the status 409 or 404 is no complaint of the page.
    clara.complaints = [one for one in clara.complaints if "409" not in one and "404" not in one]


WIDER_THAN_ITS_FRAME = """[...document.querySelectorAll("main .scroll, main .card, main pre")]
    .filter((frame) => frame.scrollWidth > frame.clientWidth + 1).map((frame) => frame.outerHTML.slice(0, 200))"""


@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_what_changed_meanwhile_is_told_and_one_decides(
    seat: Seat, office: Office, size: tuple[int, int]
) -> None:
    number = office.request()
    clara = seat(size=size)
    page = clara.open(f"/requests/{number}/actions/confirm")
    office.does(
        "UPDATE illrequests SET notesstaff = :note", note="Ring them before anything is ordered. " * 5
    )
    office.comments(number, "Wait!")

    page.get_by_role("button", name="Confirm request").click()
    expect(page.get_by_role("alert")).to_contain_text("The request has changed since this page was opened")
    expect(page.get_by_role("row", name="Comments 0 1")).to_be_visible()
    clara.check_accessible()
    assert page.evaluate(WIDER_THAN_ITS_FRAME) == []
    page.get_by_role("button", name="Confirm request").click()

    expect(page.get_by_role("status")).to_have_text("The status is now: Requested. No notice was queued.")
    clara.complaints = [one for one in clara.complaints if "409" not in one]


@pytest.mark.parametrize("javascript", [True, False])
def test_what_is_clicked_twice_is_done_once(seat: Seat, office: Office, *, javascript: bool) -> None:
    number = office.request()
    clara = seat(javascript=javascript)
    page = clara.open(f"/requests/{number}")

    page.get_by_label("New comment").fill("Asked them again")
    page.get_by_role("button", name="Add comment").dblclick()
    expect(page.locator(".comment_S .text")).to_have_text("Asked them again")
    clara.open(f"/requests/{number}/notices/ILL_PICKUP_READY")
    page.get_by_role("button", name="Send notice").dblclick()
    page.wait_for_load_state("networkidle")

    assert office.asks("SELECT COUNT(*) FROM illcomments") == [(1,)]
    assert office.asks("SELECT message_transport_type FROM message_queue ORDER BY 1") == [
        ("email",),
        ("sms",),
    ]
    clara.complaints = [one for one in clara.complaints if "409" not in one]


HIDDEN_FOCUS = """(() => {
    const focused = document.activeElement;
    const box = focused.getBoundingClientRect();
    const seen = document.elementFromPoint(box.left + box.width / 2, box.top + Math.min(box.height / 2, 10));
    return focused !== document.body && seen !== null && !focused.contains(seen) && !seen.contains(focused)
        ? focused.outerHTML.slice(0, 200) : null;
})()"""


@pytest.mark.parametrize("size", [(1280, 600), PHONE])
def test_nothing_that_has_the_focus_is_hidden(seat: Seat, busy: int, size: tuple[int, int]) -> None:
    page = seat(size=size).open(f"/requests/{busy}")
    page.locator("main details.menu summary").click()

    for key in ("Tab", "Shift+Tab"):
        for _ in range(70):
            page.keyboard.press(key)
            assert page.evaluate(HIDDEN_FOCUS) is None


def tab_to(page: Page, label: str) -> None:
    """Press Tab until something with this label has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            "(() => { const e = document.activeElement;"
            " return (e.labels && e.labels[0] ? e.labels[0].textContent : e.textContent).trim() })()"
        )
        if focused == label:
            return
    raise AssertionError(f"nothing called {label!r} can be reached")


def test_a_request_is_confirmed_by_keyboard(seat: Seat, office: Office) -> None:
    number = office.request()
    page = seat().open(f"/requests/{number}")

    tab_to(page, "Confirm request")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Confirm request")).to_be_visible()
    tab_to(page, "Confirm request")
    page.keyboard.press("Enter")

    expect(page.get_by_role("status")).to_have_text("The status is now: Requested. No notice was queued.")
    assert office.status(number) == "REQ"


def test_a_comment_is_added_by_keyboard(seat: Seat, office: Office) -> None:
    number = office.request()
    page = seat().open(f"/requests/{number}")

    tab_to(page, "New comment")
    page.keyboard.type("Asked them again")
    tab_to(page, "Add comment")
    page.keyboard.press("Enter")

    expect(page.get_by_role("status")).to_have_text("The comment was added.")
    expect(page.locator(".comment_S .text")).to_have_text("Asked them again")


def test_a_notice_is_sent_by_keyboard(seat: Seat, office: Office) -> None:
    number = office.request()
    page = seat().open(f"/requests/{number}")

    tab_to(page, "Send notice to patron")
    page.keyboard.press("Enter")
    tab_to(page, "ILL request update")
    page.keyboard.press("Enter")
    expect(page.get_by_label("News about the request")).to_be_visible()
    tab_to(page, "News about the request")
    page.keyboard.type("It left Oslo.")
    tab_to(page, "Preview")
    page.keyboard.press("Enter")
    expect(page.locator("pre").first).to_contain_text("It left Oslo.")
    tab_to(page, "Send notice")
    page.keyboard.press("Enter")

    expect(page.get_by_role("status").first).to_contain_text("The notice was queued by Email")
    expect(page.get_by_role("status").nth(1)).to_contain_text("The notice was queued by SMS")


def test_everything_works_without_javascript(seat: Seat, office: Office) -> None:
    number = office.request()
    page = seat(javascript=False).open(f"/requests/{number}")

    page.get_by_text("Send notice to patron").click()
    page.get_by_role("link", name="ILL request ready for pickup").click()
    page.get_by_role("button", name="Send notice").click()
    page.get_by_role("link", name="Delete request").click()
    page.get_by_role("button", name="Delete request").click()

    expect(page.locator(".message.done")).to_contain_text(f"Request {number} was deleted.")


@pytest.mark.parametrize("hostile", HOSTILE)
def test_what_people_wrote_never_runs(seat: Seat, office: Office, database: Database, hostile: str) -> None:
    office.does("UPDATE letter SET name = :text WHERE code = 'ILL_PICKUP_READY'", text=hostile)
    office.does(
        "UPDATE borrowers SET firstname = :text, email = :text WHERE borrowernumber = :sam",
        text=hostile,
        sam=SAM,
    )
    office.does(
        "UPDATE borrowers SET surname = :text WHERE borrowernumber = :north", text=hostile, north=NORTH
    )
    office.does("UPDATE authorised_values SET lib = :text", text=hostile)
    number = office.request(
        notesstaff=hostile,
        accessurl=f"javascript:alert(1)//{hostile}",
        attributes={"type": hostile, "title": hostile, hostile[:40]: hostile},
    )
    office.comments(number, hostile)
    database.transact(
        placing.place_with_partners, number, BY_CLARA, borrowernumbers=[NORTH], subject=hostile, body=hostile
    )
    office.does("UPDATE illrequests SET status_alias = 'WAITING'")
    office.receives(number, {"note": hostile}, Verdict.INVALID, event_id=hostile, detail=hostile)
    office.receives(number, hostile.encode(), Verdict.INVALID, event_id="evt_2")
    word = lazy("Supplier's message: %(message)s", message=hostile)
    database.transact(sidecar_requests.add_alert, database.transact(stored.get, number), [word])
    clara = seat()
    dialogs: list[str] = []

    def close(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    clara.page.on("dialog", close)

    for path in ("", "/actions/mark_completed", "/notices/ILL_PICKUP_READY", "/log", "/metadata"):
        page = clara.open(f"/requests/{number}{path}")
        for closed in page.locator("main details").all():
            closed.locator("summary").click()
        assert page.locator("main script, main img, main svg, main [onfocus], main [onerror]").count() == 0
        assert page.locator('main a[href^="javascript:"]').count() == 0
    page = clara.open(f"/requests/{office.request()}/partners")
    page.get_by_label("MPL - ").first.check()
    page.get_by_label("Subject line").fill(hostile.replace("\0", ""))
    page.get_by_role("button", name="Preview", exact=True).click()
    assert page.locator("main script, main img, main svg, main [onfocus], main [onerror]").count() == 0
    page = clara.open(f"/requests/{number}/notices/ILL_REQUEST_UPDATE")
    page.get_by_label("News about the request").fill(hostile.replace("\0", ""))
    page.get_by_role("button", name="Preview").click()

    assert dialogs == []
