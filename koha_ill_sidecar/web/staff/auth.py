"""Signing in and out, and the library to work at."""

import math
import time
from collections.abc import Mapping

from flask import Blueprint, g, redirect, request, url_for
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from koha_ill_sidecar.config.settings import LoginMethod
from koha_ill_sidecar.messages import N_
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services.people import sign_in
from koha_ill_sidecar.services.people.sign_in import SignInRefusal
from koha_ill_sidecar.translations import LANGUAGES
from koha_ill_sidecar.web.proxies import client_network
from koha_ill_sidecar.web.staff.session import COOKIE, StaffSessions, current, public
from koha_ill_sidecar.web.ui import flash, i18n, saved_forms
from koha_ill_sidecar.web.ui.csrf import StaleForm, accept_stale_csrf
from koha_ill_sidecar.web.ui.error_pages import error_page
from koha_ill_sidecar.web.ui.i18n import gettext as _
from koha_ill_sidecar.web.ui.pages import page
from koha_ill_sidecar.web.ui.saved_forms import SavedForm
from koha_ill_sidecar.web.ui.urls import nearest_page, safe_target

_YEAR_SECONDS = 365 * 86400
_MAX_NAME_LENGTH = 200


def install(blueprint: Blueprint, runtime: Runtime, sessions: StaffSessions) -> None:
    """Add the routes."""
    views = _AuthViews(runtime, sessions)
    blueprint.add_url_rule("/sign-in", "sign_in_form", views.get, methods=["GET"])
    blueprint.add_url_rule("/sign-in", "sign_in", views.sign_in, methods=["POST"])
    blueprint.add_url_rule("/go-on", "resubmit", views.resubmit, methods=["POST"])
    blueprint.before_request(_use_chosen_language)
    blueprint.after_request(_remember_language)
    blueprint.register_error_handler(StaleForm, views.save_form)
    blueprint.add_url_rule("/sign-out", "sign_out", views.sign_out, methods=["POST"])
    blueprint.add_url_rule("/library", "set_library", views.set_library, methods=["POST"])
    blueprint.add_url_rule("/language", "set_language", views.set_language, methods=["POST"])


class _AuthViews:
    def __init__(self, runtime: Runtime, sessions: StaffSessions) -> None:
        self._database = runtime.database
        self._sessions = sessions
        self._accepts_passwords = LoginMethod.PASSWORD in runtime.settings.staff.login
        self._accepts_koha_sessions = LoginMethod.KOHA_SESSION in runtime.settings.staff.login
        self._limit = RateLimitItemPerMinute(runtime.settings.staff.login_attempts)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    @public
    def get(self) -> Response:
        """Show the form, or the next page to someone who is signed in already."""
        if g.signed_in is not None:
            return redirect(_target(request.args.get("next")), 303)
        refusal = g.refusal if g.refusal is not SignInRefusal.NOT_SIGNED_IN else None
        return self._form(refusal, next_page=request.args.get("next"))

    @public
    def sign_in(self) -> Response:
        if not self._accepts_passwords:
            return self._form(None, status=403)
        next_page = request.form.get("next")
        name, saved = request.form.get("userid", "").strip()[:_MAX_NAME_LENGTH], saved_forms.carried()
        if i18n.FIELD in request.form:
            return self._form(None, userid=name, next_page=next_page, saved=saved)
        if not self._limiter.hit(self._limit, client_network(request.remote_addr or "")):
            return self._too_many_attempts(name, saved)
        outcome = self._database.transact(
            sign_in.by_password,
            name,
            request.form.get("password", ""),
            request.form.get("branchcode", ""),
        )
        if isinstance(outcome, SignInRefusal):
            g.log["sign_in"] = outcome.value
            return self._form(outcome, status=403, userid=name, next_page=next_page, saved=saved)
        if saved is None:
            response = redirect(_target(next_page), 303)
        else:
            g.signed_in, g.secret = outcome, outcome.token
            response = _ask_whether_to_send(saved)
        self._sessions.set_cookie(response, outcome.token)
        return response

    @public
    @accept_stale_csrf
    def resubmit(self) -> Response:
        """Ask whether to send a saved form, once its author has signed in through Koha."""
        saved = saved_forms.carried()
        if saved is None:
            raise BadRequest
        return self._form(None, saved=saved) if g.signed_in is None else _ask_whether_to_send(saved)

    def save_form(self, _error: StaleForm) -> Response:
        """Save a form whose session has ended until its author has signed in and decides."""
        saved = saved_forms.posted()
        if saved is None:
            return error_page(
                413,
                _("That was too much to save"),
                _(
                    "The session has ended, and what you typed is too long to be saved while you sign in. Go back and"
                    " copy it first."
                ),
            )
        if g.signed_in is not None:
            return _ask_whether_to_send(saved)
        refusal = SignInRefusal.SESSION_EXPIRED if g.refusal is SignInRefusal.NOT_SIGNED_IN else g.refusal
        return self._form(refusal, status=403, saved=saved)

    @public
    def sign_out(self) -> Response:
        """End a session that began here; Koha's own session can only be ended in Koha."""
        if COOKIE in request.cookies:
            self._database.transact(sign_in.sign_out, request.cookies[COOKIE])
        response = redirect(url_for("staff.sign_in_form"), 303)
        response.delete_cookie(COOKIE, path=request.script_root or "/")
        return response

    def set_library(self) -> Response:
        branchcode = request.form.get("branchcode", "")
        refusal = self._database.transact(sign_in.set_library, current(), branchcode)
        if refusal is None:
            name = current().libraries[branchcode]
            flash.flash("done", _("You now work at %(library)s.", library=name))
        else:
            flash.flash("error", refusal_text(refusal))
        return redirect(_target(request.form.get("next")), 303)

    @public
    def set_language(self) -> Response:
        """Change the language; :func:`_use_chosen_language` does it, as for any form that names one."""
        return redirect(_target(request.form.get("next")), 303)

    def _form(
        self,
        refusal: SignInRefusal | None,
        *,
        status: int = 200,
        userid: str = "",
        next_page: str | None = None,
        problem: str = "",
        saved: SavedForm | None = None,
    ) -> Response:
        return page(
            "staff/sign_in.html",
            status,
            problem=problem or refusal_text(refusal),
            saved=saved,
            userid=userid,
            next_page=safe_target(next_page) or "",
            accepts_passwords=self._accepts_passwords,
            accepts_koha_sessions=self._accepts_koha_sessions,
            libraries=self._database.transact(sign_in.libraries_to_choose) if self._accepts_passwords else {},
            branchcode=request.form.get("branchcode", ""),
        )

    def _too_many_attempts(self, name: str, saved: SavedForm | None) -> Response:
        free_at = self._limiter.get_window_stats(
            self._limit, client_network(request.remote_addr or "")
        ).reset_time
        seconds = max(1, math.ceil(free_at - time.time()))
        response = self._form(
            None,
            status=429,
            userid=name,
            next_page=request.form.get("next"),
            problem=_("Too many attempts. Wait %(seconds)d seconds and try again.", seconds=seconds),
            saved=saved,
        )
        response.headers["Retry-After"] = str(seconds)
        return response


