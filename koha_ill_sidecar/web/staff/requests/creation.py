"""The form of a new request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response

from koha_ill_sidecar.backends.registry import backend_for, supplier_names
from koha_ill_sidecar.domain.attributes import LABELS, MaterialType, Reference, label
from koha_ill_sidecar.domain.identifiers import WrongCheckDigit
from koha_ill_sidecar.domain.item_form import ItemEntry
from koha_ill_sidecar.errors import RequestRefused
from koha_ill_sidecar.messages import N_
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services.people.patron_search import PatronMatch
from koha_ill_sidecar.services.requests import new_form, references
from koha_ill_sidecar.services.requests.creation import NewRequest
from koha_ill_sidecar.services.requests.new_form import AlreadyRequested, Created, EarlierRequest
from koha_ill_sidecar.web.staff.requests import item_fields
from koha_ill_sidecar.web.staff.session import current
from koha_ill_sidecar.web.ui import flash, forms
from koha_ill_sidecar.web.ui.forms import FormErrors
from koha_ill_sidecar.web.ui.i18n import gettext as _
from koha_ill_sidecar.web.ui.i18n import translate
from koha_ill_sidecar.web.ui.pages import page

_SOURCES: Mapping[str, str] = {
    "openurl": "OpenURL",
    "citation": N_("citation"),
    "doi": "DOI",
    "pubmedid": "PubMed ID",
    "isbn": "ISBN",
    "issn": "ISSN",
}
_FIELD_OF_CODE: Mapping[str, str] = {
    "missing_type": "type",
    "missing_branch": "branchcode",
    "invalid_branch": "branchcode",
    "invalid_borrower": "patron",
    "ambiguous_borrower": "patron",
}


def install(blueprint: Blueprint, runtime: Runtime) -> None:
    """Add the routes."""
    views = _CreateViews(runtime)
    blueprint.add_url_rule("/requests/new", "new_request", views.get, methods=["GET"])
    blueprint.add_url_rule("/requests/new", "create_request", views.post, methods=["POST"])


@dataclass(kw_only=True)
class _FormData:
    """The fields of the form."""

    entry: ItemEntry
    branchcode: str
    default_branchcode: str  # what the form suggested
    patron: str = ""
    chosen: int | None = None
    supplier: str = ""
    reference: str = ""
    blank_rows: int = item_fields.BLANK_ROWS

    @classmethod
    def read(cls) -> "_FormData":
        patron, supplier = forms.text("patron"), forms.text("supplier")
        return cls(
            entry=item_fields.read_entry(backend_for(supplier).field_sets),
            branchcode=forms.text("branchcode"),
            default_branchcode=forms.text("default_branchcode"),
            patron=patron,
            chosen=forms.number("borrowernumber") if patron else None,
            supplier=supplier,
            reference=forms.text("reference"),
            blank_rows=item_fields.blank_rows(add_one=forms.pressed_button()[0] == "add_row"),
        )

    def choose(self, found: PatronMatch | AlreadyRequested) -> None:
        """Put the patron that was found into the form, and their library unless another has been chosen."""
        patron = found.patron
        if patron is None:
            return
        self.patron, self.chosen = patron.label, patron.borrowernumber
        if self.branchcode == self.default_branchcode:
            self.branchcode = self.default_branchcode = patron.branchcode


@dataclass(kw_only=True)
class _CreateErrors(FormErrors):
    """
    Messages of the form, including those about a pasted reference.

    An unreadable reference is not an error of the form: the page's status is 200, as for a readable one.
    """

    reference_info: str = ""
    reference_problem: str = ""
    earlier: Sequence[EarlierRequest] = ()


class _CreateViews:
    def __init__(self, runtime: Runtime) -> None:
        self._database = runtime.database
        self._suppliers = supplier_names(
            {name: one.enabled for name, one in runtime.settings.backends.items()}
        )

    def get(self) -> Response:
        """Show the empty form, with the patron whose ID is in the URL."""
        works_at = current().member.branchcode
        entry = ItemEntry(field_sets=backend_for(None).field_sets)
        typed = _FormData(entry=entry, branchcode=works_at, default_branchcode=works_at)
        typed.chosen = forms.number("borrowernumber", request.args)
        return self._form(typed, _CreateErrors())

    def post(self) -> Response:
        typed, (button, argument) = _FormData.read(), forms.pressed_button()
        if typed.reference and button in ("fill_in", "create", "create_anyway"):
            return self._fill_in(typed)
        match button:
            case "create" | "create_anyway":
                return self._create(typed, even_if_requested_before=button == "create_anyway")
            case "choose":
                typed.patron, typed.chosen = "", forms.as_number(argument)
        return self._form(typed, _CreateErrors())

    def _fill_in(self, typed: _FormData) -> Response:
        """Fill in the form from a pasted reference."""
        found = references.read(typed.reference, references.installed_resolvers())
        if found is None:
            problem = _(
                "There is no OpenURL, DOI, PubMed ID, ISBN or ISSN in this text. Fill in the form yourself."
            )
            return self._form(typed, _CreateErrors(reference_problem=problem))
        if isinstance(found, WrongCheckDigit):
            problem = _(
                "The check digit of this %(number)s is wrong. Check it for a typing mistake.",
                number=_SOURCES[found.kind],
            )
            return self._form(typed, _CreateErrors(reference_problem=problem))
        replaced = _replaced(typed.entry, found.reference)
        typed.entry = typed.entry.filled_in(found.reference)
        typed.reference = ""
        filled = [*found.reference.fields, *found.reference.custom]
        names = ", ".join(_(label(key)) if key in LABELS else key for key in filled)
        source = _(_SOURCES[found.source])
        info = _("Filled in from the %(source)s: %(fields)s.", source=source, fields=names)
        if replaced:
            info += " " + _("Replaced what was on the form: %(fields)s.", fields=replaced)
        return self._form(typed, _CreateErrors(reference_info=info))

    def _create(self, typed: _FormData, *, even_if_requested_before: bool) -> Response:
        errors = _CreateErrors(by_field=_field_errors(typed), by_row=item_fields.row_errors(typed.entry))
        if errors.status != 200:
            return self._form(typed, errors)
        new = NewRequest(
            type=typed.entry.type,
            branchcode=typed.branchcode,
            fields=typed.entry.values,
            custom={key: value for key, value in typed.entry.custom if value},
            supplier_backend=typed.supplier if typed.supplier in self._suppliers else None,
        )
        try:
            outcome = self._database.transact(
                new_form.create_for_patron,
                new,
                current().member,
                typed=typed.patron,
                chosen=typed.chosen,
                even_if_requested_before=even_if_requested_before,
            )
        except RequestRefused as error:
            return self._form(typed, _refusal(error))
        match outcome:
            case Created():
                return _created(outcome)
            case AlreadyRequested():
                typed.choose(outcome)
                return self._form(typed, _CreateErrors(earlier=outcome.earlier))
        return self._form(typed, _CreateErrors(by_field={"patron": _patron_error(outcome)}))

    def _form(self, typed: _FormData, errors: _CreateErrors) -> Response:
        match, koha_backend = self._database.transact(
            new_form.form, current().member, typed=typed.patron, chosen=typed.chosen
        )
        typed.choose(match)
        if match.patron is None and errors.by_field and typed.patron:
            errors.by_field["patron"] = _patron_error(match)
        return page(
            "staff/requests/new.html",
            errors.status,
            typed=typed,
            errors=errors,
            match=match,
            types=typed.entry.field_sets,
            libraries=current().libraries,
            suppliers=self._suppliers,
            koha_backend=koha_backend,
        )


def _replaced(entry: ItemEntry, reference: Reference) -> str:
    """Return the values on a form that a reference changes, the type among them, with their labels."""
    before = {**dict(entry.custom), **entry.values}
    changes = {**reference.custom, **reference.fields}
    lost = {key: before[key] for key, value in changes.items() if before.get(key) not in (None, "", value)}
    if entry.type and reference.type and entry.type != reference.type:
        kind = entry.type
        lost = {"type": _(MaterialType(kind).label) if kind in set(MaterialType) else kind, **lost}
    return ", ".join(f"{_(label(key)) if key in LABELS else key} “{value}”" for key, value in lost.items())


def _field_errors(typed: _FormData) -> dict[str, str]:
    errors = {}
    if typed.entry.type not in typed.entry.field_sets:
        errors["type"] = _("Choose the type of material.")
    if not typed.patron:
        errors["patron"] = _("Choose the patron who the request is for.")
    if typed.branchcode not in current().libraries:
        errors["branchcode"] = _("Choose a library.")
    return errors


def _refusal(error: RequestRefused) -> _CreateErrors:
    name = _FIELD_OF_CODE.get(error.code)
    message = translate(error.message)
    return _CreateErrors(by_field={name: message}) if name else _CreateErrors(problem=message)


def _patron_error(match: PatronMatch) -> str:
    if match.candidates:
        return _("More than one patron matches. Choose one.")
    return _("There is no such patron. Search by name or card number.")


_QUEUED_BECAUSE: Mapping[str, str] = {
    "library": N_(
        "Request %(number)s was created and queued, because the patron's library has reached its limit"
        " of %(count)s requests. Confirm it when the number has dropped."
    ),
    "patron": N_(
        "Request %(number)s was created and queued, because the patron has reached the limit of"
        " %(count)s requests. Confirm it when the number has dropped."
    ),
}
_QUEUED = N_("Request %(number)s was created and queued, because a limit has been reached.")


def _created(created: Created) -> Response:
    reason = created.queued_because
    if reason is None:
        flash.flash("done", _("Request %(number)s was created.", number=created.shown_id))
    else:
        text = _QUEUED_BECAUSE.get(str(reason.get("limit_of")), _QUEUED)
        flash.flash("warning", _(text, number=created.shown_id, count=reason.get("count")))
    return redirect(url_for("staff.request", illrequest_id=created.ill_request.illrequest_id), 303)
