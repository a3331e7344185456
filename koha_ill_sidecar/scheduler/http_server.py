"""The HTTP server around the web application: cheroot, with limits and a shutdown that loses no request."""

import logging
import os
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cheroot.server import HeaderReader, HTTPConnection, HTTPRequest
from cheroot.wsgi import Server

from koha_ill_sidecar.config.values import ListenAddress
from koha_ill_sidecar.errors import SidecarError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

logger = logging.getLogger(__name__)

MAX_HEADER_BYTES = 64 * 1024
MAX_BODY_BYTES = 16 * 1024 * 1024
"""The server's own limit; the limits of the application are lower."""
_BACKLOG = 128
_IDLE_SECONDS = 20
_KEEP_ALIVE_CONNECTIONS = 100
_NEXT_REQUEST_MILLISECONDS = 5
_SOCKET_UMASK = 0o117  # only owner and group, such as the proxy, may connect to a Unix socket


class CannotListen(SidecarError):
    """
    The address cannot be listened on.

    Not an error of the configuration: another process may still hold the address, so a restart can help.
    """


class _Headers(dict[bytes, bytes]):
    def __setitem__(self, name: bytes, value: bytes) -> None:
        if name == b"Host" and name in self:
            raise ValueError("There is more than one Host header.")
        super().__setitem__(name, value)


class _HeaderReader(HeaderReader):
    """Refuses more than one Host header, and none where the protocol demands one (RFC 9112 section 3.2)."""

    def __init__(self, *, host_required: bool) -> None:
        self._host_required = host_required

    def __call__(self, rfile: Any, hdict: dict[bytes, bytes] | None = None) -> dict[bytes, bytes]:  # noqa: ANN401  (cheroot's own file)
        headers = _Headers()
        super().__call__(rfile, headers)
        if self._host_required and b"Host" not in headers:
            raise ValueError("The Host header is missing.")
        if hdict is None:
            return headers
        hdict.update(headers)
        return hdict


class _Request(HTTPRequest):
    def read_request_headers(self) -> bool:
        self.header_reader = _HeaderReader(host_required=self.request_protocol == b"HTTP/1.1")
        return bool(super().read_request_headers())  # type: ignore[no-untyped-call]


class _Connection(HTTPConnection):
    """
    Stays with its thread while its client sends one request after the other and nobody waits for a thread.

    Passing through the selector and the queue for each request took a sixth of the time of a callback (decision 5).
    """

    RequestHandlerClass = _Request

    def communicate(self) -> bool:
        """Answer requests; return whether to keep the connection open."""
        while super().communicate():  # type: ignore[no-untyped-call]
            if not self._has_next_request():
                return True
        return False

    def _has_next_request(self) -> bool:
        if not self.server.ready or self.server.requests.qsize:
            return False
        if self.rfile.has_data():
            return True
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        return bool(poll.poll(_NEXT_REQUEST_MILLISECONDS))


class _Server(Server):
    ConnectionClass = _Connection

    def error_log(self, msg: str = "", level: int = logging.INFO, traceback: bool = False) -> None:  # noqa: FBT001, FBT002
        # Cheroot would write to standard error. Dropped connections are not logged: they name the client's address.
        if level >= logging.ERROR:
            reason = msg.partition("\n")[0]
            logger.error("http server failed", extra={"reason": reason}, exc_info=traceback)

    @staticmethod
    def bind_socket(socket_: socket.socket, bind_addr: Any) -> socket.socket:  # noqa: ANN401  (cheroot passes its own argument)
        # Cheroot leaves the socket open if the address is in use.
        try:
            socket_.bind(bind_addr)
        except OSError:
            socket_.close()
            raise
        return socket_


class HTTPServer:
    """
    Serve a WSGI application in threads of its own.

    Args:
        threads: How many requests are worked on at once.
        grace_seconds: How long requests in flight may take after :meth:`stop` was called.
    """

    def __init__(
        self, listen: ListenAddress, application: "WSGIApplication", *, threads: int, grace_seconds: int
    ) -> None:
        self.listen = listen
        self._server = _Server(
            str(listen.path) if listen.path else (listen.host, listen.port),
            application,
            numthreads=threads,
            max=threads,
            request_queue_size=_BACKLOG,
            timeout=_IDLE_SECONDS,
            shutdown_timeout=grace_seconds,
            server_name="koha-ill-sidecar",
        )
        self._server.software = "koha-ill-sidecar"
        self._server.max_request_header_size = MAX_HEADER_BYTES
        self._server.max_request_body_size = MAX_BODY_BYTES
        self._server.keep_alive_conn_limit = _KEEP_ALIVE_CONNECTIONS
        self._thread = threading.Thread(target=self._server.serve, name="http", daemon=True)

    def start(self) -> None:
        """
        Bind the address and start to answer.

        Raises:
            CannotListen: The address cannot be listened on.
        """
        try:
            with _socket_for_owner_and_group():
                self._server.prepare()
        except OSError as error:
            raise CannotListen(
                f"web.listen: cannot listen on {self.listen} ({_reason(error)}); choose another address"
            ) from error
        self._thread.start()

    @property
    def address(self) -> str:
        """The address that it listens on, with the real port if 0 was configured."""
        bound = self._server.bind_addr
        if isinstance(bound, str):
            return f"unix:{bound}"
        host, port = bound
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def alive(self) -> bool:
        """Whether requests are still accepted."""
        return self._thread.is_alive()

    def replace_application(self, application: "WSGIApplication") -> None:
        """Let another application answer new requests; those in flight stay with the old one."""
        self._server.wsgi_app = application

    def stop(self) -> None:
        """Accept no more connections, and return when the requests in flight are finished."""
        self._server.stop()
        self._thread.join()
        if self.listen.path:
            self.listen.path.unlink(missing_ok=True)


@contextmanager
def _socket_for_owner_and_group() -> Iterator[None]:
    # Cheroot sets mode 777; the umask restricts it before anybody can connect.
    before = os.umask(_SOCKET_UMASK)
    try:
        yield
    finally:
        os.umask(before)


def _reason(error: OSError) -> str:
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    return cause.strerror or str(error)
