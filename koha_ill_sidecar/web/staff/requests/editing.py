"""The form in which a request is edited."""

from collections.abc import Mapping

from flask import Blueprint, redirect
from werkzeug.wrappers import Response

from koha_ill_sidecar.domain.attributes import MaterialType
from koha_ill_sidecar.domain.concurrent_edits import ChangedMeanwhile
from koha_ill_sidecar.errors import RequestRefused
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services import request_edits
from koha_ill_sidecar.services.request_edits import RequestForm
from koha_ill_sidecar.web.i18n import gettext as _
from koha_ill_sidecar.web.i18n import say
from koha_ill_sidecar.web.pages import page
from koha_ill_sidecar.web.staff import forms, messages
from koha_ill_sidecar.web.staff.access import current
from koha_ill_sidecar.web.staff.forms import Told
from koha_ill_sidecar.words import N_

_LABELS: Mapping[str, str] = {
    "borrowernumber": N_("Patron ID"),
    "managedby": N_("Managed by"),
    "biblio_id": N_("Bibliographic record ID"),
    "branchcode": N_("Library"),
    "status_alias": N_("Status"),
    "price_paid": N_("Price paid"),
    "batch_id": N_("Batch"),
    "notesstaff": N_("Staff notes"),
    "notesopac": N_("OPAC notes"),
}
_MISTAKES: Mapping[str, tuple[str, str]] = {
    "invalid_patron": (
        "borrowernumber",
        N_("There is no patron with this number. Search by name or card number."),
    ),
    "invalid_manager": ("managedby", N_("Choose a member of staff who may work with ILL requests.")),
    "invalid_biblio": ("biblio_id", N_("There is no record with this number.")),
    "invalid_branch": ("branchcode", N_("Choose a library.")),
    "missing_branch": ("branchcode", N_("Choose a library.")),
    "invalid_batch": ("batch_id", N_("There is no such batch any more.")),
    "unknown_status_alias": ("status_alias", N_("There is no such status any more.")),
    "too_long": ("price_paid", N_("This is too long: Koha has room for 20 characters.")),
}


def install(blueprint: Blueprint, runtime: Runtime) -> None:
    """Add the routes."""
    desk = _Desk(runtime)
    address = "/requests/<int:illrequest_id>/edit"
    blueprint.add_url_rule(address, "edit_request", desk.show, methods=["GET"])
    blueprint.add_url_rule(address, "save_request", desk.take, methods=["POST"])


class _Desk:
    def __init__(self, runtime: Runtime) -> None:
        self._database = runtime.database

    def show(self, illrequest_id: int) -> Response:
        """Show the request as it is."""
        known = self._database.transact(request_edits.form, illrequest_id, current().member)
        return _page(known, known.values, known.values, Told())

    def take(self, illrequest_id: int) -> Response:
        """Do what the pressed button says."""
        typed = {name: forms.text(name) for name in _LABELS}
        wanted, about = forms.wish()
        if wanted == "choose":
            typed["borrowernumber"] = about
        if wanted in ("choose", "find"):
            return self._form(illrequest_id, typed, forms.seen(), Told())
        try:
            outcome = self._database.transact(
                request_edits.save, illrequest_id, current().member, typed=typed, seen=forms.seen()
            )
        except RequestRefused as error:
            return self._form(illrequest_id, typed, forms.seen(), _refusal(error))
        if isinstance(outcome, ChangedMeanwhile):
            told = Told(changed=outcome)
            return self._form(illrequest_id, {**typed, **outcome.taken}, outcome.now, told)
        messages.tell("done", _("The request was saved."))
        return redirect(forms.address_of(illrequest_id), 303)

    def _form(
        self, illrequest_id: int, typed: Mapping[str, str], seen: Mapping[str, str], told: Told
    ) -> Response:
        known = self._database.transact(
            request_edits.form, illrequest_id, current().member, typed_patron=typed["borrowernumber"]
        )
        return _page(known, {**known.values, **typed}, seen, told)


def _refusal(error: RequestRefused) -> Told:
    if error.code not in _MISTAKES:
        return Told(problem=say(error.sentence))
    name, said = _MISTAKES[error.code]
    return Told(errors={name: _(said)})


def _page(known: RequestForm, values: Mapping[str, str], seen: Mapping[str, str], told: Told) -> Response:
    return page(
        "staff/requests/edit.html",
        told.status,
        known=known,
        values=values,
        seen=forms.as_seen(seen),
        told=told,
        labels=_LABELS,
        libraries=current().libraries,
        type_labels={kind.value: kind.label for kind in MaterialType},
        shown_values=_shown(known),
    )


def _shown(known: RequestForm) -> Mapping[str, Mapping[str, str]]:
    """Give what codes and numbers are called, for the table of what has changed."""
    return {
        "branchcode": current().libraries,
        "status_alias": {**known.aliases, "": known.status},
        "managedby": {str(number): name for number, name in (known.managers or {}).items()},
        "batch_id": {str(number): name for number, name in (known.batches or {}).items()},
    }
