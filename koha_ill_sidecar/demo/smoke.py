"""The main job once, from end to end, through the doors that people and suppliers use."""

import base64
import hashlib
import hmac
import json
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
from koha_ill_sidecar.demo.neighbourhood import DATABASE, SUPPLIER, Neighbourhood
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
_PATIENCE_SECONDS = 10.0


class SmokeFailed(SidecarError):
    """A step did not show what it should."""


def run(directory: Path) -> bool:
    """Run all steps in a neighbourhood of their own, printing each; tells whether every one held."""
    started = time.monotonic()
    Neighbourhood.forget(directory)
    try:
        _say("Start a private MariaDB with a Koha library, a mail catcher and the sidecar")
        with Neighbourhood(directory, told=_note_nothing) as place:
            _saw(f"{place.url}/readyz answers 200")
            _tell_the_story(place)
    except SidecarError as error:
        click.echo(f"\nFAILED: {error}", err=True)
        return False
    click.echo(f"\nOK: the main job ran from end to end in {time.monotonic() - started:.1f} s")
    return True


def _tell_the_story(place: Neighbourhood) -> None:
    desk = StaffBrowser(place.url)
    desk.sign_in(_STAFF, STAFF_PASSWORD)
    number = _create_request(place, desk)
    _place_with_partners(place, desk, number)
    _deliver_to_partners(place)
    _receive_callback(place, number)
    _notify_patron(place)
    _show_log(place, number)


def _create_request(place: Neighbourhood, desk: StaffBrowser) -> int:
    _say(
        f"Staff member {_STAFF} pastes a reference and requests the book for patron {_PATRON}, on the sidecar's pages"
    )
    desk.open("/requests/new")
    desk.send("/requests/new", press="fill_in", reference=_REFERENCE)
    desk.send("/requests/new", press="create", patron=_PATRON, supplier=SUPPLIER)
    _saw(f"{desk.path}: {desk.text('main .message')}")
    number = int(desk.path.rpartition("/")[2])
    status, biblio_id = _rows(
        place, "SELECT status, biblio_id FROM illrequests WHERE illrequest_id = %s", number
    )[0]
    _expect(status, "NEW", "status of the new request")
    title = _one_value(place, "SELECT title FROM biblio WHERE biblionumber = %s", biblio_id)
    _expect(title, _TITLE, "title of the brief record")
    _saw(f"status NEW, with the brief record {biblio_id}: {title}")
    return number


def _place_with_partners(place: Neighbourhood, desk: StaffBrowser, number: int) -> None:
    _say("She places it with two partner libraries")
    partners = _rows(
        place,
        "SELECT borrowernumber, surname, email FROM borrowers"
        " WHERE categorycode = 'IL' AND email LIKE '%%@%%' ORDER BY borrowernumber LIMIT 2",
    )
    action = f"/requests/{number}/partners"
    desk.open(action)
    desk.send(action, press="preview", partners=[str(partner[0]) for partner in partners])
    desk.send(action, press="send")
    _saw(desk.text("main .message"))
    status = _one_value(place, "SELECT status FROM illrequests WHERE illrequest_id = %s", number)
    _expect(status, "GENREQ", "status after placing")
    asked = _one_value(
        place,
        "SELECT value FROM illrequestattributes WHERE illrequest_id = %s AND type = 'requested_partners'",
        number,
    )
    _expect(asked, "; ".join(str(partner[2]) for partner in partners), "attribute requested_partners")
    _saw(f"status GENREQ, requested_partners is {asked}")


def _deliver_to_partners(place: Neighbourhood) -> None:
    _say("The mails to the partners go out over SMTP by themselves")
    for mail in _mails(place, 2):
        _hold(_TITLE in _text(mail), "the partner's mail names the title")
        _saw(f"to {mail['To']}, from {mail['From']}: {mail['Subject']}")
    _wait_until_sent(place)


