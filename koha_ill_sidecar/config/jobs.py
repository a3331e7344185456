"""
The jobs of the daemon: one entry each.

The settings, the page of jobs and the tests of the documentation read this table; ``scheduler/registry.py`` binds
each name to its function. To add a job, see ``docs/development/add-a-job.md``.
"""

# ruff: noqa: RUF009  (_job makes a field, which is what a default may be)

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from koha_ill_sidecar.config.values import Schedule
from koha_ill_sidecar.messages import N_

ShouldContinue = Callable[[], bool]
"""A job asks this between two steps; False when the daemon stops or another host has taken over the lease."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobInfo:
    """
    What is fixed about a job.

    Attributes:
        label: What it does, for the pages.
        on_every_host: Whether every host runs it at once; any other job runs on one host at a time.
    """

    label: str
    on_every_host: bool = False


def _job(schedule: str, label: str, *, on_every_host: bool = False) -> Any:  # noqa: ANN401  (as dataclasses.field)
    """Declare a job with its default schedule."""
    return field(
        default_factory=lambda: Schedule.parse(schedule),
        metadata={"job": JobInfo(label=label, on_every_host=on_every_host)},
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class JobSchedules:
    """When each job runs: the keys below ``scheduler.jobs``."""

    # Every host delivers: each message is claimed separately, and takes no lease.
    dispatch: Schedule = _job("1s", N_("Deliver messages"), on_every_host=True)
    watch: Schedule = _job("10s", N_("Detect changes made in Koha"))
    index: Schedule = _job("2s", N_("Update the request index"))
    outbox: Schedule = _job("5s", N_("Notify Koha's workers of changes"))
    figures: Schedule = _job("15m", N_("Calculate the dashboard figures"))
    cleanup: Schedule = _job("17 3 * * *", N_("Remove expired data"))


JOBS: Mapping[str, JobInfo] = {entry.name: entry.metadata["job"] for entry in fields(JobSchedules)}
