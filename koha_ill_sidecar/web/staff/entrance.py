"""Signing in and out, and the library to work at."""

from collections.abc import Mapping

from flask import Blueprint, g, redirect, request, url_for
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from werkzeug.wrappers import Response

from koha_ill_sidecar.config.settings import LoginMethod
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services import sign_in
from koha_ill_sidecar.services.sign_in import Refusal
from koha_ill_sidecar.web import i18n
from koha_ill_sidecar.web.i18n import gettext as _
from koha_ill_sidecar.web.pages import page
from koha_ill_sidecar.web.staff import messages
from koha_ill_sidecar.web.staff.access import COOKIE, Access, current, open_to_all, safe_target
from koha_ill_sidecar.words import N_

_YEAR_SECONDS = 365 * 86400
_LONGEST_ENTRY = 200


def install(blueprint: Blueprint, runtime: Runtime, access: Access) -> None:
    """Add the routes."""
    entrance = _Entrance(runtime, access)
    blueprint.add_url_rule("/sign-in", "sign_in_form", entrance.show, methods=["GET"])
    blueprint.add_url_rule("/sign-in", "sign_in", entrance.sign_in, methods=["POST"])
    blueprint.add_url_rule("/sign-out", "sign_out", entrance.sign_out, methods=["POST"])
    blueprint.add_url_rule("/library", "work_at", entrance.work_at, methods=["POST"])
    blueprint.add_url_rule("/language", "language", entrance.language, methods=["POST"])


class _Entrance:
    def __init__(self, runtime: Runtime, access: Access) -> None:
        self._database = runtime.database
        self._access = access
        self._takes_passwords = LoginMethod.PASSWORD in runtime.settings.staff.login
        self._takes_sessions = LoginMethod.KOHA_SESSION in runtime.settings.staff.login
        self._limit = RateLimitItemPerMinute(runtime.settings.staff.login_attempts)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    @open_to_all
    def show(self) -> Response:
        """Show the form, or go on where somebody is signed in."""
        if g.signed_in is not None:
            return redirect(self._target(request.args.get("next")), 303)
        refusal = g.refusal if g.refusal is not Refusal.NOT_SIGNED_IN else None
        return self._form(refusal, next_page=request.args.get("next"))

    @open_to_all
    def sign_in(self) -> Response:
        """Take a password."""
        if not self._takes_passwords:
            return self._form(None, status=403)
        if not self._limiter.hit(self._limit, request.remote_addr or ""):
            return self._form(None, status=429, is_too_often=True)
        name = request.form.get("userid", "").strip()[:_LONGEST_ENTRY]
        outcome = self._database.transact(
            sign_in.by_password,
            name,
            request.form.get("password", ""),
            request.form.get("branchcode", ""),
        )
        if isinstance(outcome, Refusal):
            g.log["sign_in"] = outcome.value
            return self._form(outcome, status=403, userid=name, next_page=request.form.get("next"))
        response = redirect(self._target(request.form.get("next")), 303)
        self._access.set_cookie(response, outcome.token)
        return response

    @open_to_all
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
        refusal = self._database.transact(sign_in.work_at, current(), branchcode)
        if refusal is None:
            name = current().libraries[branchcode]
            messages.tell("done", _("You now work at %(library)s.", library=name))
        else:
            messages.tell("error", refusal_text(refusal))
        return redirect(self._target(request.form.get("next")), 303)

    @open_to_all
    def language(self) -> Response:
        """Speak another language."""
        response = redirect(self._target(request.form.get("next")), 303)
        chosen = request.form.get("language", "")
        if chosen in i18n.LANGUAGES:
            response.set_cookie(
                i18n.COOKIE, chosen, max_age=_YEAR_SECONDS, samesite="Lax", path=request.script_root or "/"
            )
        return response

    def _form(
        self,
        refusal: Refusal | None,
        *,
        status: int = 200,
        userid: str = "",
        next_page: str | None = None,
        is_too_often: bool = False,
    ) -> Response:
        return page(
            "staff/sign_in.html",
            status,
            problem=_("Too many attempts. Wait a minute and try again.")
            if is_too_often
            else refusal_text(refusal),
            userid=userid,
            next_page=safe_target(next_page) or "",
            takes_passwords=self._takes_passwords,
            takes_sessions=self._takes_sessions,
            libraries=self._database.transact(sign_in.libraries_to_choose) if self._takes_passwords else {},
            branchcode=request.form.get("branchcode", ""),
        )

    @staticmethod
    def _target(given: str | None) -> str:
        return safe_target(given) or url_for("staff.home")


_REFUSALS: Mapping[Refusal, str] = {
    Refusal.SESSION_EXPIRED: N_("Your session has ended. Please sign in again."),
    Refusal.OTHER_ADDRESS: N_("Your session belongs to another network address. Please sign in again."),
    Refusal.NO_PATRON: N_(
        "The database administrator account cannot work here. Sign in with a staff account."
    ),
    Refusal.WRONG_PASSWORD: N_("The user name or the password is not right."),
    Refusal.LOCKED: N_(
        "This account is locked after too many wrong passwords. Have the password reset in Koha."
    ),
    Refusal.PASSWORD_EXPIRED: N_("The password has expired. Set a new one in Koha."),
    Refusal.SECOND_FACTOR: N_("This account has a second factor. Sign in to Koha, then come back here."),
    Refusal.NO_STAFF_ACCESS: N_(
        "This account may not use the staff interface: it lacks Koha's permission catalogue."
    ),
    Refusal.NO_ILL_PERMISSION: N_(
        "This account may not work with ILL requests: it lacks Koha's permission ill."
    ),
    Refusal.NOT_AT_LIBRARY: N_("You may not work at that library."),
}


def refusal_text(refusal: Refusal | None) -> str:
    """Say why somebody is not let in, and what to do; nothing where there is nothing to say."""
    return _(_REFUSALS.get(refusal, "")) if refusal else ""
