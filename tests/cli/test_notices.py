"""The commands on notices."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import command_line
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


def run(config: Path, *words: str) -> command_line.Completed:
    return command_line.run("--config", str(config), "notices", *words)


def installed(admin: Engine) -> Mapping[tuple[str, str, str], str]:
    with admin.connect() as connection:
        rows = connection.execute(
            text("SELECT code, message_transport_type, lang, content FROM letter WHERE module = 'ill'")
        )
        return {(row.code, row.message_transport_type, row.lang): row.content for row in rows}


def test_install_adds_the_missing_letters_only(config: Path, admin: Engine) -> None:
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

    assert "kept, differs from ours" in shown
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
def test_preview_of_a_missing_letter_ends_with_one_clear_line(
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

    # A process, because other programs talk to it through pipes.
    command = [sys.executable, "-m", "koha_ill_sidecar", "--config", str(tmp_path / "none.yaml"), "notices"]
    ended = subprocess.run(
        [*command, "render", "--jsonl"],
        input=b"\n".join(lines) + b"\n",
        capture_output=True,
        check=False,
        timeout=300,
    )

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


def add_letter(admin: Engine, **columns: Any) -> None:
    values = {
        "code": "TRY",
        "branchcode": "",
        "title": "A title",
        "content": "A text",
        "message_transport_type": "email",
        "lang": "default",
        **columns,
    }
    with admin.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO letter (module, name, code, branchcode, title, content, message_transport_type, lang)"
                " VALUES ('ill', 'A notice', :code, :branchcode, :title, :content, :message_transport_type, :lang)"
            ),
            values,
        )


def test_check_of_our_letters_finds_nothing(config: Path) -> None:
    run(config, "install")

    checked = run(config, "check")

    assert checked.returncode == 0
    assert checked.stdout.decode() == "24 notice templates checked, nothing found.\n"


def test_check_reports_letter_by_letter(config: Path, admin: Engine) -> None:
    with admin.begin() as connection:
        connection.execute(
            text(
                "UPDATE systempreferences SET value = 'https://staff.example.org'"
                " WHERE variable = 'staffClientBaseURL'"
            )
        )
    run(config, "install")
    add_letter(admin, content="Dear\n館員[% borrower.firstnam %]\n<<nosuch>>")
    add_letter(admin, branchcode="CPL", title="[% IF x y %]", message_transport_type="sms")

    checked = run(config, "check")

    assert checked.returncode == 1
    assert checked.stdout.decode() == (
        "TRY (email, default)\n"
        "  error    content, line 2, column 15: borrower has no firstnam; did you mean firstname?\n"
        "             館員[% borrower.firstnam %]\n"
        "                             ^\n"
        "           -> Write firstname instead of firstnam.\n"
        "  warning  content, line 3, column 1: <<nosuch>> has no meaning\n"
        "             <<nosuch>>\n"
        "             ^\n"
        "           -> See “What a template can name” in the notices reference (docs/reference/notices.md).\n"
        "  Correct it in Koha: https://staff.example.org/cgi-bin/koha/tools/letter.pl"
        "?op=add_form&module=ill&code=TRY&branchcode=\n"
        "\n"
        "TRY (sms, default, library CPL)\n"
        "  error    title, line 1, column 9: the template cannot be parsed: unexpected token (y)\n"
        "             [% IF x y %]\n"
        "                     ^\n"
        "           -> Correct the marked place; until then nothing is sent.\n"
        "  Correct it in Koha: https://staff.example.org/cgi-bin/koha/tools/letter.pl"
        "?op=add_form&module=ill&code=TRY&branchcode=CPL\n"
        "\n"
        "26 notice templates checked: 2 errors, 1 warning.\n"
    )


def test_check_prints_json(config: Path, admin: Engine) -> None:
    run(config, "install")
    add_letter(admin, content="[% borower.x %]")

    checked = run(config, "check", "--json")

    assert checked.returncode == 0
    assert json.loads(checked.stdout) == [
        {
            "code": "TRY",
            "transport": "email",
            "lang": "default",
            "branchcode": "",
            "part": "content",
            "line": 1,
            "column": 4,
            "source": "[% borower.x %]",
            "severity": "warning",
            "message": "there is no variable borower; did you mean borrower?",
            "advice": "Write borrower instead of borower.",
            "address": None,
        }
    ]


def test_check_can_be_limited_to_some_letters(config: Path, admin: Engine) -> None:
    add_letter(admin, code="ILL_PICKUP_READY", content="[% PERL %][% END %]")
    add_letter(admin, code="ILL_PICKUP_READY", content="[% PERL %][% END %]", lang="fr")

    french = run(config, "check", "--code", "ILL_PICKUP_READY", "--lang", "fr")
    missing = json.loads(run(config, "check", "--json", "--code", "ILL_REQUEST_UNAVAIL").stdout)

    assert french.stdout.decode().endswith("\n1 notice template checked: 1 error, 0 warnings.\n")
    assert [finding["message"] for finding in missing] == ["there is no such notice template"]


@pytest.mark.parametrize(
    ("chosen", "printed"),
    [
        (["--code", "NOSUCH"], "There is no such notice template.\n"),
        (["--code", "TRY", "--lang", "fr"], "There is no such notice template.\n"),
        (
            ["--code", "TRY", "--code", "NOSUCH"],
            "1 notice template checked, nothing found.\nThere is no such notice template: NOSUCH.\n",
        ),
    ],
)
def test_check_fails_for_a_code_without_a_letter(
    config: Path, admin: Engine, chosen: list[str], printed: str
) -> None:
    add_letter(admin, content="Dear patron")

    checked = run(config, "check", *chosen)
    as_json = run(config, "check", "--json", *chosen)

    assert (checked.returncode, checked.stdout.decode()) == (1, printed)
    assert (as_json.returncode, json.loads(as_json.stdout)) == (1, [])
    assert as_json.stderr.decode() == f"{printed.splitlines()[-1]}\n"


def test_check_shows_the_part_of_a_long_line_around_the_finding(config: Path, admin: Engine) -> None:
    run(config, "install")
    add_letter(admin, content=f"<p>{'before ' * 100}\t\x1b[1m[% borrower.firstnam %]{' behind' * 100}</p>")

    lines = run(config, "check", "--code", "TRY").stdout.decode().splitlines()

    (pointed,) = (line for line in lines if "firstnam %]" in line)
    caret = lines[lines.index(pointed) + 1]
    assert len(pointed) < 110
    assert pointed[caret.index("^") :].startswith("firstnam %] behind")
    assert "\x1b" not in pointed
