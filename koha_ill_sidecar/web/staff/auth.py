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
from koha_ill_sidecar.web.ui import flash, i18n, saved_forms
from koha_ill_sidecar.web.ui.access import (
    COOKIE,
    Access,
    StaleForm,
    accept_stale_csrf,
    current,
    nearest_page,
    public,
    safe_target,
)
from koha_ill_sidecar.web.ui.i18n import gettext as _
from koha_ill_sidecar.web.ui.pages import page
from koha_ill_sidecar.web.ui.saved_forms import SavedForm

_YEAR_SECONDS = 365 * 86400
_LONGEST_ENTRY = 200


def install(blueprint: Blueprint, runtime: Runtime, access: Access) -> None:
    """Add the routes."""
    entrance = _AuthViews(runtime, access)
    blueprint.add_url_rule("/sign-in", "sign_in_form", entrance.show, methods=["GET"])
    blueprint.add_url_rule("/sign-in", "sign_in", entrance.sign_in, methods=["POST"])
    blueprint.add_url_rule("/go-on", "go_on", entrance.resubmit, methods=["POST"])
    blueprint.before_request(_speak_as_chosen)
    blueprint.after_request(_remember_language)
    blueprint.register_error_handler(StaleForm, entrance.keep_form)
    blueprint.add_url_rule("/sign-out", "sign_out", entrance.sign_out, methods=["POST"])
    blueprint.add_url_rule("/library", "work_at", entrance.work_at, methods=["POST"])
    blueprint.add_url_rule("/language", "language", entrance.language, methods=["POST"])


class _AuthViews:
    def __init__(self, runtime: Runtime, access: Access) -> None:
        self._database = runtime.database
        self._access = access
        self._takes_passwords = LoginMethod.PASSWORD in runtime.settings.staff.login
        self._takes_sessions = LoginMethod.KOHA_SESSION in runtime.settings.staff.login
        self._limit = RateLimitItemPerMinute(runtime.settings.staff.login_attempts)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    @public
    def show(self) -> Response:
        """Show the form, or go on where somebody is signed in."""
        if g.signed_in is not None:
            return redirect(self._target(request.args.get("next")), 303)
        refusal = g.refusal if g.refusal is not SignInRefusal.NOT_SIGNED_IN else None
        return self._form(refusal, next_page=request.args.get("next"))

    @public
    def sign_in(self) -> Response:
        """Take a password."""
        if not self._takes_passwords:
            return self._form(None, status=403)
        next_page = request.form.get("next")
        name, kept = request.form.get("userid", "").strip()[:_LONGEST_ENTRY], saved_forms.carried()
        if i18n.FIELD in request.form:
            return self._form(None, userid=name, next_page=next_page, kept=kept)
        if not self._limiter.hit(self._limit, request.remote_addr or ""):
            return self._wait(name, kept)
        outcome = self._database.transact(
            sign_in.by_password,
            name,
            request.form.get("password", ""),
            request.form.get("branchcode", ""),
        )
        if isinstance(outcome, SignInRefusal):
            g.log["sign_in"] = outcome.value
            return self._form(outcome, status=403, userid=name, next_page=next_page, kept=kept)
        if kept is None:
            response = redirect(self._target(next_page), 303)
        else:
            g.signed_in, g.secret = outcome, outcome.token
            response = _ask_whether_to_send(kept)
        self._access.set_cookie(response, outcome.token)
        return response

    @public
    @accept_stale_csrf
    def resubmit(self) -> Response:
        """Go on with a kept form, for whoever has signed in through Koha meanwhile."""
        kept = saved_forms.carried()
        if kept is None:
            raise BadRequest
        return self._form(None, kept=kept) if g.signed_in is None else _ask_whether_to_send(kept)

    def keep_form(self, error: StaleForm) -> Response:
        """Keep what was typed while somebody signs in; who is signed in decides at once."""
        del error
        kept = saved_forms.sent_now()
        if kept is None:
            return page(
                "staff/error.html",
                413,
                title=_("That was too much to keep"),
                text=_(
                    "The session has ended, and what you typed is too long to be kept while you sign in. Go back and"
                    " copy it first."
                ),
            )
        if g.signed_in is not None:
            return _ask_whether_to_send(kept)
        refusal = SignInRefusal.SESSION_EXPIRED if g.refusal is SignInRefusal.NOT_SIGNED_IN else g.refusal
        return self._form(refusal, status=403, kept=kept)

    @public
    def sign_out(self) -> Response:
        """End the session that was begun here; Koha's own ends in Koha."""
        if COOKIE in request.cookies:
            self._database.transact(sign_in.sign_out, request.cookies[COOKIE])
        response = redirect(url_for("staff.sign_in_form"), 303)
        response.delete_cookie(COOKIE, path=request.script_root or "/")
        return response

    def work_at(self) -> Response:
        """Work at another library."""
        branchcode = request.form.get("branchcode", "")
        refusal = self._database.transact(sign_in.set_library, current(), branchcode)
        if refusal is None:
            name = current().libraries[branchcode]
            flash.flash("done", _("You now work at %(library)s.", library=name))
        else:
            flash.flash("error", refusal_text(refusal))
        return redirect(self._target(request.form.get("next")), 303)

    @public
    def language(self) -> Response:
        """Speak another language, which whatever form names it does."""
        return redirect(self._target(request.form.get("next")), 303)

    def _form(
        self,
        refusal: SignInRefusal | None,
        *,
        status: int = 200,
        userid: str = "",
        next_page: str | None = None,
        problem: str = "",
        kept: SavedForm | None = None,
    ) -> Response:
        return page(
            "staff/sign_in.html",
            status,
            problem=problem or refusal_text(refusal),
            kept=kept,
            userid=userid,
            next_page=safe_target(next_page) or "",
            takes_passwords=self._takes_passwords,
            takes_sessions=self._takes_sessions,
            libraries=self._database.transact(sign_in.libraries_to_choose) if self._takes_passwords else {},
            branchcode=request.form.get("branchcode", ""),
        )

    def _wait(self, name: str, kept: SavedForm | None) -> Response:
        free_at = self._limiter.get_window_stats(self._limit, request.remote_addr or "").reset_time
        seconds = max(1, math.ceil(free_at - time.time()))
        response = self._form(
            None,
            status=429,
            userid=name,
            next_page=request.form.get("next"),
            problem=_("Too many attempts. Wait %(seconds)d seconds and try again.", seconds=seconds),
            kept=kept,
        )
        response.headers["Retry-After"] = str(seconds)
        return response

    @staticmethod
    def _target(given: str | None) -> str:
        return safe_target(given) or url_for("staff.home")


