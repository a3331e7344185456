"""Fill an empty Koha database with a sample library: people, rules, notices, and two years of ILL requests."""

import datetime as dt
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from koha_ill_sidecar.demo import sample_people
from koha_ill_sidecar.demo.rows import Row, RowWriter, rows_of
from koha_ill_sidecar.demo.sample_people import STAFF_PASSWORD, Person
from koha_ill_sidecar.demo.sample_requests import ALIASES, TABLES, SampleRequests, Setting
from koha_ill_sidecar.resources import notice_templates

__all__ = ["LOGINS", "STAFF_PASSWORD", "load_sample_library"]

# User names for the demo with a description. The password of each is `STAFF_PASSWORD`.
LOGINS: Mapping[str, str] = {
    "super": "superlibrarian",
    "clara": "staff with the permission ill",
    "meiling": "staff with the permission ill, of the Chinese-speaking library",
    "dora": "staff without it",
    "sam": "patron",
    "wen": "patron who reads Chinese",
}

ADMIN_ADDRESS = "koha@ada.example.org"

_PREFERENCES: Mapping[str, str] = {
    "CirculateILL": "1",
    "dateformat": "iso",
    "EmailSMSSendDriverFromAddress": ADMIN_ADDRESS,
    "IllLog": "1",
    "ILLDefaultStaffEmail": "ill@ada.example.org",
    "ILLModule": "1",
    "ILLOpacUnauthenticatedRequest": "1",
    "ILLPartnerCode": sample_people.PARTNER_CATEGORY,
    "ILLSendStaffNotices": "ILL_REQUEST_CANCEL|ILL_REQUEST_MODIFIED",
    "KohaAdminEmailAddress": ADMIN_ADDRESS,
    "OPACBaseURL": "https://catalogue.ada.example.org",
    "OPACLanguages": "en,zh-Hant-TW",
    "OpacSuppression": "1",
    "SMSSendDriver": "Email",
    "staffClientBaseURL": "https://staff.ada.example.org",
    "TranslateNotices": "1",
}

_MATERIALS = ("book", "chapter", "journal", "article", "thesis", "conference", "other", "resource")
_DVD_SINCE = "25.05"
_STANDARD_SINCE = "24.11"
_UNAUTHENTICATED_SINCE = "25.05"
_SEED = 1815  # the year in which Ada Lovelace was born


def load_sample_library(connection: "Connection[Cursor]", *, requests: int = 200, seed: int = _SEED) -> None:
    """
    Fill the database of *connection*, as `create_koha_schema` leaves it, with a sample library, and commit.

    The same *seed* creates the same library, except that dates are relative to MariaDB's NOW(). No message is pending.

    Args:
        requests: The number of requests. About eighty are needed for a request of each status and material.

    Raises:
        pymysql.err.IntegrityError: The database already has a library.
    """
    connection.begin()
    try:
        _load(connection, RowWriter(connection), requests, Random(seed))
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def _load(connection: "Connection[Cursor]", writer: RowWriter, requests: int, random: Random) -> None:
    now = _one(connection, "SELECT NOW()")
    people = sample_people.people(random)
    _load_preferences(connection)
    _load_people(connection, writer, people, now.date())
    aliases = [(code, *labels) for code, labels in ALIASES.items()]
    category = _alias_category(connection)
    writer.insert(
        "authorised_values", rows_of(("authorised_value", "lib", "lib_opac"), aliases, category=category)
    )
    writer.insert("letter", _letters())
    setting = _setting(connection, writer, people, now)
    sample = SampleRequests(setting, random, requests)
    for table in TABLES:
        writer.insert(table, sample.rows[table])


def _load_preferences(connection: "Connection[Cursor]") -> None:
    """Set the preferences that the installed version has."""
    with connection.cursor() as cursor:
        for name, value in _PREFERENCES.items():
            cursor.execute("UPDATE systempreferences SET value = %s WHERE variable = %s", (value, name))


