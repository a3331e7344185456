"""Assemble the web application."""

import logging
import re
import secrets
import time

from flask import Flask, Response, g, request

from koha_ill_sidecar.config.timezone import library_timezone
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.web import health, problems
from koha_ill_sidecar.web.callbacks import routes as callbacks
from koha_ill_sidecar.web.proxies import TRUSTED
from koha_ill_sidecar.web.staff import blueprint as staff
from koha_ill_sidecar.web.ui import pages

logger = logging.getLogger(__name__)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)

_SECURITY_HEADERS = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
)

_LARGEST_FORM = 2_000_000  # bytes: three of Koha's longest texts in Chinese, sent as nine bytes per character


def create_app(runtime: Runtime) -> Flask:
    """
    Make the application: callbacks, health and metrics, and the staff interface.

    Nothing is connected yet. The server around it decides whether to trust a proxy
    (:class:`~koha_ill_sidecar.web.proxies.TrustedProxies`).

    Raises:
        ConfigurationError: A backend's mapping cannot be read.
    """
    settings = runtime.settings
    app = Flask("koha_ill_sidecar", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = app.config["MAX_FORM_MEMORY_SIZE"] = _LARGEST_FORM
    app.before_request(_begin)
    app.after_request(_finish)
    problems.install(app)
    health.install(app, runtime)
    callbacks.install(app, runtime)
    pages.install(app, library_timezone(settings))
    staff.install(app, runtime)
    return app


def _begin() -> None:
    g.started = time.monotonic()
    g.request_id = _request_id()
    g.log = {}


def _request_id() -> str:
    given = request.headers.get("X-Request-Id", "")
    is_trusted = bool(request.environ.get(TRUSTED)) and _REQUEST_ID.fullmatch(given)
    return given if is_trusted else secrets.token_hex(8)


def _finish(response: Response) -> Response:
    for name, value in (*_SECURITY_HEADERS, ("X-Request-Id", g.request_id)):
        response.headers.setdefault(name, value)
    rule = request.url_rule
    # The rule and not the path: URLs may hold tokens.
    logger.log(
        logging.DEBUG if rule and rule.endpoint.startswith("health.") else logging.INFO,
        "request answered",
        extra={
            "request_id": g.request_id,
            "method": request.method,
            "route": rule.rule if rule else "unknown",
            "status": response.status_code,
            "milliseconds": round((time.monotonic() - g.started) * 1000, 1),
            **g.log,
        },
    )
    return response
