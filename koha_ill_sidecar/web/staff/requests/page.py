"""The page of a request, and what is done on it directly: comments, staff alerts, replays."""

from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from flask import Blueprint, redirect, request, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from koha_ill_sidecar.domain import strict_json
from koha_ill_sidecar.domain.attributes import MaterialType
from koha_ill_sidecar.errors import (
    RequestNotFound,
    RequestRefused,
)
from koha_ill_sidecar.messages import N_
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services.callbacks.replaying import has_callbacks, may_replay
from koha_ill_sidecar.services.requests.alerts import dismiss_read_alerts
from koha_ill_sidecar.services.requests.comments import add_comment
from koha_ill_sidecar.services.requests.log import find_deletion
from koha_ill_sidecar.services.requests.page import NEWEST, RequestPage, Section, load_page
from koha_ill_sidecar.web.staff.operations.callbacks import replay_and_flash
from koha_ill_sidecar.web.staff.session import current, staff_context
from koha_ill_sidecar.web.ui import flash, forms
from koha_ill_sidecar.web.ui.i18n import gettext as _
from koha_ill_sidecar.web.ui.i18n import translate
from koha_ill_sidecar.web.ui.labels import MESSAGE_STATES, VERDICTS
from koha_ill_sidecar.web.ui.pages import page

_LONG_VALUES: Mapping[str, str] = {
    "access_url": N_("Access URL"),
    "cost": N_("Cost, with its currency"),
    "due_date": N_("Due date"),
    "tracking": N_("Tracking number"),
}
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
_MAX_FORMATTED_LENGTH = 20_000  # characters: indentation makes deeply nested bodies much longer


def install(blueprint: Blueprint, runtime: Runtime) -> None:
    """Add the routes."""
    views = _RequestViews(runtime)
    path = "/requests/<int:illrequest_id>"
    blueprint.add_url_rule(path, "request", views.get)
    blueprint.add_url_rule(f"{path}/comments", "add_comment", views.add_comment, methods=["POST"])
    blueprint.add_url_rule(f"{path}/attended", "dismiss_alert", views.dismiss_alert, methods=["POST"])
    blueprint.add_url_rule(
        f"{path}/callbacks/<int:receipt_id>/replay", "replay", views.replay, methods=["POST"]
    )


class _RequestViews:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._database = runtime.database
        self._backends = runtime.settings.backends

    def get(self, illrequest_id: int) -> Response:
        section = Section(
            comments_before=forms.number("comments_before", request.args),
            messages_before=forms.number("messages_before", request.args),
            all_partners=request.args.get("partners") == "all",
        )
        try:
            found = self._database.transact(load_page, illrequest_id, staff_context(self._runtime), section)
        except RequestNotFound:
            found_deletion = self._database.transact(find_deletion, illrequest_id)
            if found_deletion is None:
                raise
            deletion, has_receipts = found_deletion
            return page(
                "staff/requests/gone.html",
                404,
                illrequest_id=illrequest_id,
                deletion=deletion,
                has_receipts=has_receipts,
            )
        return self._page(found, section=section)

    def add_comment(self, illrequest_id: int) -> Response:
        text = request.form.get("comment", "").replace("\r\n", "\n").strip()
        actor = current().member
        try:
            self._database.transact(
                add_comment, illrequest_id, text, actor, seen=forms.number("newest_comment")
            )
        except RequestRefused as error:
            problem = (
                _("Enter a comment first.") if error.code == "empty_comment" else translate(error.message)
            )
            return self._page(self._read(illrequest_id), 422, comment=text, comment_problem=problem)
        flash.flash("done", _("The comment was added."))
        return redirect(url_for("staff.request", illrequest_id=illrequest_id, _anchor="comments"), 303)

    def dismiss_alert(self, illrequest_id: int) -> Response:
        """Dismiss the staff alert that the page showed."""
        self._read(illrequest_id)
        if self._database.transact(dismiss_read_alerts, illrequest_id, _written_at()):
            flash.flash("done", _("The request no longer needs attention."))
        else:
            flash.flash("warning", _("Something new has come in that needs attention."))
        return redirect(url_for("staff.request", illrequest_id=illrequest_id), 303)

    def replay(self, illrequest_id: int, receipt_id: int) -> Response:
        found = self._read(illrequest_id)
        receipt = next((one for one in found.receipts if one.receipt_id == receipt_id), None)
        if receipt is None or not has_callbacks(self._backends, receipt.backend):
            raise NotFound
        replay_and_flash(self._runtime, receipt_id)
        return redirect(url_for("staff.request", illrequest_id=illrequest_id), 303)

    def _read(self, illrequest_id: int) -> RequestPage:
        return self._database.transact(load_page, illrequest_id, staff_context(self._runtime))

    def _page(
        self,
        found: RequestPage,
        status: int = 200,
        *,
        section: Section = NEWEST,
        comment: str = "",
        comment_problem: str = "",
    ) -> Response:
        return page(
            "staff/requests/request.html",
            status,
            found=found,
            header=found.header,
            section=section,
            type_label=_type_label(found.type),
            access_url=_safe_link(found.header.ill_request.accessurl),
            long_values=_long_values(found),
            bodies={one.receipt_id: _body_text(one.body, one.body_length) for one in found.receipts},
            replayable={one.receipt_id for one in found.receipts if may_replay(one, self._backends)},
            verdicts=VERDICTS,
            progress=MESSAGE_STATES,
            comment=comment,
            comment_problem=comment_problem,
        )


def _written_at() -> datetime:
    """Return when the alert that the form showed was written; long ago if the field is unreadable."""
    try:
        written_at = datetime.fromisoformat(request.form.get("written_at", ""))
    except ValueError:
        return _LONG_AGO
    return written_at if written_at.tzinfo else _LONG_AGO


def _type_label(kind: str) -> str:
    return MaterialType(kind).label if kind in set(MaterialType) else kind


def _safe_link(url: str | None) -> str:
    """Return the URL if it can be linked to; suppliers and patrons may have written anything, such as a script."""
    return url if url and urlsplit(url).scheme in ("http", "https") else ""


def _long_values(found: RequestPage) -> Mapping[str, str]:
    """Return the values that are too long for Koha's columns, by label."""
    stored = dict(found.header.state.long_values or {})
    order_id = found.header.state.order_id
    labelled = {_(_LONG_VALUES.get(name, name)): value for name, value in stored.items()}
    if order_id and order_id != found.header.ill_request.orderid:
        labelled[_("Order ID")] = order_id
    return labelled


def _body_text(body: bytes, length: int) -> str:
    """
    Return the text of a body, formatted if it is complete and not too long.

    Args:
        length: Of the whole body; *body* may be only its beginning.
    """
    formatted = strict_json.pretty(body) if len(body) == length else None
    if formatted is not None and len(formatted) <= _MAX_FORMATTED_LENGTH:
        return formatted
    return body.decode("utf-8", "replace")
