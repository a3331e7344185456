"""Callbacks received, against bare PyMySQL committing the same statements and against the size of the database."""

import base64
import hmac
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pymysql
from sqlalchemy import event

from benchmarks.harness import (
    DATABASE,
    Result,
    at_least,
    at_most,
    library_server,
    percentile,
    settings_for,
)
from koha_ill_sidecar.backends.http.callback_formats import CanonicalFormat
from koha_ill_sidecar.config.settings import DatabaseSettings, IllSite
from koha_ill_sidecar.demo.mariadb import PrivateMariaDB
from koha_ill_sidecar.services.callbacks.processing import Callback, read_callback
from koha_ill_sidecar.services.callbacks.receiving import receive
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.web.callbacks.answers import answer_status

_BACKEND = "bench"
_KEY = bytes(range(32))
_CONNECTIONS = 8  # as many as one web process serves at the same time
_PROCESSES = 2  # as a site with such a load would run them: one for each core
_ROUNDS = 5
_START_SECONDS = 30

Statement = tuple[str, object]


def callbacks(*, quick: bool) -> Result:
    """Callbacks applied and committed in a second over HTTP, against PyMySQL committing the same statements."""
    count = 400 if quick else 2000
    with _library(processes=_PROCESSES) as library:
        recorded = library.record_statements()
        ours, theirs, latencies = [], [], []
        for _ in range(2 if quick else _ROUNDS):
            # Alternating, so that other load on the machine affects both.
            numbers = library.new_requests(count)
            theirs.append(_rate(numbers, lambda connection: _replayer(library, connection, recorded))[0])
            numbers = library.new_requests(count)
            rate, seconds = _rate(numbers, lambda share: _sender(library, share))
            library.check_applied(numbers)
            ours.append(rate)
            latencies += seconds
    median, worst = statistics.median(latencies), percentile(latencies, 99)
    result = at_least(
        "callbacks",
        statistics.median(ours),
        "callbacks/s",
        reference=f"PyMySQL committing the same {len(recorded)} statements from {_CONNECTIONS} connections;"
        f" {_PROCESSES} web processes",
        reference_value=statistics.median(theirs),
        goal=0.5,
    )
    return replace(
        result,
        goal=f"{result.goal}; p99 under 10 times the median"
        f" ({worst * 1000:.1f} ms is {worst / median:.1f} times {median * 1000:.1f} ms)",
        met=result.met and worst < 10 * median,
    )


def growth_callbacks(*, quick: bool) -> Result:
    """Seconds for 100 callbacks in a large database, against the same in a small one."""
    sizes = ((10_000, 50_000), (50_000, 250_000)) if quick else ((10_000, 50_000), (1_000_000, 5_000_000))
    small, large = (_seconds_at(requests, messages) for requests, messages in sizes)
    return at_most(
        "growth_callbacks",
        large,
        "s",
        reference=f"100 callbacks at {sizes[0][0]:,} requests; measured at {sizes[1][0]:,}",
        reference_value=small,
        goal=1.5,
    )


def _seconds_at(requests: int, messages: int) -> float:
    """Return the seconds for 100 callbacks, one after another, that identify their request by its order ID."""
    with _library(requests, messages) as library:
        rounds = []
        for turn in range(12):
            numbers = library.renewed_requests(100)
            send = _sender(library, numbers, by_order=True)
            started = time.perf_counter()
            for number in numbers:
                send(number)
            if turn:  # the first one warms up
                rounds.append(time.perf_counter() - started)
            library.check_applied(numbers)
        return statistics.median(rounds)


