"""The demo from its command line: the smoke run, and Ctrl-C."""

import os
import signal
import subprocess
import sys
from pathlib import Path


def _demo(directory: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "koha_ill_sidecar.demo", *arguments],
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )


def test_the_main_job_runs_from_end_to_end(tmp_path: Path) -> None:
    with _demo(tmp_path, "--smoke") as demo:
        printed, _ = demo.communicate(timeout=600)

    assert demo.returncode == 0, printed
    assert printed.splitlines()[-1].startswith("OK: the main workflow ran from end to end")


def test_ctrl_c_stops_all_of_the_demo(tmp_path: Path) -> None:
    with _demo(tmp_path) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "Ctrl-C" in line:
                break
        demo.send_signal(signal.SIGINT)
        rest = demo.stdout.read()
        demo.wait(300)

    assert demo.returncode == 0, rest
    socket = tmp_path / "var/demo/mariadb/mariadb.sock"
    still_running = subprocess.run(
        ["pgrep", "-f", str(tmp_path)], check=False, capture_output=True, text=True
    )
    assert not socket.exists()
    assert still_running.stdout == ""
