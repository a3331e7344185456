"""A whole Koha database on a private server: schema, sample library, and the sidecar's own user."""

from pymysql.connections import Connection
from pymysql.cursors import Cursor

from koha_ill_sidecar.demo.mariadb import PrivateMariaDB
from koha_ill_sidecar.demo.sample_library import load_sample_library
from koha_ill_sidecar.demo.schema import VERSIONS, create_koha_schema
from koha_ill_sidecar.resources import grants_sql

NEWEST = VERSIONS[-1]


def create_koha_database(
    server: PrivateMariaDB, name: str, *, user: str, password: str, version: str = NEWEST
) -> None:
    """
    Make the database *name* with the sample library in it, and a user with no more privileges than it needs.

    The sidecar's own tables are left to ``migrate``, which that user may run.
    """
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
    with server.connect(name) as connection:
        create_koha_schema(connection, version)
        load_sample_library(connection)
        create_user(connection, name, user=user, password=password)


def create_user(connection: "Connection[Cursor]", database: str, *, user: str, password: str) -> None:
    """Make the sidecar's user and give it what ``sql/grants.sql`` says."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE USER IF NOT EXISTS %s@localhost IDENTIFIED BY %s", (user, password))
        for statement in grants_sql(database=database, user=user, host="localhost"):
            cursor.execute(statement)
    connection.commit()


def exists(server: PrivateMariaDB, name: str) -> bool:
    """Return whether the server has the database."""
    with server.connect() as connection, connection.cursor() as cursor:
        return bool(cursor.execute("SHOW DATABASES LIKE %s", (name,)))
