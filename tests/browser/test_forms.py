"""The forms on requests, with eyes and hands: every page in both languages and widths, and work by keyboard alone."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import bcrypt
import pytest
from browser.conftest import LANGUAGES, PHONE, WIDE, Person, Seat
from playwright.sync_api import Page, expect
from sqlalchemy import Engine, text

from cast import CLARA, NORTH, RIVERSIDE, SAM, SOUTH, SUPER, WEN
from factories import make_request
from koha_ill_sidecar.storage.database import Database

OPENURL = (
    "https://resolver.example.org/?ctx_ver=Z39.88-2004&rft_val_fmt=info:ofi/fmt:kev:mtx:journal"
    "&rft.atitle=On+snow&rft.jtitle=Nature&rft.aulast=Nakaya&rft.date=1938&rft.volume=1&rft.series=S"
)

SUGGESTED = ".suggestions:not([hidden]) [role=option]"

Make = Callable[..., int]


@pytest.fixture
def make(admin: Engine, database: Database) -> Make:
    """Return a function that makes a request and commits it."""

    def made(**given: Any) -> int:
        with admin.begin() as connection:
            return make_request(connection, database.koha(), **given)

    return made


def row(admin: Engine, number: int) -> Mapping[str, Any]:
    with admin.connect() as connection:
        found = connection.execute(text("SELECT * FROM illrequests WHERE illrequest_id = :n"), {"n": number})
        return dict(found.mappings().one())


def newest(admin: Engine) -> int:
    with admin.connect() as connection:
        return int(connection.scalar(text("SELECT MAX(illrequest_id) FROM illrequests")) or 0)


def attributes_of(admin: Engine, number: int) -> dict[str, str]:
    with admin.connect() as connection:
        rows = connection.execute(
            text("SELECT type, value FROM illrequestattributes WHERE illrequest_id = :n"), {"n": number}
        )
        return {one.type: one.value for one in rows}


def tab_to(page: Page, field: str) -> None:
    """Press the tabulator key until a field has the focus."""
    for _ in range(60):
        if page.evaluate("selector => document.activeElement.matches(selector)", field):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{field} cannot be reached by keyboard")


def fits(page: Page) -> bool:
    """Return whether nothing sticks out to the right of the page."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def in_every_form(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test in both languages and widths."""
    sizes = pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
    languages = pytest.mark.parametrize("language", LANGUAGES)
    run: Callable[..., None] = sizes(languages(test))
    return run


def expect_refusal(person: Person, status: str) -> None:
    """Take back the browser's complaint about a page that was meant to be a refusal."""
    (complaint,) = person.complaints
    assert status in complaint
    person.complaints.clear()


def arrive(person: Person, number: int) -> None:
    """Wait for a request's own page."""
    person.page.wait_for_url(f"**/requests/{number}")
    person.complaints[:] = [complaint for complaint in person.complaints if "404" not in complaint]


@in_every_form
def test_the_form_of_a_new_request(seat: Seat, size: tuple[int, int], language: str) -> None:
    clara = seat(size=size, language=language)
    page = clara.open("/requests/new")
    clara.check_accessible()

    page.locator("#reference").fill(OPENURL)
    page.locator("button[value=fill_in]").click()
    expect(page.locator("#field-article_title")).to_have_value("On snow")
    page.locator("#patron").press_sequentially("page")
    expect(page.locator(SUGGESTED)).to_have_count(1)
    clara.check_accessible()
    assert fits(page)


@in_every_form
def test_a_new_request_with_candidates_and_a_warning(
    seat: Seat, size: tuple[int, int], language: str, make: Make
) -> None:
    make(attributes={"type": "article", "article_title": "On snow"})
    clara = seat(size=size, language=language)
    page = clara.open(f"/requests/new?borrowernumber={SAM}")
    page.locator("#type").select_option("article")
    page.locator("#field-article_title").fill("On snow")
    page.locator(".buttons .primary").click()

    expect(page.locator("#earlier-title")).to_be_visible()
    clara.check_accessible()
    assert fits(page)


