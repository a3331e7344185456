"""
Connections to MariaDB whose timeouts the kernel watches (socket(7), SO_RCVTIMEO and SO_SNDTIMEO).

With PyMySQL's own timeouts Python makes two system calls for every read and write, one that waits and one that reads,
and releases the interpreter lock for each. With many threads that was a tenth of a callback's cost.
"""

import socket
import ssl
import struct
from typing import Any, TypeAlias

import pymysql
from pymysql.constants import CLIENT, CR

from koha_ill_sidecar.config.settings import DatabaseSettings, DatabaseTLS

Connection: TypeAlias = "pymysql.connections.Connection[pymysql.cursors.Cursor]"

_CONNECT_SECONDS = 5
_READ_SECONDS = 60
_LOCK_WAIT_SECONDS = 10  # the server's default, 50 s or a day, is longer than a supplier waits for its answer
_GROUP_CONCAT_BYTES = 1_048_576  # MariaDB's default, which a server's configuration may have lowered

# Koha's own modes (Koha, Koha/Database.pm) and strictness: a value that does not fit is an error and never truncated.
_SQL_MODE = (
    "STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
)


def connect(settings: DatabaseSettings) -> Connection:
    """
    Open a connection with our sql_mode; :func:`prepare` sets up the rest of its session.

    SQLAlchemy quotes names as the sql_mode of the first connection demands, and looks at it before :func:`prepare`: the
    server's own may have ANSI_QUOTES.

    Raises:
        pymysql.OperationalError: The server cannot be reached, refuses us, or is MySQL.
    """
    connection = pymysql.connect(
        host=settings.host,
        port=settings.port,
        unix_socket=str(settings.socket) if settings.socket else None,
        user=settings.user,
        password=settings.password.reveal().encode(),  # the driver would encode text as Latin-1
        database=settings.database,
        charset="utf8mb4",
        sql_mode=_SQL_MODE,
        client_flag=CLIENT.FOUND_ROWS,  # a conditional UPDATE needs the rows matched, not the rows changed
        read_timeout=_READ_SECONDS,
        write_timeout=_READ_SECONDS,
        ssl=None if settings.socket else _tls(settings.tls),
        defer_connect=True,
    )
    connection.connect(_open(settings))
    version = str(connection.get_server_info())  # type: ignore[no-untyped-call]  # the driver has no types for it
    if "mariadb" not in version.lower():
        # MySQL has neither BEGIN NOT ATOMIC nor LIMIT … ROWS EXAMINED nor CREATE INDEX IF NOT EXISTS.
        connection.close()
        raise pymysql.OperationalError(CR.CR_VERSION_ERROR, f"The server is MySQL {version}, not MariaDB")
    return connection


def prepare(connection: Connection, settings: DatabaseSettings) -> None:
    """Set up the session: character set, lock timeouts, length of GROUP_CONCAT, Koha's time zone."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SET NAMES utf8mb4 COLLATE utf8mb4_unicode_ci,"
            " SESSION innodb_lock_wait_timeout = %s, SESSION lock_wait_timeout = %s,"
            " SESSION group_concat_max_len = %s",
            (_LOCK_WAIT_SECONDS, _LOCK_WAIT_SECONDS, _GROUP_CONCAT_BYTES),
        )
        if settings.timezone:
            cursor.execute("SET SESSION time_zone = %s", (settings.timezone,))


class _Socket(socket.socket):
    """A socket whose timeout the kernel watches; with TLS, the TLS socket reads the value and watches it itself."""

    _timeout: float | None = None

    def gettimeout(self) -> float | None:
        return self._timeout

    def settimeout(self, value: float | None) -> None:
        self._timeout = value
        seconds = value or 0
        interval = struct.pack("ll", int(seconds), int(seconds % 1 * 1_000_000))
        self.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, interval)
        self.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, interval)

    def recv_into(self, *arguments: Any) -> int:  # noqa: ANN401  (the overridden method's)
        try:
            return super().recv_into(*arguments)
        except BlockingIOError as error:
            # To a reader that error means that there is nothing to read yet, not that the time is over.
            raise TimeoutError("timed out") from error


def _open(settings: DatabaseSettings) -> _Socket:
    try:
        plain = _connect(settings)
    except OSError as error:
        where = str(settings.socket or settings.host)
        raise pymysql.OperationalError(
            CR.CR_CONN_HOST_ERROR, f"Can't connect to MySQL server on {where!r} ({error})"
        ) from error
    # The same connection, as a socket of our class.
    plain.settimeout(None)
    return _Socket(fileno=plain.detach())


def _connect(settings: DatabaseSettings) -> socket.socket:
    if settings.socket:
        local = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            local.settimeout(_CONNECT_SECONDS)
            local.connect(str(settings.socket))
        except OSError:
            local.close()
            raise
        return local
    remote = socket.create_connection((settings.host, settings.port), _CONNECT_SECONDS)
    remote.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    remote.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return remote


def _tls(tls: DatabaseTLS) -> ssl.SSLContext | None:
    """Return the TLS context, None without TLS; without a CA the server is not verified, as in Koha."""
    if not tls.enabled:
        return None
    context = ssl.create_default_context(cafile=tls.ca and str(tls.ca))
    context.check_hostname = tls.verify_hostname
    context.verify_mode = ssl.CERT_REQUIRED if tls.ca else ssl.CERT_NONE
    if tls.cert:
        context.load_cert_chain(tls.cert, tls.key)
    return context
