"""The jobs page: when jobs ran, with what result, and when they run next."""

from datetime import timedelta

from flask import Blueprint
from werkzeug.wrappers import Response

from koha_ill_sidecar.config.jobs import JOBS
from koha_ill_sidecar.config.timezone import library_timezone
from koha_ill_sidecar.config.values import Schedule
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services.operations import job_runs
from koha_ill_sidecar.web.ui.i18n import gettext as _
from koha_ill_sidecar.web.ui.i18n import ngettext
from koha_ill_sidecar.web.ui.pages import page


def install(blueprint: Blueprint, runtime: Runtime) -> None:
    """Add the route."""
    schedules = runtime.settings.scheduler.jobs
    timezone = library_timezone(runtime.settings)

    def get() -> Response:
        found = runtime.database.transact(job_runs.list_jobs, schedules, timezone)
        return page("staff/operations/jobs.html", found=found, label_of=label_of, schedule_text=schedule_text)

    blueprint.add_url_rule("/operations/jobs", "jobs", get)


def label_of(name: str) -> str:
    """Return what a job does; its name if it is another version's."""
    return _(JOBS[name].label) if name in JOBS else name


def schedule_text(schedule: Schedule) -> str:
    """Return a schedule in words."""
    if schedule.every is None:
        return _("crontab schedule %(line)s", line=schedule.cron)
    seconds = schedule.every.total_seconds()
    if schedule.every >= timedelta(hours=1) and seconds % 3600 == 0:
        return ngettext("every hour", "every %(num)d hours", int(seconds // 3600))
    if schedule.every >= timedelta(minutes=1) and seconds % 60 == 0:
        return ngettext("every minute", "every %(num)d minutes", int(seconds // 60))
    if seconds % 1 == 0:
        return ngettext("every second", "every %(num)d seconds", int(seconds))
    return _("every %(number)s seconds", number=f"{seconds:g}")
