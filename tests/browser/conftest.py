"""
The pages in a real Chromium.

Whatever a page complains of (script errors, what the policy refuses, failed loads) fails the test, and so does what axe
finds to be inaccessible.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Playwright,
    expect,
    sync_playwright,
)

from cast import ADA, CLARA
from conftest import KohaDatabase
from factories import begin_session
from koha_ill_sidecar.config.settings import KohaSettings, Settings
from koha_ill_sidecar.config.values import ListenAddress
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.scheduler.http_server import HTTPServer
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.web.app import create_app

_TIMEOUT = timedelta(minutes=1)  # for any machine; the default of five seconds is not

WIDE, PHONE = (1280, 900), (390, 800)
LANGUAGES = ("en", "zh-Hant-TW")

_CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
_ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run"),
)


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """Playwright's driver."""
    expect.set_options(timeout=_TIMEOUT.total_seconds() * 1000)
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=list(_ARGUMENTS))
    yield browser
    browser.close()


@pytest.fixture
def settings(koha_database: KohaDatabase) -> Settings:
    """What the site is set up to; a module may have its own."""
    return Settings(koha=KohaSettings(database=koha_database.settings))


@pytest.fixture
def site(settings: Settings, database: Database) -> Iterator[str]:
    """Serve the pages; gives their address."""
    application = create_app(Runtime(settings=settings, database=database))
    server = HTTPServer(ListenAddress.parse("127.0.0.1:0"), application, threads=4, grace_seconds=5)
    server.start()
    yield server.address
    server.stop()


@dataclass
class Person:
    """Somebody at a browser, signed in."""

    page: Page
    site: str
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        """Go to a page."""
        self.page.goto(self.site + path)
        return self.page

    def check_accessible(self) -> None:
        """Fail on whatever axe finds."""
        results = Axe().run(
            self.page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
        )
        assert results.violations_count == 0, results.generate_report()


Seat = Callable[..., Person]


@pytest.fixture
def seat(chromium: Browser, site: str, database: Database) -> Iterator[Seat]:
    """Let somebody sit down: ``seat(CLARA, size=PHONE, language="zh-Hant-TW")``."""
    contexts: list[BrowserContext] = []
    people: list[Person] = []

    def sit_down(
        borrowernumber: int = CLARA,
        *,
        branchcode: str = ADA,
        size: tuple[int, int] = WIDE,
        language: str = "en",
        javascript: bool = True,
    ) -> Person:
        token = hashlib.sha256(f"{borrowernumber} {len(people)}".encode()).hexdigest()
        database.transact(begin_session, token, borrowernumber, branchcode)
        context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]}, java_script_enabled=javascript
        )
        contexts.append(context)
        context.set_default_timeout(_TIMEOUT.total_seconds() * 1000)
        context.add_cookies(
            [
                {"name": "koha_ill_sidecar_session", "value": token, "url": site},
                {"name": "koha_ill_sidecar_language", "value": language, "url": site},
            ]
        )
        person = Person(context.new_page(), site)
        people.append(person)
        person.page.on("console", lambda message: _note(person, message))
        person.page.on("pageerror", lambda error: person.complaints.append(str(error)))
        return person

    yield sit_down
    complaints = [complaint for person in people for complaint in person.complaints]
    for context in contexts:
        context.close()
    assert complaints == []


def _note(person: Person, message: ConsoleMessage) -> None:
    if message.type in ("error", "warning"):
        person.complaints.append(message.text)
