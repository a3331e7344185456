"""The health page: the daemon, Koha's settings, the mail servers, the backends."""

from collections.abc import Sequence

from flask import Blueprint, Flask, g, redirect, url_for
from werkzeug.wrappers import Response

from koha_ill_sidecar.cache import Cache, Cached
from koha_ill_sidecar.config.timezone import library_timezone
from koha_ill_sidecar.errors import SidecarError
from koha_ill_sidecar.messages import N_
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services.doctor.examination import examine_for_staff
from koha_ill_sidecar.services.doctor.findings import Finding, Verdict
from koha_ill_sidecar.services.operations import backend_health, job_runs
from koha_ill_sidecar.services.operations.backend_health import BackendHealth, BackendState
from koha_ill_sidecar.web.ui import flash
from koha_ill_sidecar.web.ui.i18n import gettext as _
from koha_ill_sidecar.web.ui.i18n import ngettext
from koha_ill_sidecar.web.ui.pages import page

_BACKENDS_SECONDS = 30.0
_FINDINGS_SECONDS = 300.0

_CHECKS = {
    "preferences": N_("Preferences"),
    "letters": N_("Notice templates"),
    "partners": N_("Partner libraries"),
    "backends": N_("Backends of requests"),
    "other sender": N_("Other programs that send our messages"),
    "mail": N_("Mail server"),
}
_VERDICTS = {Verdict.OK: N_("OK"), Verdict.WARN: N_("Warning"), Verdict.FAIL: N_("Failed")}


def install(app: Flask, blueprint: Blueprint, runtime: Runtime) -> None:
    """Add the routes, and the state of the backends in the navigation bar."""
    timezone = library_timezone(runtime.settings)
    findings_cache, backends_cache = Cache(_FINDINGS_SECONDS), Cache(_BACKENDS_SECONDS)

    def findings(*, refresh: bool = False) -> Cached[Sequence[Finding]]:
        return findings_cache.get(
            "findings",
            lambda: examine_for_staff(runtime.settings, runtime.database, runtime.mailer),
            refresh=refresh,
        )

    def get() -> Response:
        found = findings()
        jobs = runtime.database.transact(job_runs.list_jobs, runtime.settings.scheduler.jobs, timezone)
        return page(
            "staff/operations/health.html",
            has_overdue_jobs=any(job.is_overdue for job in jobs),
            findings=sorted(found.value, key=_urgency),
            as_of=found.loaded_at,
            check_text=check_text,
            verdicts=_VERDICTS,
        )

    def check_again() -> Response:
        found = findings(refresh=True)
        _flash_result(found.value, g.date_style.date_and_exact_time(found.loaded_at.astimezone(timezone)))
        return redirect(url_for("staff.operations"), 303)

    blueprint.add_url_rule("/operations", "operations", get)
    blueprint.add_url_rule("/operations/check", "check_again", check_again, methods=["POST"])
    app.jinja_env.globals.update(
        backend_health=lambda: backends_cache.get("backends", lambda: _load_backends(runtime)).value,
        backend_text=backend_text,
    )


def backend_text(health: BackendHealth) -> str:
    """Return the state of a backend in words."""
    match health.state:
        case BackendState.UNKNOWN:
            return _("status unknown at the moment")
        case BackendState.QUIET:
            return _("no callback received yet")
        case BackendState.TROUBLED:
            return ngettext(
                "%(num)d callback of the last day could not be processed",
                "%(num)d callbacks of the last day could not be processed",
                health.errors,
            )
    return _("OK")


def check_text(finding: Finding) -> str:
    """Return the label of a check; its name if it has none."""
    return _(_CHECKS[finding.name]) if finding.name in _CHECKS else finding.name


def _flash_result(findings: Sequence[Finding], moment: str) -> None:
    """Flash what was checked and when; the page has the findings themselves."""
    checks = ", ".join(dict.fromkeys(map(check_text, findings)))
    problems = sum(finding.verdict is not Verdict.OK for finding in findings)
    outcome = (
        ngettext("%(num)d problem was found.", "%(num)d problems were found.", problems)
        if problems
        else _("No problems were found.")
    )
    checked = _("Checked again at %(moment)s: %(checks)s.", moment=moment, checks=checks)
    flash.flash("warning" if problems else "done", f"{checked} {outcome}")


def _load_backends(runtime: Runtime) -> Sequence[BackendHealth]:
    names = backend_health.with_callbacks(runtime.settings.backends)
    try:
        return runtime.database.transact(backend_health.examine, names) if names else ()
    except SidecarError:  # the navigation bar stands on error pages too, which must not fail
        return backend_health.unknown(names)


def _urgency(finding: Finding) -> int:
    return (Verdict.FAIL, Verdict.WARN, Verdict.OK).index(finding.verdict)
