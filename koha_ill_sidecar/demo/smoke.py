"""Run the main workflow once from end to end, through the interfaces that staff and suppliers use."""

import base64
import hashlib
import hmac
import json
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlencode

import click

from koha_ill_sidecar.demo.browser import StaffBrowser
from koha_ill_sidecar.demo.environment import DATABASE, SUPPLIER, DemoEnvironment
from koha_ill_sidecar.demo.sample_people import STAFF_PASSWORD
from koha_ill_sidecar.errors import SidecarError

_STAFF = "clara"
_PATRON = "sam"
_PATRON_EMAIL = "sam.page@example.org"
_TITLE = "Notes on the Analytical Engine"
_REFERENCE = "https://resolver.example.org/?" + urlencode(
    {
        "ctx_ver": "Z39.88-2004",
        "rft_val_fmt": "info:ofi/fmt:kev:mtx:book",
        "rft.btitle": _TITLE,
        "rft.au": "Lovelace, Ada",
        "rft.date": "1843",
    }
)
_WAIT_SECONDS = 10.0


class SmokeFailed(SidecarError):
    """A step did not have the expected result."""


def run(directory: Path) -> bool:
    """Run all steps in a private environment, print each, and return whether all of them succeeded."""
    started = time.monotonic()
    shutil.rmtree(directory, ignore_errors=True)
    try:
        _announce("Start a private MariaDB with a Koha library, a mail catcher and the sidecar")
        with DemoEnvironment(directory, on_mail=lambda _path, _mail: None) as demo:
            _report(f"{demo.url}/readyz answers 200")
            _run_steps(demo)
    except SidecarError as error:
        click.echo(f"\nFAILED: {error}", err=True)
        return False
    click.echo(f"\nOK: the main workflow ran from end to end in {time.monotonic() - started:.1f} s")
    return True


def _run_steps(demo: DemoEnvironment) -> None:
    browser = StaffBrowser(demo.url)
    browser.sign_in(_STAFF, STAFF_PASSWORD)
    illrequest_id = _create_request(demo, browser)
    _place_with_partners(demo, browser, illrequest_id)
    _deliver_to_partners(demo)
    _receive_callback(demo, illrequest_id)
    _notify_patron(demo)
    _show_log(demo, illrequest_id)


def _create_request(demo: DemoEnvironment, browser: StaffBrowser) -> int:
    _announce(
        f"Staff member {_STAFF} pastes a reference and requests the book for patron {_PATRON}, on the sidecar's pages"
    )
    browser.open("/requests/new")
    browser.send("/requests/new", press="fill_in", reference=_REFERENCE)
    browser.send("/requests/new", press="create", patron=_PATRON, supplier=SUPPLIER)
    _report(f"{browser.path}: {browser.text('main .message')}")
    illrequest_id = int(browser.path.rpartition("/")[2])
    status, biblio_id = _rows(
        demo, "SELECT status, biblio_id FROM illrequests WHERE illrequest_id = %s", illrequest_id
    )[0]
    _expect(status, "NEW", "status of the new request")
    title = _one_value(demo, "SELECT title FROM biblio WHERE biblionumber = %s", biblio_id)
    _expect(title, _TITLE, "title of the brief record")
    _report(f"status NEW, with the brief record {biblio_id}: {title}")
    return illrequest_id


def _place_with_partners(demo: DemoEnvironment, browser: StaffBrowser, illrequest_id: int) -> None:
    _announce("She places it with two partner libraries")
    partners = _rows(
        demo,
        "SELECT borrowernumber, surname, email FROM borrowers"
        " WHERE categorycode = 'IL' AND email LIKE '%%@%%' ORDER BY borrowernumber LIMIT 2",
    )
    action = f"/requests/{illrequest_id}/partners"
    browser.open(action)
    browser.send(action, press="preview", partners=[str(partner[0]) for partner in partners])
    browser.send(action, press="send")
    _report(browser.text("main .message"))
    status = _one_value(demo, "SELECT status FROM illrequests WHERE illrequest_id = %s", illrequest_id)
    _expect(status, "GENREQ", "status after placing")
    asked = _one_value(
        demo,
        "SELECT value FROM illrequestattributes WHERE illrequest_id = %s AND type = 'requested_partners'",
        illrequest_id,
    )
    _expect(asked, "; ".join(str(partner[2]) for partner in partners), "attribute requested_partners")
    _report(f"status GENREQ, requested_partners is {asked}")


def _deliver_to_partners(demo: DemoEnvironment) -> None:
    _announce("The sidecar delivers the mails to the partners over SMTP")
    for mail in _mails(demo, 2):
        _require(_TITLE in _text(mail), "the partner's mail names the title")
        _report(f"to {mail['To']}, from {mail['From']}: {mail['Subject']}")
    _wait_until_sent(demo)


