import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from conftest import KohaDatabase
from koha_ill_sidecar.errors import KohaSchemaUnsupported
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.koha import installed, schema
from koha_ill_sidecar.storage.koha.features import KohaVersion
from koha_ill_sidecar.storage.transaction import Transaction


@given(st.integers(0, 99), st.integers(0, 99), st.from_regex(r"\d{0,5}", fullmatch=True))
def test_a_version_reads_back_as_written(major: int, minor: int, rest: str) -> None:
    assert str(KohaVersion.parse(f"{major}.{minor:02d}{rest}")) == f"{major}.{minor:02d}{rest}"


@pytest.mark.parametrize("value", ["", "Koha", "24", "24.5", "24.11.00.000"])
def test_other_texts_are_refused_as_versions(value: str) -> None:
    with pytest.raises(KohaSchemaUnsupported, match="Version"):
        KohaVersion.parse(value)


@pytest.mark.all_versions
def test_the_columns_that_a_version_lacks_are_left_out(tx: Transaction, koha_database: KohaDatabase) -> None:
    version = float(koha_database.version)

    assert tx.koha.version.release == koha_database.version
    assert tx.koha.has("illrequestattributes", "backend") == (version >= 23.11)


@pytest.mark.all_versions
def test_the_features_of_a_version(tx: Transaction, koha_database: KohaDatabase) -> None:
    version, features = float(koha_database.version), tx.koha.features

    assert tx.koha.generic_backend == ("Standard" if version >= 24.11 else "FreeForm")
    assert features.index_job_queue == ("elastic_index" if version >= 23.05 else "default")
    assert features.partners_own_their_messages == (version >= 23.05)
    assert features.batches == features.revert_from_partners == (version >= 23.11)
    assert features.unauthenticated_requests == (version >= 25.05)
    assert features.request_statistics == features.updates_single_attributes == (version >= 25.11)
    assert features.managers == (version >= 26.05)
    assert all((features.background_jobs, features.failure_codes, features.guarantors)) == (version >= 22.11)
    assert all((features.control_field_005, features.letter_links, features.smtp_servers)) == (
        version >= 22.11
    )


@pytest.mark.all_versions
def test_every_declared_table_can_be_read(tx: Transaction) -> None:
    for name, table in schema.TABLES.items():
        if tx.koha.has(name):
            tx.connection.execute(tx.koha.table(name).select().limit(1))
        else:
            assert table.optional_table, name


def test_lengths_come_from_the_database(tx: Transaction) -> None:
    column = tx.koha.table("illrequests").c.cost

    assert installed.truncate(column, "é" * 30) == "é" * 20


def test_a_koha_older_than_supported_is_refused_unless_accepted(
    koha_database: KohaDatabase, admin: Engine
) -> None:
    with admin.begin() as koha:
        koha.execute(text("UPDATE systempreferences SET value = '19.0600020' WHERE variable = 'Version'"))
    careful = Database(koha_database.settings, site=koha_database.database.site)
    daring = Database(
        koha_database.settings, site=koha_database.database.site, accept_unsupported_version=True
    )

    with pytest.raises(KohaSchemaUnsupported, match="accept_unsupported_version"):
        careful.koha()
    assert daring.koha().version.release == "19.06"


def test_a_missing_column_is_named(koha_database: KohaDatabase, admin: Engine) -> None:
    with admin.begin() as koha:
        koha.execute(text("ALTER TABLE illcomments RENAME COLUMN comment TO remark"))
    try:
        fresh = Database(koha_database.settings, site=koha_database.database.site)

        with pytest.raises(KohaSchemaUnsupported, match=r"illcomments\.comment"):
            fresh.koha()
    finally:
        with admin.begin() as koha:
            koha.execute(text("ALTER TABLE illcomments RENAME COLUMN remark TO comment"))
