"""``POST /callbacks/{backend}``: authenticate the sender, read the body, one transaction, one answer."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Flask, Response, g, request
from werkzeug.exceptions import RequestEntityTooLarge

from koha_ill_sidecar.backends.http.callback_formats import CallbackFormat, callback_format
from koha_ill_sidecar.config.settings import Settings
from koha_ill_sidecar.domain import strict_json
from koha_ill_sidecar.domain.status_reports import StatusReport
from koha_ill_sidecar.errors import ConfigurationError
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services.callbacks.processing import Callback, read_callback
from koha_ill_sidecar.services.callbacks.receiving import Received, receive
from koha_ill_sidecar.web.callbacks import metrics
from koha_ill_sidecar.web.callbacks.answers import answer_status, problem_of
from koha_ill_sidecar.web.callbacks.authentication import (
    Authenticated,
    Authenticator,
    AuthFailure,
    AuthRequest,
)
from koha_ill_sidecar.web.problems import Problem, respond
from koha_ill_sidecar.web.proxies import TRUSTED

_MASK = "***"
_KEPT_HEADERS = frozenset(
    {"content-type", "user-agent", "webhook-id", "webhook-timestamp", "svix-id", "svix-timestamp"}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Endpoint:
    """What receives one backend's callbacks; made once."""

    backend: str
    authenticator: Authenticator
    format: CallbackFormat
    accept_any_request: bool


def install(app: Flask, runtime: Runtime) -> None:
    """
    Add the endpoint of every backend that has callbacks configured.

    Raises:
        ConfigurationError: A mapping cannot be read; names the mistakes of all.
    """
    endpoints = _endpoints(runtime.settings)
    max_bytes = runtime.settings.callbacks.max_body_bytes
    blueprint = Blueprint("callbacks", __name__)

    @blueprint.post("/callbacks/<backend_name>", provide_automatic_options=False)
    def callback(backend_name: str) -> Response:
        endpoint = endpoints.get(backend_name)
        if endpoint is None:
            return respond(Problem.UNKNOWN_BACKEND, "Check the last part of the address.")
        return _receive(endpoint, runtime, _read_body(max_bytes))

    app.register_blueprint(blueprint)


def _endpoints(settings: Settings) -> Mapping[str, _Endpoint]:
    endpoints = {}
    problems: list[str] = []
    for name, backend in settings.backends.items():
        if not backend.enabled or backend.callbacks is None:
            continue
        try:
            body_format = callback_format(name, backend.callbacks.mapping)
        except ConfigurationError as error:
            problems += error.problems
            continue
        endpoints[name] = _Endpoint(
            backend=name,
            authenticator=Authenticator(backend.callbacks),
            format=body_format,
            accept_any_request=backend.callbacks.accept_any_request,
        )
    if problems:
        raise ConfigurationError(problems)
    return endpoints


def _read_body(max_bytes: int) -> bytes:
    # One byte more than allowed: a body of unknown length is cut there, and must be found too long.
    request.max_content_length = max_bytes + 1
    body = request.get_data(cache=False)
    if len(body) > max_bytes:
        raise RequestEntityTooLarge
    return body


