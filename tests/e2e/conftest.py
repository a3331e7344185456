"""A library with a server of its own, for tests that stop the server, kill processes and lock tables."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import cast as the_cast
from koha_ill_sidecar.config.settings import DatabaseSettings, IllSite
from koha_ill_sidecar.config.values import Secret
from koha_ill_sidecar.demo.koha_database import create_user
from koha_ill_sidecar.demo.mariadb import PrivateMariaDB
from koha_ill_sidecar.demo.rows import VERSIONS
from koha_ill_sidecar.demo.schema import create_koha_schema
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.sidecar import migrations
from sidecar_process import NAME, PASSWORD, USER, Eventually, Library


@pytest.fixture(scope="session")
def library_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateMariaDB]:
    """A server with the settings that libraries use: what is committed survives a crash."""
    server = PrivateMariaDB(tmp_path_factory.mktemp("e2e-mariadb") / "data")
    with server:
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
        yield server


@pytest.fixture
def library(library_server: PrivateMariaDB, tmp_path: Path) -> Iterator[Library]:
    """The library with empty queues and no requests."""
    library = Library(server=library_server, directory=tmp_path)
    yield library
    if library_server.pid is None:
        library_server.start()
    ours = [table for (table,) in library.sql("SHOW TABLES LIKE %s", "ill_sidecar_%")]
    with library.connect() as connection, connection.cursor() as cursor:
        connection.begin()  # one wait for the disk instead of one for each table
        for table in ("message_queue", "illrequests", "action_logs", *ours):
            if table != "ill_sidecar_migrations":
                cursor.execute(f"DELETE FROM {table}")
        connection.commit()


@pytest.fixture
def eventually() -> Eventually:
    """Wait until a condition holds."""

    def wait(condition: Callable[[], object]) -> None:
        # Long enough for any machine: only a test that fails takes so long.
        deadline = time.monotonic() + 120
        while not condition():
            assert time.monotonic() < deadline, "the condition never held"
            time.sleep(0.02)

    return wait
