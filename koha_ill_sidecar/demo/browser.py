"""A browser for the smoke run: opens pages, fills in forms and presses buttons."""

from collections.abc import Sequence

import mechanicalsoup
from bs4 import Tag
from requests import RequestException, Response

from koha_ill_sidecar.errors import SidecarError

_TIMEOUT_SECONDS = 10


class PageUnexpected(SidecarError):
    """A page is missing, rejects a form, or lacks an element."""


class StaffBrowser:
    """A browser with cookies and without JavaScript."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._browser = mechanicalsoup.StatefulBrowser()

    def sign_in(self, userid: str, password: str) -> None:
        """Sign in on the home page."""
        self.open("/")
        self.send("/sign-in", userid=userid, password=password)

    def open(self, path: str) -> None:
        """Open a page."""
        self._check(self._browser.open(self._url + path, timeout=_TIMEOUT_SECONDS))

    def send(self, action: str, *, press: str | None = None, **values: str | Sequence[str]) -> None:
        """
        Fill in and submit the form with the URL *action* on the open page.

        Args:
            press: The value of the button to press; None for a form with one button.
            values: The values to enter or choose, by field name.

        Raises:
            PageUnexpected: The form lacks a field or a button, or the server rejects the form.
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
        """The URL of the open page without the host."""
        return str(self._browser.url).removeprefix(self._url)

    def text(self, selector: str) -> str:
        """Return the text of the first element on the open page that matches a CSS selector."""
        return " ".join(self._found(selector).get_text().split())

    def _found(self, selector: str) -> Tag:
        found: Tag | None = self._browser.page.select_one(selector)
        if found is None:
            raise PageUnexpected(f"{self._browser.url} has no {selector}")
        return found

    def _check(self, answer: Response) -> None:
        if not answer.ok:
            raise PageUnexpected(f"{answer.url} returned the status {answer.status_code}")
