"""A second backend needs nothing but its own folder and an entry point."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from backends.tiny.courier import CourierBackend
from office import Office
from web.conftest import Desk
from web.staff.pages import press

from cast import SAM
from koha_ill_sidecar.backends import registry
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.sidecar import requests as sidecar_requests


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install the courier as a package would be."""
    package = tmp_path / "courier-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: courier\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(
        f"[{registry.ENTRY_POINTS}]\ncourier = backends.tiny.courier:CourierBackend\n"
        "broken = backends.tiny.courier:Missing\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    registry.installed_backends.cache_clear()
    yield
    registry.installed_backends.cache_clear()


def make(office: Office, database: Database, status: str = "NEW") -> int:
    number = office.request(status=status)
    database.transact(sidecar_requests.set_supplier_backend, number, "courier")
    return number


def test_a_backend_that_cannot_be_loaded_is_left_out() -> None:
    assert list(registry.installed_backends()) == ["courier"]
    assert isinstance(registry.backend_for("courier"), CourierBackend)
    assert registry.backend_for("broken") is registry.STANDARD


def test_its_fields_are_asked_for_and_stored(clara: Desk, office: Office) -> None:
    form = {"type": "parcel", "supplier": "courier", "patron": "20000005", "branchcode": "CPL"}

    shown = clara.post("/requests/new", form | {"do": "type"}).text
    assert "<option selected>courier</option>" in shown
    assert '<input id="field-weight" name="field.weight" value="">' in shown
    assert 'name="field.title"' not in shown

    made = clara.post("/requests/new", form | {"do": "create", "field.weight": "2 kg"})
    assert made.status_code == 303
    assert ("weight", "2 kg") in office.asks("SELECT type, value FROM illrequestattributes")
    assert "<dd>2 kg</dd>" in clara.get(made.location).text


def test_its_confirm_is_called(clara: Desk, office: Office, database: Database) -> None:
    number = make(office, database)

    press(clara, f"/requests/{number}/actions/confirm")

    assert office.asks("SELECT status, orderid FROM illrequests") == [("REQ", f"COURIER-{number}")]


def test_its_action_is_offered_and_done(clara: Desk, office: Office, database: Database) -> None:
    number = make(office, database, status="REQ")
    address = f"/requests/{number}/actions/collect"

    assert f'href="{address}">Let the courier collect it</a>' in clara.get(f"/requests/{number}").text
    asked = clara.get(address).text
    assert "The courier is on the way." in asked
    assert '→ <span class="status">Collected</span>' in asked

    press(clara, address)

    assert office.status(number) == "COLLECTED"
    page = clara.get(f"/requests/{number}").text
    assert '<span class="status COLLECTED">Collected</span>' in page
    assert f'href="/requests/{number}/actions/mark_completed"' in page
    assert "Collected" in clara.get("/requests").text
    assert "Status changed from Requested to Collected" in clara.get(f"/requests/{number}/log").text


def test_its_action_and_its_types_are_on_the_command_line(tmp_path: Path) -> None:
    """The commands are made when the program starts, so it is started."""

    def help_of(*command: str) -> str:
        tests = Path(__file__).parents[2]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(tests)])}
        program = [sys.executable, "-m", "koha_ill_sidecar", "requests", *command, "--help"]
        return subprocess.run(program, env=environment, capture_output=True, text=True, check=True).stdout

    assert "Let the courier collect a request." in help_of()
    assert "parcel" in help_of("create")


def test_other_requests_have_nothing_of_it(clara: Desk, office: Office) -> None:
    number = office.request(status="REQ", borrowernumber=SAM)

    assert "/actions/collect" not in clara.get(f"/requests/{number}").text
    assert press(clara, f"/requests/{number}/actions/collect").status_code == 409
    press(clara, f"/requests/{number}/actions/cancel")
    press(clara, f"/requests/{number}/actions/confirm")
    assert office.asks("SELECT orderid FROM illrequests") == [(str(number),)]
