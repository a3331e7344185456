"""Reading pages as a browser would, and sending their forms."""

import html
import re
from collections.abc import Mapping
from html.parser import HTMLParser

from web.conftest import Desk
from werkzeug.test import TestResponse


def value_of(page: str, name: str) -> str:
    tag = re.search(rf'<input[^>]*\bname="{re.escape(name)}"[^>]*>', page)
    assert tag, name
    value = re.search(r'value="([^"]*)"', tag[0])
    return value[1] if value else ""


def rows_of(page: str) -> list[tuple[str, str]]:
    def values(name: str) -> list[str]:
        tags = re.findall(rf'<input name="{name}"[^>]*>', page)
        return [found[1] if (found := re.search(r'value="([^"]*)"', tag)) else "" for tag in tags]

    return list(zip(values("custom_key"), values("custom_value"), strict=True))


def chosen_in(page: str, name: str) -> str:
    select = re.search(rf'<select id="{name}".*?</select>', page, re.DOTALL)
    assert select
    option = re.search(r'value="([^"]*)" selected', select[0])
    return option[1] if option else ""


def fields_of(page: str) -> dict[str, str]:
    """Read the fields of the form as a browser would send them."""
    form = page.partition('class="page-form"')[2].partition("</form>")[0]
    found = {}
    for tag in re.findall(r"<input[^>]*>", form):
        name, value = re.search(r'\bname="([^"]*)"', tag), re.search(r'\bvalue="([^"]*)"', tag)
        if name and name[1] != "csrf_token":
            found[name[1]] = html.unescape(value[1]) if value else ""
    for name, value in re.findall(r'<textarea[^>]*name="(\w+)">\n(.*?)</textarea>', form, re.DOTALL):
        found[name] = html.unescape(value).replace("\r\n", "\n").replace("\n", "\r\n")
    for name, options in re.findall(r'<select[^>]*name="(\w+)".*?>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', options)
        found[name] = html.unescape(chosen[1]) if chosen else ""
    return found


def version_in(page: str) -> dict[str, str]:
    """Return what the form of a page remembers to have shown; nothing where there is no form."""
    return {"version": html.unescape(value_of(page, "version"))} if 'name="version"' in page else {}


def press(
    desk: Desk, address: str, fields: Mapping[str, object] | None = None, *, follow: bool = False
) -> TestResponse:
    """Open the page of an action and send its form."""
    return desk.post(address, {**version_in(desk.get(address).text), **(fields or {})}, follow=follow)


class _Tags(HTMLParser):
    """Collects the tags of a page as a browser reads them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def check_nothing_runs(page: str) -> None:
    """Fail on tags and attributes that only a value of the tests can have brought, and on a template that ran."""
    reader = _Tags()
    reader.feed(page)
    reader.close()
    for tag, attributes in reader.tags:
        assert tag not in ("img", "svg", "b", "iframe", "object", "embed"), tag
        assert tag != "script" or (attributes.get("src") or "").startswith("/static/"), attributes
        assert not any(name.startswith("on") or name in ("style", "srcdoc") for name in attributes), (
            tag,
            attributes,
        )
        for name in ("href", "src", "action", "formaction"):
            assert not (attributes.get(name) or "").lower().strip().startswith(("javascript:", "data:")), (
                attributes
            )
    assert "49[" not in page


class Form:
    """A form that somebody has open."""

    def __init__(self, desk: Desk, address: str) -> None:
        self.desk, self.address = desk, address
        self.page = desk.get(address).text
        self.fields = fields_of(self.page)

    def send(self, wish: str = "save", **changes: str) -> TestResponse:
        answer = self.desk.post(self.address, {**self.fields, **changes, "do": wish})
        if answer.status_code != 303:
            self.page = answer.text
            self.fields = fields_of(self.page)
        return answer
