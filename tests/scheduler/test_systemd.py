"""The service manager hears what it needs to hear."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from koha_ill_sidecar.scheduler.systemd import Notifier


@pytest.fixture
def service_manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        channel.settimeout(60)
        yield channel


def _heard(channel: socket.socket) -> list[str]:
    return channel.recv(4096).decode().split("\n")


def test_ready_is_told_with_a_status_line(service_manager: socket.socket) -> None:
    Notifier({"NOTIFY_SOCKET": service_manager.getsockname()}).ready("Listening")

    assert _heard(service_manager) == ["READY=1", "STATUS=Listening", f"MAINPID={os.getpid()}"]


def test_reload_tells_its_moment(service_manager: socket.socket) -> None:
    Notifier({"NOTIFY_SOCKET": service_manager.getsockname()}).reloading()

    first, moment, _ = _heard(service_manager)
    assert first == "RELOADING=1"
    assert int(moment.removeprefix("MONOTONIC_USEC=")) > 0


def test_abstract_sockets_are_reached() -> None:
    name = f"sidecar-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(f"\0{name}")
        channel.settimeout(60)
        Notifier({"NOTIFY_SOCKET": f"@{name}"}).stopping()

        assert _heard(channel)[0] == "STOPPING=1"


def test_without_a_service_manager_nothing_happens() -> None:
    Notifier({}).ready("Listening")


def test_a_deaf_service_manager_does_not_stop_the_daemon(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).ready("Listening")

    assert "service manager not reached" in caplog.text


def test_a_service_manager_that_reads_nothing_does_not_stop_the_daemon(
    service_manager: socket.socket, caplog: pytest.LogCaptureFixture
) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": service_manager.getsockname()})

    for _ in range(10_000):  # the kernel queues a few hundred datagrams for a socket that nobody reads
        notifier.ready("Listening")
        if "service manager not reached" in caplog.text:
            return
    pytest.fail("the socket took everything")


def test_signs_of_life_are_for_a_watchdog_only(service_manager: socket.socket) -> None:
    Notifier({"NOTIFY_SOCKET": service_manager.getsockname()}).alive()
    Notifier({"NOTIFY_SOCKET": service_manager.getsockname(), "WATCHDOG_USEC": "30000000"}).alive()

    assert _heard(service_manager) == ["WATCHDOG=1"]
    service_manager.settimeout(0)
    with pytest.raises(BlockingIOError):
        service_manager.recv(4096)


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
    ],
)
def test_watchdog_is_meant_for_this_process_only(environment: dict[str, str], seconds: float | None) -> None:
    assert Notifier(environment).watchdog_seconds == seconds
