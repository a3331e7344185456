"""Connections whose timeouts the kernel watches."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pymysql
import pytest
from mail_servers import make_certificate
from sqlalchemy import Column, MetaData, String, Table, select

from koha_ill_sidecar.config.settings import DatabaseSettings, DatabaseTLS, IllSite
from koha_ill_sidecar.config.values import Secret
from koha_ill_sidecar.demo.mariadb import PrivateMariaDB
from koha_ill_sidecar.errors import DatabaseUnavailable
from koha_ill_sidecar.storage import driver
from koha_ill_sidecar.storage.database import Database


@contextmanager
def _silent_server(path: Path) -> Iterator[None]:
    """Accept connections and never answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        listening.listen()
        taken: list[socket.socket] = []
        thread = threading.Thread(target=lambda: taken.append(listening.accept()[0]))
        thread.start()
        try:
            yield
        finally:
            thread.join()
            for connection in taken:
                connection.close()


def test_a_server_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "_READ_SECONDS", 0.2)
    settings = DatabaseSettings(socket=tmp_path / "silent", user="nobody", database="koha")

    with _silent_server(tmp_path / "silent"), pytest.raises(pymysql.OperationalError, match="timed out"):
        driver.connect(settings)


def test_a_server_that_stops_answering_is_unavailable(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "_READ_SECONDS", 0.2)
    monkeypatch.setattr("koha_ill_sidecar.storage.database._RETRY_SECONDS", 0.1)
    database.close()
    began = time.monotonic()

    with pytest.raises(DatabaseUnavailable, match="timed out"):
        database.transact(lambda tx: tx.connection.exec_driver_sql("SELECT SLEEP(30)"))

    assert time.monotonic() - began < 30
    database.close()


@pytest.mark.parametrize(
    "settings",
    [
        DatabaseSettings(host="127.0.0.1", port=1, user="nobody", database="koha"),
        DatabaseSettings(socket=Path("/nowhere/mysqld.sock"), user="nobody", database="koha"),
    ],
)
def test_an_unreachable_server_raises_the_drivers_own_error(settings: DatabaseSettings) -> None:
    with pytest.raises(pymysql.OperationalError, match="Can't connect"):
        driver.connect(settings)

    with pytest.raises(DatabaseUnavailable):
        Database(settings, site=IllSite()).ping()


def test_mysql_is_refused_in_one_line(tmp_path: Path) -> None:
    with PrivateMariaDB(tmp_path / "data", options=["--version=8.0.36"]) as server:
        database = Database(
            DatabaseSettings(socket=server.socket, user="root", database="mysql"), site=IllSite()
        )

        with pytest.raises(DatabaseUnavailable, match=r"MySQL 8\.0\.36, not MariaDB .*MariaDB only"):
            database.ping()
        database.close()


@pytest.fixture
def ansi_server(tmp_path: Path) -> Iterator[PrivateMariaDB]:
    with PrivateMariaDB(tmp_path / "data", options=["--sql-mode=TRADITIONAL,ANSI_QUOTES"]) as server:
        yield server


@pytest.mark.parametrize("password", ["plain", "p\u00e4ssword", "\u5bc6\u78bc\u5bc6\u78bc"])
def test_any_sql_mode_and_any_password_of_the_server_works(
    ansi_server: PrivateMariaDB, password: str
) -> None:
    """The compiler quotes names as the dialect learned from the first connection."""
    with ansi_server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE USER reader@localhost IDENTIFIED BY %s", (password,))
        cursor.execute("CREATE DATABASE koha")
        cursor.execute("GRANT ALL ON koha.* TO reader@localhost")
    database = Database(
        DatabaseSettings(
            socket=ansi_server.socket, user="reader", password=Secret(password), database="koha"
        ),
        site=IllSite(),
    )
    table = Table("biblio_metadata", MetaData(), Column("schema", String(10)))

    with database.engine.connect() as session:
        table.create(session)
        session.execute(table.insert().values(schema="MARC21"))
        assert session.scalars(select(table.c.schema)).all() == ["MARC21"]
    database.close()


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[DatabaseSettings]:
    """A MariaDB on a TCP port that accepts its user over TLS only."""
    certificate = make_certificate(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = [
        "--skip-networking=0", "--bind-address=127.0.0.1", f"--port={port}",
        f"--ssl-cert={certificate.cert}", f"--ssl-key={certificate.key}",
    ]  # fmt: skip
    with PrivateMariaDB(tmp_path / "data", options=options) as server:
        with server.connect() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE USER careful@'%' IDENTIFIED BY 'only for tests' REQUIRE SSL")
        yield DatabaseSettings(
            host="127.0.0.1",
            port=port,
            user="careful",
            password=Secret("only for tests"),
            database="information_schema",
            tls=DatabaseTLS(enabled=True, ca=certificate.ca, verify_hostname=True),
        )


@pytest.mark.parametrize("is_asked_for", [True, False])
def test_a_server_that_stops_answering_under_tls_is_given_up(
    tls_server: DatabaseSettings, monkeypatch: pytest.MonkeyPatch, *, is_asked_for: bool
) -> None:
    """The driver encrypts wherever the server can, whether or not it was asked to."""
    monkeypatch.setattr(driver, "_READ_SECONDS", 0.3)
    settings = tls_server if is_asked_for else replace(tls_server, tls=DatabaseTLS())
    connection = driver.connect(settings)
    cursor = connection.cursor()
    cursor.execute("SHOW STATUS LIKE 'Ssl_version'")

    assert "TLS" in str(cursor.fetchone())
    with pytest.raises(pymysql.OperationalError, match="timed out"):
        cursor.execute("SELECT SLEEP(30)")
