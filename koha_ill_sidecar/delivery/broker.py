"""
Koha's message broker, which notifies its background workers of new jobs (STOMP 1.2).

Source: Koha, Koha/BackgroundJob.pm connect and enqueue, debian/templates/koha-conf-site.xml.in message_broker.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from koha_ill_sidecar.config.settings import BrokerSettings
from koha_ill_sidecar.errors import BrokerUnavailable

if TYPE_CHECKING:
    from stomp import Connection12
    from stomp.utils import Frame

_CONNECT_SECONDS = 5
_RECEIPT_SECONDS = 10
_DISCONNECT_SECONDS = 1


class Broker:
    """An open connection; create it with :func:`connected`."""

    def __init__(self, connection: "Connection12", listener: "_Listener", where: str) -> None:
        self._connection = connection
        self._listener = listener
        self._where = where
        self._sent = 0

    def send(self, queue: str, body: str) -> None:
        """
        Send a text to a queue, and return when the broker has confirmed it.

        Raises:
            BrokerUnavailable: The broker did not confirm it, but may have received it.
        """
        self._sent += 1
        receipt = str(self._sent)
        # Persistent, as Koha sends it: the message survives a restart of the broker.
        headers = {"persistent": "true", "receipt": receipt}
        try:
            self._connection.send(f"/queue/{queue}", body, content_type="application/json", headers=headers)
        except _stomp_errors() as error:
            raise _unavailable(self._where, str(error) or type(error).__name__) from error
        if problem := self._listener.wait_for_receipt(receipt):
            raise _unavailable(self._where, problem)


@contextmanager
def connected(settings: BrokerSettings) -> Iterator[Broker]:
    """
    Connect to the broker for the duration of the context.

    Raises:
        BrokerUnavailable: It does not answer, or rejects the login.
    """
    from stomp import Connection12  # noqa: PLC0415  (slow to import, and needed only where there is a broker)

    where = f"{settings.host}:{settings.port}"
    connection = Connection12(
        [(settings.host, settings.port)],
        vhost=settings.vhost,
        heartbeats=(0, 0),  # the connection is too short for them
        reconnect_attempts_max=1,
        timeout=_CONNECT_SECONDS,
    )
    listener = _Listener()
    connection.set_listener("sidecar", listener)
    try:
        _sign_in(connection, listener, settings, where)
        yield Broker(connection, listener, where)
    finally:
        _close(connection)


def _sign_in(connection: "Connection12", listener: "_Listener", settings: BrokerSettings, where: str) -> None:
    try:
        # The library itself would wait without a time limit.
        connection.connect(settings.user, settings.password.reveal(), wait=False)
    except _stomp_errors() as error:
        raise _unavailable(where, str(error) or "no connection") from error
    if problem := listener.wait_for_connected():
        raise _unavailable(where, problem)


def _close(connection: "Connection12") -> None:
    """Disconnect. If the broker does not answer, close the socket, so that the library's reader thread ends."""
    with suppress(*_stomp_errors()):
        connection.disconnect()
    if reader := connection.transport.io_thread:
        reader.join(_DISCONNECT_SECONDS)
        if reader.is_alive():
            connection.transport.disconnect_socket()


class _Listener:
    """Receives the broker's frames in the library's thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._is_connected = False
        self._receipt = ""
        self._problem = ""

    def on_connected(self, _frame: "Frame") -> None:
        with self._changed:
            self._is_connected = True
            self._changed.notify_all()

    def on_receipt(self, frame: "Frame") -> None:
        with self._changed:
            self._receipt = frame.headers.get("receipt-id", "")
            self._changed.notify_all()

    def on_error(self, frame: "Frame") -> None:
        self._fail(" ".join(f"{frame.headers.get('message', '')} {frame.body or ''}".split()))

    def on_disconnected(self) -> None:
        self._fail("the connection was closed")

    def wait_for_connected(self) -> str:
        """Wait for the answer to our login; return what went wrong, or an empty text."""
        return self._wait(lambda: self._is_connected, _CONNECT_SECONDS)

    def wait_for_receipt(self, receipt: str) -> str:
        """Wait for a receipt; return what went wrong, or an empty text."""
        return self._wait(lambda: self._receipt == receipt, _RECEIPT_SECONDS)

    def _wait(self, has_arrived: Callable[[], bool], seconds: float) -> str:
        with self._changed:
            self._changed.wait_for(lambda: has_arrived() or self._problem, seconds)
            return "" if has_arrived() else self._problem or f"no answer within {seconds} seconds"

    def _fail(self, problem: str) -> None:
        with self._changed:
            self._problem = self._problem or problem
            self._changed.notify_all()


def _stomp_errors() -> tuple[type[Exception], ...]:
    from stomp.exception import StompException  # noqa: PLC0415  (as above)

    return (StompException, OSError)


def _unavailable(where: str, reason: str) -> BrokerUnavailable:
    return BrokerUnavailable(
        f"Koha's message broker at {where} cannot be reached: {reason}. Check message_broker in koha-conf.xml and that "
        "RabbitMQ runs with its STOMP plugin."
    )