def _receive_callback(demo: DemoEnvironment, illrequest_id: int) -> None:
    _announce("The supplier reports the delivery in a signed callback, twice")
    event = {
        "event_id": "smoke-1",
        "occurred_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "request": {"ill_request_id": illrequest_id, "order_id": "DS-1843-7"},
        "status": "delivered",
        "cost": {"amount": "12.50", "currency": "EUR"},
    }
    first, repeat = _post(demo, event), _post(demo, event)
    _expect(first.get("outcome"), "applied", "outcome of the callback")
    _require(repeat.get("duplicate") is True, "the repeat is recognised")
    row = _rows(
        demo,
        "SELECT status, orderid, cost, completed = CURDATE() FROM illrequests WHERE illrequest_id = %s",
        illrequest_id,
    )[0]
    _expect(row, ("COMP", "DS-1843-7", "12.50", 1), "Koha's row of the request")
    _report(
        f"first: {first['outcome']}; second: duplicate; Koha's row: status COMP, order DS-1843-7, cost 12.50"
    )


def _notify_patron(demo: DemoEnvironment) -> None:
    _announce("The patron is notified by email and, through the provider's email gateway, by SMS")
    for mail in _mails(demo, 4)[2:]:
        _require("Sam" in _text(mail) or mail["To"] != _PATRON_EMAIL, "the email names the patron")
        _report(f"to {mail['To']}: {mail['Subject']}")
    _wait_until_sent(demo)


def _show_log(demo: DemoEnvironment, illrequest_id: int) -> None:
    _announce("Koha's log of the request has all steps")
    printed = demo.command("requests", "log", str(illrequest_id))
    for phrase in ("New request", "Requested from partners", "Completed"):
        _require(phrase in printed, f"the log contains {phrase}")
    for line in printed.splitlines():
        _report(line)


def _post(demo: DemoEnvironment, event: Mapping[str, object]) -> Mapping[str, object]:
    """Post a callback as a supplier does, signed according to Standard Webhooks."""
    body = json.dumps(event).encode()
    timestamp = str(int(time.time()))
    key = base64.b64decode(demo.secret.removeprefix("whsec_"))
    signed = b".".join([str(event["event_id"]).encode(), timestamp.encode(), body])
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    request = urllib.request.Request(  # noqa: S310  (our own http address)
        f"{demo.url}/callbacks/{SUPPLIER}",
        data=body,
        headers={
            "Content-Type": "application/json",
            "webhook-id": str(event["event_id"]),
            "webhook-timestamp": timestamp,
            "webhook-signature": f"v1,{signature}",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  (our own http address)
            document: Mapping[str, object] = json.load(answer)
            return document
    except urllib.error.HTTPError as error:
        raise SmokeFailed(f"the callback returned {error.code}: {error.read().decode()}") from error


def _mails(demo: DemoEnvironment, count: int) -> list[EmailMessage]:
    """Wait for *count* mails and return all."""
    for _ in _polling():
        if len(found := demo.catcher.mails()) >= count:
            return found
    raise SmokeFailed(f"{len(demo.catcher.mails())} mails arrived in {_WAIT_SECONDS:g} s, not {count}")


def _wait_until_sent(demo: DemoEnvironment) -> None:
    for _ in _polling():
        if _one_value(demo, "SELECT COUNT(*) FROM message_queue WHERE status = 'pending'") == 0:
            break
    states = _rows(demo, "SELECT status, failure_code FROM message_queue ORDER BY message_id DESC LIMIT 2")
    for status, failure in states:
        _expect((status, failure or ""), ("sent", ""), "Koha's message queue")


def _polling() -> Iterator[None]:
    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline:
        yield
        time.sleep(0.1)


def _text(mail: EmailMessage) -> str:
    body = mail.get_body(("plain", "html"))
    return str(body.get_content()) if body is not None else ""


def _rows(demo: DemoEnvironment, statement: str, *values: object) -> list[tuple[object, ...]]:
    """Query Koha's database directly."""
    with demo.server.connect(DATABASE) as connection, connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def _one_value(demo: DemoEnvironment, statement: str, *values: object) -> object:
    rows = _rows(demo, statement, *values)
    return rows[0][0] if rows else None


def _expect(found: object, wanted: object, what: str) -> None:
    if found != wanted:
        raise SmokeFailed(f"{what}: {found!r} instead of {wanted!r}")


def _require(condition: object, what: str) -> None:
    if not condition:
        raise SmokeFailed(f"{what}: no")


def _announce(step: str) -> None:
    click.echo(f"* {step}")


def _report(what: str) -> None:
    click.echo(f"    {what}")
