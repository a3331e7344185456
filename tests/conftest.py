"""
A private MariaDB for each process that runs tests, with a database for each Koha version that they ask for.

Tests run against the newest version; those marked ``all_versions`` run against each of ``--koha-versions`` (or the
environment's KOHA_VERSIONS): version numbers, ``newest``, or ``all`` for every schema in ``sql/koha``.
"""

import itertools
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath

import pymysql
import pytest
from message_broker import running as running_broker
from pymysql.connections import Connection
from pymysql.cursors import Cursor
from sqlalchemy import Engine, create_engine, event
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

import cast as the_cast
from koha_ill_sidecar.config.settings import BrokerSettings, DatabaseSettings, IllSite
from koha_ill_sidecar.config.values import Secret
from koha_ill_sidecar.demo.koha_database import create_user
from koha_ill_sidecar.demo.mariadb import PrivateMariaDB
from koha_ill_sidecar.demo.rows import VERSIONS
from koha_ill_sidecar.demo.schema import create_koha_schema
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.sidecar import migrations
from koha_ill_sidecar.storage.transaction import Transaction

USER = "koha_ill_sidecar"
PASSWORD = "only for tests"

# The oldest that is supported (19.06 is not), one in the middle, and main.
_DEFAULT_VERSIONS = f"22.11,24.05,{VERSIONS[-1]}"

_SLOW_FOLDERS = frozenset({"e2e", "browser"})

# The modules that use the message broker run in one process, because RabbitMQ takes seconds to start.
_BROKER_MODULES = frozenset({"test_broker.py", "test_doctor.py", "test_relay.py"})

# The cluster takes half a minute to start.
_CLUSTER_MODULE = "test_galera.py"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--koha-versions",
        default=os.environ.get("KOHA_VERSIONS", _DEFAULT_VERSIONS),
        help=f"versions for tests marked all_versions, comma-separated, newest or all (default: {_DEFAULT_VERSIONS})",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "koha_version" not in metafunc.fixturenames:
        return
    versions = [VERSIONS[-1]]
    if metafunc.definition.get_closest_marker("all_versions"):
        match metafunc.config.getoption("--koha-versions"):
            case "all":
                versions = list(VERSIONS)
            case "newest":
                pass
            case chosen:
                versions = chosen.split(",")
    metafunc.parametrize("koha_version", versions, scope="session")


def pytest_itemcollected(item: pytest.Item) -> None:
    if _SLOW_FOLDERS.intersection(item.path.parts):
        item.add_marker(pytest.mark.slow)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run slow tests first: otherwise one process ends minutes after the others."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


