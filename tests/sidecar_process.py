"""The program as a process, started, signalled and killed as systemd or the kernel does."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pymysql
import yaml

from koha_ill_sidecar.demo.mariadb import PrivateMariaDB

NAME = "koha_e2e"
USER = "koha_ill_sidecar"
PASSWORD = "only for tests"

Rows = tuple[tuple[Any, ...], ...]
Eventually = Callable[[Callable[[], object]], None]
"""Waits until a condition holds: the fixture of that name."""

# Long enough for any machine: only a test that fails waits so long.
_READY_SECONDS = 120
_STOP_SECONDS = 120


class SidecarProcess:
    """
    One run of ``koha-ill-sidecar VERB``; a context manager that stops it.

    Args:
        directory: For its log and its notification socket.
    """

    def __init__(
        self, verb: str, config: Path, directory: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.verb = verb
        self._environment = dict(environment or {})
        self.config = config
        self.log_file = directory / f"{verb}-{time.monotonic_ns()}.log"
        self._channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._channel.bind(str(directory / f"notify-{time.monotonic_ns()}"))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.runs:
            self.kill()
        self.close()

    def close(self) -> None:
        """Close the socket on which it notifies the service manager."""
        self._channel.close()

    def start(self, *, wait: bool = True) -> None:
        """Start it, and wait until it reports that it is ready."""
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "koha_ill_sidecar", "--config", str(self.config), self.verb],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | self._environment | {"NOTIFY_SOCKET": self._channel.getsockname()},
            )
        if wait:
            self.wait_for("READY=1")

    def wait_for(self, line: str, seconds: float = _READY_SECONDS) -> None:
        """Wait for a line that it sends to the service manager."""
        deadline = time.monotonic() + seconds
        self._channel.settimeout(0.2)
        while time.monotonic() < deadline:
            assert self.runs, f"it ended: {self.log}"
            try:
                if line in self._channel.recv(4096).decode().split("\n"):
                    return
            except TimeoutError:
                continue
        raise AssertionError(f"it never sent {line}: {self.log}")

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    @property
    def repeated_away_lines(self) -> list[str]:
        """Return the log lines that say twice, before the database is back, why it is away."""
        repeated = []
        for outage in self.log.split("database back, jobs continue"):
            lines = [line for line in outage.splitlines() if "database away, jobs wait" in line]
            reasons = Counter(line.partition(" reason=")[2] for line in lines)
            repeated += [reason for reason, count in reasons.items() if count > 1]
        return repeated

    def send(self, signal_number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(signal_number)

    def kill(self) -> None:
        """Kill it, as the kernel does when memory runs out."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """Stop it with SIGTERM and return its exit code."""
        self.send(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        assert self._process is not None
        return self._process.wait(_STOP_SECONDS)


def write_config(path: Path, settings: dict[str, Any]) -> Path:
    """Write a configuration file; sections as nested mappings."""
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    path.chmod(0o600)
    return path


@dataclass(frozen=True, kw_only=True)
class Library:
    """A Koha with the cast, on a server that a test may stop and start."""

    server: PrivateMariaDB
    directory: Path

    def sql(self, statement: str, *values: Any) -> Rows:
        """Execute a statement as Koha does, commit, and return the rows."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            return tuple(cursor.fetchall())

    def connect(self) -> "pymysql.connections.Connection[pymysql.cursors.Cursor]":
        return self.server.connect(NAME)

    def config(self, **sections: Any) -> Path:
        """
        Write a configuration for this library, with more *sections*, and return its path.

        Delivery is off unless a section ``delivery`` turns it on.
        """
        settings = {
            "koha": {
                "database": {
                    "socket": str(self.server.socket),
                    "name": NAME,
                    "user": USER,
                    "password": PASSWORD,
                }
            },
            "web": {"listen": f"unix:{self.directory}/web.sock"},
            "delivery": {"enabled": False},
            **sections,
        }
        return write_config(self.directory / f"config-{time.monotonic_ns()}.yaml", settings)
