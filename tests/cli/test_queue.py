"""The commands on messages, as somebody types them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from mail_servers import MailServer, running
from queued import Queue, dispatching
from sqlalchemy import Engine, text

from cast import SAM, WEN
from conftest import PASSWORD, USER, KohaDatabase
from koha_ill_sidecar.cli.program import program
from koha_ill_sidecar.config.settings import SmtpSettings
from koha_ill_sidecar.errors import InvalidAddress, MessageNotChangeable, MessageNotFound
from koha_ill_sidecar.storage.database import Database

Typed = Callable[..., Result]


@pytest.fixture
def queue(admin: Engine, database: Database) -> Queue:
    return Queue(admin, database)


@pytest.fixture
def server() -> MailServer:
    return MailServer()


@pytest.fixture
def smtp(server: MailServer) -> Iterator[SmtpSettings]:
    with running(server) as settings:
        yield settings


@pytest.fixture
def typed(koha_database: KohaDatabase, tmp_path: Path) -> Typed:
    """Return what types a ``queue`` command against the test's database."""
    connection = {
        "socket": str(koha_database.settings.socket),
        "name": koha_database.settings.database,
        "user": USER,
        "password": PASSWORD,
    }
    koha = {"database": connection, "accept_unsupported_version": True}
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({"koha": koha}))  # JSON is YAML

    def run(*words: object) -> Result:
        return CliRunner().invoke(program, ["--config", str(config), "queue", *map(str, words)])

    return run


