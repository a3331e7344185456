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
    text = re.sub(r"^ExecStart=\S+", f"ExecStart={sys.executable}", unit.read_text(), flags=re.MULTILINE)
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
    words = re.findall(r"^ExecStart=(.*)$", unit.read_text(), flags=re.MULTILINE)[0].split()

    assert Path(words[0]).name == "koha-ill-sidecar"
    assert isinstance(program, Group)
    assert words[1] in program.list_commands(None)  # type: ignore[arg-type]


def test_each_instance_has_its_own_configuration_and_koha() -> None:
    text = (DIRECTORY / "koha-ill-sidecar@.service").read_text()

    assert "Environment=KOHA_CONF=/etc/koha/sites/%i/koha-conf.xml\n" in text
    assert "Environment=KOHA_ILL_SIDECAR_CONFIG=/etc/koha-ill-sidecar/%i.yaml\n" in text
