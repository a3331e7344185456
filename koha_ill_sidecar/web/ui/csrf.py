"""
The protection against forged requests (CSRF): a token in every form, which only pages of ours can know.

The token is an HMAC under the secret of the browser's session, so nothing is stored for it and any host can check it.
Visitors who are not signed in have a secret of their own in a cookie.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import TypeVar

from flask import abort, current_app, g, request
from werkzeug.wrappers import Response

FIELD = "csrf_token"
STALE_FORM = "stale-form"
"""Description of the 400 that answers a form without a valid token."""

_VISITOR_COOKIE = "koha_ill_sidecar_visitor"
_CONTEXT = b"koha-ill-sidecar form"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_ACCEPTS_STALE = "_accepts_stale_csrf"

_View = TypeVar("_View")


class StaleForm(Exception):
    """A form of ours whose session has ended; someone may be signed in again, or not."""


def accept_stale_csrf(view: _View) -> _View:
    """Mark a view that accepts forms of an ended session, as it changes nothing."""
    setattr(view, _ACCEPTS_STALE, True)
    return view


def is_safe() -> bool:
    """Return whether this request only reads."""
    return request.method in _SAFE_METHODS


def check(session_cookies: Sequence[str], *, is_public: bool) -> None:
    """
    Check the token of a form, which needs ``g.secret``.

    Args:
        session_cookies: Names of the cookies that hold the secret of a session.
        is_public: Whether the view needs no sign-in.

    Raises:
        BadRequest: The form is not from a page of ours, or its view cannot ask what to do with a stale one.
        StaleForm: The form is ours, but from a session that has ended.
    """
    if is_safe() or _is_signed_with(g.secret):
        return
    accepts_stale = getattr(current_view(), _ACCEPTS_STALE, False)
    if (is_public and not accepts_stale) or not _is_from_ended_session(session_cookies):
        g.log["refused"] = "csrf"
        abort(400, STALE_FORM)
    if not accepts_stale:
        raise StaleForm


def token() -> str:
    """Return the token that each form on this page carries."""
    return _token(g.secret)


def visitor_secret() -> str:
    """Return the secret of a browser without a session; a new one is made on the first visit."""
    known = request.cookies.get(_VISITOR_COOKIE, "")
    if not known:
        g.new_visitor = known = secrets.token_urlsafe(24)
    return known


def remember_visitor(response: Response) -> Response:
    """Set the cookie with the secret of a new visitor."""
    if new := g.pop("new_visitor", None):
        path = request.script_root or "/"
        response.set_cookie(
            _VISITOR_COOKIE, new, httponly=True, secure=request.is_secure, samesite="Strict", path=path
        )
    return response


def _token(secret: str) -> str:
    return hmac.new(secret.encode(), _CONTEXT, hashlib.sha256).hexdigest()


def _is_signed_with(secret: str) -> bool:
    # Old browsers do not send the header: for them the token alone decides.
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    sent = request.form.get(FIELD, "")
    return site in ("same-origin", "none") and hmac.compare_digest(sent.encode(), _token(secret).encode())


def _is_from_ended_session(session_cookies: Sequence[str]) -> bool:
    """
    Return whether the form comes from a page of ours, though not from the current session.

    Either the browser says so, or it still has the cookie of the ended session.
    """
    if request.headers.get("Sec-Fetch-Site") == "same-origin":
        return FIELD in request.form
    ended = (request.cookies.get(name) for name in (*session_cookies, _VISITOR_COOKIE))
    return any(_is_signed_with(secret) for secret in ended if secret)


def current_view() -> object:
    """Return the view function of this request; None if its URL is unknown."""
    return current_app.view_functions.get(request.endpoint or "")
