"""A private RabbitMQ with its STOMP plugin: the broker that Koha's own installation notes ask for."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_START_SECONDS = 300  # for a broker that hangs, not for a slow machine
_ATTEMPTS = 3

_CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{amqp}
stomp.listeners.tcp.1 = 127.0.0.1:{stomp}
"""


@contextmanager
def running(directory: Path) -> Iterator[int]:
    """Run a broker with its data in *directory*; yields its STOMP port."""
    # RabbitMQ cannot choose ports itself and say which, and another program may take one that was free.
    for attempt in range(1, _ATTEMPTS + 1):
        home = directory / str(attempt)
        home.mkdir()
        amqp, stomp, distribution, epmd = _free_ports(4)
        (home / "rabbitmq.conf").write_text(_CONFIGURATION.format(amqp=amqp, stomp=stomp))
        (home / "enabled_plugins").write_text("[rabbitmq_stomp].\n")
        # A name and an epmd of its own keep it apart from other brokers on the machine.
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "RABBITMQ_NODENAME": f"sidecar-{stomp}@localhost",
            "RABBITMQ_MNESIA_BASE": str(home / "mnesia"),
            "RABBITMQ_LOG_BASE": str(home / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
            "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
            "RABBITMQ_DIST_PORT": str(distribution),
            "ERL_EPMD_PORT": str(epmd),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }
        with (home / "out").open("wb") as out:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", str(_SERVER)], env=environment, stdout=out, stderr=out
            )
        try:
            if _listens(stomp, process):
                yield stomp
                return
        finally:
            _stop(process, environment)
    raise RuntimeError(f"RabbitMQ did not start: {(home / 'out').read_text(errors='replace')[-2000:]}")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _listens(port: int, process: "subprocess.Popen[bytes]") -> bool:
    """Wait until the broker accepts connections; return False if it ends or hangs before."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return True
    return False


def _stop(process: "subprocess.Popen[bytes]", environment: Mapping[str, str]) -> None:
    process.terminate()
    process.wait()
    # The broker starts epmd as a daemon, which outlives it.
    subprocess.run(
        [shutil.which("epmd") or "epmd", "-kill"], env=environment, check=False, capture_output=True
    )
