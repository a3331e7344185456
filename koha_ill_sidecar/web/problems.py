"""
Errors as problem documents (RFC 9457), for all endpoints that programs use.

``type`` is a URN whose meaning never changes; ``title`` belongs to it; ``detail`` helps with this one case. Internals
go to the log only.
"""

import logging
from collections.abc import Iterable, Mapping
from enum import Enum

from flask import Flask, Response
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from koha_ill_sidecar.domain import strict_json
from koha_ill_sidecar.errors import DatabaseError, SidecarError

logger = logging.getLogger(__name__)

TYPE_PREFIX = "urn:koha-ill-sidecar:problem:"
RETRY_AFTER_SECONDS = 30


class Problem(Enum):
    """The kinds of problem: last part of ``type``, HTTP status, title."""

    BAD_REQUEST = ("bad-request", 400, "The request cannot be understood")
    NOT_JSON = ("not-json", 400, "The body is not strict JSON")
    UNAUTHENTICATED = ("unauthenticated", 401, "The sender did not prove who they are")
    NOT_FOUND = ("not-found", 404, "There is nothing at this address")
    UNKNOWN_BACKEND = ("unknown-backend", 404, "No such backend receives callbacks here")
    UNKNOWN_REQUEST = ("unknown-request", 404, "The request is not known")
    METHOD_NOT_ALLOWED = ("method-not-allowed", 405, "The address does not take this method")
    EVENT_ID_REUSED = ("event-id-reused", 409, "The event id was used for another event")
    AMBIGUOUS_ORDER = ("ambiguous-order", 409, "Several requests have this order ID")
    DELETED_REQUEST = ("deleted-request", 410, "The request was deleted")
    BODY_TOO_LARGE = ("body-too-large", 413, "The body is too large")
    UNSUPPORTED_MEDIA_TYPE = ("unsupported-media-type", 415, "The body's media type is not taken")
    INVALID_REPORT = ("invalid-report", 422, "The body is not a status report")
    INTERNAL_ERROR = ("internal-error", 500, "The server made a mistake")
    DATABASE_AWAY = ("database-away", 503, "The database cannot be reached at the moment")

    def __init__(self, name: str, status: int, title: str) -> None:
        self.type = TYPE_PREFIX + name
        self.status = status
        self.title = title


_BY_STATUS = {
    400: Problem.BAD_REQUEST,
    404: Problem.NOT_FOUND,
    405: Problem.METHOD_NOT_ALLOWED,
    413: Problem.BODY_TOO_LARGE,
    415: Problem.UNSUPPORTED_MEDIA_TYPE,
}


def respond(
    problem: Problem,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    extensions: Mapping[str, object] | None = None,
) -> Response:
    """Make the answer for a problem."""
    document: dict[str, object] = {
        "type": problem.type,
        "title": problem.title,
        "status": problem.status,
        "detail": detail,
        **(extensions or {}),
    }
    response = Response(strict_json.dumps(document), problem.status, content_type="application/problem+json")
    response.headers.extend(dict(headers or {}))
    return response


def install(app: Flask) -> None:
    """Make the application answer every error with a problem document."""
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(DatabaseError, _database_error)
    app.register_error_handler(SidecarError, _internal_error)
    app.register_error_handler(Exception, _internal_error)


def http_error(error: HTTPException) -> Response:
    """Answer an error that the framework raises."""
    status = error.code or Problem.INTERNAL_ERROR.status
    problem = _BY_STATUS.get(status)
    if problem is None:  # anything else that the framework raises
        problem = Problem.BAD_REQUEST if status < Problem.INTERNAL_ERROR.status else Problem.INTERNAL_ERROR
    headers = {}
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        headers["Allow"] = ", ".join(sorted(_methods(error.valid_methods)))
    return respond(problem, _DETAILS.get(problem, problem.title) + ".", headers=headers)


_DETAILS = {
    Problem.NOT_FOUND: "Check the address; callbacks go to /callbacks/NAME",
    Problem.METHOD_NOT_ALLOWED: "Use one of the methods in the header Allow",
    Problem.BODY_TOO_LARGE: "Send a smaller body; the receiver's setting callbacks.max_body_bytes is the limit",
}


def _methods(methods: Iterable[str]) -> set[str]:
    return {method for method in methods if method != "OPTIONS"}


def _database_error(error: DatabaseError) -> Response:
    logger.warning("database refused a request", extra={"reason": type(error).__name__})
    return respond(
        Problem.DATABASE_AWAY,
        "Nothing is known to be recorded. Send the same once more, after a while.",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


def _internal_error(error: Exception) -> Response:
    logger.error("request failed", exc_info=error)
    return respond(Problem.INTERNAL_ERROR, "It is in the log. Send the same once more, later.")
