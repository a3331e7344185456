"""The list of requests, with eyes and hands."""

import re

import pytest
from browser.conftest import LANGUAGES, PHONE, WIDE, Seat
from playwright.sync_api import expect
from sqlalchemy import Engine

from factories import make_request
from koha_ill_sidecar.services.request_index import indexing
from koha_ill_sidecar.storage.database import Database


@pytest.fixture(autouse=True)
def _requests(admin: Engine, database: Database) -> None:
    with admin.begin() as connection:
        places = ["Zanzibar", *(f"many places, part {part}" for part in range(24))]
        for index in range(25):
            make_request(
                connection,
                database.koha(),
                status=("NEW", "REQ", "COMP")[index % 3],
                attributes={"type": "book", "title": f"A history of {places[index % 25]}", "author": "Ada"},
            )
    while database.transact(indexing.build) is not None:
        pass


@pytest.mark.parametrize("size", [WIDE, PHONE])
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_list_is_accessible(seat: Seat, size: tuple[int, int], language: str) -> None:
    clara = seat(size=size, language=language)

    page = clara.open("/requests?q=history&sort=title")

    expect(page.locator("tbody tr")).to_have_count(20)
    clara.check_accessible()
    page.locator("summary.button").click()
    clara.check_accessible()


@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_odd_filters_are_told_accessibly(seat: Seat, size: tuple[int, int]) -> None:
    clara = seat(size=size)

    page = clara.open(
        f"/requests?q={'x' * 201}&placed_from=yesterday&updated_from=2026-02-02&updated_to=2026-01-01"
        "&page=abc&library=CPL&library=GONE"
    )

    expect(page.locator("ul.message li")).to_have_count(4)
    expect(page.get_by_label("Keyword")).to_have_value("x" * 201)
    expect(page.locator("#placed_from")).to_have_value("yesterday")
    clara.check_accessible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_offered_on_a_phone_is_on_the_screen(seat: Seat, language: str) -> None:
    page = seat(size=PHONE, language=language).open("/requests")

    page.locator("summary.button").click()

    box = page.locator("details.menu[open] > form").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE[0]


def test_finding_a_request_needs_no_mouse(seat: Seat) -> None:
    page = seat().open("/requests")
    page.keyboard.press("/")
    page.keyboard.type("hist zanzi")

    page.keyboard.press("Enter")

    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody th a")).to_be_visible()


def test_single_keys_walk_through_the_list_and_lead_elsewhere(seat: Seat) -> None:
    page = seat().open("/requests")
    links = page.locator("tbody th a")

    for key, focused in (("j", 0), ("j", 1), ("j", 2), ("k", 1), ("k", 0), ("k", 0)):
        page.keyboard.press(key)
        expect(links.nth(focused)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/requests/\d+$"))
    page.keyboard.press("e")
    expect(page).to_have_url(re.compile(r"/requests/\d+/edit$"))
    page.keyboard.press("l")
    expect(page).to_have_url(re.compile(r"/requests$"))


def test_single_keys_can_be_turned_off(seat: Seat) -> None:
    clara = seat()
    page = clara.open("/requests")
    page.keyboard.press("?")
    expect(page).to_have_url(re.compile(r"/keyboard$"))
    clara.check_accessible()
    page.get_by_role("button", name="Turn keyboard shortcuts off in this browser").click()
    expect(page.get_by_text("Keyboard shortcuts are off in this browser.").first).to_be_visible()

    page = clara.open("/requests")
    page.keyboard.press("n")
    page.keyboard.press("/")

    expect(page).to_have_url(re.compile(r"/requests$"))
    expect(page.get_by_label("Keyword")).not_to_be_focused()


def test_the_list_works_without_javascript(seat: Seat) -> None:
    page = seat(javascript=False).open("/requests")
    page.get_by_role("link", name="Requested 8").click()
    page.locator("summary.button").click()
    page.get_by_label("Backend", exact=True).last.check()
    page.get_by_role("button", name="Show these columns").click()

    expect(page.locator("tbody tr")).to_have_count(8)
    expect(page.get_by_role("columnheader", name="Backend")).to_be_visible()
