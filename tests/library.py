"""The library's database for tests of whole processes: made once, and emptied after each test."""

import cast as the_cast
from koha_ill_sidecar.config.settings import DatabaseSettings, IllSite
from koha_ill_sidecar.config.values import Secret
from koha_ill_sidecar.demo.koha_database import create_user
from koha_ill_sidecar.demo.mariadb import PrivateMariaDB
from koha_ill_sidecar.demo.rows import VERSIONS
from koha_ill_sidecar.demo.schema import create_koha_schema
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.sidecar import migrations
from sidecar_process import NAME, PASSWORD, USER, Library


def create_library(server: PrivateMariaDB) -> None:
    """Create the library's database, with the cast and our own tables."""
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {NAME} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
    with server.connect(NAME) as connection:
        create_koha_schema(connection, VERSIONS[-1])
        the_cast.load(connection, alias_category="ILL_STATUS_ALIAS")
        create_user(connection, NAME, user=USER, password=PASSWORD)
    settings = DatabaseSettings(socket=server.socket, database=NAME, user=USER, password=Secret(PASSWORD))
    database = Database(settings, site=IllSite())
    migrations.migrate(database.engine)
    database.close()


def empty(library: Library) -> None:
    """Delete the requests, the messages, the log, and the rows of our own tables."""
    ours = [table for (table,) in library.sql("SHOW TABLES LIKE %s", "ill_sidecar_%")]
    with library.connect() as connection, connection.cursor() as cursor:
        connection.begin()  # one wait for the disk instead of one for each table
        for table in ("message_queue", "illrequests", "action_logs", *ours):
            if table != "ill_sidecar_migrations":
                cursor.execute(f"DELETE FROM {table}")
        connection.commit()
