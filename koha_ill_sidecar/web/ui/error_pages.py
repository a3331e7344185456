"""Error pages: what went wrong, and what to do."""

import logging

from flask import Blueprint, g
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from koha_ill_sidecar.errors import (
    ActionNotAllowed,
    DatabaseError,
    RequestNotFound,
    RequestRefused,
    StatusConflict,
)
from koha_ill_sidecar.web.problems import RETRY_AFTER_SECONDS
from koha_ill_sidecar.web.ui import csrf
from koha_ill_sidecar.web.ui.i18n import gettext as _
from koha_ill_sidecar.web.ui.i18n import translate
from koha_ill_sidecar.web.ui.pages import page

logger = logging.getLogger(__name__)


def install(blueprint: Blueprint) -> None:
    """Answer every error of the blueprint's views with a page."""
    blueprint.register_error_handler(HTTPException, _http_error)
    blueprint.register_error_handler(RequestNotFound, _not_found)
    blueprint.register_error_handler(ActionNotAllowed, _not_allowed)
    blueprint.register_error_handler(StatusConflict, _not_allowed)
    blueprint.register_error_handler(RequestRefused, _refused)
    blueprint.register_error_handler(DatabaseError, _database_error)
    blueprint.register_error_handler(Exception, _internal_error)


def not_found_page(_error: Exception | None = None) -> Response:
    """Return the page for a URL at which there is nothing."""
    return error_page(404, _("There is nothing here"), _("Check the URL, or go back to the request list."))


def _http_error(error: HTTPException) -> Response:
    status = error.code or 500
    if status == 400 and error.description == csrf.STALE_FORM:
        return error_page(
            400,
            _("The form was out of date"),
            _("Nothing was changed. Go back, reload the page and try again."),
        )
    if status == 404:
        return not_found_page()
    if status == 405:
        return error_page(405, _("This cannot be done here"), _("Go back and use the buttons of the page."))
    if status == 413:
        return error_page(
            413, _("The text was too long"), _("Nothing was changed. Shorten the text and try again.")
        )
    return error_page(status, _("The page request was not valid"), _("Go back and try again."))


def _not_found(_error: Exception) -> Response:
    return error_page(
        404,
        _("There is no such request"),
        _("It may have been deleted. Details of deleted requests are not stored."),
    )


def _not_allowed(_error: Exception) -> Response:
    return error_page(
        409,
        _("The request has changed in the meantime"),
        _(
            "Another member of staff has changed it, and what you wanted to do is no longer possible."
            " Nothing was changed."
        ),
    )


def _refused(error: RequestRefused) -> Response:
    return error_page(422, _("The change was rejected"), translate(error.message))


def _database_error(error: Exception) -> Response:
    logger.warning("database error on a page", extra={"reason": type(error).__name__})
    response = error_page(
        503,
        _("The database cannot be reached at the moment"),
        _("Most likely nothing was changed. Wait a moment, then reload the page."),
    )
    response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def _internal_error(error: Exception) -> Response:
    logger.error("page failed", exc_info=error)
    return error_page(
        500,
        _("Something went wrong here"),
        _("The sidecar's log has the details under ID %(number)s.", number=g.request_id),
    )


def error_page(status: int, title: str, text: str) -> Response:
    """Return a page with a title and a text."""
    return page("error.html", status, title=title, text=text)
