"""
Koha's message broker, which tells its background workers that a job waits for them (STOMP 1.2).

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
_GOODBYE_SECONDS = 1


class Broker:
    """An open connection; made by :func:`connected`."""

    def __init__(self, connection: "Connection12", listener: "_Listener", where: str) -> None:
        self._connection = connection
        self._listener = listener
        self._where = where
        self._sent = 0

    def send(self, queue: str, body: str) -> None:
        """
        Put a text into a queue, and come back when the broker has it safe.

        Raises:
            BrokerUnavailable: It was not confirmed; the broker may have it all the same.
        """
        self._sent += 1
        receipt = str(self._sent)
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
    Connect to the broker for a while.

    Raises:
        BrokerUnavailable: It is not there, or does not take us.
    """
    from stomp import Connection12  # noqa: PLC0415  (only where there is a broker, and not quick to import)

    where = f"{settings.host}:{settings.port}"
    connection = Connection12(
        [(settings.host, settings.port)],
        vhost=settings.vhost,
        heartbeats=(0, 0),
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
        # The library's own waiting has no end.
        connection.connect(settings.user, settings.password.reveal(), wait=False)
    except _stomp_errors() as error:
        raise _unavailable(where, str(error) or "no connection") from error
    if problem := listener.wait_for_welcome():
        raise _unavailable(where, problem)


def _close(connection: "Connection12") -> None:
    """Say goodbye; a broker that does not answer that is left without, so that no thread stays with it."""
    with suppress(*_stomp_errors()):
        connection.disconnect()
    if reader := connection.transport.io_thread:
        reader.join(_GOODBYE_SECONDS)
        if reader.is_alive():
            connection.transport.disconnect_socket()


class _Listener:
    """Hears what the broker says, in the library's own thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._is_welcome = False
        self._receipt = ""
        self._problem = ""

    def on_connected(self, _frame: "Frame") -> None:
        with self._changed:
            self._is_welcome = True
            self._changed.notify_all()

    def on_receipt(self, frame: "Frame") -> None:
        with self._changed:
            self._receipt = frame.headers.get("receipt-id", "")
            self._changed.notify_all()

    def on_error(self, frame: "Frame") -> None:
        self._fail(" ".join(f"{frame.headers.get('message', '')} {frame.body or ''}".split()))

    def on_disconnected(self) -> None:
        self._fail("the connection was closed")

    def wait_for_welcome(self) -> str:
        """Wait for the answer to our login; gives what went wrong, or nothing."""
        return self._wait(lambda: self._is_welcome, _CONNECT_SECONDS)

    def wait_for_receipt(self, receipt: str) -> str:
        """Wait for a receipt; gives what went wrong, or nothing."""
        return self._wait(lambda: self._receipt == receipt, _RECEIPT_SECONDS)

    def _wait(self, has_come: Callable[[], bool], seconds: float) -> str:
        with self._changed:
            self._changed.wait_for(lambda: has_come() or self._problem, seconds)
            return "" if has_come() else self._problem or f"no answer within {seconds} seconds"

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
