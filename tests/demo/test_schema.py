import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymysql.connections import Connection
from pymysql.cursors import Cursor
from pymysql.err import IntegrityError, OperationalError

from koha_ill_sidecar.demo.rows import VERSIONS, RowWriter, installed_columns
from koha_ill_sidecar.demo.schema import create_koha_schema
from koha_ill_sidecar.resources import data_path

KohaOf = Callable[[str], "Connection[Cursor]"]

# Differences between releases that matter to us: table, column, first version that has it.
LANDMARKS = (
    ("illrequests", "due_date", "22.11"),
    ("illrequests", "deleted_biblio_id", "23.11"),
    ("illrequests", "batch_id", "23.11"),
    ("illrequests", "managedby", "26.05"),
    ("illrequestattributes", "backend", "23.11"),
    ("illbatches", "status_code", "23.11"),
    ("branches", "branchillemail", "22.11"),
    ("categories", "can_place_ill_in_opac", "23.11"),
    ("message_queue", "reply_address", "22.11"),
    ("message_queue", "failure_code", "22.11"),
    ("message_queue", "cc_address", "23.11"),
    ("action_logs", "script", "22.11"),
    ("action_logs", "trace", "23.11"),
    ("action_logs", "diff", "24.05"),
    ("statistics", "interface", "23.11"),
    ("statistics", "illrequest_id", "25.11"),
    ("letter", "id", "22.11"),
    ("letter", "style", "24.05"),
    ("biblio", "opac_suppressed", "25.11"),
    ("issues", "checkin_library", "24.11"),
    ("smtp_servers", "is_default", "23.11"),
    ("iso18626_requests", "iso18626_request_id", "26.05"),
)


@pytest.fixture(scope="module")
def koha_of(empty_database: Callable[[], "Connection[Cursor]"]) -> KohaOf:
    """Return a function that creates the database of each version once."""
    made: dict[str, Connection[Cursor]] = {}

    def create(version: str) -> "Connection[Cursor]":
        if version not in made:
            made[version] = empty_database()
            create_koha_schema(made[version], version)
        return made[version]

    return create


def rows(connection: "Connection[Cursor]", query: str, *values: object) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return list(cursor.fetchall())


