"""Placing a request with partner libraries: choose them, write the email, preview, send."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response

from koha_ill_sidecar.domain.concurrent_changes import RequestChanged
from koha_ill_sidecar.domain.duplicates import folded
from koha_ill_sidecar.errors import RequestRefused
from koha_ill_sidecar.messages import N_
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services.partners import placing
from koha_ill_sidecar.services.partners.placing import Partner, PartnerMessage, PartnersForm
from koha_ill_sidecar.web.staff.session import current
from koha_ill_sidecar.web.ui import flash, forms
from koha_ill_sidecar.web.ui.forms import FormErrors
from koha_ill_sidecar.web.ui.i18n import gettext as _
from koha_ill_sidecar.web.ui.i18n import ngettext, translate
from koha_ill_sidecar.web.ui.pages import page

_MAX_NAMES = 10
_MAX_SUBJECT_LENGTH = 500  # characters; their bytes fit into Koha's column

_MISTAKES: Mapping[str, tuple[str, str]] = {
    "no_target_email": ("partners", N_("Choose at least one partner library that has an email address.")),
    "invalid_partner": ("partners", N_("One of them is no longer a partner library. Choose again.")),
}


def install(blueprint: Blueprint, runtime: Runtime) -> None:
    """Add the routes."""
    views = _PartnerViews(runtime)
    path = "/requests/<int:illrequest_id>/partners"
    blueprint.add_url_rule(path, "place_with_partners", views.get, methods=["GET"])
    blueprint.add_url_rule(path, "send_to_partners", views.post, methods=["POST"])


@dataclass(kw_only=True)
class _FormData:
    """The fields of the form."""

    chosen: Sequence[int] = ()
    subject: str = ""
    body: str = ""
    filter: str = ""

    @classmethod
    def read(cls) -> "_FormData":
        numbers = (
            number for number in request.form.getlist("partners") if number.isascii() and number.isdigit()
        )
        return cls(
            chosen=tuple(dict.fromkeys(int(number[:10]) for number in numbers)),
            subject=" ".join(forms.text("subject").split()),
            body=request.form.get("body", "").replace("\r\n", "\n").rstrip(),
            filter=forms.text("filter"),
        )


class _PartnerViews:
    def __init__(self, runtime: Runtime) -> None:
        self._database = runtime.database

    def get(self, illrequest_id: int) -> Response:
        known = self._known(illrequest_id)
        typed = _FormData()
        if known.draft is not None:
            typed = _FormData(subject=known.draft.title, body=known.draft.content)
        return _page(known, typed, FormErrors())

    def post(self, illrequest_id: int) -> Response:
        typed, (button, _argument) = _FormData.read(), forms.pressed_button()
        if button not in ("preview", "send"):
            return _page(self._known(illrequest_id), typed, FormErrors())
        errors = FormErrors(by_field=_field_errors(typed))
        if errors.status != 200:
            return _page(self._known(illrequest_id), typed, errors)
        try:
            return (self._send if button == "send" else self._preview)(illrequest_id, typed)
        except RequestRefused as error:
            return _page(self._known(illrequest_id), typed, _refusal(error))
        except RequestChanged as error:
            return _page(self._known(illrequest_id), typed, FormErrors(changed=error.change))

    def _known(self, illrequest_id: int) -> PartnersForm:
        return self._database.transact(placing.form, illrequest_id, current().member)

    def _preview(self, illrequest_id: int, typed: _FormData) -> Response:
        shown_id, messages = self._database.transact(
            placing.preview,
            illrequest_id,
            current().member,
            version=forms.posted_version(),
            borrowernumbers=typed.chosen,
            subject=typed.subject,
            body=typed.body,
        )
        version = forms.version_field(forms.posted_version())
        return page(
            "staff/requests/partners_preview.html",
            typed=typed,
            illrequest_id=illrequest_id,
            shown_id=shown_id,
            messages=messages,
            version=version,
        )

    def _send(self, illrequest_id: int, typed: _FormData) -> Response:
        placed = self._database.transact(
            placing.place_with_partners,
            illrequest_id,
            current().member,
            version=forms.posted_version(),
            borrowernumbers=typed.chosen,
            subject=typed.subject,
            body=typed.body,
        )
        flash.flash("done", _sent(placed.messages))
        return redirect(url_for("staff.request", illrequest_id=illrequest_id), 303)


def _field_errors(typed: _FormData) -> dict[str, str]:
    errors = {}
    if not typed.chosen:
        errors["partners"] = _("Choose at least one partner library that has an email address.")
    if not typed.subject:
        errors["subject"] = _("The email needs a subject line.")
    elif len(typed.subject) > _MAX_SUBJECT_LENGTH:
        errors["subject"] = _(
            "This is too long: the maximum is %(most)s characters.", most=_MAX_SUBJECT_LENGTH
        )
    if not typed.body.strip():
        errors["body"] = _("The email needs some text.")
    return errors


def _refusal(error: RequestRefused) -> FormErrors:
    if error.code == "no_library_email":
        return FormErrors(
            problem=_(
                "Your library has no email address to send from. Enter one in Koha (Administration,"
                " Libraries), or set KohaAdminEmailAddress."
            )
        )
    if error.code not in _MISTAKES:
        return FormErrors(problem=translate(error.message))
    name, message = _MISTAKES[error.code]
    return FormErrors(by_field={name: _(message)})


def _sent(sent: Sequence[PartnerMessage]) -> str:
    names = [message.partner.name for message in sent]
    more = len(names) - _MAX_NAMES
    listed = ", ".join(names[:_MAX_NAMES])
    if more > 0:
        listed = _("%(names)s and %(number)s more", names=listed, number=more)
    return ngettext(
        "%(num)d email was queued, to %(names)s.",
        "%(num)d emails were queued, to %(names)s.",
        len(names),
        names=listed,
    )


def _page(known: PartnersForm, typed: _FormData, errors: FormErrors) -> Response:
    wanted = folded(typed.filter)
    listed = [
        (partner, not wanted or partner.borrowernumber in typed.chosen or wanted in _words(partner))
        for partner in known.partners
    ]
    return page(
        "staff/requests/partners.html",
        errors.status,
        known=known,
        typed=typed,
        errors=errors,
        listed=listed,
        version=forms.next_version(known.version, errors.changed),
    )


def _words(partner: Partner) -> str:
    return folded(f"{partner.branchcode} {partner.name} {partner.email}")
