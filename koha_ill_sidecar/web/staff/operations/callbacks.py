"""The pages of callbacks: what suppliers' systems sent, what became of it, and how to replay it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import Blueprint, redirect, request, url_for
from werkzeug.wrappers import Response

from koha_ill_sidecar.domain import strict_json
from koha_ill_sidecar.domain.callbacks import Verdict
from koha_ill_sidecar.errors import (
    BackendNotConfigured,
    ReceiptNotFound,
    ReceiptNotReplayable,
    RequestNotFound,
)
from koha_ill_sidecar.runtime import Runtime
from koha_ill_sidecar.services.callbacks.replaying import may_replay, replay
from koha_ill_sidecar.storage.koha import requests
from koha_ill_sidecar.storage.sidecar import receipts
from koha_ill_sidecar.storage.sidecar.receipts import ListedReceipt, ReceiptFilter
from koha_ill_sidecar.storage.transaction import Transaction
from koha_ill_sidecar.web.callbacks.answers import answer_status
from koha_ill_sidecar.web.staff.operations.forms import PAGE_SIZE, number
from koha_ill_sidecar.web.ui import errors, flash
from koha_ill_sidecar.web.ui.i18n import gettext as _
from koha_ill_sidecar.web.ui.labels import VERDICTS
from koha_ill_sidecar.web.ui.pages import page


@dataclass(frozen=True, kw_only=True, slots=True)
class _Inbox:
    found: Sequence[ListedReceipt]
    backends: Sequence[str]
    is_unknown: bool  # nothing was found, and Koha has no such request


def install(blueprint: Blueprint, runtime: Runtime) -> None:
    """Add the routes."""
    views = _Views(runtime)
    add = blueprint.add_url_rule
    add("/operations/callbacks", "callbacks", views.show_list)
    add("/operations/callbacks/<int:receipt_id>", "callback", views.show)
    add("/operations/callbacks/<int:receipt_id>/replay", "callback_replay", views.replay, methods=["POST"])
    blueprint.register_error_handler(ReceiptNotFound, _not_found)


class _Views:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._transact = runtime.database.transact
        self._backends = runtime.settings.backends

    def show_list(self) -> Response:
        wanted, typed_request = _wanted(), request.args.get("request", "").strip()
        inbox = self._transact(_look, wanted, number(request.args.get("before")))
        return page(
            "staff/operations/callbacks.html",
            found=inbox.found[:PAGE_SIZE],
            has_more=len(inbox.found) > PAGE_SIZE,
            is_first="before" not in request.args,
            wanted=wanted,
            typed_request=typed_request,
            is_passed_over=bool(typed_request) and wanted.illrequest_id is None,
            is_unknown=inbox.is_unknown,
            backends=sorted({*inbox.backends, *self._backends}),
            verdicts=VERDICTS,
        )

    def show(self, receipt_id: int) -> Response:
        receipt = self._transact(receipts.get, receipt_id)
        return page(
            "staff/operations/callback.html",
            receipt=receipt,
            verdicts=VERDICTS,
            body=_body(receipt.body),
            conflicting_body=None if receipt.conflicting_body is None else _body(receipt.conflicting_body),
            answer=json.dumps(receipt.answer, indent=2, ensure_ascii=False),
            may_replay=may_replay(receipt, self._backends),
        )

    def replay(self, receipt_id: int) -> Response:
        replay_and_flash(self._runtime, receipt_id)
        return redirect(url_for("staff.callback", receipt_id=receipt_id), 303)


def replay_and_flash(runtime: Runtime, receipt_id: int) -> None:
    """Replay a callback and flash what became of it; raises ReceiptNotFound."""
    try:
        received = runtime.database.transact(
            replay, receipt_id, runtime.settings.backends, answer_status=answer_status
        )
    except ReceiptNotReplayable:
        flash.flash("warning", _("This callback was applied already; there is nothing to replay."))
    except BackendNotConfigured:
        flash.flash("error", _("The configuration has no callbacks for this backend any more."))
    else:
        outcome = _(VERDICTS[received.verdict])
        is_settled = received.verdict in (Verdict.APPLIED, Verdict.UNCHANGED)
        flash.flash(
            "done" if is_settled else "warning",
            _("Callback %(number)s was replayed: %(outcome)s.", number=receipt_id, outcome=outcome),
        )


def _body(body: bytes) -> Mapping[str, str | None]:
    return {"raw": body.decode("utf-8", "replace"), "pretty": strict_json.pretty(body)}


def _look(tx: Transaction, wanted: ReceiptFilter, before: int | None) -> _Inbox:
    found = receipts.list_page(tx, wanted, limit=PAGE_SIZE + 1, before=before)
    return _Inbox(
        found=found,
        backends=receipts.backends(tx),
        is_unknown=not found and wanted.illrequest_id is not None and not _exists(tx, wanted.illrequest_id),
    )


def _exists(tx: Transaction, illrequest_id: int) -> bool:
    try:
        requests.get(tx, illrequest_id)
    except RequestNotFound:
        return False
    return True


def _wanted() -> ReceiptFilter:
    verdict = request.args.get("verdict", "")
    return ReceiptFilter(
        backend=request.args.get("backend") or None,
        verdicts=_by_name(VERDICTS, verdict),
        illrequest_id=number(request.args.get("request")),
    )


def _by_name(verdicts: Mapping[Verdict, str], name: str) -> Sequence[Verdict]:
    return [verdict for verdict in verdicts if verdict.value == name]


def _not_found(error: Exception) -> Response:
    del error
    return errors.not_found_page()
