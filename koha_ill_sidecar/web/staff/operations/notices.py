"""The notice templates: ours and Koha's, their mistakes, and previews."""

from itertools import groupby

from flask import Blueprint, request
from werkzeug.wrappers import Response

from koha_ill_sidecar.domain.notices import EMAIL, RenderedNotice
from koha_ill_sidecar.errors import LetterMissing, NoticeError, RequestNotFound
from koha_ill_sidecar.messages import N_
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services.notices import check, templates
from koha_ill_sidecar.services.notices.findings import Finding, Severity
from koha_ill_sidecar.services.notices.rendering import preview_notice
from koha_ill_sidecar.services.notices.templates import LetterState
from koha_ill_sidecar.web.ui import forms
from koha_ill_sidecar.web.ui.i18n import gettext as _
from koha_ill_sidecar.web.ui.i18n import translate
from koha_ill_sidecar.web.ui.labels import language_name, transport_name
from koha_ill_sidecar.web.ui.pages import page

_STATES = {
    LetterState.MISSING: N_("Missing"),
    LetterState.SAME: N_("Same text as ours"),
    LetterState.CHANGED: N_("Different text"),
}
_SEVERITIES = {Severity.ERROR: N_("Error"), Severity.WARNING: N_("Warning")}


def install(blueprint: Blueprint, runtime: Runtime) -> None:
    """Add the routes."""
    views = _NoticeViews(runtime)
    blueprint.add_url_rule("/operations/notices", "notices", views.get)
    blueprint.add_url_rule("/operations/notices/preview", "notice_preview", views.preview)


class _NoticeViews:
    def __init__(self, runtime: Runtime) -> None:
        self._transact = runtime.database.transact

    def get(self) -> Response:
        compared, checked = self._transact(lambda tx: (templates.compare(tx), check.check(tx)))
        return page(
            "staff/operations/notices.html",
            compared=compared,
            findings=[list(of_letter) for _, of_letter in groupby(checked.findings, _letter)],
            states=_STATES,
            severities=_SEVERITIES,
            errors=checked.count(Severity.ERROR),
            warnings=checked.count(Severity.WARNING),
        )

    def preview(self) -> Response:
        """Show a notice as it would be rendered for a request; nothing is queued."""
        code, lang = request.args.get("code", ""), request.args.get("lang", "")
        transport = request.args.get("transport", EMAIL)
        notice, problem, detail = None, "", ""
        if "request" in request.args:
            notice, problem, detail = self._render(code, transport, lang)
        letters = self._transact(templates.installed)
        return page(
            "staff/operations/preview.html",
            422 if problem else 200,
            notice=notice,
            problem=problem,
            detail=detail,
            code=code,
            transport=transport,
            lang=lang,
            codes=[(each, each) for each in sorted({letter.code for letter in letters})],
            transports=[
                (each, transport_name(each)) for each in sorted({letter.transport for letter in letters})
            ],
            langs=[(each, language_name(each)) for each in sorted({letter.lang for letter in letters})],
            typed_request=request.args.get("request", ""),
        )

    def _render(self, code: str, transport: str, lang: str) -> tuple[RenderedNotice | None, str, str]:
        """Return the notice, or a problem and its details."""
        illrequest_id = forms.as_id(request.args.get("request"))
        if illrequest_id is None:
            return None, _("Enter a request ID."), ""
        try:
            notice = self._transact(preview_notice, illrequest_id, code, transport, lang=lang or None)
        except RequestNotFound:
            return None, _("There is no such request."), ""
        except LetterMissing:
            return None, _("Koha has no such notice template."), ""
        except NoticeError as error:
            return None, _("The notice template cannot be rendered."), translate(error.message)
        return notice, "", ""


def _letter(finding: Finding) -> tuple[str, str, str, str]:
    return finding.code, finding.transport, finding.lang, finding.branchcode
