"""The HTTP server answers, stays within its limits and stops without losing a request."""

import http.client
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from koha_ill_sidecar.config.values import ListenAddress
from koha_ill_sidecar.scheduler.http_server import CannotListen, HTTPServer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Serve = Callable[..., HTTPServer]


def _say(words: bytes) -> "WSGIApplication":
    def application(_environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", str(len(words)))])
        return [words]

    return application


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers = []

    def start(
        application: "WSGIApplication",
        listen: str = "127.0.0.1:0",
        *,
        threads: int = 4,
    ) -> HTTPServer:
        server = HTTPServer(ListenAddress.parse(listen), application, threads=threads, grace_seconds=60)
        server.start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop()


def _connect(server: HTTPServer) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(server.address.removeprefix("http://"), timeout=60)


def _get(server: HTTPServer) -> bytes:
    connection = _connect(server)
    connection.request("GET", "/")
    answer = connection.getresponse().read()
    connection.close()
    return answer


def test_a_request_is_answered(serve: Serve) -> None:
    assert _get(serve(_say(b"hello"))) == b"hello"


def test_the_application_can_be_replaced_while_serving(serve: Serve) -> None:
    server = serve(_say(b"before"))
    server.replace_application(_say(b"after"))

    assert _get(server) == b"after"


@pytest.fixture
def chatter() -> Iterator[Callable[[HTTPServer], None]]:
    """Start clients that ask one thing after the other over one connection each, until the test ends."""
    over = threading.Event()
    clients: list[threading.Thread] = []

    def ask_on(server: HTTPServer, has_begun: threading.Event) -> None:
        connection = _connect(server)
        while not over.is_set():
            try:
                connection.request("GET", "/")
                connection.getresponse().read()
            except OSError:
                return
            has_begun.set()
        connection.close()

    def start(server: HTTPServer) -> None:
        has_begun = threading.Event()
        clients.append(threading.Thread(target=ask_on, args=(server, has_begun)))
        clients[-1].start()
        assert has_begun.wait(60)

    yield start
    over.set()
    for client in clients:
        client.join()


def test_a_client_that_never_pauses_keeps_no_other_from_its_turn(
    serve: Serve, chatter: Callable[[HTTPServer], None]
) -> None:
    server = serve(_say(b"hello"), threads=1)
    chatter(server)

    assert [_get(server) for _ in range(5)] == [b"hello"] * 5


def test_a_client_that_never_pauses_does_not_keep_the_server_from_stopping(
    serve: Serve, chatter: Callable[[HTTPServer], None]
) -> None:
    server = serve(_say(b"hello"))
    chatter(server)

    began = time.monotonic()
    server.stop()

    assert time.monotonic() - began < 60


def test_a_request_in_flight_is_answered_before_the_server_stops(serve: Serve) -> None:
    begun = threading.Event()

    def slow(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        begun.set()
        time.sleep(0.5)
        return _say(b"finished")(environ, start_response)

    server = serve(slow)
    answers: list[bytes] = []
    client = threading.Thread(target=lambda: answers.append(_get(server)))
    client.start()
    assert begun.wait(60)
    server.stop()
    client.join()

    assert answers == [b"finished"]
    assert not server.alive


def test_a_unix_socket_is_open_to_owner_and_group_only(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "web.sock"
    server = serve(_say(b"hello"), f"unix:{path}")
    with socket.socket(socket.AF_UNIX) as channel:
        channel.connect(str(path))
        channel.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: channel.recv(4096), b""))

    assert answer.endswith(b"hello")
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    server.stop()
    assert not path.exists()


def test_an_address_in_use_is_named(serve: Serve) -> None:
    listen = serve(_say(b"first")).address.removeprefix("http://")
    second = HTTPServer(ListenAddress.parse(listen), _say(b"second"), threads=1, grace_seconds=1)

    with pytest.raises(CannotListen, match=r"web\.listen: cannot listen on .*Address already in use"):
        second.start()


def test_headers_without_end_are_refused(serve: Serve) -> None:
    connection = _connect(serve(_say(b"hello")))
    connection.putrequest("GET", "/")
    for number in range(20):
        connection.putheader(f"X-Filler-{number}", "x" * 8000)
    connection.endheaders()

    assert connection.getresponse().status == 413
    connection.close()


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: a.example\r\n", b"200"),
        (b"GET / HTTP/1.1\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: a.example\r\nhost: a.example\r\n", b"400"),
        (b"GET / HTTP/1.0\r\n", b"200"),
    ],
)
def test_a_request_names_one_host(serve: Serve, head: bytes, status: bytes) -> None:
    server = serve(_say(b"yes"))
    host, port = server.address.removeprefix("http://").split(":")

    with socket.create_connection((host, int(port)), timeout=60) as client:
        client.sendall(head + b"Connection: close\r\n\r\n")

        assert client.makefile("rb").readline().split()[1] == status
