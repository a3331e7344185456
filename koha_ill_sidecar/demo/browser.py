"""A member of staff at the sidecar's pages: reads them, fills in their forms and presses their buttons."""

from collections.abc import Sequence

import mechanicalsoup
from bs4 import Tag
from requests import RequestException, Response

from koha_ill_sidecar.errors import SidecarError

_TIMEOUT_SECONDS = 10


class PageUnexpected(SidecarError):
    """A page is not there, refuses what was sent, or lacks what was looked for."""


class StaffBrowser:
    """A browser with cookies and without scripts."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._browser = mechanicalsoup.StatefulBrowser()

    def sign_in(self, userid: str, password: str) -> None:
        """Come in by the front door."""
        self.open("/")
        self.send("/sign-in", userid=userid, password=password)

    def open(self, path: str) -> None:
        """Go to a page."""
        self._check(self._browser.open(self._url + path, timeout=_TIMEOUT_SECONDS))

    def send(self, action: str, *, press: str | None = None, **values: str | Sequence[str]) -> None:
        """
        Fill in the form of the open page that goes to *action*, and send it.

        Args:
            press: The value of the button; None for a form with one button.
            values: What to type or choose, by the names of the fields.

        Raises:
            PageUnexpected: The form lacks a field or a button, or what was sent is refused.
        """
        try:
            form = self._browser.select_form(f'main form[action="{action}"]')
            for name, value in values.items():
                form[name] = value
            if press is not None:
                form.choose_submit(self._found(f'main form[action="{action}"] button[value="{press}"]'))
            answer = self._browser.submit_selected(timeout=_TIMEOUT_SECONDS)
        except (
            mechanicalsoup.LinkNotFoundError,
            mechanicalsoup.InvalidFormMethod,
            RequestException,
        ) as error:
            raise PageUnexpected(f"{self._browser.url}: {error}") from error
        self._check(answer)

    @property
    def path(self) -> str:
        """The address of the open page, without the host."""
        return str(self._browser.url).removeprefix(self._url)

    def text(self, selector: str) -> str:
        """Return the text of the first element that a CSS selector finds on the open page."""
        return " ".join(self._found(selector).get_text().split())

    def _found(self, selector: str) -> Tag:
        found: Tag | None = self._browser.page.select_one(selector)
        if found is None:
            raise PageUnexpected(f"{self._browser.url} has no {selector}")
        return found

    def _check(self, answer: Response) -> None:
        if not answer.ok:
            raise PageUnexpected(f"{answer.url} is answered {answer.status_code}")
