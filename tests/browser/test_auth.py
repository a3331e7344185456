"""Signing in to the staff interface, in a browser."""

import pytest
from browser.conftest import LANGUAGES, PHONE, WIDE, Seat
from playwright.sync_api import expect

from cast import DORA


@pytest.mark.parametrize("size", [WIDE, PHONE])
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_sign_in_page(seat: Seat, size: tuple[int, int], language: str) -> None:
    visitor = seat(DORA, size=size, language=language)

    page = visitor.open("/requests")

    expect(page.locator("#userid")).to_be_focused()
    visitor.check_accessible()


def test_the_menu_of_the_person_closes_with_escape(seat: Seat) -> None:
    clara = seat()
    page = clara.open("/requests")
    page.get_by_text("Clara Birchwood").click()
    expect(page.get_by_label("Your library")).to_be_visible()

    page.keyboard.press("Escape")

    expect(page.get_by_label("Your library")).to_be_hidden()
    clara.check_accessible()
