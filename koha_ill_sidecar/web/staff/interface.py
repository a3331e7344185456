"""The staff interface, put together."""

from flask import Blueprint, Flask, redirect, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.web import problems
from koha_ill_sidecar.web.staff import entrance, errors, messages
from koha_ill_sidecar.web.staff.access import Access, csrf_token

_FOR_PROGRAMS = ("/api/", "/callbacks/", "/iso18626")


def install(app: Flask, runtime: Runtime) -> None:
    """Add the staff interface, unless it is switched off."""
    if not runtime.settings.staff.enabled:
        return
    blueprint = Blueprint("staff", __name__)
    access = Access(runtime)
    access.guard(blueprint)
    errors.install(blueprint)
    entrance.install(blueprint, runtime, access)
    blueprint.add_url_rule("/", "home", _home)
    blueprint.after_request(messages.keep)
    app.register_blueprint(blueprint)
    app.register_error_handler(404, _nothing_there)
    app.jinja_env.globals.update(csrf_token=csrf_token, waiting_messages=messages.waiting)


def _home() -> Response:
    return redirect(url_for("staff.requests"), 303)


def _nothing_there(error: NotFound) -> Response:
    if request.path.startswith(_FOR_PROGRAMS) or not request.accept_mimetypes.accept_html:
        return problems.http_error(error)
    return errors.not_found_page()