@in_every_form
@pytest.mark.parametrize("is_visitor", [False, True], ids=["patron", "visitor"])
def test_the_form_that_edits_a_request(
    seat: Seat, size: tuple[int, int], language: str, make: Make, *, is_visitor: bool
) -> None:
    visitor = {f"unauthenticated_{key}": "Page" for key in ("first_name", "last_name", "email")}
    number = (
        make(borrowernumber=None, status="UNAUTH", attributes=visitor)
        if is_visitor
        else make(notesstaff="雪" * 200)
    )
    clara = seat(size=size, language=language)

    page = clara.open(f"/requests/{number}/edit")

    clara.check_accessible()
    assert fits(page)


@in_every_form
def test_the_form_that_edits_the_item(seat: Seat, size: tuple[int, int], language: str, make: Make) -> None:
    clara = seat(size=size, language=language)
    page = clara.open(f"/requests/{make(attributes={'type': 'book', 'title': 'T', 'colour': 'red'})}/item")

    page.locator("button[value=add_row]").click()

    expect(page.locator(".custom-row input[name=custom_key]")).to_have_count(4)
    clara.check_accessible()
    assert fits(page)


@in_every_form
def test_the_form_and_the_preview_for_partners(
    seat: Seat, size: tuple[int, int], language: str, make: Make
) -> None:
    clara = seat(size=size, language=language)
    page = clara.open(f"/requests/{make()}/partners")
    clara.check_accessible()
    assert fits(page)

    page.locator(f"input[value='{NORTH}']").check()
    page.locator("#subject").fill("Could you lend this?")
    page.locator("#body").fill("Please.\n" * 3)
    page.locator("button.primary").click()
    expect(page.locator(".card pre")).to_have_count(1)
    clara.check_accessible()
    assert fits(page)


@in_every_form
def test_the_search_for_patrons(seat: Seat, size: tuple[int, int], language: str) -> None:
    clara = seat(size=size, language=language)

    page = clara.open("/patrons?q=sam")

    clara.check_accessible()
    assert fits(page)


@in_every_form
def test_what_somebody_else_has_changed(
    seat: Seat, size: tuple[int, int], language: str, make: Make, admin: Engine
) -> None:
    number = make(notesstaff="old")
    clara = seat(size=size, language=language)
    page = clara.open(f"/requests/{number}/edit")
    with admin.begin() as connection:
        connection.execute(text("UPDATE illrequests SET notesstaff = 'theirs'"))
    page.locator("#notesstaff").fill("mine")
    page.locator(".buttons .primary").click()

    expect(page.locator("#changed-title")).to_be_visible()
    clara.check_accessible()
    assert fits(page)
    expect_refusal(clara, "409")

    page.locator("#changed-title ~ .buttons button").click()
    arrive(clara, number)
    assert row(admin, number)["notesstaff"] == "mine"


def test_mistakes_are_told_accessibly(seat: Seat) -> None:
    clara = seat()
    page = clara.open("/requests/new")
    page.locator(".buttons .primary").click()

    expect(page.locator("#type-error")).to_be_visible()
    clara.check_accessible()
    expect_refusal(clara, "422")


