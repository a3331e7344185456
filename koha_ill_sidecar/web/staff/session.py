"""The sessions of staff: who is signed in, by a password typed here or through Koha's own session."""

from flask import Blueprint, abort, g, redirect, request, url_for
from werkzeug.wrappers import Response

from koha_ill_sidecar.config.settings import LoginMethod
from koha_ill_sidecar.domain.formats import DateStyle
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services.people import sign_in
from koha_ill_sidecar.services.people.sign_in import SignedIn, SignInRefusal
from koha_ill_sidecar.storage.koha.sessions import COOKIE as KOHA_COOKIE
from koha_ill_sidecar.storage.transaction import Transaction
from koha_ill_sidecar.web.ui import csrf, pages
from koha_ill_sidecar.web.ui.urls import current_url

COOKIE = "koha_ill_sidecar_session"


class StaffSessions:
    """Finds who is signed in, and sends everyone else to the sign-in page."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._methods = runtime.settings.staff.login

    def guard(self, blueprint: Blueprint) -> None:
        """Protect the blueprint's views: they need a sign-in unless public, and their forms a token."""
        blueprint.before_request(self._check)

    def identify(self) -> SignedIn | SignInRefusal:
        """Return who is signed in, else the most specific of the reasons why not."""
        refusal = SignInRefusal.NOT_SIGNED_IN
        for outcome in self._runtime.database.transact(self._outcomes):
            if isinstance(outcome, SignedIn):
                return outcome
            if refusal is SignInRefusal.NOT_SIGNED_IN:
                refusal = outcome
        return refusal

    def load_user(self) -> None:
        """Store for this request who is signed in."""
        g.secret = csrf.visitor_secret()
        outcome = self.identify()
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

    def _outcomes(self, tx: Transaction) -> list[SignedIn | SignInRefusal]:
        style = DateStyle(tx.preferences.text("dateformat", "us"), tx.preferences.text("timeformat", "24hr"))
        pages.use_formats(style, tx.preferences.text("CurrencyFormat", "US"))
        g.koha_url = tx.preferences.text("staffClientBaseURL").rstrip("/")
        found: list[SignedIn | SignInRefusal] = []
        own_token, koha_token = request.cookies.get(COOKIE), request.cookies.get(KOHA_COOKIE)
        if LoginMethod.PASSWORD in self._methods and own_token:
            found.append(sign_in.by_token(tx, own_token))
        is_signed_in = any(isinstance(outcome, SignedIn) for outcome in found)
        if LoginMethod.KOHA_SESSION in self._methods and koha_token and not is_signed_in:
            found.append(sign_in.by_koha_session(tx, koha_token, request.remote_addr or ""))
        return found

    def _check(self) -> Response | None:
        self.load_user()
        csrf.check((COOKIE, KOHA_COOKIE))
        return None if csrf.is_public() or g.signed_in else _to_sign_in()


def clear_user() -> None:
    """Begin a request without knowing who is signed in."""
    g.signed_in, g.refusal, g.secret, g.koha_url = None, None, "", ""


def current() -> SignedIn:
    """Return who is signed in; for views that are not public."""
    signed_in = g.signed_in
    if not isinstance(signed_in, SignedIn):
        abort(401)
    return signed_in


def _to_sign_in() -> Response:
    target = current_url() if csrf.is_safe() else None
    return redirect(url_for("staff.sign_in_form", next=target), 303)
