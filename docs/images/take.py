"""Take the screenshots in this directory: the main pages of the staff interface, with a sample library."""

import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from koha_ill_sidecar.demo.environment import DemoEnvironment
from koha_ill_sidecar.demo.sample_people import STAFF_PASSWORD

_HERE = Path(__file__).parent
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
_WIDE, _PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
_PAGES = {
    "requests": "/requests",
    "request": "/requests/200",
    "new-request": "/requests/new",
    "partners": "/requests/200/partners",
    "dashboard": "/dashboard",
    "messages": "/operations/messages",
}
_SECONDS_TO_INDEX = 20


def main() -> None:
    """Start a demo, visit the pages and take the screenshots."""
    with (
        tempfile.TemporaryDirectory(prefix="koha-ill-screenshots-") as directory,
        DemoEnvironment(Path(directory), on_mail=lambda _path, _mail: None) as environment,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=_ARGUMENTS)
        page = browser.new_page(viewport=_WIDE)
        _sign_in(page, environment.url)
        _wait_for_the_index(page, environment.url)
        for name, path in _PAGES.items():
            page.goto(environment.url + path)
            page.screenshot(path=_HERE / f"{name}.png")
        page.set_viewport_size(_PHONE)
        page.goto(f"{environment.url}/requests/200")
        page.screenshot(path=_HERE / "request-phone.png")
        page.set_viewport_size(_WIDE)
        page.get_by_role("button", name="正體中文").click()
        page.goto(f"{environment.url}/requests/200")
        page.screenshot(path=_HERE / "request-zh.png")
        browser.close()


def _sign_in(page: Page, url: str) -> None:
    page.goto(f"{url}/requests")
    page.get_by_label("User name").fill("clara")
    page.get_by_label("Password").fill(STAFF_PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def _wait_for_the_index(page: Page, url: str) -> None:
    deadline = time.monotonic() + _SECONDS_TO_INDEX
    while "still being made" in page.content() and time.monotonic() < deadline:
        time.sleep(0.5)
        page.goto(f"{url}/requests")


if __name__ == "__main__":
    main()
