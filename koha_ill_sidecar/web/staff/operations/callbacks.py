"""The pages of callbacks: what suppliers' systems sent, the results, and replay."""

import json

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response

from koha_ill_sidecar.domain import request_ids, strict_json
from koha_ill_sidecar.domain.callbacks import Verdict
from koha_ill_sidecar.errors import (
    BackendNotConfigured,
    ReceiptNotFound,
    ReceiptNotReplayable,
)
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services.callbacks.listing import get_receipt, list_receipts
from koha_ill_sidecar.services.callbacks.replaying import may_replay, replay
from koha_ill_sidecar.web.callbacks.answers import answer_status
from koha_ill_sidecar.web.ui import error_pages, flash, forms
from koha_ill_sidecar.web.ui.i18n import gettext as _
from koha_ill_sidecar.web.ui.labels import VERDICTS
from koha_ill_sidecar.web.ui.pages import PAGE_SIZE, page


def install(blueprint: Blueprint, runtime: Runtime) -> None:
    """Add the routes."""
    views = _CallbackViews(runtime)
    add = blueprint.add_url_rule
    add("/operations/callbacks", "callbacks", views.get_list)
    add("/operations/callbacks/<int:receipt_id>", "callback", views.get)
    add("/operations/callbacks/<int:receipt_id>/replay", "callback_replay", views.replay, methods=["POST"])
    blueprint.register_error_handler(ReceiptNotFound, error_pages.not_found_page)


class _CallbackViews:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._transact = runtime.database.transact
        self._backends = runtime.settings.backends

    def get_list(self) -> Response:
        backend, verdict = request.args.get("backend", ""), request.args.get("verdict", "")
        typed_request = request.args.get("request", "").strip()
        illrequest_id = self._id_as_typed(typed_request)
        found, backends, is_unknown_request = self._transact(
            list_receipts,
            backend=backend or None,
            verdicts=[Verdict(verdict)] if verdict in set(VERDICTS) else [],
            illrequest_id=illrequest_id,
            before=forms.as_id(request.args.get("before")),
            limit=PAGE_SIZE + 1,
        )
        return page(
            "staff/operations/callbacks.html",
            found=found[:PAGE_SIZE],
            has_more=len(found) > PAGE_SIZE,
            is_unknown_request=is_unknown_request,
            is_first="before" not in request.args,
            backend=backend,
            verdict=verdict,
            illrequest_id=illrequest_id,
            typed_request=typed_request,
            backends=sorted({*backends, *self._backends}),
            verdicts=VERDICTS,
        )

    def _id_as_typed(self, typed: str) -> int | None:
        written = request_ids.parse(typed)
        prefixes = self._runtime.database.site.prefixes.values()
        return written.illrequest_id if written and written.has_prefix_of(prefixes) else None

    def get(self, receipt_id: int) -> Response:
        receipt = self._transact(get_receipt, receipt_id)
        conflicting = receipt.conflicting_body
        return page(
            "staff/operations/callback.html",
            receipt=receipt,
            verdicts=VERDICTS,
            body=_texts(receipt.body),
            conflicting_body=None if conflicting is None else _texts(conflicting),
            answer=json.dumps(receipt.answer, indent=2, ensure_ascii=False),
            may_replay=may_replay(receipt, self._backends),
        )

    def replay(self, receipt_id: int) -> Response:
        replay_and_flash(self._runtime, receipt_id)
        return redirect(url_for("staff.callback", receipt_id=receipt_id), 303)


def replay_and_flash(runtime: Runtime, receipt_id: int) -> None:
    """Replay a callback and flash the result; raises ReceiptNotFound."""
    try:
        received = runtime.database.transact(
            replay, receipt_id, runtime.settings.backends, answer_status=answer_status
        )
    except ReceiptNotReplayable:
        flash.flash("warning", _("This callback has already been applied; there is nothing to replay."))
    except BackendNotConfigured:
        flash.flash("error", _("Callbacks for this backend are no longer configured."))
    else:
        outcome = _(VERDICTS[received.verdict])
        is_settled = received.verdict in (Verdict.APPLIED, Verdict.UNCHANGED)
        flash.flash(
            "done" if is_settled else "warning",
            _("Callback %(number)s was replayed: %(outcome)s.", number=receipt_id, outcome=outcome),
        )


def _texts(body: bytes) -> tuple[str, str | None]:
    """Return a body as text, and formatted if it is strict JSON."""
    return body.decode("utf-8", "replace"), strict_json.pretty(body)
