"""The page of a request, and what is done on it without another page: comments, replays, attention."""

from collections.abc import Mapping
from dataclasses import dataclass
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
from koha_ill_sidecar.services.callbacks.replaying import dismiss_read_alerts, has_callbacks, may_replay
from koha_ill_sidecar.services.requests import lifecycle as service
from koha_ill_sidecar.services.requests.page import NEWEST, RequestPage, Section, load_page
from koha_ill_sidecar.services.requests.past import find_deleted
from koha_ill_sidecar.storage.sidecar.receipts import ReceiptExcerpt
from koha_ill_sidecar.web.staff.operations.callbacks import replay_and_flash
from koha_ill_sidecar.web.staff.requests.workplace import staff_context
from koha_ill_sidecar.web.staff.session import current
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
_LONGEST_LAID_OUT = 20_000  # characters: what is deeply nested grows with every line


def install(blueprint: Blueprint, runtime: Runtime) -> None:
    """Add the routes."""
    managing = _RequestViews(runtime)
    path = "/requests/<int:illrequest_id>"
    blueprint.add_url_rule(path, "request", managing.show)
    blueprint.add_url_rule(f"{path}/comments", "add_comment", managing.add_comment, methods=["POST"])
    blueprint.add_url_rule(f"{path}/attended", "attended", managing.dismiss_alert, methods=["POST"])
    blueprint.add_url_rule(
        f"{path}/callbacks/<int:receipt_id>/replay", "replay", managing.replay, methods=["POST"]
    )


@dataclass(frozen=True, slots=True)
class _Body:
    """The body of a callback as it is shown."""

    text: str
    is_whole: bool


class _RequestViews:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._database = runtime.database
        self._backends = runtime.settings.backends

    def show(self, illrequest_id: int) -> Response:
        """Show a request."""
        section = Section(
            comments_before=forms.number("comments_before", request.args),
            messages_before=forms.number("messages_before", request.args),
            all_partners=request.args.get("partners") == "all",
        )
        try:
            found = self._database.transact(load_page, illrequest_id, staff_context(self._runtime), section)
        except RequestNotFound:
            gone = self._database.transact(find_deleted, illrequest_id)
            if gone is None:
                raise
            return page("staff/requests/gone.html", 404, illrequest_id=illrequest_id, gone=gone)
        return self._page(found, section=section)

    def add_comment(self, illrequest_id: int) -> Response:
        """Add a comment."""
        text = request.form.get("comment", "").replace("\r\n", "\n").strip()
        actor = current().member
        try:
            self._database.transact(
                service.add_comment, illrequest_id, text, actor, seen=forms.number("newest_comment")
            )
        except RequestRefused as error:
            problem = (
                _("Type a comment first.") if error.code == "empty_comment" else translate(error.message)
            )
            return self._page(self._read(illrequest_id), 422, comment=text, comment_problem=problem)
        flash.flash("done", _("The comment was added."))
        return redirect(url_for("staff.request", illrequest_id=illrequest_id, _anchor="comments"), 303)

    def dismiss_alert(self, illrequest_id: int) -> Response:
        """Take the word to the staff away that was read."""
        self._read(illrequest_id)
        if self._database.transact(dismiss_read_alerts, illrequest_id, _written_at()):
            flash.flash("done", _("The request no longer needs attention."))
        else:
            flash.flash("warning", _("There is something new to look at."))
        return _back(illrequest_id)

    def replay(self, illrequest_id: int, receipt_id: int) -> Response:
        """Replay a callback of the request."""
        found = self._read(illrequest_id)
        receipt = next((one for one in found.receipts if one.receipt_id == receipt_id), None)
        if receipt is None or not has_callbacks(self._backends, receipt.backend):
            raise NotFound
        replay_and_flash(self._runtime, receipt_id)
        return _back(illrequest_id)

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
            access_url=_as_link(found.header.ill_request.accessurl),
            long_values=_long_values(found),
            bodies={one.receipt_id: _body(one) for one in found.receipts},
            replayable={one.receipt_id for one in found.receipts if may_replay(one, self._backends)},
            verdicts=VERDICTS,
            progress=MESSAGE_STATES,
            comment=comment,
            comment_problem=comment_problem,
        )


def _written_at() -> datetime:
    """Return when the word to the staff was written that the form showed; long ago if that cannot be read."""
    try:
        written_at = datetime.fromisoformat(request.form.get("written_at", ""))
    except ValueError:
        return _LONG_AGO
    return written_at if written_at.tzinfo else _LONG_AGO


def _back(illrequest_id: int) -> Response:
    return redirect(url_for("staff.request", illrequest_id=illrequest_id), 303)


def _type_label(kind: str) -> str:
    return MaterialType(kind).label if kind in set(MaterialType) else kind


def _as_link(address: str | None) -> str:
    """Return an address that may be followed; what a supplier or a patron wrote may be anything."""
    return address if address and urlsplit(address).scheme in ("http", "https") else ""


def _long_values(found: RequestPage) -> Mapping[str, str]:
    """Return what Koha's columns cannot hold, by label."""
    kept = dict(found.header.state.long_values or {})
    order_id = found.header.state.order_id
    labelled = {_(_LONG_VALUES.get(name, name)): value for name, value in kept.items()}
    if order_id and order_id != found.header.ill_request.orderid:
        labelled[_("Order ID")] = order_id
    return labelled


def _body(receipt: ReceiptExcerpt) -> _Body:
    """Return a body for people to read: laid out if it is complete and not too long, else as it came."""
    is_whole = len(receipt.body) == receipt.body_length
    laid_out = strict_json.pretty(receipt.body) if is_whole else None
    if laid_out is not None and len(laid_out) <= _LONGEST_LAID_OUT:
        return _Body(laid_out, is_whole)
    return _Body(receipt.body.decode("utf-8", "replace"), is_whole)