def _receive_callback(place: Neighbourhood, number: int) -> None:
    _say("The supplier reports over a signed callback that it was delivered, twice")
    event = {
        "event_id": "smoke-1",
        "occurred_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "request": {"ill_request_id": number, "order_id": "DS-1843-7"},
        "status": "delivered",
        "cost": {"amount": "12.50", "currency": "EUR"},
    }
    first, repeat = _post(place, event), _post(place, event)
    _expect(first.get("outcome"), "applied", "outcome of the callback")
    _hold(repeat.get("duplicate") is True, "the repeat is known as one")
    row = _rows(
        place,
        "SELECT status, orderid, cost, completed = CURDATE() FROM illrequests WHERE illrequest_id = %s",
        number,
    )[0]
    _expect(row, ("COMP", "DS-1843-7", "12.50", 1), "Koha's row of the request")
    _saw(f"first: {first['outcome']}; again: duplicate; Koha's row: status COMP, order DS-1843-7, cost 12.50")


def _notify_patron(place: Neighbourhood) -> None:
    _say("The patron is told by email and, through the gateway of the phone company, by SMS")
    for mail in _mails(place, 4)[2:]:
        _hold("Sam" in _text(mail) or mail["To"] != _PATRON_EMAIL, "the email greets the patron")
        _saw(f"to {mail['To']}: {mail['Subject']}")
    _wait_until_sent(place)


def _show_log(place: Neighbourhood, number: int) -> None:
    _say("Koha's log of the request shows all of it")
    printed = place.command("requests", "log", str(number))
    for phrase in ("New request", "Requested from partners", "Completed"):
        _hold(phrase in printed, f"the log names {phrase}")
    for line in printed.splitlines():
        _saw(line)


def _note_nothing(_path: Path, _mail: EmailMessage) -> None:
    """The mails are read from their files."""


def _post(place: Neighbourhood, event: Mapping[str, object]) -> Mapping[str, object]:
    """Post a callback as a supplier does, signed after Standard Webhooks."""
    body = json.dumps(event).encode()
    timestamp = str(int(time.time()))
    key = base64.b64decode(place.secret.removeprefix("whsec_"))
    signed = b".".join([str(event["event_id"]).encode(), timestamp.encode(), body])
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    request = urllib.request.Request(  # noqa: S310  (our own http address)
        f"{place.url}/callbacks/{SUPPLIER}",
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
        raise SmokeFailed(f"the callback was answered {error.code}: {error.read().decode()}") from error


def _mails(place: Neighbourhood, count: int) -> list[EmailMessage]:
    """Wait until so many mails were caught, and give all."""
    for _ in _patience():
        if len(found := place.catcher.mails()) >= count:
            return found
    raise SmokeFailed(
        f"{len(place.catcher.mails())} mails were caught in {_PATIENCE_SECONDS:g} s, not {count}"
    )


def _wait_until_sent(place: Neighbourhood) -> None:
    for _ in _patience():
        if _one_value(place, "SELECT COUNT(*) FROM message_queue WHERE status = 'pending'") == 0:
            break
    states = _rows(place, "SELECT status, failure_code FROM message_queue ORDER BY message_id DESC LIMIT 2")
    for status, failure in states:
        _expect((status, failure or ""), ("sent", ""), "Koha's message queue")


def _patience() -> Iterator[None]:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        yield
        time.sleep(0.1)


def _text(mail: EmailMessage) -> str:
    body = mail.get_body(("plain", "html"))
    return str(body.get_content()) if body is not None else ""


def _rows(place: Neighbourhood, statement: str, *values: object) -> list[tuple[object, ...]]:
    """Look into the database as Koha would."""
    with place.server.connect(DATABASE) as connection, connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def _one_value(place: Neighbourhood, statement: str, *values: object) -> object:
    rows = _rows(place, statement, *values)
    return rows[0][0] if rows else None


def _expect(found: object, wanted: object, what: str) -> None:
    if found != wanted:
        raise SmokeFailed(f"{what}: {found!r} instead of {wanted!r}")


def _hold(condition: object, what: str) -> None:
    if not condition:
        raise SmokeFailed(f"{what}: no")


def _say(step: str) -> None:
    click.echo(f"* {step}")


def _saw(what: str) -> None:
    click.echo(f"    {what}")
