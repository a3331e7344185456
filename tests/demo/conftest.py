"""Empty databases on the run's private MariaDB, dropped after the test."""

import itertools
from collections.abc import Callable, Iterator

import pytest
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from koha_ill_sidecar.demo.mariadb import PrivateMariaDB

EmptyDatabase = Callable[[], "Connection[Cursor]"]


@pytest.fixture(scope="session")
def empty_database(mariadb: PrivateMariaDB) -> Iterator[EmptyDatabase]:
    """Return a function that opens a connection to a new, empty database."""
    numbers = itertools.count(1)
    opened: list[tuple[str, Connection[Cursor]]] = []

    def create() -> "Connection[Cursor]":
        name = f"demo_{next(numbers)}"
        connection = mariadb.connect()
        opened.append((name, connection))
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
        connection.select_db(name)
        return connection

    yield create
    for name, connection in opened:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE `{name}`")
        connection.close()
