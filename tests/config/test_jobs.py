"""The table of jobs, and what follows from it."""

import re
from pathlib import Path

import pytest

from koha_ill_sidecar.config.jobs import JOBS, JobSchedules
from koha_ill_sidecar.config.values import Schedule
from koha_ill_sidecar.resources import data_path

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", JOBS)
def test_the_reference_names_the_default_of_every_job(name: str) -> None:
    reference = (ROOT / "docs/reference/configuration.md").read_text(encoding="utf-8")
    row = re.search(rf"^\| `scheduler\.jobs\.{name}` \| `([^`]+)` \|", reference, re.MULTILINE)

    assert row is not None
    assert Schedule.parse(row[1]) == getattr(JobSchedules(), name)


def test_the_documents_name_no_other_job() -> None:
    example = data_path("config.example.yaml").read_text(encoding="utf-8")
    reference = (ROOT / "docs/reference/configuration.md").read_text(encoding="utf-8")

    in_example = re.findall(
        r"^    (\w+):", example.partition("\n  jobs:\n")[2].partition("\n\n")[0], re.MULTILINE
    )

    assert in_example == list(JOBS)
    assert re.findall(r"^\| `scheduler\.jobs\.(\w+)`", reference, re.MULTILINE) == list(JOBS)
