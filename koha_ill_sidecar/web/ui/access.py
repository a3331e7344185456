"""
Who is at the staff interface: cookies, sessions, and the proof that a form is ours.

The token against forged requests (CSRF) is an HMAC under the session's own secret, which only the browser of its
owner holds: nothing needs to be kept for it, and any host can check it.
"""

import hashlib
import hmac
import secrets
from typing import TypeVar
from urllib.parse import urlsplit

from flask import Blueprint, abort, current_app, g, redirect, request, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from koha_ill_sidecar.config.settings import LoginMethod
from koha_ill_sidecar.domain.formats import DateStyle
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services.people import sign_in
from koha_ill_sidecar.services.people.sign_in import SignedIn, SignInRefusal
from koha_ill_sidecar.storage.koha.sessions import COOKIE as KOHA_COOKIE
from koha_ill_sidecar.storage.transaction import Transaction
from koha_ill_sidecar.web.ui import pages

COOKIE = "koha_ill_sidecar_session"
_VISITOR_COOKIE = "koha_ill_sidecar_visitor"
CSRF_FIELD = "csrf_token"
_CSRF_CONTEXT = b"koha-ill-sidecar form"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_PUBLIC = "_open_to_all"
_ACCEPTS_STALE_CSRF = "_of_any_session"


_View = TypeVar("_View")


def public(view: _View) -> _View:
    """Let a view be seen by who is not signed in."""
    setattr(view, _PUBLIC, True)
    return view


def accept_stale_csrf(view: _View) -> _View:
    """Let a view take forms that pages of another session have sent: one that does nothing but ask."""
    setattr(view, _ACCEPTS_STALE_CSRF, True)
    return view


class StaleForm(Exception):
    """A form of ours has come whose session has ended; somebody may be signed in by now, or not."""


class Access:
    """Guards the staff interface's views."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._methods = runtime.settings.staff.login

    def guard(self, blueprint: Blueprint) -> None:
        """Let nobody to the blueprint's views who may not, and no form from elsewhere."""
        blueprint.before_request(self._check)

    def identify(self) -> SignedIn | SignInRefusal:
        """Find out who asks; of several reasons why not, the one that says most."""
        refusal = SignInRefusal.NOT_SIGNED_IN
        for outcome in self._runtime.database.transact(self._outcomes):
            if isinstance(outcome, SignedIn):
                return outcome
            if refusal is SignInRefusal.NOT_SIGNED_IN:
                refusal = outcome
        return refusal

    def set_cookie(self, response: BaseResponse, token: str) -> None:
        """Let the browser remember who signed in here."""
        response.set_cookie(COOKIE, token, httponly=True, secure=self.is_secure, samesite="Lax", path=_path())

    @property
    def is_secure(self) -> bool:
        """Whether browsers reach us by HTTPS only."""
        return request.is_secure or (self._runtime.settings.web.public_url or "").startswith("https:")

    def _outcomes(self, tx: Transaction) -> list[SignedIn | SignInRefusal]:
        style = DateStyle(tx.preferences.text("dateformat", "us"), tx.preferences.text("timeformat", "24hr"))
        pages.use_formats(style, tx.preferences.text("CurrencyFormat", "US"))
        g.koha_url = tx.preferences.text("staffClientBaseURL").rstrip("/")
        found: list[SignedIn | SignInRefusal] = []
        own, kohas = request.cookies.get(COOKIE), request.cookies.get(KOHA_COOKIE)
        if LoginMethod.PASSWORD in self._methods and own:
            found.append(sign_in.by_token(tx, own))
        if LoginMethod.KOHA_SESSION in self._methods and kohas and not _any_let_in(found):
            found.append(sign_in.by_koha_session(tx, kohas, request.remote_addr or ""))
        return found

    def load_user(self) -> None:
        """Let the page know who asks."""
        g.secret = _visitor()
        outcome = self.identify()
        if isinstance(outcome, SignedIn):
            g.signed_in, g.secret = outcome, outcome.token
        else:
            g.refusal = outcome

    def _check(self) -> BaseResponse | None:
        self.load_user()
        view = _view()
        is_open = getattr(view, _PUBLIC, False)
        if request.method not in _SAFE_METHODS and not _is_own_form(g.secret):
            takes_any = getattr(view, _ACCEPTS_STALE_CSRF, False)
            if (is_open and not takes_any) or not _is_form_of_another_session():
                g.log["refused"] = "csrf"
                abort(400, "stale-form")
            if not takes_any:
                raise StaleForm
        return None if is_open or g.signed_in else _to_sign_in()