def _target(next_page: str | None) -> str:
    return safe_target(next_page) or url_for("staff.home")


def _use_chosen_language() -> None:
    chosen = request.form.get(i18n.FIELD) if request.method == "POST" else None
    if chosen in LANGUAGES:
        g.language = g.chosen_language = chosen


def _remember_language(response: Response) -> Response:
    if chosen := g.pop("chosen_language", None):
        response.set_cookie(
            i18n.COOKIE, chosen, max_age=_YEAR_SECONDS, samesite="Lax", path=request.script_root or "/"
        )
    return response


def _ask_whether_to_send(saved: SavedForm) -> Response:
    member = current().member
    return page(
        "saved_form.html",
        saved=saved,
        page_url=nearest_page(saved.url, url_for("staff.home")),
        user_name=member.name or member.userid,
    )


_REFUSALS: Mapping[SignInRefusal, str] = {
    SignInRefusal.SESSION_EXPIRED: N_("Your session has ended. Please sign in again."),
    SignInRefusal.OTHER_ADDRESS: N_("Your session belongs to another network address. Please sign in again."),
    SignInRefusal.NO_PATRON: N_(
        "The database administrator account cannot work here. Sign in with a staff account."
    ),
    SignInRefusal.WRONG_PASSWORD: N_("The user name or password is wrong."),
    SignInRefusal.LOCKED: N_(
        "This account is locked after too many wrong passwords. Have the password reset in Koha."
    ),
    SignInRefusal.PASSWORD_EXPIRED: N_("The password has expired. Set a new one in Koha."),
    SignInRefusal.SECOND_FACTOR: N_(
        "This account uses two-factor authentication. Sign in to Koha, then come back here."
    ),
    SignInRefusal.NO_STAFF_ACCESS: N_(
        "This account may not use the staff interface: it lacks Koha's catalogue permission."
    ),
    SignInRefusal.NO_ILL_PERMISSION: N_(
        "This account may not work with ILL requests: it lacks Koha's ill permission."
    ),
    SignInRefusal.NOT_AT_LIBRARY: N_("You may not work at that library."),
}


def refusal_text(refusal: SignInRefusal | None) -> str:
    """Return why a sign-in was refused and what to do; "" without a refusal."""
    return _(_REFUSALS.get(refusal, "")) if refusal else ""