def test_a_request_is_created_from_an_openurl_by_keyboard(seat: Seat, admin: Engine) -> None:
    clara = seat()
    page = clara.open("/requests/new")

    tab_to(page, "#reference")
    page.keyboard.insert_text(OPENURL)
    page.keyboard.press("Enter")
    expect(page.locator("[data-focus-after=fill_in]")).to_be_focused()
    tab_to(page, "#field-year")
    expect(page.locator("#field-year")).to_have_value("1938")
    tab_to(page, "button[value=add_row]")
    page.keyboard.press("Enter")
    expect(page.locator("[data-focus-after=add_row]")).to_be_focused()
    page.keyboard.type("colour")
    page.keyboard.press("Tab")
    page.keyboard.type("white")
    tab_to(page, "#patron")
    page.keyboard.type("wen", delay=30)
    expect(page.locator(SUGGESTED)).to_have_count(1)
    page.keyboard.press("ArrowDown")
    expect(page.locator("#patron")).to_have_attribute("aria-activedescendant", "patron-list-0")
    page.keyboard.press("Enter")
    expect(page.locator("#patron")).to_have_value("文 林 [20000006]")
    expect(page.locator("#branchcode")).to_have_value(RIVERSIDE)
    tab_to(page, ".buttons .primary")
    page.keyboard.press("Enter")

    page.wait_for_url(re.compile(r"/requests/\d+$"))
    number = newest(admin)
    arrive(clara, number)
    assert (row(admin, number)["borrowernumber"], row(admin, number)["branchcode"]) == (WEN, RIVERSIDE)
    known = attributes_of(admin, number)
    assert known["article_title"] == "On snow"
    assert (known["series"], known["colour"]) == ("S", "white")


def test_enter_in_a_field_creates_the_request(seat: Seat, admin: Engine) -> None:
    clara = seat()
    page = clara.open(f"/requests/new?borrowernumber={SAM}")
    tab_to(page, "#type")
    page.keyboard.type("Jour")
    tab_to(page, "#field-title")
    page.keyboard.type("Nature")
    page.keyboard.press("Enter")

    page.wait_for_url(re.compile(r"/requests/\d+$"))
    arrive(clara, newest(admin))
    assert attributes_of(admin, newest(admin))["title"] == "Nature"


def test_a_request_is_edited_by_keyboard(seat: Seat, admin: Engine, make: Make) -> None:
    number = make()
    clara = seat()
    page = clara.open(f"/requests/{number}/edit")

    tab_to(page, "#patron")
    page.keyboard.press("Control+A")
    page.keyboard.type("20000006", delay=20)
    expect(page.locator(SUGGESTED)).to_have_text("文 林 [20000006] Riverside")
    page.keyboard.press("Escape")
    expect(page.locator(SUGGESTED)).to_have_count(0)
    page.keyboard.press("Backspace")
    expect(page.locator(SUGGESTED)).not_to_have_count(0)
    page.keyboard.type("6")
    expect(page.locator(SUGGESTED)).to_have_count(1)
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.locator("#borrowernumber")).to_have_value(str(WEN))
    expect(page.locator("#patron")).to_have_value("文 林 [20000006]")
    tab_to(page, "#managedby")
    page.keyboard.type("Clara")
    tab_to(page, "#notesstaff")
    page.keyboard.type("Call back")
    tab_to(page, ".buttons .primary")
    page.keyboard.press("Enter")

    arrive(clara, number)
    found = row(admin, number)
    assert (found["borrowernumber"], found["managedby"], found["notesstaff"]) == (WEN, CLARA, "Call back")


@pytest.mark.parametrize("end", ["Enter", "Tab"])
def test_a_scanned_card_says_who_is_meant_and_sends_nothing(seat: Seat, make: Make, end: str) -> None:
    page = seat().open(f"/requests/{make()}/edit")

    tab_to(page, "#patron")
    page.keyboard.press("Control+A")
    page.keyboard.type("20000006")
    page.keyboard.press(end)

    expect(page.locator("#patron")).to_have_value("文 林 [20000006]")
    expect(page.locator(".combobox [role=status]")).to_have_text("Chosen: 文 林 [20000006]")
    expect(page).to_have_url(re.compile("/edit$"))


def test_enter_after_a_name_that_several_have_asks_who_is_meant(seat: Seat) -> None:
    clara = seat()
    page = clara.open("/requests/new")
    page.locator("#type").select_option("book")

    tab_to(page, "#patron")
    page.keyboard.type("partner")
    page.keyboard.press("Enter")

    expect(page.locator("#patron-error")).to_have_text("More than one patron matches. Choose one.")
    expect(page.locator(".candidates button")).to_have_count(3)
    expect_refusal(clara, "422")


