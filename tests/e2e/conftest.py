"""A library with a server of its own, for tests that stop the server, kill processes and lock tables."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from library import create_library, empty

from koha_ill_sidecar.demo.mariadb import PrivateMariaDB
from sidecar_process import Eventually, Library


@pytest.fixture(scope="session")
def library_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateMariaDB]:
    """A server with the settings that libraries use: what is committed survives a crash."""
    server = PrivateMariaDB(tmp_path_factory.mktemp("e2e-mariadb") / "data")
    with server:
        create_library(server)
        yield server


@pytest.fixture
def library(library_server: PrivateMariaDB, tmp_path: Path) -> Iterator[Library]:
    """The library with empty queues and no requests."""
    library = Library(server=library_server, directory=tmp_path)
    yield library
    if library_server.pid is None:
        library_server.start()
    empty(library)


@pytest.fixture(scope="session")
def eventually() -> Eventually:
    """Wait until a condition holds."""

    def wait(condition: Callable[[], object]) -> None:
        # Long enough for any machine: only a test that fails takes so long.
        deadline = time.monotonic() + 120
        while not condition():
            assert time.monotonic() < deadline, "the condition never held"
            time.sleep(0.02)

    return wait
