import datetime as dt
import json
import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from koha_ill_sidecar.demo.sample_library import LOGINS, load_sample_library
from koha_ill_sidecar.demo.sample_requests import PATHS
from koha_ill_sidecar.demo.schema import create_koha_schema

LibraryOf = Callable[[str], "Connection[Cursor]"]

# The oldest version that we have tables for, the oldest supported one, one in the middle, the newest.
VERSIONS = ("19.06", "22.11", "24.05", "26.05")
NEWEST = "26.05"

# The possible next statuses; Source: Koha, Koha/ILL/Request.pm _core_status_graph. The limit check queues new requests.
MAY_FOLLOW = {
    None: {"NEW", "UNAUTH"},
    "NEW": {"REQ", "GENREQ", "QUEUED", "CANCREQ"},
    "UNAUTH": {"REQ", "GENREQ"},
    "QUEUED": {"REQ"},
    "CANCREQ": {"REQ"},
    "REQ": {"REQREV", "COMP", "CHK"},
    "GENREQ": {"COMP", "CHK", "REQREV"},
    "REQREV": {"REQ", "GENREQ"},
    "COMP": {"CHK"},
    "CHK": {"RET"},
    "RET": {"COMP"},
}


@pytest.fixture(scope="module")
def library_of(empty_database: Callable[[], "Connection[Cursor]"]) -> LibraryOf:
    """Return a function that creates the sample library of each version once; tests only read it."""
    made: dict[str, Connection[Cursor]] = {}

    def create(version: str) -> "Connection[Cursor]":
        if version not in made:
            made[version] = empty_database()
            create_koha_schema(made[version], version)
            load_sample_library(made[version])
        return made[version]

    return create


