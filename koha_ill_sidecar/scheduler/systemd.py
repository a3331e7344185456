"""Notify the service manager: a few datagrams, so no library is needed (systemd, sd_notify(3))."""

import logging
import os
import socket
import time
from collections.abc import Mapping

logger = logging.getLogger(__name__)

_SEND_SECONDS = 1.0  # the kernel queues some ten datagrams; the next one blocks until systemd reads


class Notifier:
    """
    Notify systemd of the daemon's state; does nothing without a socket.

    Args:
        environment: Where ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID`` are looked up.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = _socket_address(environment.get("NOTIFY_SOCKET", ""))
        self.watchdog_seconds = _watchdog_seconds(environment)
        """How often systemd expects a keep-alive; None without a watchdog."""

    def ready(self, status: str) -> None:
        """Notify that start or reload is over; *status* is one line for ``systemctl status``."""
        self._send("READY=1", f"STATUS={status}", f"MAINPID={os.getpid()}")

    def reloading(self) -> None:
        """Notify that the configuration is being read again; :meth:`ready` follows."""
        # Type=notify-reload needs the time as well, to tell this reload from an earlier one.
        microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={microseconds}", "STATUS=Reading the configuration again")

    def stopping(self) -> None:
        """Notify that the daemon finishes what it has begun."""
        self._send("STOPPING=1", "STATUS=Finishing what has begun")

    def alive(self) -> None:
        """Send a keep-alive to the watchdog, if there is one."""
        if self.watchdog_seconds is not None:
            self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.settimeout(_SEND_SECONDS)
                channel.connect(self._address)
                channel.sendall("\n".join(lines).encode())
        except OSError as error:
            # An unreachable service manager is no reason to stop serving.
            logger.warning("service manager not reached", extra={"reason": str(error)})


def _socket_address(path: str) -> str:
    return f"\0{path[1:]}" if path.startswith("@") else path


def _watchdog_seconds(environment: Mapping[str, str]) -> float | None:
    microseconds = environment.get("WATCHDOG_USEC", "")
    pid = environment.get("WATCHDOG_PID", str(os.getpid()))
    if not microseconds.isdigit() or int(microseconds) == 0 or pid != str(os.getpid()):
        return None
    return int(microseconds) / 1_000_000
