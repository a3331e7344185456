"""The bar at the top, and the way back from a page of a request."""

import pytest
from office import Office
from web.conftest import Desk
from web.staff.pages import attribute, select, text_of


def current(page: str) -> list[tuple[str, str]]:
    """Return what the bar says is current: how, and what it is called."""
    marked = select(page, 'nav[aria-label="Main"] [aria-current]')
    return [(attribute(tag, "aria-current"), text_of(tag)) for tag in marked]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/requests", [("page", "Requests")]),
        ("/requests?status=NEW", [("page", "Requests")]),
        ("/requests/new", [("page", "New ILL request")]),
        ("/requests/{number}", [("true", "Requests")]),
        ("/requests/{number}/edit", [("true", "Requests")]),
        ("/requests/{number}/actions/confirm", [("true", "Requests")]),
        ("/dashboard", [("page", "Dashboard")]),
        ("/operations", [("page", "Operations")]),
        ("/operations/messages", [("true", "Operations")]),
        ("/keyboard", []),
    ],
)
def test_one_place_at_most_is_current(
    clara: Desk, office: Office, path: str, said: list[tuple[str, str]]
) -> None:
    number = office.request()

    assert current(clara.get(path.format(number=number)).text) == said


def test_the_answer_to_a_form_is_below_its_place_too(clara: Desk, office: Office) -> None:
    number = office.request()

    page = clara.post(f"/requests/{number}/comments", {"comment": ""}).text

    assert current(page) == [("true", "Requests")]


@pytest.mark.parametrize(
    ("path", "here"),
    [
        ("", "Request {number}"),
        ("/partners", "Place request with partners"),
        ("/actions/confirm", "Confirm request"),
        ("/actions/mark_completed", "No longer possible"),
        ("/notices/ILL_PICKUP_READY", "ILL request ready for pickup"),
        ("/log", "ILL request log"),
        ("/metadata", "Supplier metadata"),
    ],
)
def test_the_pages_of_a_request_say_where_they_are(clara: Desk, office: Office, path: str, here: str) -> None:
    office.writes_letters()
    number = office.request()

    page = clara.get(f"/requests/{number}{path}").text

    crumbs = select(page, 'nav[aria-label="Breadcrumbs"] li')
    beyond = [] if path == "" else [f"Request {number}"]
    assert [text_of(crumb) for crumb in crumbs] == [
        "Home",
        "ILL requests",
        *beyond,
        here.format(number=number),
    ]
    assert attribute(crumbs[-1], "aria-current") == "page"


def test_home_is_kohas_where_its_address_is_known(clara: Desk, office: Office) -> None:
    number = office.request()
    assert '<a href="/">Home</a>' in clara.get(f"/requests/{number}").text
    office.prefers(staffClientBaseURL="https://koha.example.org")

    assert (
        '<a href="https://koha.example.org/cgi-bin/koha/mainpage.pl">Home</a>'
        in clara.get(f"/requests/{number}").text
    )
