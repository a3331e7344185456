"""The jobs, as the staff see them."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from flask import g
from sqlalchemy import Engine, text
from web.conftest import Desk

from koha_ill_sidecar.config.jobs import JOBS
from koha_ill_sidecar.config.values import Schedule
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.sidecar import leases
from koha_ill_sidecar.web.staff.operations.jobs import label_of, schedule_text


def row(page: str, job: str) -> str:
    """Return the part of the table that is about a job."""
    return page.partition(f'<span class="soft code">{job}</span>')[2].partition("</tr>")[0]


def test_a_run_is_told_with_outcome_and_next_start(clara: Desk, database: Database) -> None:
    database.transact(leases.acquire, "watch", holder="host1:1:x", lease_seconds=60)
    database.transact(leases.release, "watch", holder="host1:1:x")

    watch = row(clara.get("/operations/jobs").text, "watch")

    assert "every 10 seconds" in watch
    assert re.search(r" \d\d:\d\d:\d\d <span class=\"soft\">took 0\.\d s</span>", watch)
    assert "OK" in watch
    assert "Overdue" not in watch
    assert '<td class="number">1</td>' in watch


def test_a_job_that_runs_names_its_host(clara: Desk, database: Database) -> None:
    database.transact(leases.acquire, "watch", holder="host1:1:x", lease_seconds=60)

    assert "Runs on host1" in row(clara.get("/operations/jobs").text, "watch")


def test_a_host_that_died_runs_nothing(clara: Desk, database: Database, admin: Engine) -> None:
    database.transact(leases.acquire, "watch", holder="host1:1:x", lease_seconds=60)
    with admin.begin() as connection:
        connection.execute(
            text(
                "UPDATE ill_sidecar_leases SET lease_until = UTC_TIMESTAMP(6) - INTERVAL 1 HOUR,"
                " last_started_at = UTC_TIMESTAMP(6) - INTERVAL 1 HOUR"
            )
        )

    page = clara.get("/operations/jobs").text

    assert "Runs on host1" not in page
    assert "Overdue" in row(page, "watch")
    assert "Some jobs are overdue." in page


def test_a_failure_is_told_with_its_reason(clara: Desk, database: Database) -> None:
    database.transact(leases.acquire, "cleanup", holder="host1:1:x", lease_seconds=60)
    database.transact(leases.release, "cleanup", holder="host1:1:x", error="<script>alert(1)</script>")

    cleanup = row(clara.get("/operations/jobs").text, "cleanup")

    assert "Failed" in cleanup
    assert "&lt;script&gt;alert(1)" in cleanup
    assert "crontab schedule 17 3 * * *" in cleanup


def test_a_job_of_another_host_is_told_by_its_name(clara: Desk, database: Database) -> None:
    database.transact(leases.acquire, "<b>other", holder="host2:1:x", lease_seconds=60)

    page = clara.get("/operations/jobs").text

    assert "not configured on this host" in page
    assert "<b>other" not in page


def test_a_job_that_never_ran_is_due(clara: Desk) -> None:
    outbox = row(clara.get("/operations/jobs").text, "outbox")

    assert "never" in outbox
    assert "Overdue" in outbox


def test_every_job_is_called_by_what_it_does(clara: Desk) -> None:
    with clara.client.application.test_request_context("/"):
        g.language = "zh-Hant-TW"
        unnamed = [job for job in JOBS if label_of(job).isascii()]

    assert unnamed == []


def test_what_leaves_no_trace_says_so(clara: Desk) -> None:
    assert [name for name, job in JOBS.items() if job.on_every_host] == ["dispatch"]
    assert "its runs are not recorded in the database" in row(clara.get("/operations/jobs").text, "dispatch")


@pytest.mark.parametrize(
    ("schedule", "said"),
    [("1s", "every second"), ("1500ms", "every 1.5 seconds"), ("1m", "every minute"), ("90s", "every 90 seconds"),
     ("15m", "every 15 minutes"), ("1h", "every hour"), ("6h", "every 6 hours")],
)  # fmt: skip
def test_schedules_are_said_in_words(clara: Desk, schedule: str, said: str) -> None:
    with clara.client.application.test_request_context("/"):
        clara.client.application.preprocess_request()
        assert schedule_text(Schedule.parse(schedule)) == said


def test_the_page_costs_two_queries_and_who_asks(
    clara: Desk, queries: Callable[[], AbstractContextManager[list[str]]]
) -> None:
    clara.get("/operations/jobs")

    with queries() as seen:
        clara.get("/operations/jobs")

    assert len(seen) <= 7