def clear_user() -> None:
    """Begin a request without knowing who asks."""
    g.signed_in, g.refusal, g.secret, g.koha_url = None, None, "", ""


def current() -> SignedIn:
    """Return who is signed in; for views that are not open to all."""
    signed_in = g.signed_in
    if not isinstance(signed_in, SignedIn):
        abort(401)
    return signed_in


def csrf_token() -> str:
    """Return what every form of ours carries."""
    return _token(g.secret)


def _token(secret: str) -> str:
    return hmac.new(secret.encode(), _CSRF_CONTEXT, hashlib.sha256).hexdigest()


def current_url() -> str:
    """Return the address of this page without the host, as :func:`safe_target` takes it."""
    return request.script_root + request.full_path.rstrip("?")


def safe_target(target: str | None) -> str | None:
    """Return where to go on, if it is a page of ours."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")):
        return None
    parts = urlsplit(target)
    return None if parts.scheme or parts.netloc else target


def nearest_page(address: str) -> str:
    """Return an address of ours if there is a page at it, else that of the page above: some take forms only."""
    adapter = current_app.create_url_adapter(request)
    path, is_whole = urlsplit(address).path.removeprefix(request.script_root), True
    while adapter is not None and path.strip("/"):
        try:
            adapter.match(path, method="GET")
        except HTTPException:
            path, is_whole = path.rpartition("/")[0], False
        else:
            return address if is_whole else request.script_root + path
    return url_for("staff.home")


def _any_let_in(found: list[SignedIn | SignInRefusal]) -> bool:
    return any(isinstance(outcome, SignedIn) for outcome in found)


def _is_own_form(secret: str) -> bool:
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    given = request.form.get(CSRF_FIELD, "")
    return site in ("same-origin", "none") and hmac.compare_digest(given.encode(), _token(secret).encode())


def _is_form_of_another_session() -> bool:
    """
    Return whether a page of ours has sent this, though not one of the present session.

    The browser says so, or still has the cookie of the session that has ended. What is done then is to ask.
    """
    if request.headers.get("Sec-Fetch-Site") == "same-origin":
        return CSRF_FIELD in request.form
    ended = (request.cookies.get(name) for name in (COOKIE, KOHA_COOKIE, _VISITOR_COOKIE))
    return any(_is_own_form(secret) for secret in ended if secret)


def _visitor() -> str:
    """Return the secret of somebody who is not signed in; made when they come."""
    known = request.cookies.get(_VISITOR_COOKIE, "")
    if not known:
        g.new_visitor = known = secrets.token_urlsafe(24)
    return known


def remember_visitor(response: BaseResponse) -> BaseResponse:
    """Let the browser of somebody who is not signed in keep the secret of their forms."""
    if new := g.pop("new_visitor", None):
        response.set_cookie(
            _VISITOR_COOKIE, new, httponly=True, secure=request.is_secure, samesite="Strict", path=_path()
        )
    return response


def _to_sign_in() -> BaseResponse:
    target = current_url() if request.method in _SAFE_METHODS else None
    return redirect(url_for("staff.sign_in_form", next=target), 303)


def _view() -> object:
    return current_app.view_functions.get(request.endpoint or "")


def _path() -> str:
    return request.script_root or "/"
