"""
A private MariaDB: its own data directory, a Unix socket and no TCP port.

The demo, the tests and the benchmarks use it. It does not affect other MariaDB servers on the host.
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
from typing import Self

import pymysql

from koha_ill_sidecar.errors import SidecarError

_START_SECONDS = 60
_STOP_SECONDS = 60
_LONGEST_SOCKET_PATH = 100  # sun_path holds 108 bytes


class MariaDBNotStarted(SidecarError):
    """The private MariaDB did not start; the message contains the end of its log."""


class PrivateMariaDB:
    """
    A server on *data_directory*, which is created and initialised if it does not exist.

    Use it as a context manager, or call :meth:`start` and :meth:`stop`. The account ``root`` has no password; the file
    permissions of the socket protect it.
    """

    def __init__(self, data_directory: Path, *, options: Sequence[str] = ()) -> None:
        self.data_directory = data_directory.absolute()
        self.socket = _socket_path(self.data_directory)
        self._options = tuple(options)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """Process id of the running server."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """
        Start the server and wait until it answers; raises MariaDBNotStarted.

        It ends with the thread that calls this, because Linux counts threads as parents here.
        """
        if not (self.data_directory / "mysql").is_dir():
            self._initialise()
        log = self._log.open("ab")
        with log:
            self._process = subprocess.Popen(
                [
                    # If this process is killed and cannot stop the server, the kernel does.
                    *("setpriv", "--pdeathsig", "TERM"),
                    _program("mariadbd"),
                    "--no-defaults",
                    f"--datadir={self.data_directory}",
                    f"--socket={self.socket}",
                    f"--pid-file={self.data_directory / 'mariadb.pid'}",
                    f"--user={self._user}",
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
                start_new_session=True,  # Ctrl-C must reach only the demo, which then stops the server properly
            )
        self._wait_until_ready()

    def stop(self) -> None:
        """Stop the server properly, or kill it if that takes too long."""
        if self._process is not None:
            stop_process(self._process)
            self._process = None

    def kill(self) -> None:
        """Kill the server immediately, as in a power failure."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def connect(self, database: str | None = None) -> pymysql.connections.Connection:
        """Open an autocommit connection as root."""
        return pymysql.connect(
            unix_socket=str(self.socket),
            user="root",
            database=database,
            charset="utf8mb4",
            autocommit=True,
        )

    @property
    def _user(self) -> str:
        return pwd.getpwuid(os.geteuid()).pw_name

    @property
    def _environment(self) -> dict[str, str]:
        # At start, MariaDB removes old temporary tables from its temporary directory. In a shared directory these could
        # belong to another running server.
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
                f"--user={self._user}",
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

    def _wait_until_ready(self) -> None:
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


def stop_process(process: "subprocess.Popen[bytes]") -> None:
    """Stop a process with SIGTERM, or kill it if that takes too long."""
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _accepts(path: Path) -> bool:
    """Probe the socket without PyMySQL, which leaks its socket if nothing listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _program(name: str) -> str:
    """Return the path of a server program; on Debian these are not on the PATH of users."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise MariaDBNotStarted(
            f"{name} is not installed; on Debian or Ubuntu: apt install mariadb-server-core"
        )
    return found


def _socket_path(data_directory: Path) -> Path:
    inside = data_directory / "mariadb.sock"
    if len(os.fsencode(inside)) <= _LONGEST_SOCKET_PATH:
        return inside
    return Path(tempfile.mkdtemp(prefix="koha-ill-")) / "mariadb.sock"
