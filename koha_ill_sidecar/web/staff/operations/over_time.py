"""Turnaround and fill rate of the largest backends, libraries and partners, month by month."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import Blueprint
from werkzeug.wrappers import Response

from koha_ill_sidecar.domain.figures import By, Group
from koha_ill_sidecar.messages import N_
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services.operations import dashboard
from koha_ill_sidecar.services.operations.dashboard import OverTime
from koha_ill_sidecar.web.staff.operations import charts, plots
from koha_ill_sidecar.web.staff.operations.charts import Chart
from koha_ill_sidecar.web.ui.i18n import gettext as _
from koha_ill_sidecar.web.ui.pages import page

_HEADINGS = {
    By.BACKEND: N_("By backend"),
    By.LIBRARY: N_("By library"),
    By.PARTNER: N_("By partner library"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawing:
    """A chart, with a text for people who cannot see it."""

    title: str
    text: str
    chart: Chart


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawnGroup:
    """A group of requests by month, with its two charts."""

    name: str
    by_month: Mapping[str, Group]
    turnaround: Drawing
    fill_rate: Drawing


def install(blueprint: Blueprint, runtime: Runtime) -> None:
    """Add the route."""

    def get(by: str) -> Response:
        kind = By(by)
        found = runtime.database.transact(dashboard.load_over_time, kind)
        return page(
            "staff/operations/over_time.html",
            by=kind,
            found=found,
            groups=_groups(found) if found else [],
            headings=_HEADINGS,
        )

    choices = ", ".join(by.value for by in _HEADINGS)
    blueprint.add_url_rule(f"/dashboard/over-time/<any({choices}):by>", "over_time", get)


def draw(name: str, months: Sequence[str], by_month: Mapping[str, Group], scale: int) -> DrawnGroup:
    """
    Draw the months of a group.

    Args:
        scale: Days at the top of the turnaround chart.
    """
    label = name or "–"
    return DrawnGroup(
        name=label,
        by_month=by_month,
        turnaround=Drawing(
            title=_("%(name)s: turnaround by month", name=label),
            text=_turnaround_text(months, by_month),
            chart=charts.turnaround(months, by_month, scale),
        ),
        fill_rate=Drawing(
            title=_("%(name)s: fill rate by month", name=label),
            text=_fill_rate_text(months, by_month),
            chart=charts.fill_rate(months, by_month),
        ),
    )


def _groups(found: OverTime) -> list[DrawnGroup]:
    scale = plots.turnaround_scale([group for _name, by_month in found.series for group in by_month.values()])
    return [draw(name, found.months, by_month, scale) for name, by_month in found.series]


def _turnaround_text(months: Sequence[str], by_month: Mapping[str, Group]) -> str:
    medians = charts.measured(
        months, by_month, lambda group: group.turnaround.median if group.turnaround else None
    )
    if not medians:
        return _("No requests were completed.")
    return _(
        "The median is between %(least)d and %(most)d days; in the most recent month with data,"
        " %(month)s, it is %(last)d.",
        **_range(medians),
    )


def _fill_rate_text(months: Sequence[str], by_month: Mapping[str, Group]) -> str:
    rates = charts.measured(
        months, by_month, lambda group: None if group.fill_rate is None else round(100 * group.fill_rate)
    )
    if not rates:
        return _("No request has an outcome yet.")
    return _(
        "The rate is between %(least)d and %(most)d percent; in the most recent month with data,"
        " %(month)s, it is %(last)d.",
        **_range(rates),
    )


def _range(values: Mapping[str, float]) -> dict[str, object]:
    month, last = list(values.items())[-1]
    return {"least": min(values.values()), "most": max(values.values()), "month": month, "last": last}
