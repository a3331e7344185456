"""Connections whose timeouts the kernel keeps."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pymysql
import pytest

from koha_ill_sidecar.config.settings import DatabaseSettings, IllSite
from koha_ill_sidecar.errors import DatabaseUnavailable
from koha_ill_sidecar.storage import driver
from koha_ill_sidecar.storage.database import Database


@contextmanager
def _silent_server(path: Path) -> Iterator[None]:
    """Take connections and never say a word."""
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


def test_a_server_that_falls_silent_is_told_as_away(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "_READ_SECONDS", 0.2)
    monkeypatch.setattr("koha_ill_sidecar.storage.database._PATIENCE_SECONDS", 0.1)
    database.close()
    began = time.monotonic()

    with pytest.raises(DatabaseUnavailable, match="timed out"):
        database.transact(lambda tx: tx.connection.exec_driver_sql("SELECT SLEEP(5)"))

    assert time.monotonic() - began < 3
    database.close()


@pytest.mark.parametrize(
    "settings",
    [
        DatabaseSettings(host="127.0.0.1", port=1, user="nobody", database="koha"),
        DatabaseSettings(socket=Path("/nowhere/mysqld.sock"), user="nobody", database="koha"),
    ],
)
def test_a_server_that_is_not_there_is_the_drivers_own_error(settings: DatabaseSettings) -> None:
    with pytest.raises(pymysql.OperationalError, match="Can't connect"):
        driver.connect(settings)

    with pytest.raises(DatabaseUnavailable):
        Database(settings, site=IllSite()).ping()
