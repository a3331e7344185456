"""The program ends as documented, and never with a traceback."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cast import ADA, SAM
from conftest import PASSWORD, KohaDatabase
from koha_ill_sidecar import __version__
from koha_ill_sidecar.cli.program import _COMMANDS
from koha_ill_sidecar.storage.database import Database

Program = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def config(koha_database: KohaDatabase, tmp_path: Path) -> Path:
    settings = koha_database.settings
    path = tmp_path / "config.yaml"
    path.write_text(
        json.dumps(
            {
                "koha": {
                    "database": {
                        "socket": str(settings.socket),
                        "name": settings.database,
                        "user": settings.user,
                        "password": PASSWORD,
                    },
                    "accept_unsupported_version": True,
                },
                "delivery": {"enabled": False},
            }
        ),
        encoding="utf-8",
    )
    path.chmod(0o600)
    return path


@pytest.fixture
def program(config: Path) -> Program:
    def program(*words: str, config: Path = config) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "KOHA_ILL_SIDECAR_CONFIG": str(config)}
        return subprocess.run(
            [sys.executable, "-m", "koha_ill_sidecar", *words],
            check=False,
            capture_output=True,
            text=True,
            env=environment,
        )

    return program


def test_help_names_every_command(program: Program) -> None:
    result = program("--help")

    assert result.returncode == 0
    assert [name for name in _COMMANDS if f"  {name} " not in result.stdout] == []


def test_version(program: Program) -> None:
    assert program("--version").stdout.strip() == f"koha-ill-sidecar, version {__version__}"


@pytest.mark.parametrize("words", [("nonsense",), ("migrate", "--nonsense"), ("--nonsense",), ()])
def test_wrong_usage_has_exit_code_2(program: Program, words: tuple[str, ...]) -> None:
    result = program(*words)

    assert result.returncode == 2
    assert "Usage:" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_debug_run_shows_no_person_and_no_secret(program: Program, koha_database: KohaDatabase) -> None:
    with koha_database.server.connect(koha_database.settings.database) as root, root.cursor() as cursor:
        cursor.execute("UPDATE borrowers SET password = '$2a$08$hashed' WHERE borrowernumber = %s", (SAM,))

    assert program("notices", "install").returncode == 0
    made = program(
        "--debug", "requests", "create", "--type", "book", "--library", ADA, "--patron", "sam",
        "--field", "title=Crime and punishment", "--json",
    )  # fmt: skip
    number = str(json.loads(made.stdout)["illrequest_id"])
    noticed = program("--debug", "notices", "preview", "ILL_PICKUP_READY", "--request", number)
    koha_database.reset()

    assert noticed.returncode == 0, noticed.stderr
    assert "level=" in made.stderr + noticed.stderr
    secrets = (
        "Page",
        "sam.page@",
        "+4915112345678",
        "$2a$",
        "20000005",
        "Crime and",
        "SELECT",
        "INSERT",
        "Row (",
    )
    assert [word for word in (*secrets, PASSWORD) if word in made.stderr + noticed.stderr] == []


def test_every_mistake_of_a_configuration_is_printed(program: Program, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("koha: {database: {name: n, user: u, prot: 1}}\nlogging: {level: loud}\n")

    result = program("migrate", config=wrong)

    assert (result.returncode, result.stdout) == (78, "")
    assert result.stderr.splitlines() == [
        "koha-ill-sidecar: koha.database.prot: is not a known key; the nearest one is `koha.database.port`",
        "koha-ill-sidecar: logging.level: must be one of debug, info, warning, error, not this text",
    ]


@pytest.mark.parametrize("command", ["check", "run", "web", "worker"])
def test_a_wrong_configuration_has_an_exit_code_of_its_own(
    program: Program, tmp_path: Path, command: str
) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("logging: {level: loud}\n")

    result = program(command, config=wrong)

    assert result.returncode == 78
    assert "logging.level" in result.stderr


def test_check_reads_the_configuration_only(program: Program, config: Path) -> None:
    document = json.loads(config.read_text())
    document["koha"]["database"] |= {"socket": "/nonexistent.sock"}
    config.write_text(json.dumps(document))

    result = program("check")

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "The configuration is valid.\n"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"password": "wrong"}, "Check user and password"),
        ({"socket": "/nonexistent.sock"}, "that MariaDB runs"),
        ({"name": "koha_nowhere"}, "koha_nowhere"),
    ],
)
@pytest.mark.parametrize("command", [("migrate",), ("migrate", "--print"), ("doctor",)])
def test_a_wrong_database_is_one_clear_line(
    program: Program, config: Path, change: dict[str, str], said: str, command: tuple[str, ...]
) -> None:
    document = json.loads(config.read_text())
    document["koha"]["database"] |= change
    config.write_text(json.dumps(document))

    result = program(*command)

    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    if command != ("doctor",):
        assert len(result.stderr.splitlines()) == 1
        assert said in result.stderr


def test_advice_is_given_to_load_missing_time_zone_tables(program: Program, config: Path) -> None:
    document = json.loads(config.read_text())
    document["koha"]["timezone"] = "Europe/Paris"
    config.write_text(json.dumps(document))

    result = program("migrate")

    assert result.returncode == 1
    assert "mariadb-tzinfo-to-sql /usr/share/zoneinfo | mariadb mysql" in result.stderr


def test_migrate_may_be_run_again(program: Program) -> None:
    result = program("migrate")

    assert (result.returncode, result.stdout) == (0, "The sidecar's tables are up to date.\n")


def test_migrate_creates_the_tables_with_the_least_privileges(
    program: Program, koha_database: KohaDatabase, database: Database
) -> None:
    with koha_database.server.connect(koha_database.settings.database) as root, root.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
                       " AND table_name LIKE 'ill\\_sidecar\\_%'")  # fmt: skip
        tables = [name for (name,) in cursor.fetchall()]
        cursor.execute(f"DROP TABLE {', '.join(tables)}")

    printed = program("migrate", "--print")
    applied = program("migrate")

    with database.engine.connect() as connection:
        found = connection.exec_driver_sql("SHOW TABLES LIKE 'ill\\_sidecar\\_%%'").scalars().all()
    assert "CREATE TABLE IF NOT EXISTS ill_sidecar_requests" in printed.stdout
    assert (applied.returncode, applied.stderr) == (0, "")
    assert applied.stdout.startswith("Applied 0001 own_tables")
    assert sorted(found) == sorted(tables)


def test_migrate_without_the_privilege_says_what_to_do(
    program: Program, koha_database: KohaDatabase, config: Path
) -> None:
    with koha_database.server.connect() as root, root.cursor() as cursor:
        cursor.execute("CREATE OR REPLACE USER poor@localhost IDENTIFIED BY 'poor'")
        cursor.execute(f"GRANT SELECT ON `{koha_database.settings.database}`.letter TO poor@localhost")
    document = json.loads(config.read_text())
    document["koha"]["database"] |= {"user": "poor", "password": "poor"}
    config.write_text(json.dumps(document))

    result = program("migrate")

    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert "koha-ill-sidecar grants" in result.stderr


def test_grants_name_the_configured_database(program: Program, koha_database: KohaDatabase) -> None:
    result = program("grants")

    assert result.returncode == 0
    assert f"ON `{koha_database.settings.database}`.`illrequests`" in result.stdout
    assert "TO 'koha_ill_sidecar'@'localhost'" in result.stdout
    assert "koha_library" not in result.stdout


def test_grants_never_name_koha_s_own_user(program: Program, tmp_path: Path) -> None:
    conf = tmp_path / "koha-conf.xml"
    conf.write_text(
        "<yazgfs><config><database>koha_x</database><hostname>db</hostname>"
        "<user>koha_x</user><pass>p</pass></config></yazgfs>"
    )
    ours = tmp_path / "conf.yaml"
    ours.write_text(f"koha: {{conf: {conf}}}\n")

    result = program("grants", config=ours)

    assert "ON `koha_x`.`illrequests` TO 'koha_ill_sidecar'@'%'" in result.stdout


def test_doctor_prints_a_line_per_check(program: Program) -> None:
    result = program("doctor")

    lines = result.stdout.splitlines()
    assert (result.returncode, result.stderr) == (0, "")
    assert [line for line in lines if line[16:20].strip() not in ("ok", "warn")] == []
    assert [line for line in lines if line[16:20] == "warn" and " -> " not in line] == []


def test_doctor_as_json_says_the_same(program: Program) -> None:
    findings = json.loads(program("doctor", "--json").stdout)

    assert {finding["verdict"] for finding in findings} <= {"ok", "warn"}
    assert all(set(finding) == {"name", "verdict", "seen", "advice"} for finding in findings)
    assert "privileges" in {finding["name"] for finding in findings}


def test_doctor_fails_on_a_wrong_configuration(program: Program, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("koha: {database: {name: n}}\n")

    result = program("doctor", "--json", config=wrong)

    (finding,) = json.loads(result.stdout)
    assert result.returncode == 1
    assert (finding["name"], finding["verdict"]) == ("configuration", "fail")
    assert finding["seen"].startswith("koha.database.user: is missing")


def test_a_closed_pipe_is_no_internal_error(config: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)

    result = subprocess.run(
        [sys.executable, "-m", "koha_ill_sidecar", "--config", str(config), "grants"],
        check=False,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writer)

    assert result.stderr == ""


def test_an_internal_error_shows_no_traceback_without_debug(program: Program, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("koha: {database: {name: n}}\n")

    quiet, loud = program("migrate", config=wrong), program("--debug", "migrate", config=wrong)

    assert "Traceback" not in quiet.stderr
    assert "Traceback" in loud.stderr
