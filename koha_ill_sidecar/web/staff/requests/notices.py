"""Sending a notice to the patron of a request, after a preview."""

from collections.abc import Mapping

from flask import Blueprint, redirect, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from koha_ill_sidecar.delivery.html_text import text_of
from koha_ill_sidecar.domain.concurrent_changes import ConcurrentChange, RequestChanged
from koha_ill_sidecar.domain.letter_syntax import tokens_in
from koha_ill_sidecar.domain.notices import (
    NoticeCode,
    NoticeOutcome,
    NotQueuedReason,
    RenderedNotice,
)
from koha_ill_sidecar.messages import N_
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services.requests.header import SENDABLE
from koha_ill_sidecar.services.requests.notices import preview_notice, send_notice
from koha_ill_sidecar.web.staff.session import current, staff_context
from koha_ill_sidecar.web.ui import flash, forms
from koha_ill_sidecar.web.ui.forms import FormErrors
from koha_ill_sidecar.web.ui.i18n import gettext as _
from koha_ill_sidecar.web.ui.i18n import translate
from koha_ill_sidecar.web.ui.labels import transport_name
from koha_ill_sidecar.web.ui.pages import page

_REASONS: Mapping[NotQueuedReason, str] = {
    NotQueuedReason.NO_PATRON: N_("The request has no patron."),
    NotQueuedReason.NO_PREFERENCE: N_("Koha has no messaging preference for this notice."),
    NotQueuedReason.NOT_CHOSEN: N_("The patron's messaging preferences select no transport for this notice."),
    NotQueuedReason.NO_LETTER: N_("Koha has no notice template for this transport."),
    NotQueuedReason.TEMPLATE_FAILED: N_("The notice template cannot be processed."),
    NotQueuedReason.EMPTY: N_("The notice has no text."),
    NotQueuedReason.NOT_ENABLED: N_("The preference ILLSendStaffNotices does not include this notice."),
    NotQueuedReason.NO_LIBRARY_ADDRESS: N_("The library has no ILL address."),
}

_MAX_DETAIL_LENGTH = 400


def install(blueprint: Blueprint, runtime: Runtime) -> None:
    """Add the routes."""
    views = _NoticeViews(runtime)
    path = "/requests/<int:illrequest_id>/notices/<code>"
    blueprint.add_url_rule(path, "preview_notice", views.get)
    blueprint.add_url_rule(path, "send_notice", views.post, methods=["POST"])


class _NoticeViews:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._database = runtime.database

    def get(self, illrequest_id: int, code: str) -> Response:
        return self._form(illrequest_id, code)

    def post(self, illrequest_id: int, code: str) -> Response:
        """Send the notice, or preview it with the text that was typed."""
        text = request.form.get("additional_text", "").replace("\r\n", "\n").strip()
        if "preview" in request.form:
            return self._form(illrequest_id, code, additional_text=text)
        if code == NoticeCode.REQUEST_UPDATE and not text:
            return self._form(illrequest_id, code, problem=_("Enter the news about the request."))
        if code not in SENDABLE:
            raise NotFound
        try:
            outcome = self._database.transact(
                send_notice,
                illrequest_id,
                code,
                current().member,
                version=forms.posted_version(),
                additional_text=text,
            )
        except RequestChanged as error:
            return self._form(illrequest_id, code, additional_text=text, changed=error.change)
        _flash_outcome(outcome)
        return redirect(url_for("staff.request", illrequest_id=illrequest_id), 303)

    def _form(
        self,
        illrequest_id: int,
        code: str,
        *,
        additional_text: str = "",
        problem: str = "",
        changed: ConcurrentChange | None = None,
    ) -> Response:
        if code not in SENDABLE:
            raise NotFound
        notice_page = self._database.transact(
            preview_notice,
            illrequest_id,
            code,
            staff_context(self._runtime),
            additional_text=additional_text,
        )
        texts = {
            transport: text_of(notice.content) if notice.is_html else notice.content
            for transport, notice in notice_page.preview.by_transport.items()
            if isinstance(notice, RenderedNotice)
        }
        errors = FormErrors(problem=problem, changed=changed)
        return page(
            "staff/requests/notice.html",
            errors.status,
            notice_page=notice_page,
            header=notice_page.header,
            texts=texts,
            can_be_sent=any(transport in texts for transport in notice_page.preview.chosen),
            reasons=_REASONS,
            has_text_field=code == NoticeCode.REQUEST_UPDATE,
            additional_text=additional_text,
            tokens=[f"<<{token.name}>>" for token in tokens_in(additional_text)],
            errors=errors,
            version=forms.next_version(notice_page.version, changed),
        )


def _flash_outcome(outcome: NoticeOutcome) -> None:
    for queued in outcome.queued:
        flash.flash(
            "done",
            _(
                "The notice was queued by %(transport)s as message %(number)s.",
                transport=transport_name(queued.transport),
                number=queued.message_id,
            ),
        )
    flashed = set()
    for refused in outcome.not_queued:
        reason = _(_REASONS[refused.reason])
        if refused.reason in (
            NotQueuedReason.NOT_CHOSEN,
            NotQueuedReason.NO_PATRON,
            NotQueuedReason.NO_PREFERENCE,
        ):
            text = _("The notice was not queued: %(reason)s", reason=reason)
        else:
            text = _(
                "The notice was not queued (%(transport)s): %(reason)s %(detail)s",
                transport=transport_name(refused.transport),
                reason=reason,
                detail=_short(translate(refused.detail))
                if refused.reason is NotQueuedReason.TEMPLATE_FAILED
                else "",
            )
        if text not in flashed:
            flashed.add(text)
            flash.flash("error", text.strip(), refused.edit_url or "")


def _short(detail: str) -> str:
    """Truncate an error, which may quote much of a template: the message must fit into a cookie."""
    return detail if len(detail) <= _MAX_DETAIL_LENGTH else f"{detail[:_MAX_DETAIL_LENGTH]}…"