@pytest.mark.parametrize("version", VERSIONS)
def test_tables_columns_and_foreign_keys_are_as_in_the_file(koha_of: KohaOf, version: str) -> None:
    script = (data_path("sql") / "koha" / f"{version}.sql").read_text(encoding="utf-8")
    written = dict(re.findall(r"^CREATE TABLE `(\w+)` \((.*?)^\)", script, flags=re.MULTILINE | re.DOTALL))

    connection = koha_of(version)

    columns = rows(
        connection,
        "SELECT table_name, column_name, column_type, is_nullable FROM information_schema.columns"
        " WHERE table_schema = DATABASE()",
    )
    assert set(columns) == {
        (table, name, kind, "YES" if null == "NULL" else "NO")
        for table, body in written.items()
        for name, kind, null in re.findall(r"^  `(\w+)` (.+?) (NULL|NOT NULL)\b", body, flags=re.MULTILINE)
    }
    keys = rows(
        connection,
        "SELECT table_name, constraint_name, referenced_table_name"
        " FROM information_schema.referential_constraints WHERE constraint_schema = DATABASE()",
    )
    assert set(keys) == {
        (table, name, target)
        for table, body in written.items()
        for name, target in re.findall(r"CONSTRAINT `(\w+)` .*? REFERENCES `(\w+)`", body)
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_has_exactly_its_columns(koha_of: KohaOf, version: str) -> None:
    columns = installed_columns(koha_of(version))

    found = {(table, column) for table, column, _ in LANDMARKS if column in columns.get(table, ())}

    assert found == {(table, column) for table, column, since in LANDMARKS if since <= version}


@pytest.mark.parametrize(
    ("version", "rule"), [("22.11", "CASCADE"), ("24.11", "CASCADE"), ("25.05", "SET NULL")]
)
def test_deleting_a_patron_treats_requests_as_the_version_does(
    koha_of: KohaOf, version: str, rule: str
) -> None:
    found = rows(
        koha_of(version),
        "SELECT delete_rule FROM information_schema.referential_constraints"
        " WHERE constraint_schema = DATABASE() AND constraint_name = 'illrequests_bnfk'",
    )

    assert found == [(rule,)]


@pytest.mark.parametrize("version", VERSIONS)
def test_preferences_match_the_version(koha_of: KohaOf, version: str) -> None:
    values = dict(rows(koha_of(version), "SELECT variable, value FROM systempreferences"))

    assert str(values["Version"]).startswith(f"{version}000")
    assert len(str(values["Version"])) == len("26.0500000")
    assert values["ILLModule"] == "0"
    assert ("ILLPartnerCode" in values) == (version >= "23.11")
    assert ("ILLHistoryCheck" in values) == (version >= "25.05")
    assert None not in values.values() or version < "25.11"


@pytest.mark.parametrize("version", VERSIONS)
def test_ill_permission_is_bit_22(koha_of: KohaOf, version: str) -> None:
    assert rows(koha_of(version), "SELECT bit, defaulton FROM userflags WHERE flag = 'ill'") == [(22, 0)]


@pytest.mark.parametrize(
    ("version", "names"),
    [
        ("19.06", []),
        ("22.11", [(7, "Ill_ready"), (8, "Ill_unavailable")]),
        ("26.05", [(7, "Ill_ready"), (8, "Ill_unavailable"), (11, "Ill_update")]),
    ],
)
def test_patrons_can_choose_transports_for_the_ill_messages(
    koha_of: KohaOf, version: str, names: list[tuple[int, str]]
) -> None:
    found = rows(
        koha_of(version),
        "SELECT a.message_attribute_id, a.message_name FROM message_attributes a JOIN message_transports t"
        " USING (message_attribute_id) WHERE t.letter_module = 'ill' AND t.message_transport_type = 'sms'"
        " ORDER BY 1",
    )

    assert found == names


@pytest.mark.parametrize(("version", "kohafield"), [("25.05", None), ("25.11", "biblio.opac_suppressed")])
def test_suppression_is_mapped_once_biblio_has_the_column(
    koha_of: KohaOf, version: str, kohafield: str | None
) -> None:
    found = rows(
        koha_of(version),
        "SELECT DISTINCT kohafield FROM marc_subfield_structure WHERE tagfield = '942' AND tagsubfield = 'n'",
    )

    assert found == [(kohafield,)]


def test_unimarc_keeps_the_record_number_in_090(empty_database: Callable[[], "Connection[Cursor]"]) -> None:
    connection = empty_database()

    create_koha_schema(connection, "26.05", marc_flavour="UNIMARC")

    assert rows(connection, "SELECT value FROM systempreferences WHERE variable = 'marcflavour'") == [
        ("UNIMARC",)
    ]
    assert rows(
        connection,
        "SELECT tagfield FROM marc_subfield_structure"
        " WHERE frameworkcode = '' AND kohafield = 'biblio.biblionumber'",
    ) == [("090",)]


def test_foreign_keys_are_checked_again_afterwards(koha_of: KohaOf) -> None:
    with pytest.raises(IntegrityError, match="foreign key"):
        RowWriter(koha_of("26.05")).insert("illcomments", [{"illrequest_id": 1, "comment": "of no request"}])


def test_unknown_version_is_refused_with_the_known_ones(koha_of: KohaOf) -> None:
    with pytest.raises(ValueError, match=r"known are 19\.06"):
        create_koha_schema(koha_of("26.05"), "21.05")


def test_a_database_with_tables_is_refused(koha_of: KohaOf) -> None:
    with pytest.raises(OperationalError, match="already exists"):
        create_koha_schema(koha_of("26.05"), "26.05")


def test_columns_of_newer_versions_are_skipped(koha_of: KohaOf) -> None:
    writer = RowWriter(koha_of("22.11"))

    writer.insert("action_logs", [{"module": "TEST", "action": "A", "trace": "not in 22.11", "diff": None}])
    writer.insert("illbatches", [{"name": "no such table in 22.11"}])

    assert rows(koha_of("22.11"), "SELECT action FROM action_logs WHERE module = 'TEST'") == [("A",)]


def test_misspelt_names_are_refused(koha_of: KohaOf) -> None:
    with pytest.raises(ValueError, match=re.escape("action_logs.modul")):
        RowWriter(koha_of("22.11")).insert("action_logs", [{"modul": "TEST"}])


def test_every_schema_file_is_a_known_version() -> None:
    files = {Path(path).stem for path in (data_path("sql") / "koha").glob("*.sql")}

    assert files == set(VERSIONS)
