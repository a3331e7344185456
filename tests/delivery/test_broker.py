"""Messages reach Koha's workers through a real RabbitMQ."""

import socket
import threading

import pytest
from stomp import Connection12, ConnectionListener

from koha_ill_sidecar.config.settings import BrokerSettings
from koha_ill_sidecar.config.values import Secret
from koha_ill_sidecar.delivery import broker
from koha_ill_sidecar.delivery.broker import connected
from koha_ill_sidecar.errors import BrokerUnavailable


class _Worker(ConnectionListener):  # type: ignore[misc]
    """Listens to a queue like a background worker of Koha."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.enough = threading.Event()

    def on_message(self, frame: object) -> None:
        self.heard.append(frame.body)  # type: ignore[attr-defined]
        if len(self.heard) == 2:
            self.enough.set()


def test_messages_reach_a_worker_in_order(message_broker: BrokerSettings) -> None:
    with connected(message_broker) as sender:
        sender.send(message_broker.queue("elastic_index"), '{"job_id": 1}')
        sender.send(message_broker.queue("elastic_index"), '{"job_id": 2, "title": "圖書館"}')

    worker = _Worker()
    connection = Connection12([(message_broker.host, message_broker.port)], vhost="/")
    connection.set_listener("worker", worker)
    connection.connect("guest", "guest", wait=True)
    connection.subscribe("/queue/koha_test-elastic_index", id="1")
    assert worker.enough.wait(60)
    connection.disconnect()

    assert worker.heard == ['{"job_id": 1}', '{"job_id": 2, "title": "圖書館"}']


def test_a_wrong_login_is_reported(message_broker: BrokerSettings) -> None:
    wrong = BrokerSettings(
        host=message_broker.host,
        port=message_broker.port,
        password=Secret("wrong one"),
        namespace="koha_test",
    )

    with (
        pytest.raises(BrokerUnavailable, match="Check message_broker") as caught,
        connected(wrong),
    ):
        pass

    assert "wrong one" not in str(caught.value)


def test_an_unreachable_broker_is_reported() -> None:
    nobody = BrokerSettings(host="127.0.0.1", port=1, namespace="koha_test")

    with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:1"), connected(nobody):
        pass


def test_waiting_for_a_silent_broker_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "_CONNECT_SECONDS", 0.3)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        silent = BrokerSettings(host="127.0.0.1", port=listening.getsockname()[1], namespace="koha_test")
        with pytest.raises(BrokerUnavailable, match="no answer"), connected(silent):
            pass


def test_waiting_for_a_confirmation_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "_RECEIPT_SECONDS", 0.3)

    def welcome_and_say_no_more(listening: socket.socket) -> None:
        peer, _ = listening.accept()
        with peer:
            peer.recv(4096)
            peer.sendall(b"CONNECTED\nversion:1.2\n\n\0\n")
            while peer.recv(4096):
                pass

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=welcome_and_say_no_more, args=(listening,), daemon=True)
        thread.start()
        silent = BrokerSettings(host="127.0.0.1", port=listening.getsockname()[1], namespace="koha_test")
        with (
            pytest.raises(BrokerUnavailable, match="no answer within"),
            connected(silent) as sender,
        ):
            sender.send("koha_test-default", "{}")
        thread.join(60)
        assert not thread.is_alive(), "the connection was left open"
