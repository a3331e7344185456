"""The form for editing the metadata of the requested item."""

from collections.abc import Mapping

from flask import Blueprint, redirect, url_for
from werkzeug.wrappers import Response

from koha_ill_sidecar.domain.attributes import label
from koha_ill_sidecar.domain.concurrent_changes import RequestChanged
from koha_ill_sidecar.domain.item_form import ItemEntry, entry_of
from koha_ill_sidecar.errors import ActionNotAllowed, RequestRefused
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services.requests import item_form
from koha_ill_sidecar.services.requests.header import load_header
from koha_ill_sidecar.services.requests.item_form import ItemForm
from koha_ill_sidecar.web.staff.requests import item_fields
from koha_ill_sidecar.web.staff.session import current, staff_context
from koha_ill_sidecar.web.ui import flash, forms
from koha_ill_sidecar.web.ui.forms import FormErrors
from koha_ill_sidecar.web.ui.i18n import gettext as _
from koha_ill_sidecar.web.ui.i18n import translate
from koha_ill_sidecar.web.ui.pages import page


def install(blueprint: Blueprint, runtime: Runtime) -> None:
    """Add the routes."""
    views = _ItemViews(runtime)
    path = "/requests/<int:illrequest_id>/item"
    blueprint.add_url_rule(path, "edit_item", views.get, methods=["GET"])
    blueprint.add_url_rule(path, "save_item", views.post, methods=["POST"])


class _ItemViews:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._database = runtime.database

    def get(self, illrequest_id: int) -> Response:
        try:
            known = self._database.transact(item_form.form, illrequest_id)
        except ActionNotAllowed:
            return self._not_possible(illrequest_id)
        return _page(known, known.entry, known.values, FormErrors())

    def post(self, illrequest_id: int) -> Response:
        try:
            return self._save(illrequest_id)
        except ActionNotAllowed:
            return self._not_possible(illrequest_id)

    def _save(self, illrequest_id: int) -> Response:
        known = self._database.transact(item_form.form, illrequest_id)
        entry = item_fields.read_entry(known.entry.field_sets)
        if forms.pressed_button()[0] != "save":
            return _page(known, entry, forms.posted_version(), FormErrors())
        errors = FormErrors(by_row=item_fields.row_errors(entry))
        if not entry.type:
            errors.by_field["type"] = _("Choose the type of material.")
        if errors.status != 200:
            return _page(known, entry, forms.posted_version(), errors)
        try:
            emptied = self._database.transact(
                item_form.save, illrequest_id, current().member, entry=entry, version=forms.posted_version()
            )
        except RequestRefused as error:
            return _page(known, entry, forms.posted_version(), FormErrors(problem=translate(error.message)))
        except RequestChanged as error:
            change = error.change
            merged = entry_of({"type": entry.type, **entry.stored, **change.taken}, known.entry.field_sets)
            return _page(known, merged, change.now, FormErrors(changed=change))
        if emptied:
            names = ", ".join(_(name) for name in emptied)
            text = _(
                "The item was saved. This version of Koha cannot empty a field; these keep their value:"
                " %(fields)s.",
                fields=names,
            )
            flash.flash("warning", text)
        else:
            flash.flash("done", _("The item metadata was saved."))
        return redirect(url_for("staff.request", illrequest_id=illrequest_id), 303)

    def _not_possible(self, illrequest_id: int) -> Response:
        header = self._database.transact(load_header, illrequest_id, staff_context(self._runtime))
        return page("staff/requests/not_possible.html", 409, header=header, changed=None)


def _page(known: ItemForm, entry: ItemEntry, version: Mapping[str, str], errors: FormErrors) -> Response:
    changed = errors.changed.differences if errors.changed else ()
    return page(
        "staff/requests/item.html",
        errors.status,
        known=known,
        entry=entry,
        blank_rows=item_fields.blank_rows(add_one=forms.pressed_button()[0] == "add_row"),
        version=forms.version_field(version),
        errors=errors,
        labels={one.name: label(one.name) for one in changed},
        types=entry.field_sets,
    )
