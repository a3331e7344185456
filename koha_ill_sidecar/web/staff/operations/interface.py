"""The dashboard and the pages of operations, put together."""

from flask import Blueprint, Flask

from koha_ill_sidecar.messages import N_
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.web.staff.operations import (
    callbacks,
    dashboard,
    health,
    jobs,
    messages,
    notices,
    over_time,
)
from koha_ill_sidecar.web.ui import pages

_SECTIONS = (
    ("staff.operations", N_("Health")),
    ("staff.messages", N_("Messages")),
    ("staff.callbacks", N_("Callbacks")),
    ("staff.jobs", N_("Jobs")),
    ("staff.notices", N_("Notices")),
)


def install(app: Flask, blueprint: Blueprint, runtime: Runtime) -> None:
    """Add the routes."""
    dashboard.install(blueprint, runtime)
    over_time.install(blueprint, runtime)
    health.install(app, blueprint, runtime)
    messages.install(blueprint, runtime)
    callbacks.install(blueprint, runtime)
    jobs.install(blueprint, runtime)
    notices.install(blueprint, runtime)
    app.jinja_env.globals.update(operations_sections=lambda: _SECTIONS, here=pages.here)
