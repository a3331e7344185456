import json
from collections.abc import Callable
from typing import Any

import pytest
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from benchmarks.bulk import load_bulk
from koha_ill_sidecar.demo.sample_library import load_sample_library
from koha_ill_sidecar.demo.schema import create_koha_schema

BulkOf = Callable[[str], "Connection[Cursor]"]

VERSIONS = ("22.11", "26.05")
NEWEST = "26.05"
SAMPLE = 200
REQUESTS = 2_000
MESSAGES = 3_000
PENDING = 40


@pytest.fixture(scope="module")
def bulk_of(empty_database: Callable[[], "Connection[Cursor]"]) -> BulkOf:
    """Return a function that fills each version's database once; tests only read it."""
    made: dict[str, Connection[Cursor]] = {}

    def create(version: str) -> "Connection[Cursor]":
        if version not in made:
            made[version] = empty_database()
            create_koha_schema(made[version], version)
            load_sample_library(made[version], requests=SAMPLE)
            load_bulk(made[version], REQUESTS, MESSAGES, pending=PENDING)
        return made[version]

    return create


def rows(connection: "Connection[Cursor]", query: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


@pytest.mark.parametrize("version", VERSIONS)
def test_every_foreign_key_holds_though_none_was_checked(bulk_of: BulkOf, version: str) -> None:
    connection = bulk_of(version)
    keys = rows(
        connection,
        "SELECT table_name, column_name, referenced_table_name, referenced_column_name"
        " FROM information_schema.key_column_usage"
        " WHERE table_schema = DATABASE() AND referenced_table_name IS NOT NULL",
    )

    assert len(keys) > 50
    for table, column, target, target_column in keys:
        dangling = rows(
            connection,
            f"SELECT COUNT(*) FROM `{table}` a LEFT JOIN `{target}` b ON b.`{target_column}` = a.`{column}`"
            f" WHERE a.`{column}` IS NOT NULL AND b.`{target_column}` IS NULL",
        )
        assert dangling == [(0,)], f"{table}.{column}"


@pytest.mark.parametrize("version", VERSIONS)
def test_keys_that_were_taken_off_are_back(
    bulk_of: BulkOf, empty_database: Callable[[], "Connection[Cursor]"], version: str
) -> None:
    untouched = empty_database()
    create_koha_schema(untouched, version)
    query = (
        "SELECT table_name, index_name, column_name, sub_part FROM information_schema.statistics"
        " WHERE table_schema = DATABASE() ORDER BY 1, 2, seq_in_index"
    )

    assert rows(bulk_of(version), query) == rows(untouched, query)


def test_session_checks_foreign_keys_again(bulk_of: BulkOf) -> None:
    assert rows(bulk_of(NEWEST), "SELECT @@foreign_key_checks, @@unique_checks") == [(1, 1)]


def test_requests_are_as_many_as_asked_with_about_five_attributes(bulk_of: BulkOf) -> None:
    connection = bulk_of(NEWEST)

    assert rows(connection, "SELECT COUNT(*) FROM illrequests") == [(SAMPLE + REQUESTS,)]
    ((attributes, empty),) = rows(
        connection,
        f"SELECT COUNT(*), SUM(value = '') FROM illrequestattributes WHERE illrequest_id > {SAMPLE}",
    )
    assert 4.5 < attributes / REQUESTS < 6
    assert empty == 0


def test_most_old_requests_are_done_and_young_ones_open(bulk_of: BulkOf) -> None:
    ((young, young_open, old, old_open),) = rows(
        bulk_of(NEWEST),
        "SELECT SUM(young), SUM(young AND is_open), SUM(NOT young), SUM(NOT young AND is_open) FROM (SELECT"
        " placed > CURDATE() - INTERVAL 30 DAY AS young, status NOT IN ('COMP', 'RET', 'REQREV') AS is_open"
        f" FROM illrequests WHERE illrequest_id > {SAMPLE}) r",
    )

    assert young_open / young > 0.5
    assert old_open / old < 0.05


@pytest.mark.parametrize("version", VERSIONS)
def test_last_log_row_names_the_status_of_the_request(bulk_of: BulkOf, version: str) -> None:
    found = rows(
        bulk_of(version),
        "SELECT r.status, l.info FROM illrequests r JOIN action_logs l ON l.action_id ="
        " (SELECT MAX(action_id) FROM action_logs WHERE object = r.illrequest_id AND module = 'ILL'"
        f" AND action = 'STATUS_CHANGE') WHERE r.illrequest_id > {SAMPLE}",
    )

    assert len(found) == REQUESTS
    assert all(json.loads(info)["status_after"] == status for status, info in found)


def test_books_and_only_books_have_a_record_of_their_title(bulk_of: BulkOf) -> None:
    ((books, with_record, other_with_record),) = rows(
        bulk_of(NEWEST),
        "SELECT SUM(t.value = 'book'), SUM(t.value = 'book' AND b.title = a.value AND m.metadata LIKE"
        " CONCAT('%<subfield code=\"a\">', a.value, '</subfield>%')),"
        " SUM(t.value <> 'book' AND r.biblio_id IS NOT NULL) FROM illrequests r"
        " JOIN illrequestattributes t ON t.illrequest_id = r.illrequest_id AND t.type = 'type'"
        " JOIN illrequestattributes a ON a.illrequest_id = r.illrequest_id AND a.type = 'title'"
        " LEFT JOIN biblio b ON b.biblionumber = r.biblio_id"
        f" LEFT JOIN biblio_metadata m ON m.biblionumber = r.biblio_id WHERE r.illrequest_id > {SAMPLE}",
    )

    assert books == with_record == REQUESTS // 4
    assert other_with_record == 0


def test_nothing_lies_in_the_future(bulk_of: BulkOf) -> None:
    connection = bulk_of(NEWEST)

    for table, column in (
        ("illrequests", "updated"),
        ("action_logs", "timestamp"),
        ("message_queue", "time_queued"),
    ):
        assert rows(connection, f"SELECT COUNT(*) FROM {table} WHERE {column} > NOW()") == [(0,)]


@pytest.mark.parametrize("version", VERSIONS)
def test_only_the_messages_asked_for_wait(bulk_of: BulkOf, version: str) -> None:
    found = dict(
        rows(
            bulk_of(version),
            "SELECT status, COUNT(*) FROM message_queue WHERE subject LIKE 'About your request%' GROUP BY status",
        )
    )

    assert sum(found.values()) == MESSAGES
    assert found["pending"] == PENDING
    assert 0 < found["failed"] < MESSAGES * 0.05
    assert set(found) == {"pending", "sent", "failed", "deleted"}


def test_a_second_load_adds_to_the_first(empty_database: Callable[[], "Connection[Cursor]"]) -> None:
    connection = empty_database()
    create_koha_schema(connection, NEWEST)
    load_sample_library(connection, requests=20)

    load_bulk(connection, 50, 0)
    load_bulk(connection, 50, 30)

    assert rows(connection, "SELECT COUNT(*), MAX(illrequest_id) FROM illrequests") == [(120, 120)]


def test_database_without_libraries_is_refused(empty_database: Callable[[], "Connection[Cursor]"]) -> None:
    connection = empty_database()
    create_koha_schema(connection, NEWEST)

    with pytest.raises(ValueError, match="load_sample_library creates both"):
        load_bulk(connection, 10, 10)
