"""The dashboard: what needs attention, and the figures of the last months."""

from flask import Blueprint
from werkzeug.wrappers import Response

from koha_ill_sidecar.domain.figures import AGES, By
from koha_ill_sidecar.messages import N_
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services.operations import dashboard
from koha_ill_sidecar.services.operations.dashboard import MAX_ALERTS, MAX_COUNTED, Dashboard
from koha_ill_sidecar.web.staff.operations import plots
from koha_ill_sidecar.web.staff.operations.over_time import DrawnGroup, draw
from koha_ill_sidecar.web.ui.i18n import gettext as _
from koha_ill_sidecar.web.ui.pages import page

_HEADINGS = {
    By.MONTH: N_("By month"),
    By.BACKEND: N_("By backend"),
    By.LIBRARY: N_("By library"),
    By.PARTNER: N_("By partner library"),
}
_KINDS = {
    By.MONTH: N_("Month"),
    By.BACKEND: N_("Backend"),
    By.LIBRARY: N_("Library"),
    By.PARTNER: N_("Partner library"),
}


def install(blueprint: Blueprint, runtime: Runtime) -> None:
    """Add the route."""

    def get() -> Response:
        found = runtime.database.transact(dashboard.load_dashboard, runtime.settings.delivery)
        statuses = found.computed.figures.open if found.computed else ()
        return page(
            "staff/operations/dashboard.html",
            found=found,
            notes=found.alerts[:MAX_ALERTS],
            has_more_notes=len(found.alerts) > MAX_ALERTS,
            counted_text=counted_text,
            ages=age_labels(),
            statuses=statuses,
            open_scale=plots.scale_of(status.total for status in statuses),
            headings=_HEADINGS,
            kinds=_KINDS,
            scales={
                by: plots.turnaround_scale([group for _name, group in ranking.groups])
                for by, ranking in found.rankings.items()
            },
            every_request=_by_month(found),
            plots=plots,
        )

    blueprint.add_url_rule("/dashboard", "dashboard", get)


def _by_month(found: Dashboard) -> DrawnGroup | None:
    """Draw the months of all requests; None while the stored figures are an earlier version's."""
    if found.computed is None or not found.computed.figures.months:
        return None
    groups = [group for _name, group in found.rankings[By.MONTH].groups]
    by_month = {group.key: group for group in groups}
    scale = plots.turnaround_scale(groups)
    return draw(_("All requests"), found.computed.figures.months, by_month, scale)


def counted_text(number: int) -> str:
    """Format a number that was counted up to a limit."""
    return _("more than %(number)d", number=MAX_COUNTED) if number > MAX_COUNTED else str(number)


def age_labels() -> list[str]:
    """Return the labels of the ages of open requests."""
    return [
        *(_("up to %(days)d days", days=days) for days in AGES),
        _("more than %(days)d days", days=AGES[-1]),
    ]
