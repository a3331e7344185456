"""
One private MariaDB for the run, with a database for each Koha version that is asked for.

By default tests run against the newest version; those marked ``all_versions`` against each of ``--koha-versions``
(or the environment's KOHA_VERSIONS), "all" for every sheet in ``sql/koha``.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import pymysql
import pytest
from message_broker import running as running_broker
from sqlalchemy import Engine, create_engine, event

import cast as the_cast
from koha_ill_sidecar.config.settings import BrokerSettings, DatabaseSettings, IllSite
from koha_ill_sidecar.config.values import Secret
from koha_ill_sidecar.demo.koha_database import create_user
from koha_ill_sidecar.demo.mariadb import PrivateMariaDB
from koha_ill_sidecar.demo.schema import VERSIONS, create_koha_schema
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.sidecar import migrations
from koha_ill_sidecar.storage.transaction import Transaction

USER = "koha_ill_sidecar"
PASSWORD = "only for tests"

# Koha 19.06 is older than what is supported: the oldest that is, one in the middle, and main.
_DEFAULT_VERSIONS = f"22.11,24.05,{VERSIONS[-1]}"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--koha-versions",
        default=os.environ.get("KOHA_VERSIONS", _DEFAULT_VERSIONS),
        help=f"versions for tests marked all_versions, comma-separated, or all (default: {_DEFAULT_VERSIONS})",
    )


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Name the threads that keep the run from ending, and fail it."""
    left = [
        thread
        for thread in threading.enumerate()
        if not thread.daemon and thread is not threading.main_thread()
    ]
    if left:
        sys.stderr.write(f"\nThreads left behind: {', '.join(thread.name for thread in left)}\n")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "koha_version" not in metafunc.fixturenames:
        return
    versions = [VERSIONS[-1]]
    if metafunc.definition.get_closest_marker("all_versions"):
        asked = metafunc.config.getoption("--koha-versions")
        versions = list(VERSIONS) if asked == "all" else asked.split(",")
    metafunc.parametrize("koha_version", versions, scope="session")


@dataclass(kw_only=True)
class KohaDatabase:
    """A database of one version with the cast in it, and the pristine copy that it is reset from."""

    version: str
    server: PrivateMariaDB
    settings: DatabaseSettings
    database: Database
    admin: Engine
    checksums: dict[str, int]

    def reset(self) -> None:
        """Bring every table that a test changed back to what it was."""
        name = self.settings.database
        with self.server.connect(name) as connection, connection.cursor() as cursor:
            cursor.execute("SET FOREIGN_KEY_CHECKS = 0")
            for table, checksum in _checksums(cursor).items():
                if table not in self.checksums:
                    cursor.execute(f"DROP TABLE `{table}`")
                elif checksum != self.checksums[table]:
                    cursor.execute(f"DELETE FROM `{table}`")
                    cursor.execute(f"INSERT INTO `{table}` SELECT * FROM `{name}_pristine`.`{table}`")
        self.database.cache.clear()


def _checksums(cursor: pymysql.cursors.Cursor) -> dict[str, int]:
    cursor.execute("SHOW TABLES")
    tables = ", ".join(f"`{table}`" for (table,) in cursor.fetchall())
    cursor.execute(f"CHECKSUM TABLE {tables}")
    return {qualified.split(".", 1)[1]: checksum for qualified, checksum in cursor.fetchall()}


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateMariaDB]:
    """The private server, quick rather than durable."""
    server = PrivateMariaDB(
        tmp_path_factory.mktemp("mariadb") / "data",
        options=["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=128M"],
    )
    with server:
        yield server


@pytest.fixture(scope="session")
def message_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerSettings]:
    """A private RabbitMQ that speaks STOMP."""
    with running_broker(tmp_path_factory.mktemp("broker")) as port:
        yield BrokerSettings(host="127.0.0.1", port=port, namespace="koha_test")


@pytest.fixture(scope="session")
def koha_database(mariadb: PrivateMariaDB, koha_version: str) -> Iterator[KohaDatabase]:
    """A database of the version with the cast, our own tables, and the least-privilege user."""
    name = f"koha_{koha_version.replace('.', '_')}"
    _create(mariadb, name, koha_version)
    settings = DatabaseSettings(socket=mariadb.socket, user=USER, password=Secret(PASSWORD), database=name)
    admin = create_engine(
        f"mysql+pymysql://root@/{name}?unix_socket={mariadb.socket}&charset=utf8mb4",
        isolation_level="READ COMMITTED",
    )
    database = Database(settings, site=IllSite(), accept_unsupported_version=True)
    migrations.migrate(database.engine)
    yield KohaDatabase(
        version=koha_version,
        server=mariadb,
        settings=settings,
        database=database,
        admin=admin,
        checksums=_keep_pristine(mariadb, name),
    )
    database.close()
    admin.dispose()


def _create(server: PrivateMariaDB, name: str, version: str) -> None:
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
    with server.connect(name) as connection:
        create_koha_schema(connection, version)
        alias_category = "ILLSTATUS" if version == "19.06" else "ILL_STATUS_ALIAS"
        the_cast.load(connection, alias_category=alias_category)
        create_user(connection, name, user=USER, password=PASSWORD)


def _keep_pristine(server: PrivateMariaDB, name: str) -> dict[str, int]:
    with server.connect(name) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE `{name}_pristine` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
        checksums = _checksums(cursor)
        for table in checksums:
            cursor.execute(f"CREATE TABLE `{name}_pristine`.`{table}` LIKE `{table}`")
            cursor.execute(f"INSERT INTO `{name}_pristine`.`{table}` SELECT * FROM `{table}`")
    return checksums


@pytest.fixture
def database(koha_database: KohaDatabase) -> Iterator[Database]:
    """The database with real commits; what a test changed is taken back afterwards."""
    yield koha_database.database
    koha_database.reset()


@pytest.fixture
def admin(koha_database: KohaDatabase, database: Database) -> Engine:  # noqa: ARG001  (brings the reset)
    """The same database as root: for doing what Koha does."""
    return koha_database.admin


@pytest.fixture
def tx(koha_database: KohaDatabase) -> Iterator[Transaction]:
    """An open transaction that is rolled back: quick, for storage and services that never commit."""
    database = koha_database.database
    with database.engine.connect() as connection:
        database.cache.clear()
        yield database._transaction(connection)
        connection.rollback()
    database.cache.clear()


@pytest.fixture
def queries(koha_database: KohaDatabase) -> Callable[[], AbstractContextManager[list[str]]]:
    """Return a context manager that lists the statements sent inside it: ``with queries() as seen: ...``."""
    engine = koha_database.database.engine

    @contextmanager
    def watching() -> Iterator[list[str]]:
        seen: list[str] = []

        def note(*details: object) -> None:
            seen.append(str(details[2]))

        event.listen(engine, "before_cursor_execute", note)
        try:
            yield seen
        finally:
            event.remove(engine, "before_cursor_execute", note)

    return watching
