"""A private RabbitMQ with its STOMP plugin: the broker that Koha's own installation notes ask for."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_START_SECONDS = 90

_CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{amqp}
stomp.listeners.tcp.1 = 127.0.0.1:{stomp}
"""


@contextmanager
def running(directory: Path) -> Iterator[int]:
    """Run a broker with its data in *directory*; gives the port that speaks STOMP."""
    ports = _free_ports(4)
    (directory / "rabbitmq.conf").write_text(_CONFIGURATION.format(amqp=ports[0], stomp=ports[1]))
    (directory / "enabled_plugins").write_text("[rabbitmq_stomp].\n")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "RABBITMQ_NODENAME": f"sidecar-{ports[1]}@localhost",
        "RABBITMQ_MNESIA_BASE": str(directory / "mnesia"),
        "RABBITMQ_LOG_BASE": str(directory / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "enabled_plugins"),
        "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"),
        "RABBITMQ_DIST_PORT": str(ports[2]),
        "ERL_EPMD_PORT": str(ports[3]),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
    }
    with (directory / "out").open("wb") as out:
        process = subprocess.Popen([str(_SERVER)], env=environment, stdout=out, stderr=out)
    try:
        _wait_for(ports[1], process, directory / "out")
        yield ports[1]
    finally:
        process.terminate()
        process.wait()
        subprocess.run(
            [shutil.which("epmd") or "epmd", "-kill"], env=environment, check=False, capture_output=True
        )


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _wait_for(port: int, process: "subprocess.Popen[bytes]", out: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"RabbitMQ did not start: {out.read_text(errors='replace')[-2000:]}")