@pytest.mark.parametrize("javascript", [True, False])
def test_a_reference_that_cannot_be_read_is_told_where_it_stands(seat: Seat, *, javascript: bool) -> None:
    page = seat(javascript=javascript).open("/requests/new")

    page.locator("#reference").fill("no reference at all")
    page.locator("button[value=fill_in]").click()

    told = page.get_by_role("alert").filter(has_text="There is no OpenURL")
    expect(told).to_be_visible()
    expect(page.locator("#reference")).to_be_focused()
    expect(page.locator("#reference")).to_have_value("no reference at all")


def test_a_request_is_placed_with_partners_by_keyboard(seat: Seat, admin: Engine, make: Make) -> None:
    number = make()
    clara = seat()
    page = clara.open(f"/requests/{number}/partners")

    tab_to(page, "#filter")
    page.keyboard.type("nor mpl")
    expect(page.locator("#partners li:visible")).to_have_count(1)
    tab_to(page, f"input[value='{NORTH}']")
    page.keyboard.press("Space")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Control+A")
    page.keyboard.type("south")
    expect(page.locator("#partners li:visible")).to_have_count(2)
    tab_to(page, f"input[value='{SOUTH}']")
    page.keyboard.press("Space")
    tab_to(page, "#subject")
    page.keyboard.type("Could you lend this?")
    tab_to(page, "#body")
    page.keyboard.type("Please.")
    tab_to(page, ".buttons .primary")
    page.keyboard.press("Enter")
    expect(page.locator(".card")).to_have_count(1)
    tab_to(page, "button[value=send]")
    page.keyboard.press("Enter")

    arrive(clara, number)
    assert row(admin, number)["status"] == "GENREQ"
    assert (
        attributes_of(admin, number)["requested_partners"] == "ill@north.example.org; ill@south.example.org"
    )


def test_no_partner_that_is_called_so_is_told(seat: Seat, make: Make) -> None:
    page = seat().open(f"/requests/{make()}/partners")

    page.locator("#filter").fill("zzz")
    page.keyboard.press("Enter")

    expect(page.locator("#partners-count")).to_have_text("No partner library has this name.")


def test_one_chinese_character_is_enough_to_search(seat: Seat) -> None:
    page = seat().open("/requests/new")

    page.locator("#patron").press_sequentially("林")

    expect(page.locator(SUGGESTED)).to_have_text("文 林 [20000006] Riverside")


def test_the_library_that_somebody_chose_stays(seat: Seat) -> None:
    page = seat().open("/requests/new")
    page.locator("#branchcode").select_option(RIVERSIDE)
    page.locator("#patron").press_sequentially("page")
    page.locator(SUGGESTED).click()

    expect(page.locator("#patron")).to_have_value("Sam Page [20000005]")
    expect(page.locator("#branchcode")).to_have_value(RIVERSIDE)


def test_what_is_typed_stays_while_the_type_changes_in_place(seat: Seat) -> None:
    page = seat().open("/requests/new")
    page.locator("#type").select_option("book")
    page.locator("#field-title").fill("Snow country")
    page.locator("#field-isbn").fill("9780306406157")

    page.locator("#type").focus()
    page.keyboard.type("DV")

    expect(page.locator("#field-studio")).to_be_visible()
    expect(page.locator("#field-title")).to_have_value("Snow country")
    expect(page.locator("input[name=custom_value]").first).to_have_value("9780306406157")
    expect(page.locator("#type")).to_be_focused()


