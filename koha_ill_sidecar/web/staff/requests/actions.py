"""
The actions of the status graph: each has a page that says what will happen, with one button.

What an action does and asks for is in :mod:`koha_ill_sidecar.domain.actions`. Actions that need more input (partners,
the item) have pages elsewhere.
"""

from flask import Blueprint, redirect, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from koha_ill_sidecar.backends.registry import find_action
from koha_ill_sidecar.domain import actions
from koha_ill_sidecar.domain.actions import Action, Choice
from koha_ill_sidecar.domain.concurrent_changes import ConcurrentChange, RequestChanged
from koha_ill_sidecar.domain.requests import ILLRequest
from koha_ill_sidecar.errors import ActionNotAllowed, RequestRefused, StatusConflict
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services.requests.actions import function_of, preview_action
from koha_ill_sidecar.services.requests.header import load_header
from koha_ill_sidecar.services.requests.statuses import status_of
from koha_ill_sidecar.web.staff.session import current, staff_context
from koha_ill_sidecar.web.ui import flash, forms
from koha_ill_sidecar.web.ui.forms import FormErrors
from koha_ill_sidecar.web.ui.i18n import gettext as _
from koha_ill_sidecar.web.ui.pages import page

_KOHAS_OWN = "-"  # in the form: the backend that comes with Koha


def install(blueprint: Blueprint, runtime: Runtime) -> None:
    """Add the routes."""
    views = _ActionViews(runtime)
    path = "/requests/<int:illrequest_id>/actions/<method>"
    blueprint.add_url_rule(path, "ask_action", views.get)
    blueprint.add_url_rule(path, "do_action", views.post, methods=["POST"])


class _ActionViews:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._database = runtime.database

    def get(self, illrequest_id: int, method: str) -> Response:
        return self._form(illrequest_id, _action(method))

    def post(self, illrequest_id: int, method: str) -> Response:
        action = _action(method)
        choices = self._choices(illrequest_id, action)
        if choices is None:
            return self._form(illrequest_id, action, problem=_("Choose another provider."))
        try:
            after = self._database.transact(
                function_of(action),
                illrequest_id,
                current().member,
                version=forms.posted_version(),
                **choices,
            )
        except RequestChanged as error:
            return self._form(illrequest_id, action, changed=error.change)
        except (ActionNotAllowed, StatusConflict):
            return self._not_possible(illrequest_id)
        except RequestRefused:  # only of a status alias that was removed in the meantime
            return self._form(illrequest_id, action, problem=_("This status no longer exists."))
        return self._redirect(action, illrequest_id, after)

    def _choices(self, illrequest_id: int, action: Action) -> dict[str, str | None] | None:
        """Return what the form says for what the action asks for; None if it has to be chosen again."""
        match action.asks_for:
            case Choice.STATUS_ALIAS:
                return {Choice.STATUS_ALIAS: request.form.get("status_alias") or None}
            case Choice.SUPPLIER:
                header = self._database.transact(load_header, illrequest_id, staff_context(self._runtime))
                pressed = request.form.get("supplier", "")
                supplier = None if pressed == _KOHAS_OWN else pressed
                return {Choice.SUPPLIER: supplier} if supplier in header.suppliers else None
        return {}

    def _form(
        self,
        illrequest_id: int,
        action: Action,
        *,
        problem: str = "",
        changed: ConcurrentChange | None = None,
    ) -> Response:
        try:
            preview = self._database.transact(
                preview_action, illrequest_id, action, staff_context(self._runtime)
            )
        except ActionNotAllowed:
            return self._not_possible(illrequest_id, changed)
        errors = FormErrors(problem=problem, changed=changed)
        return page(
            "staff/requests/action.html",
            errors.status,
            preview=preview,
            header=preview.header,
            action=action,
            kohas_own=_KOHAS_OWN,
            errors=errors,
            version=forms.next_version(preview.version, changed),
        )

    def _not_possible(self, illrequest_id: int, changed: ConcurrentChange | None = None) -> Response:
        header = self._database.transact(load_header, illrequest_id, staff_context(self._runtime))
        return page("staff/requests/not_possible.html", 409, header=header, changed=changed)

    def _redirect(self, action: Action, illrequest_id: int, after: ILLRequest) -> Response:
        """Flash what was done, and redirect to the request to show next."""
        prefix = self._database.site.id_prefix(
            after.branchcode
        )  # a new request has the library of the old one
        shown_id = f"{prefix}{illrequest_id}"
        if action is actions.DELETE:
            flash.flash("done", _("Request %(number)s was deleted. No notice was queued.", number=shown_id))
            return redirect(url_for("staff.requests"), 303)
        if action is actions.SWITCH_PROVIDER:
            text = _(
                "Request %(new)s replaces request %(old)s, which was reverted. No notice was queued.",
                new=f"{prefix}{after.illrequest_id}",
                old=shown_id,
            )
        else:
            status = self._database.transact(status_of, after)
            text = _("The status is now: %(status)s. No notice was queued.", status=_(status))
        flash.flash("done", text)
        return redirect(url_for("staff.request", illrequest_id=after.illrequest_id), 303)


def _action(method: str) -> Action:
    action = find_action(method)
    if action is None or not action.has_question:
        raise NotFound
    return action