def _speak_as_chosen() -> None:
    chosen = request.form.get(i18n.FIELD) if request.method == "POST" else None
    if chosen in i18n.LANGUAGES:
        g.language = g.chosen_language = chosen


def _remember_language(response: Response) -> Response:
    if chosen := g.pop("chosen_language", None):
        response.set_cookie(
            i18n.COOKIE, chosen, max_age=_YEAR_SECONDS, samesite="Lax", path=request.script_root or "/"
        )
    return response


def _ask_whether_to_send(kept: SavedForm) -> Response:
    return page("staff/kept_form.html", kept=kept, page_of_it=nearest_page(kept.url))


_REFUSALS: Mapping[SignInRefusal, str] = {
    SignInRefusal.SESSION_EXPIRED: N_("Your session has ended. Please sign in again."),
    SignInRefusal.OTHER_ADDRESS: N_("Your session belongs to another network address. Please sign in again."),
    SignInRefusal.NO_PATRON: N_(
        "The database administrator account cannot work here. Sign in with a staff account."
    ),
    SignInRefusal.WRONG_PASSWORD: N_("The user name or the password is not right."),
    SignInRefusal.LOCKED: N_(
        "This account is locked after too many wrong passwords. Have the password reset in Koha."
    ),
    SignInRefusal.PASSWORD_EXPIRED: N_("The password has expired. Set a new one in Koha."),
    SignInRefusal.SECOND_FACTOR: N_(
        "This account has a second factor. Sign in to Koha, then come back here."
    ),
    SignInRefusal.NO_STAFF_ACCESS: N_(
        "This account may not use the staff interface: it lacks Koha's permission catalogue."
    ),
    SignInRefusal.NO_ILL_PERMISSION: N_(
        "This account may not work with ILL requests: it lacks Koha's permission ill."
    ),
    SignInRefusal.NOT_AT_LIBRARY: N_("You may not work at that library."),
}


def refusal_text(refusal: SignInRefusal | None) -> str:
    """Return why somebody is not let in, and what to do; nothing where there is nothing to say."""
    return _(_REFUSALS.get(refusal, "")) if refusal else ""
