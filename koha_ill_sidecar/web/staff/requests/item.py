"""The form in which the metadata of the wanted item are edited."""

from collections.abc import Mapping

from flask import Blueprint, redirect
from werkzeug.wrappers import Response

from koha_ill_sidecar.domain.attributes import MaterialType, label
from koha_ill_sidecar.domain.item_form import ItemEntry, entry_of
from koha_ill_sidecar.domain.snapshots import ChangedMeanwhile
from koha_ill_sidecar.errors import ActionNotAllowed, RequestRefused
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services.requests import item_form
from koha_ill_sidecar.services.requests.header import read_head
from koha_ill_sidecar.services.requests.item_form import ItemFormOfRequest
from koha_ill_sidecar.web.staff.requests import item_fields
from koha_ill_sidecar.web.staff.requests.workplace import workplace
from koha_ill_sidecar.web.ui import flash, forms
from koha_ill_sidecar.web.ui.access import current
from koha_ill_sidecar.web.ui.forms import Told
from koha_ill_sidecar.web.ui.i18n import gettext as _
from koha_ill_sidecar.web.ui.i18n import say
from koha_ill_sidecar.web.ui.pages import page


def install(blueprint: Blueprint, runtime: Runtime) -> None:
    """Add the routes."""
    desk = _Desk(runtime)
    address = "/requests/<int:illrequest_id>/item"
    blueprint.add_url_rule(address, "edit_item", desk.show, methods=["GET"])
    blueprint.add_url_rule(address, "save_item", desk.take, methods=["POST"])


class _Desk:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._database = runtime.database

    def show(self, illrequest_id: int) -> Response:
        """Show the item as it is."""
        try:
            known = self._database.transact(item_form.form, illrequest_id)
        except ActionNotAllowed:
            return self._not_possible(illrequest_id)
        return _page(known, known.entry, known.values, Told())

    def take(self, illrequest_id: int) -> Response:
        """Do what the pressed button says."""
        try:
            return self._take(illrequest_id)
        except ActionNotAllowed:
            return self._not_possible(illrequest_id)

    def _take(self, illrequest_id: int) -> Response:
        entry, (wanted, _about) = item_fields.read_entry(), forms.wish()
        if wanted != "save":
            return self._form(illrequest_id, entry, forms.seen(), Told())
        told = Told(row_errors=item_fields.row_errors(entry))
        if not entry.type:
            told.errors["type"] = _("Choose what is wanted.")
        if told.status != 200:
            return self._form(illrequest_id, entry, forms.seen(), told)
        try:
            outcome = self._database.transact(
                item_form.save, illrequest_id, current().member, entry=entry, seen=forms.seen()
            )
        except RequestRefused as error:
            return self._form(illrequest_id, entry, forms.seen(), Told(problem=say(error.sentence)))
        if isinstance(outcome, ChangedMeanwhile):
            merged = entry_of({"type": entry.type, **entry.stored, **outcome.taken})
            return self._form(illrequest_id, merged, outcome.now, Told(changed=outcome))
        if outcome.kept:
            names = ", ".join(_(name) for name in outcome.kept)
            said = _(
                "The item was saved. Koha lets no field be emptied here; these keep their value: %(fields)s.",
                fields=names,
            )
            flash.tell("warning", said)
        else:
            flash.tell("done", _("The item metadata was saved."))
        return redirect(forms.address_of(illrequest_id), 303)

    def _form(self, illrequest_id: int, entry: ItemEntry, seen: Mapping[str, str], told: Told) -> Response:
        known = self._database.transact(item_form.form, illrequest_id)
        return _page(known, entry, seen, told)

    def _not_possible(self, illrequest_id: int) -> Response:
        head = self._database.transact(read_head, illrequest_id, workplace(self._runtime))
        return page("staff/requests/not_possible.html", 409, head=head, changed=None)


def _page(known: ItemFormOfRequest, entry: ItemEntry, seen: Mapping[str, str], told: Told) -> Response:
    changed = told.changed.differences if told.changed else ()
    return page(
        "staff/requests/item.html",
        told.status,
        known=known,
        entry=entry,
        blank_rows=item_fields.blank_rows(is_one_more_wanted=forms.wish()[0] == "add_row"),
        seen=forms.as_seen(seen),
        told=told,
        labels={one.name: label(one.name) for one in changed},
        types=list(MaterialType),
    )
