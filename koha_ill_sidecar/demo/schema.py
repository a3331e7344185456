"""An empty Koha database: the tables of one version, and the rows that Koha's installer inserts."""

from collections.abc import Iterator

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from koha_ill_sidecar.demo import seed
from koha_ill_sidecar.demo.rows import VERSIONS, RowWriter
from koha_ill_sidecar.resources import data_path


def create_koha_schema(
    connection: "Connection[Cursor]", version: str, *, marc_flavour: str = "MARC21"
) -> None:
    """
    Create the tables of Koha *version* with Koha's own seed rows in the empty database of *connection*, and commit.

    The database has no libraries, patrons, notices or requests afterwards.

    Args:
        version: One of `rows.VERSIONS`.
        marc_flavour: MARC21 or UNIMARC, for the preference `marcflavour` and the cataloguing frameworks.

    Raises:
        ValueError: *version* or *marc_flavour* is unknown.
        pymysql.err.OperationalError: The database already has one of the tables.
    """
    if version not in VERSIONS:
        raise ValueError(f"There is no schema of Koha {version}; known are {', '.join(VERSIONS)}.")
    if marc_flavour not in seed.MARC_SUBFIELDS:
        raise ValueError(
            f"There are no frameworks for {marc_flavour}; known are {', '.join(seed.MARC_SUBFIELDS)}."
        )
    _create_tables(connection, version)
    _seed(RowWriter(connection), version, marc_flavour)
    connection.commit()


def _create_tables(connection: "Connection[Cursor]", version: str) -> None:
    with connection.cursor() as cursor:
        try:
            for statement in _statements(version):
                cursor.execute(statement)
        finally:
            # The schema file disables the checks; if it fails, the caller's session needs them back.
            cursor.execute("SET FOREIGN_KEY_CHECKS = 1")


def _statements(version: str) -> Iterator[str]:
    script = (data_path("sql") / "koha" / f"{version}.sql").read_text(encoding="utf-8")
    for statement in script.split(";\n"):
        if statement.strip():
            yield statement


def _seed(writer: RowWriter, version: str, marc_flavour: str) -> None:
    writer.insert("systempreferences", seed.preferences(version, marc_flavour))
    writer.insert("userflags", seed.USER_FLAGS)
    writer.insert("permissions", seed.PERMISSIONS)
    writer.insert("message_transport_types", seed.MESSAGE_TRANSPORT_TYPES)
    writer.insert("message_attributes", seed.message_attributes(version))
    writer.insert("message_transports", seed.message_transports(version))
    writer.insert("authorised_value_categories", seed.authorised_value_categories(version))
    writer.insert("illbatch_statuses", seed.BATCH_STATUSES)
    writer.insert("biblio_framework", seed.FRAMEWORKS)
    has_suppression = writer.has("biblio", "opac_suppressed")
    writer.insert("marc_tag_structure", seed.marc_tags(marc_flavour))
    writer.insert(
        "marc_subfield_structure", seed.marc_subfields(marc_flavour, has_suppression=has_suppression)
    )
