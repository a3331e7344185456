"""What the idle daemon costs, and how long it takes to start."""

import functools
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import USER, Result, private_server, under
from koha_ill_sidecar.demo.koha_database import create_koha_database
from koha_ill_sidecar.demo.mariadb import PrivateMariaDB

_NAME = "koha_idle"
_PASSWORD = "bench"
_SETTLE_SECONDS = 5  # the first pass of each job
_STARTS = 5

_CONFIG = """\
koha:
  database:
    socket: {socket}
    name: {name}
    user: {user}
    password: {password}
web:
  listen: unix:{directory}/web.sock
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Idle:
    megabytes: float
    cpu_percent: float
    ready_seconds: float


def idle_memory(*, quick: bool) -> Result:
    """Measure the resident memory of ``run`` with nothing to do."""
    return under("idle_memory", _measure(quick=quick).megabytes, "MB", limit=90)


def idle_cpu(*, quick: bool) -> Result:
    """Measure how much of a core ``run`` takes with nothing to do."""
    return under("idle_cpu", _measure(quick=quick).cpu_percent, "% of a core", limit=0.5)


def ready(*, quick: bool) -> Result:
    """Measure the time from exec to READY=1: the database is checked and the web server answers."""
    return under("ready", _measure(quick=quick).ready_seconds, "s", limit=2)


@functools.cache
def _measure(*, quick: bool) -> _Idle:
    """Measure all three on one database with the sample library."""
    seconds = 20 if quick else 60
    with (
        tempfile.TemporaryDirectory(prefix="koha-ill-idle-") as directory,
        private_server(buffer_pool="256M") as server,
    ):
        config = _prepare(server, Path(directory))
        starts = [_seconds_to_ready(config) for _ in range(_STARTS)]
        with daemon(config) as process:
            time.sleep(_SETTLE_SECONDS)
            before, began = _cpu_seconds(process.pid), time.monotonic()
            time.sleep(seconds)
            used = _cpu_seconds(process.pid) - before
            elapsed = time.monotonic() - began
            megabytes = _resident_megabytes(process.pid)
    return _Idle(
        megabytes=megabytes, cpu_percent=100 * used / elapsed, ready_seconds=statistics.median(starts)
    )


def _prepare(server: PrivateMariaDB, directory: Path) -> Path:
    create_koha_database(server, _NAME, user=USER, password=_PASSWORD)
    config = directory / "config.yaml"
    config.write_text(
        _CONFIG.format(socket=server.socket, name=_NAME, user=USER, password=_PASSWORD, directory=directory)
    )
    subprocess.run(_command(config, "migrate"), check=True, stdout=subprocess.DEVNULL)
    return config


def _command(config: Path, verb: str) -> list[str]:
    return [sys.executable, "-m", "koha_ill_sidecar", "--config", str(config), verb]


def _seconds_to_ready(config: Path) -> float:
    began = time.monotonic()
    with daemon(config):
        return time.monotonic() - began


# As systemd/koha-ill-sidecar.service sets it.
_UNIT_ENVIRONMENT = {"MALLOC_ARENA_MAX": "2"}


@contextmanager
def daemon(config: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run ``run``; the body begins when it is ready."""
    address = config.with_name(f"notify-{time.monotonic_ns()}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(address))
        channel.settimeout(30)
        process = subprocess.Popen(
            _command(config, "run"),
            env=os.environ | _UNIT_ENVIRONMENT | {"NOTIFY_SOCKET": str(address)},
            stderr=subprocess.DEVNULL,
        )
        try:
            while b"READY=1" not in channel.recv(4096):
                pass
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system = (
        int(fields[11]),
        int(fields[12]),
    )  # proc(5): utime and stime, the first field here being state
    return (user + system) / os.sysconf("SC_CLK_TCK")


def _resident_megabytes(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1_000_000  # proc(5): kB here means kibibytes
    raise ProcessLookupError(pid)