@dataclass(kw_only=True)
class _Library:
    """A Koha database and the program's web server on it."""

    server: PrivateMariaDB
    database: Database
    sockets: Sequence[Path]
    turn: int = 0
    senders: int = 0

    def connect(self) -> "pymysql.connections.Connection[pymysql.cursors.Cursor]":
        """Connect as the sidecar does."""
        settings = self.database_settings()
        return pymysql.connect(
            unix_socket=str(settings.socket),
            user=settings.user,
            password=settings.password.reveal(),
            database=settings.database,
            charset="utf8mb4",
        )

    def next_socket(self) -> Path:
        """Return the socket of the next web process, as a load balancer does."""
        self.senders += 1
        return self.sockets[self.senders % len(self.sockets)]

    def database_settings(self) -> DatabaseSettings:
        """Return how to connect."""
        return settings_for(self.server, DATABASE)

    def new_requests(self, count: int) -> list[int]:
        """Create new requests as Koha does, tracked by the change watch, and return their IDs."""
        with self.server.connect(DATABASE) as connection, connection.cursor() as cursor:
            # Long IDs, so that a time or a hash in a recorded statement does not contain one by chance.
            cursor.execute("SELECT GREATEST(MAX(illrequest_id), 1900000000) FROM illrequests")
            ((last,),) = cursor.fetchall()
            cursor.execute("SELECT branchcode FROM branches LIMIT 1")
            ((branch,),) = cursor.fetchall()
            numbers = list(range(int(last) + 1, int(last) + 1 + count))
            cursor.executemany(
                "INSERT INTO illrequests (illrequest_id, branchcode, status, backend, placed)"
                " VALUES (%s, %s, 'NEW', 'Standard', CURDATE())",
                [(number, branch) for number in numbers],
            )
            _track(cursor, numbers[0])
            connection.commit()
        return numbers

    def renewed_requests(self, count: int) -> list[int]:
        """Reset requests from all parts of the table to new ones, each with an order ID; return their IDs."""
        self.turn += 1
        with self.server.connect(DATABASE) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT MIN(illrequest_id), MAX(illrequest_id) FROM illrequests")
            ((first, last),) = cursor.fetchall()
            numbers = []
            for position in range(count):
                cursor.execute(
                    "SELECT illrequest_id FROM illrequests WHERE illrequest_id >= %s"
                    " ORDER BY illrequest_id LIMIT 1",
                    (first + position * (last - first) // count + self.turn,),
                )
                numbers.append(int(cursor.fetchall()[0][0]))
            for table in ("illrequests", "ill_sidecar_requests"):
                orders = [(f"order-{number}", number) for number in numbers]
                column = "orderid" if table == "illrequests" else "order_id"
                cursor.executemany(f"UPDATE {table} SET {column} = %s WHERE illrequest_id = %s", orders)
            cursor.executemany(
                "UPDATE illrequests SET status = 'NEW', status_alias = NULL WHERE illrequest_id = %s",
                [(number,) for number in numbers],
            )
            connection.commit()
        return numbers

    def check_applied(self, numbers: Sequence[int]) -> None:
        """Fail unless each of these requests has changed its status."""
        marks = ", ".join(["%s"] * len(numbers))
        with self.server.connect(DATABASE) as connection, connection.cursor() as cursor:
            cursor.execute(
                f"SELECT COUNT(*) FROM illrequests WHERE status = 'REQ' AND illrequest_id IN ({marks})",
                tuple(numbers),
            )
            ((found,),) = cursor.fetchall()
        if found != len(numbers):
            raise RuntimeError(f"only {found} of {len(numbers)} callbacks were applied")

    def record_statements(self) -> list[Statement]:
        """Receive one callback in this process and return its statements."""
        (number,) = self.new_requests(1)
        recorded: list[Statement] = []

        def record(
            _connection: object, _cursor: object, statement: str, parameters: object, *_: object
        ) -> None:
            recorded.append((statement, parameters))

        self.database.transact(lambda tx: tx.preferences)  # cached, as in a running program
        event.listen(self.database.engine, "before_cursor_execute", record)
        try:
            self.database.transact(receive, _callback(number), answer_status=answer_status)
        finally:
            event.remove(self.database.engine, "before_cursor_execute", record)
        return [(statement, _with_placeholder(parameters, number)) for statement, parameters in recorded]


def _track(cursor: pymysql.cursors.Cursor, first: int) -> None:
    cursor.execute(
        "INSERT INTO ill_sidecar_requests (illrequest_id, seen_status, order_id, is_open, seen_at)"
        " SELECT illrequest_id, status, orderid, status <> 'COMP', UTC_TIMESTAMP(6) FROM illrequests"
        " WHERE illrequest_id >= %s ON DUPLICATE KEY UPDATE seen_status = VALUES(seen_status)",
        (first,),
    )


@contextmanager
def _library(requests: int = 0, messages: int = 0, *, processes: int = 1) -> Iterator[_Library]:
    server = library_server(requests, messages)
    with server.connect(DATABASE) as connection, connection.cursor() as cursor:
        _track(cursor, 0)
        connection.commit()
    database = Database(settings_for(server, DATABASE), site=IllSite())
    try:
        with ExitStack() as running:
            sockets = [running.enter_context(_web(server)) for _ in range(processes)]
            yield _Library(server=server, database=database, sockets=sockets)
    finally:
        database.close()


@contextmanager
def _web(server: PrivateMariaDB) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="koha-ill-bench-web-") as directory:
        yield from _serve(server, Path(directory))


def _serve(server: PrivateMariaDB, directory: Path) -> Iterator[Path]:
    settings = settings_for(server, DATABASE)
    listening = directory / "web.sock"
    signed = {"method": "standard-webhooks", "secrets": [_SECRET]}
    config = {
        "koha": {
            "database": {
                "socket": str(settings.socket),
                "name": settings.database,
                "user": settings.user,
                "password": settings.password.reveal(),
            }
        },
        "web": {"listen": f"unix:{listening}"},
        "backends": {_BACKEND: {"callbacks": {"authentication": [signed], "accept_any_request": True}}},
    }
    path = directory / "config.json"
    path.write_text(json.dumps(config))
    with (directory / "web.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "koha_ill_sidecar", "--config", str(path), "web"], stdout=log, stderr=log
        )
    try:
        _wait_for(listening, process, directory / "web.log")
        yield listening
    finally:
        process.terminate()
        process.wait()