class _ModuleScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """
    Hand out tests by module, so that only one process makes what the tests of a module share.

    The tests of the slow folders are handed out one by one: they share little, and such a module takes minutes.
    """

    def _split_scope(self, nodeid: str) -> str:
        module = PurePosixPath(nodeid.partition("::")[0])
        if _SLOW_FOLDERS.intersection(module.parts) and module.name != _CLUSTER_MODULE:
            return nodeid
        return "message broker" if module.name in _BROKER_MODULES else str(module)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    config.option.loadscopereorder = False  # it would put the largest modules before the slowest
    return _ModuleScheduling(config, log)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Name the threads that keep the run from ending, and fail it."""
    left = [
        thread.name
        for thread in threading.enumerate()
        if not thread.daemon and thread is not threading.main_thread()
    ]
    if not left:
        return
    message = f"Threads left behind: {', '.join(left)}"
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["shouldfail"] = message  # the controlling process prints it and fails
    else:
        sys.stderr.write(f"\n{message}\n")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


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
        """Restore every table that a test changed; tables that it created are dropped."""
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
        options=[
            "--innodb-flush-log-at-trx-commit=0",
            "--innodb-buffer-pool-size=128M",
            "--innodb-log-file-size=64M",
        ],
    )
    with server:
        yield server


@pytest.fixture(scope="session")
def message_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerSettings]:
    """A private RabbitMQ with STOMP."""
    with running_broker(tmp_path_factory.mktemp("broker")) as port:
        yield BrokerSettings(host="127.0.0.1", port=port, namespace="koha_test")


@pytest.fixture(scope="session")
def koha_databases(mariadb: PrivateMariaDB) -> Iterator[Callable[[str], KohaDatabase]]:
    """Return a function that returns the database of a version, which it creates the first time."""
    databases: dict[str, KohaDatabase] = {}

    def of_version(version: str) -> KohaDatabase:
        if version not in databases:
            databases[version] = _create_database(mariadb, version)
        return databases[version]

    yield of_version
    for koha_database in databases.values():
        koha_database.database.close()
        koha_database.admin.dispose()


@pytest.fixture(scope="session")
def koha_database(koha_databases: Callable[[str], KohaDatabase], koha_version: str) -> KohaDatabase:
    """
    A database of the version with the cast, our own tables, and the least-privilege user.

    pytest forgets this fixture whenever the version changes, and versions alternate as modules are handed out.
    """
    return koha_databases(koha_version)


def _create_database(server: PrivateMariaDB, version: str) -> KohaDatabase:
    name = f"koha_{version.replace('.', '_')}"
    _create_koha(server, name, version)
    settings = DatabaseSettings(socket=server.socket, user=USER, password=Secret(PASSWORD), database=name)
    admin = create_engine(
        f"mysql+pymysql://root@/{name}?unix_socket={server.socket}&charset=utf8mb4",
        isolation_level="READ COMMITTED",
    )
    database = Database(settings, site=IllSite(), accept_unsupported_version=True)
    migrations.migrate(database.engine)
    return KohaDatabase(
        version=version,
        server=server,
        settings=settings,
        database=database,
        admin=admin,
        checksums=_copy_pristine(server, name),
    )


def _create_koha(server: PrivateMariaDB, name: str, version: str) -> None:
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
    with server.connect(name) as connection:
        create_koha_schema(connection, version)
        alias_category = "ILLSTATUS" if version == "19.06" else "ILL_STATUS_ALIAS"
        the_cast.load(connection, alias_category=alias_category)
        create_user(connection, name, user=USER, password=PASSWORD)


def _copy_pristine(server: PrivateMariaDB, name: str) -> dict[str, int]:
    with server.connect(name) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE `{name}_pristine` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
        checksums = _checksums(cursor)
        for table in checksums:
            cursor.execute(f"CREATE TABLE `{name}_pristine`.`{table}` LIKE `{table}`")
            cursor.execute(f"INSERT INTO `{name}_pristine`.`{table}` SELECT * FROM `{table}`")
    return checksums


@pytest.fixture
def database(koha_database: KohaDatabase) -> Iterator[Database]:
    """The database with real commits; what a test changed is restored afterwards."""
    yield koha_database.database
    koha_database.reset()


@pytest.fixture
def admin(koha_database: KohaDatabase, database: Database) -> Engine:  # noqa: ARG001  (for its reset)
    """The same database as root, to write as Koha does."""
    return koha_database.admin


@pytest.fixture
def tx(koha_database: KohaDatabase) -> Iterator[Transaction]:
    """An open transaction that is rolled back: quick, for storage and services that never commit."""
    database = koha_database.database
    with database.engine.connect() as connection:
        database.cache.clear()
        yield database.transaction_on(connection)
        connection.rollback()
    database.cache.clear()


@pytest.fixture
def queries(koha_database: KohaDatabase) -> Callable[[], AbstractContextManager[list[str]]]:
    """Return a context manager that yields the list of statements sent inside it: ``with queries() as seen: ...``."""
    engine = koha_database.database.engine

    @contextmanager
    def record() -> Iterator[list[str]]:
        statements: list[str] = []

        def append(*arguments: object) -> None:
            statements.append(str(arguments[2]))

        event.listen(engine, "before_cursor_execute", append)
        try:
            yield statements
        finally:
            event.remove(engine, "before_cursor_execute", append)

    return record


EmptyDatabase = Callable[[], "Connection[Cursor]"]


@pytest.fixture(scope="session")
def empty_database(mariadb: PrivateMariaDB) -> Iterator[EmptyDatabase]:
    """Return a function that opens a connection to a new, empty database on the private server."""
    numbers = itertools.count(1)
    connections: list[Connection[Cursor]] = []

    def create() -> "Connection[Cursor]":
        name = f"empty_{next(numbers)}"
        connection = mariadb.connect()
        connections.append(connection)
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
        connection.select_db(name)
        return connection

    yield create
    for connection in connections:
        connection.close()
