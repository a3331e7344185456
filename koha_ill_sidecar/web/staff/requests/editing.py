"""The form for editing a request."""

from collections.abc import Mapping
from dataclasses import replace

from flask import Blueprint, redirect, url_for
from werkzeug.wrappers import Response

from koha_ill_sidecar.domain.attributes import MaterialType
from koha_ill_sidecar.domain.concurrent_changes import ConcurrentChange, RequestChanged
from koha_ill_sidecar.errors import RequestRefused
from koha_ill_sidecar.messages import N_
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services.requests import edit_form
from koha_ill_sidecar.services.requests.edit_form import RequestForm, TypedPatron
from koha_ill_sidecar.web.staff.session import current
from koha_ill_sidecar.web.ui import flash, forms
from koha_ill_sidecar.web.ui.forms import FormErrors
from koha_ill_sidecar.web.ui.i18n import gettext as _
from koha_ill_sidecar.web.ui.i18n import translate
from koha_ill_sidecar.web.ui.pages import page

_LABELS: Mapping[str, str] = {
    "borrowernumber": N_("Patron"),
    "managedby": N_("Managed by"),
    "biblio_id": N_("Bibliographic record ID"),
    "branchcode": N_("Library"),
    "status_alias": N_("Status"),
    "price_paid": N_("Price paid"),
    "batch_id": N_("Batch"),
    "notesstaff": N_("Staff notes"),
    "notesopac": N_("OPAC notes"),
}
_MESSAGES: Mapping[str, str] = {
    "invalid_manager": N_("Choose a member of staff who has the permission to work with ILL requests."),
    "invalid_biblio": N_("There is no record with this ID."),
    "invalid_branch": N_("Choose a library."),
    "missing_branch": N_("Choose a library."),
    "invalid_batch": N_("This batch no longer exists."),
    "unknown_status_alias": N_("This status no longer exists."),
}
"""Messages in place of the refusals' own, which address people who type codes."""


def install(blueprint: Blueprint, runtime: Runtime) -> None:
    """Add the routes."""
    views = _EditViews(runtime)
    path = "/requests/<int:illrequest_id>/edit"
    blueprint.add_url_rule(path, "edit_request", views.get, methods=["GET"])
    blueprint.add_url_rule(path, "save_request", views.post, methods=["POST"])


class _EditViews:
    def __init__(self, runtime: Runtime) -> None:
        self._database = runtime.database

    def get(self, illrequest_id: int) -> Response:
        known = self._database.transact(edit_form.form, illrequest_id, current().member)
        return self._page(known, known.values, _shown_patron(known, TypedPatron("", None)), FormErrors())

    def post(self, illrequest_id: int) -> Response:
        typed = {name: forms.text(name) for name in _LABELS if name != "borrowernumber"}
        patron, (button, argument) = _typed_patron(), forms.pressed_button()
        if button == "choose":
            patron = TypedPatron("", forms.as_number(argument))
        if button != "save":
            return self._form(illrequest_id, typed, patron, forms.posted_version(), FormErrors())
        try:
            outcome = self._database.transact(
                edit_form.save,
                illrequest_id,
                current().member,
                typed=typed,
                patron=patron,
                version=forms.posted_version(),
            )
        except RequestChanged as error:
            return self._changed(illrequest_id, typed, patron, error.change)
        if isinstance(outcome, Mapping):
            errors = {name: _message(error) for name, error in outcome.items()}
            return self._form(
                illrequest_id, typed, patron, forms.posted_version(), FormErrors(by_field=errors)
            )
        flash.flash("done", _("The request was saved."))
        return redirect(url_for("staff.request", illrequest_id=illrequest_id), 303)

    def _changed(
        self, illrequest_id: int, typed: Mapping[str, str], patron: TypedPatron, changed: ConcurrentChange
    ) -> Response:
        taken = dict(changed.taken)
        if (other := taken.pop("borrowernumber", None)) is not None:
            patron = TypedPatron("", forms.as_number(other))
        return self._form(illrequest_id, {**typed, **taken}, patron, changed.now, FormErrors(changed=changed))

    def _form(
        self,
        illrequest_id: int,
        typed: Mapping[str, str],
        patron: TypedPatron,
        version: Mapping[str, str],
        errors: FormErrors,
    ) -> Response:
        known = self._database.transact(edit_form.form, illrequest_id, current().member, typed_patron=patron)
        return self._page(known, {**known.values, **typed}, _shown_patron(known, patron), errors, version)

    def _page(
        self,
        known: RequestForm,
        values: Mapping[str, str],
        patron: TypedPatron,
        errors: FormErrors,
        version: Mapping[str, str] | None = None,
    ) -> Response:
        return page(
            "staff/requests/edit.html",
            errors.status,
            known=known,
            values=values,
            patron=patron,
            version=forms.version_field(known.values if version is None else version),
            errors=errors,
            labels=_LABELS,
            libraries=current().libraries,
            type_labels={kind.value: kind.label for kind in MaterialType},
            shown_values=self._shown(known, errors),
        )

    def _shown(self, known: RequestForm, errors: FormErrors) -> Mapping[str, Mapping[str, str]]:
        """Return the labels of codes and IDs, for the table of changes by someone else."""
        differences = errors.changed.differences if errors.changed else ()
        given = {
            value
            for one in differences
            if one.name == "borrowernumber"
            for value in (one.was, one.now, one.yours)
        }
        numbers = {number for value in given if (number := forms.as_number(value)) is not None}
        patrons = self._database.transact(edit_form.patron_labels, numbers) if numbers else {}
        return {
            "borrowernumber": _by_text(patrons),
            "branchcode": current().libraries,
            "status_alias": {**known.aliases, "": known.status},
            "managedby": _by_text(known.managers or {}),
            "batch_id": _by_text(known.batches or {}),
        }


def _typed_patron() -> TypedPatron:
    text = forms.text("patron")
    return TypedPatron(text, forms.number("borrowernumber") if text else None)


def _shown_patron(known: RequestForm, typed: TypedPatron) -> TypedPatron:
    """Return the content of the patron field: the patron that matches, else what was typed."""
    if known.patron is None:
        return replace(typed, chosen=None)
    return TypedPatron(known.patron.label, known.patron.borrowernumber)


def _by_text(names: Mapping[int, str]) -> Mapping[str, str]:
    return {str(number): name for number, name in names.items()}


def _message(error: RequestRefused) -> str:
    return _(_MESSAGES[error.code]) if error.code in _MESSAGES else translate(error.message)
