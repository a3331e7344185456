"""Rows for notices are read as text, whole, and by fixed keys only."""

import re

import pytest
from sqlalchemy import Engine, text

from cast import ADA, SAM, WEN
from factories import make_request
from koha_ill_sidecar.storage.koha import notice_tables
from koha_ill_sidecar.storage.transaction import Transaction

pytestmark = pytest.mark.all_versions


def test_a_row_has_every_column_as_text(tx: Transaction) -> None:
    row = notice_tables.row(tx, "borrowers", SAM)

    assert row is not None
    assert (row["borrowernumber"], row["dateexpiry"], row["othernames"]) == ("5", "2099-12-31", None)
    assert "sort1" in row  # a column that the sidecar itself has no use for
    assert notice_tables.row(tx, "branches", ADA) is not None


def test_a_missing_row_is_none(tx: Transaction) -> None:
    assert notice_tables.row(tx, "branches", "NOWHERE") is None


def test_no_other_table_can_be_read(tx: Transaction) -> None:
    with pytest.raises(KeyError):
        notice_tables.row(tx, "systempreferences", "Version")


def test_patron_attributes_are_described(admin: Engine, tx: Transaction) -> None:
    with admin.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO borrower_attribute_types (code, description, authorised_value_category)"
                " VALUES ('STAGE', 'Stage', 'STAGES'), ('ROOM', 'Room', NULL)"
            )
        )
        connection.execute(text("INSERT INTO authorised_value_categories (category_name) VALUES ('STAGES')"))
        connection.execute(
            text(
                "INSERT INTO authorised_values (category, authorised_value, lib) VALUES ('STAGES', '1', 'First')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO borrower_attributes (borrowernumber, code, attribute)"
                f" VALUES ({SAM}, 'STAGE', '1'), ({SAM}, 'ROOM', '12'), ({WEN}, 'ROOM', '7')"
            )
        )

    found = notice_tables.patron_attributes(tx, SAM)

    assert [(one.code, one.attribute, one.description) for one in found] == [
        ("ROOM", "12", "12"),
        ("STAGE", "1", "First"),
    ]


def test_authorised_values_are_described_for_staff_and_opac(tx: Transaction) -> None:
    category = tx.koha.status_alias_category

    waiting = notice_tables.authorised_value(tx, category, "WAITING") or {}

    assert (waiting["lib"], waiting["lib_opac"]) == ("Waiting for supplier", "Waiting")
    assert notice_tables.authorised_value(tx, category, "NOPE") is None


@pytest.mark.all_versions
def test_every_table_that_notices_read_can_be_queried(tx: Transaction) -> None:
    for table in notice_tables._KEYS:
        assert notice_tables.row(tx, table, "0") is None


@pytest.mark.all_versions
def test_libraries_and_categories_are_sorted_by_name(tx: Transaction) -> None:
    libraries = [row["branchname"] for row in notice_tables.rows(tx, "branches")]
    categories = [row["description"] for row in notice_tables.rows(tx, "categories")]

    assert libraries == ["Ada Lovelace Library", "Riverside"]
    assert categories == ["In-house use", "Interlibrary loan", "Patron", "Staff"]


def test_comments_come_oldest_first(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha)
    for comment in ("first", "second"):
        tx.connection.execute(
            tx.koha.table("illcomments").insert(),
            {"illrequest_id": number, "borrowernumber": SAM, "comment": comment},
        )

    assert [row["comment"] for row in notice_tables.comments(tx, number)] == ["first", "second"]


def test_preferences_and_the_time_are_read_from_the_database(tx: Transaction) -> None:
    assert notice_tables.preference(tx, "dateformat") == "iso"
    assert notice_tables.preference(tx, "NoSuchPreference") is None
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", notice_tables.now(tx))
