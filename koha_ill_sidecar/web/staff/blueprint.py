"""The blueprint of the staff interface: all its views, and its navigation."""

import functools
from contextlib import suppress

from flask import Blueprint, Flask, redirect, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from koha_ill_sidecar.errors import SidecarError
from koha_ill_sidecar.messages import N_
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.web import problems
from koha_ill_sidecar.web.staff import auth, keyboard
from koha_ill_sidecar.web.staff.operations import (
    callbacks,
    dashboard,
    health,
    jobs,
    messages,
    over_time,
)
from koha_ill_sidecar.web.staff.operations import notices as operations_notices
from koha_ill_sidecar.web.staff.requests import (
    actions,
    creation,
    editing,
    item,
    listing,
    log,
    notices,
    page,
    partners,
    patrons,
)
from koha_ill_sidecar.web.staff.session import COOKIE, StaffSessions, clear_user
from koha_ill_sidecar.web.ui import csrf, error_pages, flash, labels, pages
from koha_ill_sidecar.web.ui.urls import current_url, nearest_page

_NAVIGATION = (
    ("staff.requests", N_("Requests"), "l"),
    ("staff.new_request", N_("New ILL request"), "n"),
    ("staff.dashboard", N_("Dashboard"), "d"),
    ("staff.operations", N_("Operations"), None),
)
_OPERATIONS = (
    ("staff.operations", N_("Health")),
    ("staff.messages", N_("Messages")),
    ("staff.callbacks", N_("Callbacks")),
    ("staff.jobs", N_("Jobs")),
    ("staff.notices", N_("Notices")),
)
_VIEWS = (
    *(listing, creation, page, actions, notices, log, editing, item, partners, patrons),
    *(dashboard, over_time, messages, callbacks, jobs, operations_notices),
)
_FOR_PROGRAMS = ("/api/", "/callbacks/", "/iso18626")


def install(app: Flask, runtime: Runtime) -> None:
    """Add the staff interface, unless it is switched off."""
    if not runtime.settings.staff.enabled:
        return
    blueprint = Blueprint("staff", __name__, template_folder="templates")
    sessions = StaffSessions(runtime)
    blueprint.before_request(_begin)
    sessions.guard(blueprint)
    blueprint.after_request(flash.store)
    blueprint.after_request(csrf.remember_visitor)
    labels.install(app)
    error_pages.install(blueprint)
    auth.install(blueprint, runtime, sessions)
    keyboard.install(blueprint)
    blueprint.add_url_rule("/", "home", lambda: redirect(url_for("staff.requests"), 303))
    for views in _VIEWS:
        views.install(blueprint, runtime)
    health.install(app, blueprint, runtime)
    app.register_blueprint(blueprint)
    app.register_error_handler(404, functools.partial(_not_found, sessions))
    app.jinja_env.globals.update(
        navigation=_navigation,
        operations_sections=lambda: _OPERATIONS,
        own_session=lambda: COOKIE in request.cookies,
        return_url=_return_url,
        shortcut=keyboard.shortcut,
    )


def _navigation() -> list[tuple[str, str, str | None, str]]:
    """
    Return label, URL, key and ``aria-current`` of the links of the bar.

    At most one is current, the one with the longest URL above this page's: ``page`` there, ``true`` on a page below.
    """
    here = request.script_root + request.path
    urls = {endpoint: url_for(endpoint) for endpoint, _label, _key in _NAVIGATION}
    above = [url for url in urls.values() if f"{here}/".startswith(f"{url}/")]
    nearest = max(above, key=len, default="")
    current = "page" if nearest == here and request.method == "GET" else "true"
    return [
        (label, urls[endpoint], key, current if urls[endpoint] == nearest else "")
        for endpoint, label, key in _NAVIGATION
    ]


def _return_url() -> str:
    """Return where forms of the layout lead back to: this page, or one above it if this was a form."""
    return current_url() if request.method == "GET" else nearest_page(current_url(), url_for("staff.home"))


def _begin() -> None:
    pages.begin("staff")
    clear_user()


def _not_found(sessions: StaffSessions, error: NotFound) -> Response:
    """Answer a URL of no page: with a page for people, with a problem document for programs."""
    if request.path.startswith(_FOR_PROGRAMS) or not request.accept_mimetypes.accept_html:
        return problems.http_error(error)
    _begin()
    with suppress(SidecarError):
        sessions.load_user()
    return csrf.remember_visitor(flash.store(error_pages.not_found_page()))