def listed(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    rows: list[dict[str, Any]] = json.loads(result.output)
    return rows


@pytest.mark.all_versions
def test_list_shows_what_is_not_delivered_and_why(
    queue: Queue, typed: Typed, database: Database, smtp: SmtpSettings, server: MailServer
) -> None:
    failing, waiting = queue.add(to_address="nowhere"), queue.add()
    server.answers["MAIL"] = lambda *_: "451 later"
    with dispatching(database, smtp=smtp) as dispatcher:
        dispatcher.run_once()
    pending = queue.add()
    old = queue.add(**dict.fromkeys(("time_queued", "updated_on"), text("NOW() - INTERVAL 30 DAY")))
    queue.add(status="sent")
    queue.add(letter_code="CHECKIN")

    rows = listed(typed("list", "--json"))

    assert {row["message_id"]: row["progress"] for row in rows} == {
        failing: "failed",
        waiting: "waiting",
        pending: "pending",
        old: "too old",
    }
    (row,) = [row for row in rows if row["message_id"] == waiting]
    assert "451 later" in row["last_error"]
    assert row["next_attempt_at"]
    assert row["attempts"] == 1


def test_list_can_be_narrowed(queue: Queue, typed: Typed) -> None:
    for_sam, for_wen = queue.add(status="sent"), queue.add(borrowernumber=WEN)
    checkin = queue.add(letter_code="CHECKIN")

    def numbers(*words: object) -> list[int]:
        return [row["message_id"] for row in listed(typed("list", "--json", *words))]

    assert numbers() == [for_wen]
    assert numbers("--patron", SAM) == []
    assert numbers("--patron", SAM, "--state", "sent") == [for_sam]
    assert numbers("--letter", "CHECKIN") == [checkin]
    assert numbers("--newest", 1) == []
    assert numbers("--newest", 1, "--all") == [for_wen]
    assert numbers("--all", "--limit", 1, "--state", "sent", "--state", "pending") == [for_wen]


def test_list_for_people_is_a_table(queue: Queue, typed: Typed) -> None:
    number = queue.add()

    result = typed("list")

    heading, line = result.output.splitlines()
    assert heading.split()[:2] == ["message", "state"]
    assert line.split()[:2] == [str(number), "pending"]


def test_show_has_the_text_and_the_reason(queue: Queue, typed: Typed, database: Database) -> None:
    number = queue.add(to_address="nowhere", content="Dear Sam,\nit is here.")
    with dispatching(database) as dispatcher:
        dispatcher.run_once()

    result = typed("show", number)

    assert result.output.endswith("Dear Sam,\nit is here.\n")
    assert "failure_code: INVALID_EMAIL:to\n" in result.output
    assert "last_error: The address for 'to' cannot be used" in result.output


def test_failed_message_gets_an_address_and_is_sent(
    queue: Queue, typed: Typed, database: Database, smtp: SmtpSettings, server: MailServer
) -> None:
    number = queue.add(to_address="nowhere")
    with dispatching(database, smtp=smtp) as dispatcher:
        dispatcher.run_once()

        result = typed("set-address", number, "Sam <sam@new.example.org>", "--retry")
        assert result.output == f"Message {number} has its new address.\n"
        dispatcher.run_once()

    assert queue.status(number) == ("sent", "")
    assert server.caught[0].recipients == ["sam@new.example.org"]


def test_a_waiting_message_can_be_sent_at_once(
    queue: Queue, typed: Typed, database: Database, smtp: SmtpSettings, server: MailServer
) -> None:
    number = queue.add()
    server.answers["MAIL"] = lambda *_: "451 later"
    with dispatching(database, smtp=smtp) as dispatcher:
        dispatcher.run_once()
        first = queue.delivery(number)["mail_message_id"]
        server.answers.clear()

        assert typed("retry", number).output == f"Message {number} will be tried at once.\n"
        dispatcher.run_once()

    assert queue.status(number) == ("sent", "")
    assert queue.delivery(number)["mail_message_id"] == first


def test_message_that_was_too_old_is_sent_on_demand(
    queue: Queue, typed: Typed, database: Database, smtp: SmtpSettings
) -> None:
    ancient = text("NOW() - INTERVAL 90 DAY")
    number = queue.add(time_queued=ancient, updated_on=ancient)
    with dispatching(database, smtp=smtp) as dispatcher:
        assert dispatcher.run_once().handled == 0
        typed("retry", number)
        dispatcher.run_once()

    assert queue.status(number) == ("sent", "")


def test_a_message_given_up_is_not_tried_again(
    queue: Queue, typed: Typed, database: Database, smtp: SmtpSettings, server: MailServer
) -> None:
    number = queue.add()
    server.answers["MAIL"] = lambda *_: "451 later"
    with dispatching(database, smtp=smtp) as dispatcher:
        dispatcher.run_once()
        server.answers.clear()
        typed("give-up", number)
        queue.make_due()

        assert dispatcher.run_once().handled == 0

    assert queue.status(number) == ("failed", "SENDMAIL")
    assert queue.reason(number) == "Given up by hand."


def test_sent_message_is_sent_again_only_when_asked_for(
    queue: Queue, typed: Typed, database: Database, smtp: SmtpSettings, server: MailServer
) -> None:
    number = queue.add()
    with dispatching(database, smtp=smtp) as dispatcher:
        dispatcher.run_once()

        refused = typed("retry", number)
        assert isinstance(refused.exception, MessageNotChangeable)
        typed("retry", number, "--again")
        dispatcher.run_once()

    assert len(server.caught) == 2


@pytest.mark.parametrize("command", [("retry",), ("give-up",), ("set-address",)])
def test_message_that_is_being_sent_or_unknown_is_not_touched(
    queue: Queue, typed: Typed, database: Database, command: tuple[str, ...]
) -> None:
    number = queue.add()
    address = ["sam@example.org"] if command == ("set-address",) else []
    with dispatching(database) as dispatcher:
        dispatcher._claim([number])
        before = queue.row(number), queue.delivery(number)

        assert isinstance(typed(*command, number, *address).exception, MessageNotChangeable)
        assert isinstance(typed(*command, 999_999, *address).exception, MessageNotFound)
        assert (queue.row(number), queue.delivery(number)) == before


def test_an_invalid_address_changes_nothing(queue: Queue, typed: Typed) -> None:
    number = queue.add(to_address="sam@example.org")

    result = typed("set-address", number, "sam at example.org")

    assert isinstance(result.exception, InvalidAddress)
    assert queue.row(number)["to_address"] == "sam@example.org"


def test_one_unknown_id_stops_all(queue: Queue, typed: Typed) -> None:
    number = queue.add()

    typed("give-up", number, 999_999)

    assert queue.status(number) == ("pending", "")


def test_release_leaves_held_messages_to_koha(queue: Queue, typed: Typed) -> None:
    number = queue.add(status="failed", failure_code="IN_FLIGHT")
    queue.execute(
        "INSERT INTO ill_sidecar_deliveries"
        " (message_id, mail_message_id, state, next_attempt_at, first_attempt_at, last_attempt_at)"
        " VALUES (:number, '', 'waiting', UTC_TIMESTAMP(6) + INTERVAL 1 HOUR, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))",
        number=number,
    )
    assert [row["progress"] for row in listed(typed("list", "--json"))] == ["waiting"]

    result = typed("release")

    assert (result.exit_code, result.output) == (0, "Messages left to Koha: 1.\n")
    assert queue.status(number) == ("pending", "")
    assert json.loads(typed("release", "--json").output) == {"released": 0, "in_flight": 0}