def _receive(endpoint: _Endpoint, runtime: Runtime, body: bytes) -> Response:
    g.log["backend"] = endpoint.backend
    started = time.monotonic()
    auth_request = AuthRequest(
        headers=_headers(request.environ),
        body=body,
        now=time.time(),
        from_trusted_proxy=request.environ.get(TRUSTED, False),
    )
    if auth_request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        # Before authentication: a body that was signed before it was compressed would only seem to be forged.
        return respond(
            Problem.UNSUPPORTED_MEDIA_TYPE,
            "Send the body without Content-Encoding; compressed bodies are not accepted.",
            headers={"Accept-Encoding": "identity"},
        )
    sender = endpoint.authenticator.authenticate(auth_request)
    if not isinstance(sender, Authenticated):
        g.log["refused"] = sender.value
        metrics.observe_refused(endpoint.backend, sender.value)
        if sender is AuthFailure.UNUSABLE_EVENT_ID:
            return respond(
                Problem.BAD_REQUEST,
                "The header webhook-id must consist of 1 to 191 ASCII letters, digits, '_' and '-'.",
            )
        return _unauthenticated(endpoint, auth_request.headers)
    if not _is_json(request.mimetype, request.mimetype_params):
        return respond(
            Problem.UNSUPPORTED_MEDIA_TYPE,
            "Send application/json in UTF-8.",
            headers={"Accept-Post": "application/json"},
        )
    callback = _callback(endpoint, sender, auth_request)
    received = runtime.database.transact(receive, callback, answer_status=answer_status)
    _observe(endpoint, callback, received, time.monotonic() - started)
    return _answer(callback, received)


def _headers(environ: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers with their names in lower case; straight from WSGI, because every callback needs them."""
    headers = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    if content_type := environ.get("CONTENT_TYPE"):
        headers["content-type"] = content_type
    return headers


def _unauthenticated(endpoint: _Endpoint, headers: Mapping[str, str]) -> Response:
    return respond(
        Problem.UNAUTHENTICATED,
        endpoint.authenticator.advice(headers),
        headers={"WWW-Authenticate": endpoint.authenticator.challenge},
    )


def _is_json(mimetype: str, parameters: Mapping[str, str]) -> bool:
    is_json = mimetype == "application/json" or (
        mimetype.startswith("application/") and mimetype.endswith("+json")
    )
    return is_json and parameters.get("charset", "utf-8").lower() in ("utf-8", "utf8", "us-ascii")


def _callback(endpoint: _Endpoint, sender: Authenticated, auth_request: AuthRequest) -> Callback:
    event_id, reading = read_callback(endpoint.format.read, auth_request.body, sender.event_id)
    return Callback(
        backend=endpoint.backend,
        event_id=event_id,
        body=auth_request.body,
        headers=_headers_to_keep(endpoint, auth_request.headers),
        authentication=sender.method,
        remote_address=(request.remote_addr or "")[:45],
        reading=reading,
        has_signed_id=sender.event_id is not None,
        accept_any_request=endpoint.accept_any_request,
    )


def _headers_to_keep(endpoint: _Endpoint, headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that help staff later; secrets are masked, all others dropped."""
    secret = endpoint.authenticator.secret_headers
    return {
        name: _MASK if name in secret else value[:1000]
        for name, value in headers.items()
        if name in secret or name in _KEPT_HEADERS
    }


def _observe(endpoint: _Endpoint, callback: Callback, received: Received, seconds: float) -> None:
    outcome = (
        "conflict" if received.is_conflict else "repeat" if received.is_repeat else received.verdict.value
    )
    g.log |= {"outcome": outcome, "receipt_id": received.receipt_id}
    if illrequest_id := received.answer.get("ill_request_id"):
        g.log |= {"illrequest_id": illrequest_id, "request_status": received.answer.get("status")}
    occurred_at = callback.reading.occurred_at if isinstance(callback.reading, StatusReport) else None
    metrics.observe_received(endpoint.backend, outcome, seconds=seconds, occurred_at=occurred_at)


def _answer(callback: Callback, received: Received) -> Response:
    named = {"receipt_id": received.receipt_id, "event_id": received.event_id}
    if received.is_conflict:
        return respond(
            Problem.EVENT_ID_REUSED,
            "Another body came under this event id before; it stands. Give every event an id of its own.",
            extensions=named,
        )
    problem = problem_of(received.verdict, callback.reading)
    if problem is not None:
        errors = {"errors": received.answer["errors"]} if "errors" in received.answer else {}
        return respond(problem, str(received.answer.get("detail", "")), extensions=named | errors)
    document = {**named, **received.answer, "duplicate": received.is_repeat}
    return Response(strict_json.dumps(document), content_type="application/json")
