"""The staff interface, put together."""

import functools
from contextlib import suppress
from dataclasses import dataclass

from flask import Blueprint, Flask, redirect, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from koha_ill_sidecar.errors import SidecarError
from koha_ill_sidecar.messages import N_
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.web import problems
from koha_ill_sidecar.web.staff import auth, keyboard
from koha_ill_sidecar.web.staff.operations import interface as operations
from koha_ill_sidecar.web.staff.requests import (
    actions,
    creation,
    editing,
    item,
    listing,
    managing,
    notices,
    partners,
    patrons,
    reading,
)
from koha_ill_sidecar.web.ui import errors, flash, labels, pages
from koha_ill_sidecar.web.ui.access import (
    COOKIE,
    Access,
    clear_user,
    csrf_token,
    current_url,
    nearest_page,
    remember_visitor,
)

_NAVIGATION = (
    ("staff.requests", N_("Requests"), "l"),
    ("staff.new_request", N_("New ILL request"), "n"),
    ("staff.dashboard", N_("Dashboard"), "d"),
    ("staff.operations", N_("Operations"), None),
)
_FOR_PROGRAMS = ("/api/", "/callbacks/", "/iso18626")


def install(app: Flask, runtime: Runtime) -> None:
    """Add the staff interface, unless it is switched off."""
    if not runtime.settings.staff.enabled:
        return
    blueprint = Blueprint("staff", __name__)
    access = Access(runtime)
    blueprint.before_request(pages.begin)
    blueprint.before_request(clear_user)
    access.guard(blueprint)
    blueprint.after_request(flash.store)
    blueprint.after_request(remember_visitor)
    labels.install(app)
    errors.install(blueprint)
    auth.install(blueprint, runtime, access)
    keyboard.install(blueprint)
    blueprint.add_url_rule("/", "home", _home)
    for part in (listing, creation, managing, actions, notices, reading, editing, item, partners, patrons):
        part.install(blueprint, runtime)
    operations.install(app, blueprint, runtime)
    app.register_blueprint(blueprint)
    app.register_error_handler(404, functools.partial(_nothing_there, access))
    app.jinja_env.globals.update(
        csrf_token=csrf_token,
        here_for_next=_here,
        navigation=_navigation,
        own_session=lambda: COOKIE in request.cookies,
        shortcut=keyboard.shortcut,
        waiting_messages=flash.pop_flashed,
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """
    Where the bar at the top leads to.

    Attributes:
        current: What ``aria-current`` says: ``page`` there, ``true`` on a page below, else nothing.
    """

    label: str
    address: str
    key: str | None
    current: str


def _navigation() -> list[_Place]:
    """Return the places of the bar; at most one is current, the one whose address says most of this page's."""
    here = request.script_root + request.path
    addresses = {endpoint: url_for(endpoint) for endpoint, _label, _key in _NAVIGATION}
    above = [address for address in addresses.values() if f"{here}/".startswith(f"{address}/")]
    nearest = max(above, key=len, default="")
    current = "page" if nearest == here and request.method == "GET" else "true"
    return [
        _Place(label, addresses[endpoint], key, current if addresses[endpoint] == nearest else "")
        for endpoint, label, key in _NAVIGATION
    ]


def _here() -> str:
    return current_url() if request.method == "GET" else nearest_page(current_url())


def _home() -> Response:
    return redirect(url_for("staff.requests"), 303)


def _nothing_there(access: Access, error: NotFound) -> Response:
    if request.path.startswith(_FOR_PROGRAMS) or not request.accept_mimetypes.accept_html:
        return problems.http_error(error)
    pages.begin()
    clear_user()
    with suppress(SidecarError):
        access.load_user()
    return remember_visitor(flash.store(errors.not_found_page()))
