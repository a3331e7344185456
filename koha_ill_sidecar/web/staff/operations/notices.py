"""The letters of interlibrary loans: ours and Koha's, what is wrong with them, and how one would read."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from flask import Blueprint, request
from werkzeug.wrappers import Response

from koha_ill_sidecar.domain.notices import EMAIL, Letter, RenderedNotice
from koha_ill_sidecar.errors import LetterMissing, NoticeError, RequestNotFound
from koha_ill_sidecar.messages import N_
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services.notices import check, templates
from koha_ill_sidecar.services.notices.check import NoticeCheck
from koha_ill_sidecar.services.notices.findings import Finding, Severity
from koha_ill_sidecar.services.notices.rendering import preview_notice
from koha_ill_sidecar.services.notices.templates import LetterComparison, LetterState
from koha_ill_sidecar.storage.koha import letters
from koha_ill_sidecar.storage.transaction import Transaction
from koha_ill_sidecar.web.staff.operations.forms import number
from koha_ill_sidecar.web.ui.i18n import gettext as _
from koha_ill_sidecar.web.ui.i18n import translate
from koha_ill_sidecar.web.ui.labels import language_name, transport_name
from koha_ill_sidecar.web.ui.pages import page

_STATES = {
    LetterState.MISSING: N_("Missing"),
    LetterState.SAME: N_("Worded as ours"),
    LetterState.CHANGED: N_("Worded otherwise"),
}
_SEVERITIES = {Severity.ERROR: N_("Error"), Severity.WARNING: N_("Warning")}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Review:
    compared: Sequence[LetterComparison]
    checked: NoticeCheck

    @property
    def findings(self) -> list[tuple[Finding, list[Finding]]]:
        """The findings letter by letter, the first of each letter before all of them."""
        return [(first, [first, *others]) for _, (first, *others) in groupby(self.checked.findings, _letter)]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wanted:
    """What the form of a preview says."""

    code: str
    transport: str
    lang: str
    illrequest_id: int | None
    is_asked: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class _Preview:
    every: Sequence[Letter]
    notice: RenderedNotice | None = None
    problem: str = ""
    detail: str = ""


def install(blueprint: Blueprint, runtime: Runtime) -> None:
    """Add the routes."""
    transact = runtime.database.transact

    def show() -> Response:
        review = transact(_review)
        return page(
            "staff/operations/notices.html",
            compared=review.compared,
            findings=review.findings,
            states=_STATES,
            severities=_SEVERITIES,
            errors=review.checked.count(Severity.ERROR),
            warnings=review.checked.count(Severity.WARNING),
        )

    def preview() -> Response:
        wanted = _wanted()
        found = transact(_preview, wanted)
        return page(
            "staff/operations/preview.html",
            422 if found.problem else 200,
            found=found,
            notice=found.notice,
            wanted=wanted,
            codes=[(code, code) for code in sorted({letter.code for letter in found.every})],
            transports=[
                (code, transport_name(code)) for code in sorted({letter.transport for letter in found.every})
            ],
            langs=[(code, language_name(code)) for code in sorted({letter.lang for letter in found.every})],
            typed_request=request.args.get("request", ""),
        )

    blueprint.add_url_rule("/operations/notices", "notices", show)
    blueprint.add_url_rule("/operations/notices/preview", "notice_preview", preview)


def _review(tx: Transaction) -> _Review:
    """Compare and check; four queries."""
    return _Review(compared=templates.compare(tx), checked=check.check(tx))


def _letter(finding: Finding) -> tuple[str, str, str, str]:
    return finding.code, finding.transport, finding.lang, finding.branchcode


def _wanted() -> _Wanted:
    return _Wanted(
        code=request.args.get("code", ""),
        transport=request.args.get("transport", EMAIL),
        lang=request.args.get("lang", ""),
        illrequest_id=number(request.args.get("request")),
        is_asked="request" in request.args,
    )


def _preview(tx: Transaction, wanted: _Wanted) -> _Preview:
    """Fill in a letter, or say why that cannot be; nothing is queued."""
    every = letters.all_of_module(tx)
    if not wanted.is_asked:
        return _Preview(every=every)
    if wanted.illrequest_id is None:
        return _Preview(every=every, problem=_("Type a request ID."))
    try:
        notice = preview_notice(
            tx, wanted.illrequest_id, wanted.code, wanted.transport, lang=wanted.lang or None
        )
    except RequestNotFound:
        return _Preview(every=every, problem=_("There is no such request."))
    except LetterMissing:
        return _Preview(every=every, problem=_("Koha has no such notice template."))
    except NoticeError as error:
        return _Preview(
            every=every,
            problem=_("The notice template cannot be filled in."),
            detail=translate(error.message),
        )
    return _Preview(every=every, notice=notice)
