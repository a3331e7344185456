"""The daemon as systemd sees it: start, reload, watchdog, stop."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar_process import Eventually, Library, SidecarProcess, write_config

Launch = Callable[..., SidecarProcess]

QUICK_WATCH = {"jobs": {"watch": "200ms"}}


@pytest.fixture
def launch(library: Library) -> Iterator[Launch]:
    """Return a function that starts the program with settings; all are killed at the end."""
    started: list[SidecarProcess] = []

    def with_settings(verb: str, config: Path | None = None, **sections: Any) -> SidecarProcess:
        process = SidecarProcess(verb, config or library.config(**sections), library.directory)
        started.append(process)
        process.start()
        return process

    yield with_settings
    for process in started:
        process.__exit__(None, None, None)


def _get(path: Path, target: str = "/healthz") -> tuple[int, str]:
    with socket.socket(socket.AF_UNIX) as channel:
        channel.settimeout(60)
        channel.connect(str(path))
        channel.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: channel.recv(65536), b"")).decode()
    return int(answer.split()[1]), answer.partition("\r\n\r\n")[2]


def _run(verb: str, config: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "koha_ill_sidecar", "--config", str(config), verb],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )


def _change(config: Path, **sections: Any) -> None:
    write_config(config, yaml.safe_load(config.read_text()) | sections)


def test_all_in_one_serves_and_works_and_stops_in_order(library: Library, launch: Launch) -> None:
    process = launch("run")

    assert _get(library.directory / "web.sock")[0] == 200
    assert _get(library.directory / "web.sock", "/readyz")[0] == 200
    assert process.stop() == 0
    assert "event=stopped" in process.log
    assert not (library.directory / "web.sock").exists()


def test_a_worker_does_not_listen_and_a_web_process_does_not_work(
    library: Library, launch: Launch, eventually: Eventually
) -> None:
    launch("worker")
    assert not (library.directory / "web.sock").exists()
    eventually(lambda: bool(library.sql("SELECT * FROM ill_sidecar_leases WHERE runs > 0")))

    library.sql("DELETE FROM ill_sidecar_leases")


def test_a_change_made_in_koha_is_noticed_by_the_running_daemon(
    library: Library, launch: Launch, eventually: Eventually
) -> None:
    launch("worker", scheduler=QUICK_WATCH)
    eventually(lambda: bool(library.sql("SELECT * FROM ill_sidecar_marks WHERE name = 'watch.requests'")))
    library.sql("INSERT INTO illrequests (branchcode, status, backend) VALUES ('CPL', 'NEW', 'Standard')")
    eventually(lambda: bool(library.sql("SELECT * FROM ill_sidecar_requests")))
    library.sql("UPDATE illrequests SET status = 'REQ'")

    eventually(lambda: bool(library.sql("SELECT * FROM ill_sidecar_history")))
    ((kind, detail),) = library.sql("SELECT kind, detail FROM ill_sidecar_history")
    assert kind == "changed_in_koha"
    assert json.loads(detail)["status_after"] == "REQ"


def test_reload_takes_the_new_configuration_without_a_break(library: Library, launch: Launch) -> None:
    process = launch("run")
    other = library.directory / "other.sock"
    _change(process.config, web={"listen": f"unix:{other}"})
    process.send(signal.SIGHUP)
    process.wait_for("RELOADING=1")
    process.wait_for("READY=1")

    assert _get(other)[0] == 200
    assert not (library.directory / "web.sock").exists()


def test_reload_that_keeps_the_address_never_refuses_a_request(library: Library, launch: Launch) -> None:
    process = launch("run")
    for _ in range(3):
        process.send(signal.SIGHUP)
        for _ in range(20):
            assert _get(library.directory / "web.sock")[0] == 200
        process.wait_for("READY=1")


@pytest.mark.parametrize(
    "mistake",
    [
        {"web": {"lisen": "127.0.0.1:0"}},
        {
            "koha": {
                "database": {"name": "koha_e2e", "user": "nobody", "password": "wrong", "host": "127.0.0.1"}
            }
        },
        {"web": {"listen": "unix:/nowhere/at/all/web.sock"}},
    ],
    ids=["unknown key", "database that does not answer", "address that cannot be"],
)
def test_a_wrong_configuration_is_refused_and_the_old_one_stays(
    library: Library, launch: Launch, mistake: dict[str, Any]
) -> None:
    process = launch("run")
    _change(process.config, **mistake)
    process.send(signal.SIGHUP)
    process.wait_for("READY=1")

    assert "configuration refused, the old one stays" in process.log
    assert _get(library.directory / "web.sock", "/readyz")[0] == 200


def test_the_watchdog_is_notified_in_time(library: Library) -> None:
    process = SidecarProcess(
        "run", library.config(), library.directory, environment={"WATCHDOG_USEC": "1500000"}
    )
    with process:
        pauses = []
        for _ in range(4):
            began = time.monotonic()
            process.wait_for("WATCHDOG=1")
            pauses.append(time.monotonic() - began)

    assert min(pauses) < 1.5  # a busy machine may delay any of them


def test_runs_of_jobs_are_counted_for_prometheus(
    library: Library, launch: Launch, eventually: Eventually
) -> None:
    launch("run", scheduler=QUICK_WATCH)

    counted = 'koha_ill_sidecar_job_runs_total{job="watch",outcome="ok"}'
    eventually(lambda: counted in _get(library.directory / "web.sock", "/metrics")[1])


def test_an_address_in_use_is_reported_in_one_line(library: Library) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = library.config(web={"listen": f"127.0.0.1:{taken.getsockname()[1]}"})
        result = _run("web", config)

    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "web.listen: cannot listen on" in result.stderr


def test_interrupt_from_the_keyboard_stops_in_order_too(launch: Launch) -> None:
    process = launch("worker")
    process.send(signal.SIGINT)

    assert process.wait() == 0


def test_the_daemon_starts_without_the_database_and_waits_for_it(
    library: Library, launch: Launch, eventually: Eventually
) -> None:
    library.server.stop()
    process = launch("run")
    assert _get(library.directory / "web.sock")[0] == 200
    assert _get(library.directory / "web.sock", "/readyz")[0] == 503
    eventually(lambda: "database away, jobs wait" in process.log)
    library.server.start()

    eventually(lambda: _get(library.directory / "web.sock", "/readyz")[0] == 200)
    eventually(lambda: "database back, jobs continue" in process.log)
    assert process.repeated_away_lines == []
    assert "Traceback" not in process.log


def test_missing_own_tables_are_reported_at_once(library: Library) -> None:
    library.sql("RENAME TABLE ill_sidecar_migrations TO ill_sidecar_elsewhere")
    try:
        result = _run("worker", library.config())
    finally:
        library.sql("RENAME TABLE ill_sidecar_elsewhere TO ill_sidecar_migrations")

    assert result.returncode == 1
    assert "Run: koha-ill-sidecar migrate" in result.stderr
    assert "Traceback" not in result.stderr