def test_a_session_that_has_ended_leads_to_the_sign_in_and_back(seat: Seat, admin: Engine) -> None:
    clara = seat()
    page = clara.open("/requests/new")
    page.locator("#type").select_option("book")
    page.locator("#field-title").fill("Snow country")
    hashed = bcrypt.hashpw(b"correct horse", bcrypt.gensalt(4, prefix=b"2a")).decode()
    with admin.begin() as connection:
        connection.execute(text("DELETE FROM ill_sidecar_sessions"))
        connection.execute(text("UPDATE borrowers SET password = :hashed"), {"hashed": hashed})

    page.locator("#type").select_option("journal")
    expect(page.get_by_text("What you typed is saved.")).to_be_visible()
    clara.check_accessible()
    page.get_by_role("button", name="正體中文").click()
    page.locator("#userid").fill("clara")
    page.locator("#password").fill("correct horse")
    page.keyboard.press("Enter")
    expect(page.locator("main dd")).to_have_text("Snow country")
    clara.check_accessible()
    page.get_by_role("button", name="English").click()
    page.get_by_role("button", name="Send it").click()

    expect(page.locator("#field-title")).to_have_value("Snow country")
    expect(page.locator("#type")).to_have_value("journal")
    clara.complaints.clear()


@pytest.mark.parametrize("javascript", [True, False])
def test_the_language_changes_with_all_that_is_typed(seat: Seat, make: Make, *, javascript: bool) -> None:
    page = seat(javascript=javascript).open(f"/requests/{make()}/edit")
    page.locator("#notesstaff").fill("雪 typed")

    page.get_by_role("button", name="正體中文").click()

    expect(page.locator("html")).to_have_attribute("lang", "zh-Hant-TW")
    expect(page.locator("#notesstaff")).to_have_value("雪 typed")


def test_without_a_script_a_request_is_created(seat: Seat, admin: Engine) -> None:
    clara = seat(javascript=False)
    page = clara.open("/requests/new")
    page.locator("#type").select_option("book")
    page.locator("button[value=type]").click()
    page.locator("#field-title").fill("Snow country")
    page.locator("button[value=add_row]").click()
    expect(page.locator("input[name=custom_key]")).to_have_count(3)
    page.locator("input[name=custom_key]").first.fill("colour")
    page.locator("input[name=custom_value]").first.fill("white")
    page.locator("#patron").fill("we")
    page.locator("button[value=find]").click()
    page.get_by_role("button", name="文 林").click()
    expect(page.locator("#field-title")).to_have_value("Snow country")
    page.locator(".buttons .primary").click()

    page.wait_for_url(re.compile(r"/requests/\d+$"))
    number = newest(admin)
    arrive(clara, number)
    assert row(admin, number)["borrowernumber"] == WEN
    assert attributes_of(admin, number)["colour"] == "white"


def test_without_a_script_a_request_is_edited_and_placed(seat: Seat, admin: Engine, make: Make) -> None:
    number = make()
    clara = seat(SUPER, javascript=False)
    page = clara.open(f"/requests/{number}/edit")
    page.locator("#patron").fill("20000006")
    page.locator("button[value=find]").click()
    expect(page.locator("#patron")).to_have_value("文 林 [20000006]")
    page.locator(".buttons .primary").click()
    arrive(clara, number)

    page = clara.open(f"/requests/{number}/item")
    page.locator("#field-volume").fill("7")
    page.locator(".buttons .primary").click()
    arrive(clara, number)

    page = clara.open(f"/requests/{number}/partners")
    page.locator("#filter").fill("south")
    page.locator("button[value=filter]").click()
    expect(page.locator("#partners li:visible")).to_have_count(1)
    page.locator(f"input[value='{SOUTH}']").check()
    page.locator("#subject").fill("Could you lend this?")
    page.locator("#body").fill("Please.")
    page.locator(".buttons .primary").click()
    page.locator("button[value=send]").click()
    arrive(clara, number)

    assert (row(admin, number)["borrowernumber"], row(admin, number)["status"]) == (WEN, "GENREQ")
    assert attributes_of(admin, number)["volume"] == "7"
