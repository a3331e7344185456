"""A complete Koha database on a private server: schema, sample library, and the sidecar's own user."""

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from koha_ill_sidecar.demo.mariadb import PrivateMariaDB
from koha_ill_sidecar.demo.rows import VERSIONS
from koha_ill_sidecar.demo.sample_library import load_sample_library
from koha_ill_sidecar.demo.schema import create_koha_schema
from koha_ill_sidecar.resources import grants_sql

NEWEST = VERSIONS[-1]

_PARTNER_ENQUIRIES = """
    INSERT INTO ill_sidecar_partner_enquiries
        (illrequest_id, borrowernumber, address, asked_at, closed_at, closed_by_status)
    SELECT r.illrequest_id, b.borrowernumber, b.email, LEAST(r.placed + INTERVAL 2 DAY, r.updated),
        IF(r.status = 'GENREQ', NULL, r.completed), IF(r.status = 'GENREQ', NULL, 'COMP')
    FROM illrequests r
    JOIN illrequestattributes a ON a.illrequest_id = r.illrequest_id AND a.type = 'requested_partners'
    JOIN borrowers b ON FIND_IN_SET(b.email, REPLACE(a.value, '; ', ','))
    WHERE r.status = 'GENREQ' OR r.completed IS NOT NULL
    ORDER BY r.illrequest_id, b.borrowernumber
"""


def create_koha_database(
    server: PrivateMariaDB, name: str, *, user: str, password: str, version: str = NEWEST
) -> None:
    """
    Create the database *name* with the sample library, and a user with only the privileges that it needs.

    The command ``migrate``, which that user may run, creates the sidecar's own tables.
    """
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
    with server.connect(name) as connection:
        create_koha_schema(connection, version)
        load_sample_library(connection)
        create_user(connection, name, user=user, password=password)


def create_user(connection: "Connection[Cursor]", database: str, *, user: str, password: str) -> None:
    """Create the sidecar's user with the privileges in ``sql/grants.sql``."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE USER IF NOT EXISTS %s@localhost IDENTIFIED BY %s", (user, password))
        for statement in grants_sql(database=database, user=user, host="localhost"):
            cursor.execute(statement)
    connection.commit()


def exists(server: PrivateMariaDB, name: str) -> bool:
    """Return whether the database exists on the server."""
    with server.connect() as connection, connection.cursor() as cursor:
        return bool(cursor.execute("SHOW DATABASES LIKE %s", (name,)))


def add_partner_enquiries(connection: "Connection[Cursor]") -> None:
    """
    Add the enquiries to partners that the sidecar would have recorded for the sample library.

    Run it after ``migrate``, which creates the table. Times that are only in Koha's log are estimated.
    """
    with connection.cursor() as cursor:
        cursor.execute(_PARTNER_ENQUIRIES)
    connection.commit()
