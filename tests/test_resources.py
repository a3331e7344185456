"""The packaged files exist, and the grants cover exactly what the program uses."""

import re
from pathlib import Path

from conftest import KohaDatabase
from koha_ill_sidecar.resources import data_path, grants_sql, grants_text
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.inspection import needed_privileges, parse_grants
from koha_ill_sidecar.storage.koha.schema import TABLES
from koha_ill_sidecar.storage.sidecar import schema


def test_a_grant_for_every_table_that_we_touch_and_no_other(database: Database) -> None:
    with database.engine.connect() as connection:
        granted = set(needed_privileges(connection))

    assert granted == {*TABLES, *schema.migrations.metadata.tables}


def test_only_our_own_tables_may_be_created_or_altered(database: Database) -> None:
    with database.engine.connect() as connection:
        needed = needed_privileges(connection)

    for table, privileges in needed.items():
        may_define = privileges & {"CREATE", "ALTER", "INDEX", "DROP"}
        assert not may_define or table.startswith("ill_sidecar_")


def test_names_are_replaced_and_quoted(koha_database: KohaDatabase) -> None:
    name, user = "k`o'h_a\\", "o'brien\\x"
    database, account = "`k``o'h_a\\`", "'o''brien\\\\x'@'localhost'"
    statements = grants_sql(database=name, user=user, host="localhost")
    first = next(n for n, statement in enumerate(statements) if "table_name = 'illbatches'" in statement)
    with koha_database.server.connect() as root, root.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {database}")
        cursor.execute(f"CREATE TABLE {database}.illbatches (x INT)")
        cursor.execute(f"CREATE USER {account}")
        try:
            for statement in statements[first : first + 3]:
                cursor.execute(statement)
            cursor.execute(f"SHOW GRANTS FOR {account}")
            held = parse_grants([line for (line,) in cursor.fetchall()], name)
        finally:
            cursor.execute(f"DROP DATABASE {database}")
            cursor.execute(f"DROP USER {account}")

    assert held.tables == {"illbatches": {"SELECT"}}


def test_the_text_is_that_of_the_file() -> None:
    text = grants_text("koha_library", "koha_ill_sidecar", "localhost")

    assert text == (data_path("sql") / "grants.sql").read_text(encoding="utf-8")


def test_nothing_is_granted_to_everybody_or_on_everything() -> None:
    text = grants_text("koha_library", "koha_ill_sidecar", "localhost")

    assert not re.search(r"ALL PRIVILEGES|\.\*|GRANT OPTION", text)


def test_every_granted_table_is_used() -> None:
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for path in (Path(__file__).parents[1] / "koha_ill_sidecar").rglob("*.py")
        if path.name != "schema.py" and "demo" not in path.parts
    )

    unused = [
        table for table in TABLES if not re.search(rf'"{table}"|\b(FROM|JOIN|INTO|UPDATE) {table}\b', code)
    ]

    assert unused == []
