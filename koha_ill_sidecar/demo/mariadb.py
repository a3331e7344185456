"""
A private MariaDB: its own data directory, a Unix socket and no TCP port.

For the demo, the tests and the benchmarks; a MariaDB that runs on the host for others is never touched.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import pymysql

from koha_ill_sidecar.errors import SidecarError

_START_SECONDS = 60
_STOP_SECONDS = 60
_LONGEST_SOCKET_PATH = 100  # sun_path holds 108 bytes


class MariaDBNotStarted(SidecarError):
    """The private MariaDB did not start; the end of its own log says why."""


class PrivateMariaDB:
    """
    A server on *data_directory*, which is made and initialised when it is not there yet.

    Use as a context manager, or call :meth:`start` and :meth:`stop`. The account ``root`` has no password; only
    who may open the socket reaches it.
    """

    def __init__(self, data_directory: Path, *, options: Sequence[str] = ()) -> None:
        self.data_directory = data_directory.absolute()
        self.socket = _socket_path(self.data_directory)
        self._options = tuple(options)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """Process id of the running server."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the server and wait until it answers; raises MariaDBNotStarted."""
        if not (self.data_directory / "mysql").is_dir():
            self._initialise()
        log = self._log.open("ab")
        with log:
            self._process = subprocess.Popen(
                [
                    _program("mariadbd"),
                    "--no-defaults",
                    f"--datadir={self.data_directory}",
                    f"--socket={self.socket}",
                    f"--pid-file={self.data_directory / 'mariadb.pid'}",
                    f"--user={_user()}",
                    "--skip-networking",
                    "--skip-name-resolve",
                    "--character-set-server=utf8mb4",
                    "--collation-server=utf8mb4_unicode_ci",
                    "--innodb-buffer-pool-size=256M",
                    "--innodb-log-file-size=256M",
                    "--max-connections=300",
                    *self._options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,  # Ctrl-C is for the demo, which then stops the server in order
            )
        self._wait_until_it_answers()

    def stop(self) -> None:
        """Stop the server in order; kill it when it does not go."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """Kill the server at once, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def connect(self, database: str | None = None) -> pymysql.connections.Connection:
        """Open a connection as root, committing each statement."""
        return pymysql.connect(
            unix_socket=str(self.socket),
            user="root",
            database=database,
            charset="utf8mb4",
            autocommit=True,
        )

    @property
    def _environment(self) -> dict[str, str]:
        # A server that starts removes what it takes for its own leftovers from its directory for temporary tables:
        # in a shared one, those of every other server on the host.
        return os.environ | {"TMPDIR": str(self.data_directory)}

    @property
    def _log(self) -> Path:
        return self.data_directory / "mariadb.log"

    def _initialise(self) -> None:
        self.data_directory.mkdir(parents=True, exist_ok=True)
        result = subprocess.run(
            [
                _program("mariadb-install-db"),
                "--no-defaults",
                f"--datadir={self.data_directory}",
                f"--user={_user()}",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--skip-name-resolve",
            ],
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self._environment,
        )
        if result.returncode:
            raise MariaDBNotStarted(
                f"mariadb-install-db could not prepare {self.data_directory}: {result.stdout.strip()[:500]}"
            )

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                break
            if not _accepts(self.socket):
                time.sleep(0.05)
                continue
            try:
                self.connect().close()
            except pymysql.err.OperationalError:
                time.sleep(0.05)
            else:
                return
        self.kill()
        tail = self._log.read_text(errors="replace")[-500:]
        raise MariaDBNotStarted(f"MariaDB did not start on {self.data_directory}. Its log ends: {tail}")


def _accepts(path: Path) -> bool:
    """Knock without PyMySQL, which leaves its socket open when nobody listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knock:
        try:
            knock.connect(str(path))
        except OSError:
            return False
    return True


def _program(name: str) -> str:
    """Find a program of the server, which Debian puts where users' PATH does not look."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise MariaDBNotStarted(
            f"{name} is not installed; on Debian or Ubuntu: apt install mariadb-server-core"
        )
    return found


def _user() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


def _socket_path(data_directory: Path) -> Path:
    inside = data_directory / "mariadb.sock"
    if len(os.fsencode(inside)) <= _LONGEST_SOCKET_PATH:
        return inside
    return Path(tempfile.mkdtemp(prefix="koha-ill-")) / "mariadb.sock"
