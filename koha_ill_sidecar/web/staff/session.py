"""The sessions of staff: who is signed in, by a password typed here or through Koha's own session."""

from typing import TypeVar

from flask import Blueprint, abort, g, redirect, request, url_for
from werkzeug.wrappers import Response

from koha_ill_sidecar.backends.registry import supplier_names
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services.people import preferences, sign_in
from koha_ill_sidecar.services.people.sign_in import KOHA_COOKIE, SignedIn
from koha_ill_sidecar.services.requests.header import StaffContext
from koha_ill_sidecar.web.ui import csrf
from koha_ill_sidecar.web.ui.urls import current_url

COOKIE = "koha_ill_sidecar_session"
_PUBLIC = "_is_public"

_View = TypeVar("_View")


def public(view: _View) -> _View:
    """Mark a view that needs no sign-in."""
    setattr(view, _PUBLIC, True)
    return view


class StaffSessions:
    """Finds who is signed in, and sends everyone else to the sign-in page."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._methods = runtime.settings.staff.login

    def guard(self, blueprint: Blueprint) -> None:
        """Protect the blueprint's views: they need a sign-in unless public, and their forms a token."""
        blueprint.before_request(self._check)

    def load_user(self) -> None:
        """Store for this request who is signed in and how Koha formats dates and money; one transaction."""
        outcome, (date_style, currency_format, koha_url) = self._runtime.database.transact(
            lambda tx: (
                sign_in.identify(
                    tx,
                    self._methods,
                    token=request.cookies.get(COOKIE, ""),
                    koha_session=request.cookies.get(KOHA_COOKIE, ""),
                    address=request.remote_addr or "",
                ),
                preferences.load(tx),
            )
        )
        g.date_style, g.currency_format = date_style, currency_format
        g.koha_url = koha_url
        if isinstance(outcome, SignedIn):
            g.signed_in, g.secret = outcome, outcome.token
        else:
            g.refusal = outcome

    def set_cookie(self, response: Response, token: str) -> None:
        """Set the cookie of a session that begins here."""
        path = request.script_root or "/"
        response.set_cookie(COOKIE, token, httponly=True, secure=self._is_secure, samesite="Lax", path=path)

    @property
    def _is_secure(self) -> bool:
        """Whether browsers reach us by HTTPS only."""
        return request.is_secure or (self._runtime.settings.web.public_url or "").startswith("https:")

    def _check(self) -> Response | None:
        self.load_user()
        is_public = getattr(csrf.current_view(), _PUBLIC, False)
        csrf.check((COOKIE, KOHA_COOKIE), is_public=is_public)
        return None if is_public or g.signed_in else _to_sign_in()


def clear_user() -> None:
    """Begin a request without knowing who is signed in."""
    g.signed_in, g.refusal, g.secret, g.koha_url = None, None, csrf.visitor_secret(), ""


def current() -> SignedIn:
    """Return who is signed in; for views that are not public."""
    signed_in = g.signed_in
    if not isinstance(signed_in, SignedIn):
        abort(401)
    return signed_in


def staff_context(runtime: Runtime) -> StaffContext:
    """Return what services need to know to list what the staff member can do with a request."""
    settings, member = runtime.settings, current().member
    return StaffContext(
        actor=member,
        suppliers=supplier_names({name: one.enabled for name, one in settings.backends.items()}),
        max_age_seconds=settings.delivery.ignore_older_than.total_seconds(),
    )


def _to_sign_in() -> Response:
    target = current_url() if csrf.is_safe() else None
    return redirect(url_for("staff.sign_in_form", next=target), 303)
