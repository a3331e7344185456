"""``/healthz``, ``/readyz`` and ``/metrics``: whether the sidecar is alive and ready, and its metrics."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus

from flask import Blueprint, Flask, Response, abort, request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from koha_ill_sidecar.cache import Cache
from koha_ill_sidecar.config.settings import SmtpSettings
from koha_ill_sidecar.errors import DeliveryError, SidecarError
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services.delivery import mail_servers
from koha_ill_sidecar.services.doctor.database import require_current_tables
from koha_ill_sidecar.web.proxies import FORWARDED, TRUSTED, is_in

ReadinessCheck = Callable[[], None]
"""Returns if all is well, raises SidecarError if not."""

_MAIL_SECONDS = 30.0  # probes come every few seconds, too often for a mail server
_MAIL_TIMEOUT = timedelta(seconds=5)


def install(app: Flask, runtime: Runtime) -> None:
    """
    Add ``/healthz``, ``/readyz`` and, unless it is switched off, ``/metrics``.

    ``/healthz`` checks nothing: it answers as long as the process does. ``/readyz`` is 503 while the database, the
    sidecar's tables or, if the sidecar delivers, the mail server is not usable. ``/metrics`` and which check failed are
    for the networks in ``metrics.allow``.
    """
    blueprint = Blueprint("health", __name__)
    checks: dict[str, ReadinessCheck] = {
        "database": runtime.database.require_writable,
        "schema": lambda: _check_schema(runtime),
    }
    if runtime.settings.delivery.enabled:
        checks["mail"] = _MailCheck(runtime)

    @blueprint.get("/healthz")
    def alive() -> Response:
        return _json({"status": "ok"})

    @blueprint.get("/readyz")
    def ready() -> Response:
        results = {name: _result(check) for name, check in checks.items()}
        is_ready = all(result == "ok" for result in results.values())
        details = {"checks": results} if _is_allowed(runtime) else {}
        return _json({"status": "ok" if is_ready else "fail", **details}, 200 if is_ready else 503)

    if runtime.settings.metrics.enabled:

        @blueprint.get("/metrics")
        def metrics() -> Response:
            if not _is_allowed(runtime):
                abort(HTTPStatus.NOT_FOUND)
            return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)

    app.register_blueprint(blueprint)


def _is_allowed(runtime: Runtime) -> bool:
    # Behind a proxy that is not listed in web.trusted_proxies every client seems to be on the proxy's host.
    if request.environ.get(FORWARDED) and not request.environ.get(TRUSTED):
        return False
    # A client of a Unix socket has no address, and is on this host.
    return not request.remote_addr or is_in(request.remote_addr, runtime.settings.metrics.allow)


def _check_schema(runtime: Runtime) -> None:
    runtime.database.koha()
    runtime.database.transact(require_current_tables)


class _MailCheck:
    """Whether the mail server accepts our mail; the result is cached for some seconds."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._cache = Cache(_MAIL_SECONDS)

    def __call__(self) -> None:
        servers = self._runtime.database.transact(mail_servers.load, self._runtime.settings)
        error = self._cache.get("mail", lambda: self._probe(servers.default)).value
        if error is not None:
            raise error

    def _probe(self, server: SmtpSettings) -> DeliveryError | None:
        try:
            self._runtime.mailer.check(replace(server, timeout=min(server.timeout, _MAIL_TIMEOUT)))
        except DeliveryError as error:
            return error
        return None


def _result(check: ReadinessCheck) -> str:
    # The error's text may name hosts and users, so only `doctor` and the log show it.
    try:
        check()
    except SidecarError as error:
        return type(error).__name__
    return "ok"


def _json(document: object, status: int = 200) -> Response:
    return Response(json.dumps(document), status, content_type="application/json")
