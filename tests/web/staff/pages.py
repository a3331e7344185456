"""Reading pages with a parser, as a browser would, and sending their forms."""

from collections.abc import Mapping

from bs4 import BeautifulSoup, Tag
from web.conftest import Desk
from werkzeug.test import TestResponse


def parse(page: str) -> BeautifulSoup:
    """Parse a page."""
    return BeautifulSoup(page, "html.parser")


def select(page: str, selector: str) -> list[Tag]:
    """Return the elements that a CSS selector matches."""
    return list(parse(page).select(selector))


def one(page: str, selector: str) -> Tag:
    """Return the first element that a CSS selector matches; fails without one."""
    found = parse(page).select_one(selector)
    assert found is not None, selector
    return found


def text_of(element: Tag | str) -> str:
    """Return the text of an element or page, with single spaces."""
    tag = parse(element) if isinstance(element, str) else element
    return " ".join(tag.get_text(" ").split())


def rows(page: str, table: str = "table") -> list[list[str]]:
    """Return the texts of the cells in the body of the first table that matches."""
    return [[text_of(cell) for cell in row.select("th, td")] for row in one(page, table).select("tbody tr")]


def attribute(element: Tag, name: str) -> str:
    """Return an attribute; "" without it."""
    return str(element.get(name, ""))


def link(page: str, selector: str, label: str = "") -> str:
    """Return the URL of the first link that matches and whose text contains the label."""
    found = [attribute(tag, "href") for tag in select(page, selector) if label in text_of(tag)]
    assert found, (selector, label)
    return found[0]


def field(page: str, name: str) -> str:
    """Return the value of a field, not counting those in the header."""
    return _value(one(page, f'main [name="{name}"]'))


def options(page: str, name: str) -> list[str]:
    """Return the values that a select offers, without the empty one."""
    offered = (attribute(option, "value") for option in one(page, f'select[name="{name}"]').select("option"))
    return [value for value in offered if value]


def error(page: str, name: str) -> str:
    """Return the message at a field."""
    return text_of(one(page, f'[id="{name}-error"]'))


def custom_fields(page: str) -> list[tuple[str, str]]:
    """Return the names and values of the custom fields."""
    keys, values = (
        [_value(tag) for tag in select(page, f'[name="custom_{part}"]')] for part in ("key", "value")
    )
    return list(zip(keys, values, strict=True))


def fields_of(page: str) -> dict[str, str]:
    """Return the fields of the page's main form as a browser would send them; none on a page without one."""
    fields = select(page, ".page-form :is(input, textarea, select)[name]")
    return {attribute(tag, "name"): _value(tag) for tag in fields if tag["name"] != "csrf_token"}


def _value(tag: Tag) -> str:
    match tag.name:
        case "textarea":
            # Browsers drop a newline at the beginning and send CRLF.
            content = tag.get_text().removeprefix("\n").replace("\r\n", "\n")
            return content.replace("\n", "\r\n")
        case "select":
            chosen = tag.select_one("option[selected]")
            return "" if chosen is None else attribute(chosen, "value")
    return attribute(tag, "value")


def version_in(page: str) -> dict[str, str]:
    """Return the hidden field for the version that a form shows; nothing without a form."""
    found = parse(page).select_one('[name="version"]')
    return {} if found is None else {"version": attribute(found, "value")}


def press(
    desk: Desk, url: str, fields: Mapping[str, object] | None = None, *, follow: bool = False
) -> TestResponse:
    """Open the page of an action and send its form."""
    return desk.post(url, {**version_in(desk.get(url).text), **(fields or {})}, follow=follow)


def check_nothing_runs(page: str) -> None:
    """Fail on elements and attributes that only hostile test values can add, and on a template that ran."""
    for tag in parse(page).select("*"):
        assert tag.name not in ("img", "svg", "b", "iframe", "object", "embed"), tag
        assert tag.name != "script" or attribute(tag, "src").startswith("/static/"), tag
        assert not any(name.startswith("on") or name in ("style", "srcdoc") for name in tag.attrs), tag
        for name in ("href", "src", "action", "formaction"):
            target = attribute(tag, name).lower().strip()
            assert not target.startswith(("javascript:", "data:")), tag
    assert "49[" not in page


class Form:
    """A form that someone has open."""

    def __init__(self, desk: Desk, url: str) -> None:
        self.desk, self.url = desk, url
        self.page = desk.get(url).text
        self.fields = fields_of(self.page)

    def send(self, button: str = "save", **changes: str) -> TestResponse:
        """Change fields, press a button, and keep the page that comes back."""
        answer = self.desk.post(self.url, {**self.fields, **changes, "do": button})
        if answer.status_code != 303:
            self.page = answer.text
            self.fields = fields_of(self.page)
        return answer
