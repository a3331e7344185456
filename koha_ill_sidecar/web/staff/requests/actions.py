"""
The actions of the status graph: each asks on a page of its own, which tells what will happen, and has one button.

What an action needs more room for (partners, the item) has its pages elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Blueprint, redirect, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from koha_ill_sidecar.domain.snapshots import ConcurrentChange
from koha_ill_sidecar.domain.statuses import Action
from koha_ill_sidecar.errors import ActionNotAllowed, RequestChangedMeanwhile, RequestRefused
from koha_ill_sidecar.messages import N_
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services.requests import creation
from koha_ill_sidecar.services.requests import lifecycle as service
from koha_ill_sidecar.services.requests.actions import ActionFunction, ActionResult, perform, preview_action
from koha_ill_sidecar.services.requests.header import load_header
from koha_ill_sidecar.services.requests.snapshots import check_unchanged
from koha_ill_sidecar.web.staff.requests.workplace import staff_context
from koha_ill_sidecar.web.staff.session import current
from koha_ill_sidecar.web.ui import flash, forms
from koha_ill_sidecar.web.ui.forms import FormErrors
from koha_ill_sidecar.web.ui.i18n import gettext as _
from koha_ill_sidecar.web.ui.pages import page

_KOHAS_OWN = "-"  # in the form: the backend that comes with Koha


@dataclass(frozen=True, slots=True)
class _Question:
    """What the page of an action says, beside the status."""

    effects: tuple[str, ...]
    is_dangerous: bool = False
    needs_patron: bool = False  # as the manual has it; Koha itself does not insist


_QUESTIONS: Mapping[str, _Question] = {
    Action.CONFIRM: _Question((N_("The request's own number becomes its order number."),), needs_patron=True),
    Action.REVERT: _Question((N_("Its order number is taken away."),)),
    Action.MARK_COMPLETED: _Question((N_("It counts as completed today."),), needs_patron=True),
    Action.DELETE: _Question(
        (
            N_("The request is deleted with what is known of the item. This cannot be taken back."),
            N_("Its log and its bibliographic record stay."),
        ),
        is_dangerous=True,
    ),
    Action.SWITCH_PROVIDER: _Question(
        (
            N_("A new request takes over the patron, the library and the details of the item."),
            N_(
                "The record, the notes, the comments and the batch stay with this request, which is reverted."
            ),
        ),
        needs_patron=True,
    ),
}


def install(blueprint: Blueprint, runtime: Runtime) -> None:
    """Add the routes."""
    actions = _ActionViews(runtime)
    path = "/requests/<int:illrequest_id>/actions/<method>"
    blueprint.add_url_rule(path, "ask_action", actions.get)
    blueprint.add_url_rule(path, "do_action", actions.post, methods=["POST"])


class _ActionViews:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._database = runtime.database

    def get(self, illrequest_id: int, method: str) -> Response:
        """Return what an action will do."""
        return self._form(illrequest_id, method)

    def post(self, illrequest_id: int, method: str) -> Response:
        """Do it."""
        run = self._run(illrequest_id, method)
        if run is None:
            return self._form(illrequest_id, method, problem=_("Choose another provider."))
        try:
            done = self._database.transact(
                check_unchanged,
                illrequest_id,
                forms.posted_version(),
                lambda tx: perform(tx, illrequest_id, run, current().member),
            )
        except (ActionNotAllowed, RequestChangedMeanwhile):
            return self._not_possible(illrequest_id)
        except RequestRefused:
            return self._form(illrequest_id, method, problem=_("This status does not exist any more."))
        if isinstance(done, ConcurrentChange):
            return self._form(illrequest_id, method, changed=done)
        return _went(method, done)

    def _run(self, illrequest_id: int, method: str) -> ActionFunction | None:
        """Return what does an action with what the form says; nothing where the form lacks something."""
        match method:
            case Action.CONFIRM:
                return service.confirm
            case Action.REVERT:
                return service.revert
            case Action.DELETE:
                return service.delete
            case Action.MARK_COMPLETED:
                alias = request.form.get("status_alias") or None
                return lambda tx, number, actor: service.mark_completed(tx, number, actor, status_alias=alias)
            case Action.SWITCH_PROVIDER:
                return self._switch(illrequest_id)
        raise NotFound

    def _switch(self, illrequest_id: int) -> ActionFunction | None:
        header = self._database.transact(load_header, illrequest_id, staff_context(self._runtime))
        given = request.form.get("supplier", "")
        supplier = None if given == _KOHAS_OWN else given
        if supplier not in header.suppliers:
            return None
        return lambda tx, number, actor: creation.switch_provider(
            tx, number, actor, supplier_backend=supplier
        )

    def _form(
        self,
        illrequest_id: int,
        method: str,
        *,
        problem: str = "",
        changed: ConcurrentChange | None = None,
    ) -> Response:
        question = _QUESTIONS.get(method)
        if question is None:
            raise NotFound
        try:
            preview = self._database.transact(
                preview_action, illrequest_id, method, staff_context(self._runtime)
            )
        except ActionNotAllowed:
            return self._not_possible(illrequest_id, changed)
        errors = FormErrors(problem=problem, changed=changed)
        return page(
            "staff/requests/action.html",
            errors.status,
            preview=preview,
            header=preview.header,
            question=question,
            kohas_own=_KOHAS_OWN,
            errors=errors,
            seen=forms.seen_since(preview.version, changed),
        )

    def _not_possible(self, illrequest_id: int, changed: ConcurrentChange | None = None) -> Response:
        header = self._database.transact(load_header, illrequest_id, staff_context(self._runtime))
        return page("staff/requests/not_possible.html", 409, header=header, changed=changed)


def _went(method: str, done: ActionResult) -> Response:
    if done.ill_request is None:
        flash.flash("done", _("Request %(number)s was deleted. No notice was queued.", number=done.shown_id))
        return redirect(url_for("staff.requests"), 303)
    if method == Action.SWITCH_PROVIDER:
        text = _(
            "Request %(new)s goes on with what request %(old)s asked for; that one was reverted. "
            "No notice was queued.",
            new=done.new_shown_id,
            old=done.shown_id,
        )
    else:
        text = _("The status is now: %(status)s. No notice was queued.", status=_(done.status))
    flash.flash("done", text)
    return redirect(url_for("staff.request", illrequest_id=done.ill_request.illrequest_id), 303)