def _wait_for(path: Path, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not path.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the web server did not start: {log.read_text()}")
        time.sleep(0.05)


# One callback


_SECRET = "whsec_" + base64.b64encode(_KEY).decode()
_PLACEHOLDER = 987_654_321_987  # instead of the request's ID in recorded statements


def _body(number: int, *, by_order: bool = False) -> bytes:
    reference = {"order_id": f"order-{number}"} if by_order else {"ill_request_id": number}
    return json.dumps(
        {
            "event_id": _event_id(number),
            "occurred_at": "2026-03-01T12:00:00Z",
            "request": reference,
            "status": "received",
        }
    ).encode()


def _event_id(number: int) -> str:
    return f"event_{number}"


def _callback(number: int) -> Callback:
    body = _body(number)
    event_id, reading = read_callback(CanonicalFormat().read, body, _event_id(number))
    return Callback(
        backend=_BACKEND,
        event_id=event_id,
        body=body,
        headers={
            "content-type": "application/json",
            "webhook-id": event_id,
            "webhook-timestamp": str(int(time.time())),
            "webhook-signature": "***",
        },
        authentication="standard-webhooks",
        remote_address="",
        reading=reading,
        has_signed_id=True,
        accept_any_request=True,
    )


def _request(number: int, *, by_order: bool) -> bytes:
    body = _body(number, by_order=by_order)
    event_id = f"{_event_id(number)}_{time.time_ns()}" if by_order else _event_id(number)
    timestamp = str(int(time.time()))
    signature = base64.b64encode(
        hmac.digest(_KEY, f"{event_id}.{timestamp}.".encode() + body, "sha256")
    ).decode()
    header = (
        f"POST /callbacks/{_BACKEND} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nwebhook-id: {event_id}\r\nwebhook-timestamp: {timestamp}\r\n"
        f"webhook-signature: v1,{signature}\r\n\r\n"
    )
    return header.encode() + body


Handler = Callable[[int], None]


def _sender(library: _Library, numbers: Sequence[int], *, by_order: bool = False) -> Handler:
    """Return a function that sends a request's callback over its own connection; the bodies are signed in advance."""
    signed = {number: _request(number, by_order=by_order) for number in numbers}
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(str(library.next_socket()))
    reader = connection.makefile("rb")

    def send(number: int) -> None:
        connection.sendall(signed[number])
        status = reader.readline()
        if not status.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"callback refused: {status!r} {reader.read1()!r}")
        length = 0
        while (line := reader.readline()) != b"\r\n":
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        reader.read(length)

    return send


# The reference


def _with_placeholder(value: object, number: int) -> object:
    """Replace the request's ID by a placeholder."""
    match value:
        case dict():
            return {key: _with_placeholder(member, number) for key, member in value.items()}
        case int() if value == number:
            return _PLACEHOLDER
        case str():
            return value.replace(str(number), str(_PLACEHOLDER))
        case bytes():
            return value.replace(str(number).encode(), str(_PLACEHOLDER).encode())
        case _:
            return value


def _with_id(value: object, number: int) -> object:
    match value:
        case dict():
            return {key: _with_id(member, number) for key, member in value.items()}
        case int() if value == _PLACEHOLDER:
            return number
        case str():
            return value.replace(str(_PLACEHOLDER), str(number))
        case bytes():
            return value.replace(str(_PLACEHOLDER).encode(), str(number).encode())
        case _:
            return value


def _replayer(library: _Library, numbers: Sequence[int], recorded: Sequence[Statement]) -> Handler:
    """Return a function that commits the recorded statements for a request; the values are prepared in advance."""
    connection = library.connect()
    cursor = connection.cursor()
    cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
    values = {
        number: [(statement, _with_id(given, number)) for statement, given in recorded] for number in numbers
    }

    def commit(number: int) -> None:
        for statement, parameters in values[number]:
            cursor.execute(statement, parameters)
            cursor.fetchall()
        connection.commit()

    return commit


def _rate(numbers: Sequence[int], make: Callable[[Sequence[int]], Handler]) -> tuple[float, list[float]]:
    """Handle all requests over several connections; return the rate per second and the latencies."""
    shares = [numbers[position::_CONNECTIONS] for position in range(_CONNECTIONS)]
    handlers = [make(share) for share in shares]

    def work(handle: Handler, share: Sequence[int]) -> list[float]:
        seconds = []
        for number in share:
            started = time.perf_counter()
            handle(number)
            seconds.append(time.perf_counter() - started)
        return seconds

    with ThreadPoolExecutor(_CONNECTIONS) as threads:
        started = time.perf_counter()
        latencies = [one for seconds in threads.map(work, handlers, shares) for one in seconds]
        return len(numbers) / (time.perf_counter() - started), latencies
