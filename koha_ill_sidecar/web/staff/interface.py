"""The staff interface, put together."""

import functools
from contextlib import suppress

from flask import Blueprint, Flask, redirect, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from koha_ill_sidecar.errors import SidecarError
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.web import pages, problems
from koha_ill_sidecar.web.staff import entrance, errors, keyboard, labels, messages
from koha_ill_sidecar.web.staff.access import (
    COOKIE,
    Access,
    csrf_token,
    nobody,
    own_address,
    remember_visitor,
)
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
from koha_ill_sidecar.words import N_

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
    blueprint.before_request(nobody)
    access.guard(blueprint)
    blueprint.after_request(messages.keep)
    blueprint.after_request(remember_visitor)
    labels.install(app)
    errors.install(blueprint)
    entrance.install(blueprint, runtime, access)
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
        navigation=lambda: _NAVIGATION,
        own_session=lambda: COOKIE in request.cookies,
        shortcut=keyboard.shortcut,
        waiting_messages=messages.waiting,
    )


def _here() -> str:
    return own_address() if request.method == "GET" else url_for("staff.home")


def _home() -> Response:
    return redirect(url_for("staff.requests"), 303)


def _nothing_there(access: Access, error: NotFound) -> Response:
    if request.path.startswith(_FOR_PROGRAMS) or not request.accept_mimetypes.accept_html:
        return problems.http_error(error)
    pages.begin()
    nobody()
    with suppress(SidecarError):
        access.recognise()
    return remember_visitor(messages.keep(errors.not_found_page()))