def _load_people(
    connection: "Connection[Cursor]", writer: RowWriter, people: tuple[Person, ...], today: dt.date
) -> None:
    writer.insert("branches", sample_people.libraries())
    writer.insert("categories", sample_people.CATEGORIES)
    writer.insert("itemtypes", sample_people.ITEM_TYPES)
    writer.insert("circulation_rules", sample_people.CIRCULATION_RULES)
    writer.insert("repeatable_holidays", sample_people.weekly_closings())
    writer.insert("sms_providers", sample_people.SMS_PROVIDERS)
    writer.insert("borrowers", sample_people.borrower_rows(people, today))
    writer.insert("borrower_debarments", sample_people.debarment_rows(people, today))
    known = frozenset(
        row[0] for row in _all(connection, "SELECT message_attribute_id FROM message_attributes")
    )
    choices, transports = sample_people.messaging_preferences(people, known)
    writer.insert("borrower_message_preferences", choices)
    writer.insert("borrower_message_transport_preferences", transports)


def _letters() -> Iterator[Row]:
    for notice in notice_templates():
        yield {
            "module": "ill",
            "code": notice.code,
            "branchcode": "",
            "name": notice.name,
            "is_html": int(notice.is_html),
            "title": notice.title,
            "content": notice.content,
            "message_transport_type": notice.transport,
            "lang": notice.lang,
        }


def _setting(
    connection: "Connection[Cursor]", writer: RowWriter, people: tuple[Person, ...], now: dt.datetime
) -> Setting:
    version = str(_one(connection, "SELECT value FROM systempreferences WHERE variable = 'Version'"))
    libraries = {str(library["branchcode"]): library for library in sample_people.libraries()}
    # Source: Koha, Koha/Library.pm from_email_address, inbound_ill_address.
    senders = {code: str(library["branchemail"] or ADMIN_ADDRESS) for code, library in libraries.items()}
    default = _PREFERENCES["ILLDefaultStaffEmail"]
    return Setting(
        now=now,
        backend="Standard" if version >= _STANDARD_SINCE else "FreeForm",
        people=people,
        pickup_places=[code for code, library in libraries.items() if library["pickup_location"]],
        sender_addresses=senders,
        ill_addresses={
            code: str(library["branchillemail"] or default) for code, library in libraries.items()
        },
        letters=_letters_of(connection, writer),
        materials=(*_MATERIALS, "dvd") if version >= _DVD_SINCE else _MATERIALS,
        unauthenticated_requests=version >= _UNAUTHENTICATED_SINCE,
        has_ill_statistics=writer.has("statistics", "illrequest_id"),
        has_batches=writer.has("illbatches"),
        patron_messages=_patron_messages(connection),
    )


def _letters_of(
    connection: "Connection[Cursor]", writer: RowWriter
) -> dict[tuple[str, str, str], tuple[int | None, str]]:
    number = "id" if writer.has("letter", "id") else "NULL"
    query = f"SELECT {number}, code, message_transport_type, lang, title FROM letter WHERE module = 'ill'"  # noqa: S608
    return {
        (code, transport, lang): (letter_id, title)
        for letter_id, code, transport, lang, title in _all(connection, query)
    }


def _patron_messages(connection: "Connection[Cursor]") -> frozenset[str]:
    query = "SELECT letter_code FROM message_transports WHERE letter_module = 'ill'"
    return frozenset(row[0] for row in _all(connection, query))


def _alias_category(connection: "Connection[Cursor]") -> str:
    query = "SELECT category_name FROM authorised_value_categories WHERE category_name LIKE 'ILL%STATUS%'"
    return str(_one(connection, query))


def _one(connection: "Connection[Cursor]", query: str) -> Any:  # noqa: ANN401 - a column of any type
    return _all(connection, query)[0][0]


def _all(connection: "Connection[Cursor]", query: str) -> tuple[tuple[Any, ...], ...]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()