def rows(connection: "Connection[Cursor]", query: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


@pytest.mark.parametrize("version", VERSIONS)
def test_every_status_has_a_request_of_every_material(library_of: LibraryOf, version: str) -> None:
    found = rows(
        library_of(version),
        "SELECT r.status, a.value FROM illrequests r JOIN illrequestattributes a"
        " ON a.illrequest_id = r.illrequest_id AND a.type = 'type'",
    )

    assert len(found) == 200
    materials = {"book", "chapter", "journal", "article", "thesis", "conference", "other", "resource"}
    materials |= {"dvd"} if version >= "25.05" else set()
    statuses = set(PATHS) - (set() if version >= "25.05" else {"UNAUTH"})
    assert set(found) == {
        (status, material)
        for status in statuses
        for material in (materials if status not in {"CHK", "RET"} else {"book"})
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_log_contains_each_requests_path_through_the_status_graph(
    library_of: LibraryOf, version: str
) -> None:
    connection = library_of(version)
    stories: dict[int, list[dict[str, Any]]] = {}
    for number, info in rows(
        connection,
        "SELECT object, info FROM action_logs WHERE module = 'ILL' AND action = 'STATUS_CHANGE' ORDER BY action_id",
    ):
        stories.setdefault(number, []).append(json.loads(info))

    requests = rows(connection, "SELECT illrequest_id, status, status_alias FROM illrequests")
    for number, status, alias in requests:
        changes = stories[number]
        if alias is not None:
            assert changes.pop()["status_after"] == alias
        assert [change["status_before"] for change in changes] == [
            None,
            *(change["status_after"] for change in changes[:-1]),
        ]
        assert all(change["status_after"] in MAY_FOLLOW[change["status_before"]] for change in changes)
        assert changes[-1]["status_after"] == status


@pytest.mark.parametrize("version", VERSIONS)
def test_ill_log_rows_are_only_those_that_kohas_pages_can_show(library_of: LibraryOf, version: str) -> None:
    found = rows(library_of(version), "SELECT action, info FROM action_logs WHERE module = 'ILL'")

    assert {action for action, _ in found} <= {"STATUS_CHANGE", "PATRON_NOTICE"}
    assert {json.loads(info)["log_origin"] for _, info in found} == {"core"}


@pytest.mark.parametrize(
    ("version", "backend"),
    [("19.06", "FreeForm"), ("24.05", "FreeForm"), ("24.11", "Standard"), ("26.05", "Standard")],
)
def test_requests_name_the_backend_of_the_version(library_of: LibraryOf, version: str, backend: str) -> None:
    assert rows(library_of(version), "SELECT DISTINCT backend FROM illrequests") == [(backend,)]


@pytest.mark.parametrize("version", VERSIONS)
def test_dates_cover_two_years_and_none_is_in_the_future(library_of: LibraryOf, version: str) -> None:
    connection = library_of(version)

    for table, column in (
        ("illrequests", "updated"),
        ("illcomments", "timestamp"),
        ("action_logs", "timestamp"),
        ("message_queue", "time_queued"),
    ):
        ((first, last, now),) = rows(connection, f"SELECT MIN({column}), MAX({column}), NOW() FROM {table}")
        assert last <= now
        assert now - first > dt.timedelta(days=500)


def test_no_time_is_in_the_hours_that_daylight_saving_time_skips(library_of: LibraryOf) -> None:
    connection = library_of(NEWEST)

    for table, column in (
        ("illrequests", "updated"),
        ("action_logs", "timestamp"),
        ("message_queue", "updated_on"),
    ):
        assert rows(connection, f"SELECT COUNT(*) FROM {table} WHERE HOUR({column}) < 6") == [(0,)]


@pytest.mark.parametrize("version", VERSIONS)
def test_books_have_a_suppressed_record_that_is_valid_xml(library_of: LibraryOf, version: str) -> None:
    found = rows(
        library_of(version),
        "SELECT a.value, b.title, m.metadata FROM illrequests r"
        " JOIN illrequestattributes a ON a.illrequest_id = r.illrequest_id AND a.type = 'title'"
        " JOIN illrequestattributes t ON t.illrequest_id = r.illrequest_id AND t.type = 'type'"
        " LEFT JOIN biblio b ON b.biblionumber = r.biblio_id"
        " LEFT JOIN biblio_metadata m ON m.biblionumber = r.biblio_id WHERE t.value = 'book'",
    )

    assert found
    for title, record_title, metadata in found:
        assert record_title == title
        record = ET.fromstring(metadata)
        path = "{*}datafield[@tag='%s']/{*}subfield[@code='%s']"
        assert record.findtext(path % ("245", "a")) == title
        assert record.findtext(path % ("942", "n")) == "1"


@pytest.mark.parametrize("version", VERSIONS)
def test_checked_out_and_returned_requests_have_loans(library_of: LibraryOf, version: str) -> None:
    loans = (
        "SELECT r.illrequest_id FROM illrequests r JOIN items i ON i.barcode = CONCAT('ILL-', r.illrequest_id)"
        " AND i.biblionumber = r.biblio_id JOIN {} l USING (itemnumber) WHERE l.borrowernumber = r.borrowernumber"
    )
    connection = library_of(version)

    assert sorted(rows(connection, loans.format("issues"))) == sorted(
        rows(connection, "SELECT illrequest_id FROM illrequests WHERE status = 'CHK'")
    )
    assert sorted(rows(connection, loans.format("old_issues"))) == sorted(
        rows(connection, "SELECT illrequest_id FROM illrequests WHERE status = 'RET'")
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_no_message_is_pending_and_all_are_from_known_notices(library_of: LibraryOf, version: str) -> None:
    found = rows(
        library_of(version),
        "SELECT m.status, COUNT(l.code), COUNT(*) FROM message_queue m LEFT JOIN letter l ON l.module = 'ill'"
        " AND l.code = m.letter_code AND l.message_transport_type = m.message_transport_type AND l.lang = 'default'"
        " GROUP BY m.status",
    )

    assert {status for status, _, _ in found} <= {"sent", "failed", "deleted"}
    assert all(known == total for _, known, total in found)


def test_partners_received_the_mails_that_the_request_names(library_of: LibraryOf) -> None:
    connection = library_of(NEWEST)
    asked = rows(connection, "SELECT value FROM illrequestattributes WHERE type = 'requested_partners'")
    mailed = rows(
        connection, "SELECT DISTINCT to_address FROM message_queue WHERE letter_code = 'ILL_PARTNER_REQ'"
    )

    assert {address for (value,) in asked for address in value.split("; ")} == {
        address for (address,) in mailed
    }


def test_patrons_of_every_kind_exist(library_of: LibraryOf) -> None:
    ((without_mail, expired, debarred, chinese, partners, silent_partners),) = rows(
        library_of(NEWEST),
        "SELECT SUM(categorycode IN ('PT', 'ST', 'J') AND email IS NULL), SUM(dateexpiry < CURDATE()),"
        " SUM(debarred >= CURDATE()), SUM(lang = 'zh-Hant-TW'), SUM(categorycode = 'IL'),"
        " SUM(categorycode = 'IL' AND email IS NULL) FROM borrowers",
    )

    assert min(without_mail, expired, debarred, chinese) >= 1
    assert (partners, silent_partners) == (7, 2)


def test_only_some_staff_may_handle_ill(library_of: LibraryOf) -> None:
    found = rows(
        library_of(NEWEST),
        "SELECT userid FROM borrowers WHERE flags & 1 OR flags & 4194304 ORDER BY borrowernumber",
    )

    assert found == [("super",), ("clara",), ("meiling",)]


def test_every_login_of_the_demo_exists_with_a_bcrypt_password(library_of: LibraryOf) -> None:
    passwords = dict(
        rows(library_of(NEWEST), "SELECT userid, password FROM borrowers WHERE userid IS NOT NULL")
    )

    assert all(re.fullmatch(r"\$2a\$08\$[./A-Za-z0-9]{53}", passwords[userid]) for userid in LOGINS)


def test_notices_exist_in_both_languages(library_of: LibraryOf) -> None:
    found = rows(library_of(NEWEST), "SELECT code, lang FROM letter WHERE module = 'ill' AND content <> ''")

    assert set(found) == {
        (f"ILL_{name}", lang)
        for name in (
            "PARTNER_REQ",
            "PICKUP_READY",
            "REQUEST_CANCEL",
            "REQUEST_MODIFIED",
            "REQUEST_UNAVAIL",
            "REQUEST_UPDATE",
        )
        for lang in ("default", "zh-Hant-TW")
    }


def test_preferences_enable_the_module(library_of: LibraryOf) -> None:
    values = dict(rows(library_of(NEWEST), "SELECT variable, value FROM systempreferences"))

    assert values["ILLModule"] == values["IllLog"] == values["CirculateILL"] == "1"
    assert values["ILLSendStaffNotices"].split("|") == ["ILL_REQUEST_CANCEL", "ILL_REQUEST_MODIFIED"]


def test_statistics_of_requests_exist_from_25_11(library_of: LibraryOf) -> None:
    query = "SELECT COUNT(*) FROM statistics WHERE type = 'illreq_created'"

    assert rows(library_of("24.05"), query) == [(0,)]
    assert rows(library_of(NEWEST), query) == [(200,)]


def test_same_seed_gives_the_same_requests(
    library_of: LibraryOf, empty_database: Callable[[], "Connection[Cursor]"]
) -> None:
    again = empty_database()
    create_koha_schema(again, NEWEST)
    load_sample_library(again)

    query = "SELECT illrequest_id, type, value FROM illrequestattributes ORDER BY 1, 2"
    assert rows(again, query) == rows(library_of(NEWEST), query)


def test_an_existing_library_is_not_changed(library_of: LibraryOf) -> None:
    connection = library_of(NEWEST)

    with pytest.raises(Exception, match="Duplicate entry"):
        load_sample_library(connection)

    assert rows(connection, "SELECT COUNT(*) FROM illrequests") == [(200,)]
