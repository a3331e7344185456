"""The units are valid, sandboxed, and refer to existing files and commands."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click import Group

from koha_ill_sidecar.cli.program import program

DIRECTORY = Path(__file__).parents[1] / "systemd"
UNITS = sorted(DIRECTORY.glob("*.service"))

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_is_at_most_2_0_exposed(unit: Path) -> None:
    result = subprocess.run(
        ["systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold=20", str(unit)],
        check=False,
        capture_output=True,
        text=True,
    )

    level = re.search(r"Overall exposure level for \S+: ([\d.]+)", result.stdout)
    assert level, result.stderr
    assert float(level[1]) <= 2.0
    assert result.returncode == 0


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_is_valid(unit: Path, tmp_path: Path) -> None:
    """Use the path of this installation, because systemd checks that the program exists."""
    text = unit.read_text().replace("=/opt/koha-ill-sidecar/bin/koha-ill-sidecar", f"={sys.executable}")
    copy = tmp_path / unit.name.replace("@", "@library")
    copy.write_text(text)

    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(copy)],
        check=False,
        capture_output=True,
        text=True,
    )

    assert result.stderr == ""
    assert result.returncode == 0


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_starts_a_command_that_exists(unit: Path) -> None:
    lines = re.findall(r"^Exec\w+=(.*/koha-ill-sidecar .*)$", unit.read_text(), flags=re.MULTILINE)

    assert isinstance(program, Group)
    commands = [line.split()[1] for line in lines]
    assert commands == ["run", "check"]
    assert set(commands) <= set(program.list_commands(None))  # type: ignore[arg-type]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_wrong_configuration_is_not_started_again(unit: Path) -> None:
    """Only the main process counts for RestartPreventExitStatus (systemd.service(5)), so no ExecStartPre may fail."""
    assert "\nRestartPreventExitStatus=2 78\n" in unit.read_text()
    assert "\nExecStartPre=" not in unit.read_text()


def test_each_instance_has_its_own_configuration_and_koha() -> None:
    text = (DIRECTORY / "koha-ill-sidecar@.service").read_text()

    assert "Environment=KOHA_CONF=/etc/koha/sites/%i/koha-conf.xml\n" in text
    assert "Environment=KOHA_ILL_SIDECAR_CONFIG=/etc/koha-ill-sidecar/%i.yaml\n" in text
