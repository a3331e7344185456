"""The commands on notices, as somebody types them."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import Engine, text

from conftest import PASSWORD, USER, KohaDatabase
from factories import make_request


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
    path.write_text(yaml.safe_dump({"koha": {"database": connection}}))
    return path


def run(config: Path, *words: str, given: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "koha_ill_sidecar", "--config", str(config), "notices", *words]
    return subprocess.run(command, input=given, capture_output=True, check=False, timeout=60)


def installed(admin: Engine) -> Mapping[tuple[str, str, str], str]:
    with admin.connect() as connection:
        rows = connection.execute(
            text("SELECT code, message_transport_type, lang, content FROM letter WHERE module = 'ill'")
        )
        return {(row.code, row.message_transport_type, row.lang): row.content for row in rows}


def test_install_adds_what_is_missing_and_nothing_else(config: Path, admin: Engine) -> None:
    with admin.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO letter (module, code, name, title, content, message_transport_type)"
                " VALUES ('ill', 'ILL_PICKUP_READY', 'Ready', 'Come!', 'Ours since 2009', 'email')"
            )
        )

    first = run(config, "install", "--json")
    second = run(config, "install", "--only-missing", "--json")

    states = [row["state"] for row in json.loads(first.stdout)]
    assert (states.count("missing"), states.count("changed")) == (23, 1)
    assert json.loads(second.stdout) == []
    letters = installed(admin)
    assert len(letters) == 24
    assert letters["ILL_PICKUP_READY", "email", "default"] == "Ours since 2009"


def test_install_shows_how_letters_differ(config: Path, admin: Engine) -> None:
    run(config, "install")
    with admin.begin() as connection:
        connection.execute(
            text(
                "UPDATE letter SET title = 'Come!' WHERE code = 'ILL_PICKUP_READY'"
                " AND message_transport_type = 'email' AND lang = 'default'"
            )
        )

    shown = run(config, "install", "--diff").stdout.decode()

    assert "kept, worded otherwise" in shown
    assert "-Come!\n+Your interlibrary loan has arrived\n" in shown


def test_a_dry_run_changes_nothing(config: Path, admin: Engine) -> None:
    shown = run(config, "install", "--dry-run", "--lang", "default")

    assert shown.stdout.decode().count("would be added") == 12
    assert installed(admin) == {}


def test_preview_shows_a_notice_and_queues_nothing(
    config: Path, admin: Engine, koha_database: KohaDatabase
) -> None:
    run(config, "install")
    with admin.begin() as connection:
        number = make_request(connection, koha_database.database.koha(), attributes={"title": "Dune"})

    words = ("preview", "ILL_PICKUP_READY", "--request", str(number))
    shown = run(config, *words).stdout.decode()
    chinese = json.loads(run(config, *words, "--lang", "zh-Hant-TW", "--transport", "sms", "--json").stdout)

    assert shown.startswith("Subject: Your interlibrary loan has arrived\n")
    assert "Title: Dune\n" in shown
    assert "「Dune」" in chinese["content"]
    with admin.connect() as connection:
        assert connection.scalar(text("SELECT COUNT(*) FROM message_queue")) == 0


@pytest.mark.parametrize(
    ("code", "request_number", "said"),
    [
        ("ILL_PICKUP_READY", "999999", "There is no request 999999"),
        ("ILL_NONE", None, "no notice template ILL_NONE"),
    ],
)
def test_preview_of_what_is_not_there_ends_with_one_clear_line(
    config: Path,
    admin: Engine,
    koha_database: KohaDatabase,
    code: str,
    request_number: str | None,
    said: str,
) -> None:
    with admin.begin() as connection:
        number = make_request(connection, koha_database.database.koha())

    ended = run(config, "preview", code, "--request", request_number or str(number))

    assert ended.returncode == 1
    assert said in ended.stderr.decode()
    assert len(ended.stderr.splitlines()) == 1


def test_render_answers_every_line_in_order(tmp_path: Path) -> None:
    orders: list[Any] = [
        {"template": "Hello [% who %]", "vars": {"who": "林"}},
        {"template": "[% IF never %]closed"},
        {
            "template": "[% n + 1 %] [% list.1 %] [% flag ? 'yes' : 'no' %]",
            "vars": {"n": 1, "list": [1, "b"], "flag": False},
        },
        {"vars": {}},
        {"template": "x", "vars": []},
        {"template": "[% THROW food 'burnt' %]", "vars": {}},
        {"template": "end"},
    ]
    lines = [json.dumps(order).encode() for order in orders]
    lines[5:5] = [b"not json", b'{"template": "\xff"}', b""]

    ended = run(tmp_path / "there is none.yaml", "render", "--jsonl", given=b"\n".join(lines) + b"\n")

    answers = [json.loads(line) for line in ended.stdout.splitlines()]
    assert ended.returncode == 0
    assert [answer.get("output") for answer in answers] == [
        "Hello 林",
        None,
        "2 b no",
        None,
        None,
        None,
        None,
        None,
        None,
        "end",
    ]
    assert all(len(answer) == 1 for answer in answers)
    assert "food" in answers[8]["error"]
