"""Whether the sidecar lives, whether it is ready, and its numbers."""

import json
from collections.abc import Callable

from flask import Blueprint, Flask, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from koha_ill_sidecar.config.settings import Settings
from koha_ill_sidecar.errors import SidecarError
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.sidecar import migrations

ReadinessCheck = Callable[[], None]
"""Returns where all is well, raises SidecarError where it is not."""


def install(
    app: Flask, settings: Settings, database: Database, more_checks: dict[str, ReadinessCheck]
) -> None:
    """
    Add ``/healthz``, ``/readyz`` and, unless it is switched off, ``/metrics``.

    ``/healthz`` asks nobody: it answers as long as the process does. ``/readyz`` is 503 while the database, its
    tables or one of *more_checks* is not as it should be.
    """
    blueprint = Blueprint("health", __name__)
    checks: dict[str, ReadinessCheck] = {
        "database": database.ping,
        "schema": lambda: _check_schema(database),
        **more_checks,
    }

    @blueprint.get("/healthz")
    def alive() -> Response:
        return _json({"status": "ok"})

    @blueprint.get("/readyz")
    def ready() -> Response:
        results = {name: _result(check) for name, check in checks.items()}
        is_ready = all(result == "ok" for result in results.values())
        return _json({"status": "ok" if is_ready else "fail", "checks": results}, 200 if is_ready else 503)

    if settings.metrics.enabled:

        @blueprint.get("/metrics")
        def numbers() -> Response:
            return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)

    app.register_blueprint(blueprint)


def _check_schema(database: Database) -> None:
    database.koha()
    database.transact(lambda tx: migrations.require_current(tx.connection))


def _result(check: ReadinessCheck) -> str:
    # The error's text may name hosts and users: it is for `doctor` and the log.
    try:
        check()
    except SidecarError as error:
        return type(error).__name__
    return "ok"


def _json(document: object, status: int = 200) -> Response:
    return Response(json.dumps(document), status, content_type="application/json")
