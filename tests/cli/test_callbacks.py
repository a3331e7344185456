"""The commands on callbacks, as somebody types them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import command_line
import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from conftest import PASSWORD, USER, KohaDatabase
from factories import make_request
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.web.app import create_app
from supplier import TOKEN, callback_settings, report


@pytest.fixture
def config(koha_database: KohaDatabase, admin: Engine, tmp_path: Path) -> Path:  # noqa: ARG001  (brings the reset)
    """A configuration file for the test's database."""
    path = tmp_path / "config.yaml"
    connection = {
        "socket": str(koha_database.settings.socket),
        "name": koha_database.settings.database,
        "user": USER,
        "password": PASSWORD,
    }
    way = {"method": "bearer", "tokens": [TOKEN]}
    mapping = {
        "fields": {"event_id": "id", "ill_request_id": "reference", "status": "state"},
        "statuses": {"Order complete": "delivered"},
    }
    backends = {
        "plain": {"callbacks": {"authentication": [way], "accept_any_request": True}},
        "mapped": {"callbacks": {"authentication": [way], "mapping": mapping}},
    }
    path.write_text(json.dumps({"koha": {"database": connection}, "backends": backends}))  # JSON is YAML
    return path


@pytest.fixture
def send(koha_database: KohaDatabase, database: Database) -> Callable[..., dict[str, Any]]:
    """Send a callback to the web application."""
    runtime = Runtime(settings=callback_settings(koha_database.settings), database=database)
    client: FlaskClient = create_app(runtime).test_client()

    def post(document: object) -> dict[str, Any]:
        answer: dict[str, Any] = client.post(
            "/callbacks/plain", json=document, headers={"authorization": f"Bearer {TOKEN}"}
        ).get_json()
        return answer

    return post


def run(config: Path, *words: str, stdin: bytes = b"") -> command_line.Completed:
    return command_line.run("--config", str(config), "callbacks", *words, stdin=stdin)


def listed(config: Path, *words: str) -> Any:
    return json.loads(run(config, *words, "--json").stdout)


def new_request(database: Database, admin: Engine, **columns: Any) -> int:
    with admin.begin() as connection:
        return make_request(connection, database.koha(), **columns)


def test_receipts_are_listed_shown_and_replayed(
    config: Path, send: Callable[..., dict[str, Any]], database: Database, admin: Engine
) -> None:
    early = send(report(0) | {"request": {"order_id": "A-1"}, "status": "received"})["receipt_id"]
    number = new_request(database, admin, orderid="A-1")

    (row,) = listed(config, "list", "--outcome", "unknown_request")
    shown = listed(config, "show", str(early))
    (replayed,) = listed(config, "replay", "--all")

    assert (row["receipt_id"], row["illrequest_id"]) == (early, None)
    assert json.loads(shown["body"])["status"] == "received"
    assert (replayed["outcome"], replayed["illrequest_id"]) == ("applied", number)
    with admin.connect() as connection:
        assert connection.scalar(text("SELECT status FROM illrequests")) == "REQ"


def test_the_table_shows_the_outcome_of_each(
    config: Path, send: Callable[..., dict[str, Any]], database: Database, admin: Engine
) -> None:
    number = new_request(database, admin)
    send(report(number))

    result = run(config, "list", "--request", str(number))

    assert b"applied" in result.stdout
    assert b"evt_1" in result.stdout


def test_an_applied_callback_is_not_replayed_with_a_clear_message(
    config: Path, send: Callable[..., dict[str, Any]], database: Database, admin: Engine
) -> None:
    receipt = send(report(new_request(database, admin)))["receipt_id"]

    result = run(config, "replay", str(receipt), "999999")

    assert result.returncode == 1
    assert b"was applied already" in result.stdout
    assert b"There is no callback 999999" in result.stdout


def test_an_alert_is_dismissed(
    config: Path, send: Callable[..., dict[str, Any]], database: Database, admin: Engine
) -> None:
    number = new_request(database, admin, status="REQ")
    send(report(number, status="conditional"))

    result = run(config, "attended", str(number))

    assert result.returncode == 0
    with admin.connect() as connection:
        assert connection.scalar(text("SELECT attention FROM ill_sidecar_requests")) is None
    assert run(config, "attended", "999999").returncode == 1


def test_a_sample_is_tried_without_effect(config: Path) -> None:
    sample = json.dumps({"id": 1, "reference": "7", "state": "ORDER complete"}).encode()

    good = run(config, "try", "mapped", stdin=sample)
    bad = run(config, "try", "mapped", stdin=b'{"state": 5}')
    unknown = run(config, "try", "nobody", stdin=sample)

    assert json.loads(good.stdout) == {
        "status": "delivered",
        "status_text": "ORDER complete",
        "event_id": "1",
        "illrequest_id": 7,
    }
    assert (bad.returncode, unknown.returncode) == (1, 2)
    assert b"/request" in bad.stderr
    assert b"it has plain, mapped" in unknown.stderr


@pytest.mark.parametrize(
    "words", [("replay",), ("replay", "1", "--all"), ("list", "--outcome", "x"), ("show", "x")]
)
def test_wrong_use_ends_with_2(config: Path, words: tuple[str, ...]) -> None:
    assert run(config, *words).returncode == 2


def test_an_unknown_receipt_is_one_clear_line(config: Path) -> None:
    result = run(config, "show", "999999")

    assert result.returncode == 1
    assert result.stderr.decode().splitlines() == [
        "koha-ill-sidecar: There is no callback 999999. `callbacks list` shows those that are stored."
    ]
