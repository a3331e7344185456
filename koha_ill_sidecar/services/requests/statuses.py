"""
Changing a request's status, with all that Koha does then.

Source: Koha, Koha/ILL/Request.pm status and status_alias.
"""

import logging
from dataclasses import replace
from typing import TypedDict, Unpack

from koha_ill_sidecar.backends.base import status_graph
from koha_ill_sidecar.domain import actions
from koha_ill_sidecar.domain.actions import ACTIONS, Action
from koha_ill_sidecar.domain.actors import Actor
from koha_ill_sidecar.domain.notices import NoticeCode
from koha_ill_sidecar.domain.requests import ILLRequest
from koha_ill_sidecar.domain.statuses import Status, StatusGraph
from koha_ill_sidecar.errors import RequestRefused
from koha_ill_sidecar.services.backends import backend_of, features_of
from koha_ill_sidecar.services.notices.sending import send_staff_notice
from koha_ill_sidecar.services.requests import validation
from koha_ill_sidecar.storage.direct import batch
from koha_ill_sidecar.storage.koha import action_logs, authorised_values, requests
from koha_ill_sidecar.storage.sidecar import history, partner_enquiries
from koha_ill_sidecar.storage.sidecar import requests as sidecar_requests
from koha_ill_sidecar.storage.transaction import Transaction

logger = logging.getLogger(__name__)


def graph_of(tx: Transaction, ill_request: ILLRequest) -> StatusGraph:
    """Return the status graph of a request, its backend's nodes included; a query as :func:`backend_of`."""
    return status_graph(backend_of(tx, ill_request), features_of(tx.koha))


def status_of(tx: Transaction, ill_request: ILLRequest) -> str:
    """
    Return the status as Koha's page shows it, the site's own where it has one; a query if there is an alias.

    Source: Koha, koha-tmpl/.../modules/ill/ill-requests.tt.
    """
    if ill_request.status_alias is not None:
        visible = authorised_values.find(tx, tx.koha.status_alias_category, branchcode=ill_request.branchcode)
        if ill_request.status_alias in visible:
            return visible[ill_request.status_alias]
    return graph_of(tx, ill_request).name(ill_request.status)


def available_actions(
    tx: Transaction, ill_request: ILLRequest, actor: Actor | None = None
) -> tuple[Action, ...]:
    """Return the actions that Koha would offer for a request now; without an actor, those that need no permission."""
    backend = backend_of(tx, ill_request)
    return actions.available_actions(
        status_graph(backend, features_of(tx.koha)),
        ill_request.status,
        actions=(*ACTIONS.values(), *backend.actions),
        preferences=[name for name in actions.PREFERENCES if tx.preferences.flag(name)],
        permissions=actor.permissions if actor else (),
        has_record=ill_request.biblio_id is not None,
    )


def require(tx: Transaction, ill_request: ILLRequest, action: Action) -> None:
    """
    Do nothing if the status of a request allows an action.

    Raises:
        ActionNotAllowed: It does not; the error lists the actions that it does allow.
    """
    actions.require_action(
        action,
        illrequest_id=ill_request.illrequest_id,
        status=ill_request.status,
        available=available_actions(tx, ill_request),
    )


class StatusColumns(TypedDict, total=False):
    """The columns that may change together with the status."""

    orderid: str | None


def set_status(
    tx: Transaction, ill_request: ILLRequest, status: str, actor: Actor, **columns: Unpack[StatusColumns]
) -> ILLRequest:
    """
    Move a request to a status, whether or not the graph leads there; its alias is cleared.

    Logs the change if IllLog is on, and closes enquiries at partners unless partners are being asked now. The library's
    staff get a notice of a request for cancellation, if ILLSendStaffNotices says so.

    Args:
        ill_request: The current row, locked by the caller (``requests.get_for_update``).
        columns: Written in the same UPDATE.

    Returns:
        The request with its new status; ``updated``, which MariaDB stamped, is as it was before.

    Raises:
        StatusConflict: The row no longer has the status of *ill_request*; nothing was written.
        RequestRefused: No such status exists (``unknown_status``).
    """
    if status not in set(Status) and status not in graph_of(tx, ill_request).nodes:
        raise RequestRefused(
            "unknown_status",
            "“%(status)s” is not a status. The statuses are %(known)s; a library's own statuses are aliases.",
            status=status,
            known=", ".join(Status),
        )
    requests.set_status(tx, ill_request.illrequest_id, expected=ill_request.status, new=status, **columns)
    changed = replace(ill_request, status=status, status_alias=None, **columns)
    with batch(tx) as queued:  # one round trip for all of them
        _record(queued, ill_request, changed, actor)
        if (
            status != Status.GENREQ
        ):  # placing with partners closes the old enquiries itself, before it adds new ones
            partner_enquiries.close(queued, ill_request.illrequest_id, status=status)
    if status == Status.CANCREQ:
        send_staff_notice(tx, changed, NoticeCode.REQUEST_CANCEL, actor=actor)
    return changed


def set_status_alias(tx: Transaction, ill_request: ILLRequest, alias: str | None, actor: Actor) -> ILLRequest:
    """
    Set one of the site's own statuses, or clear it with None.

    As in Koha, the change is logged even if the request has this alias already.

    Args:
        ill_request: The current row, locked by the caller (``requests.get_for_update``).

    Raises:
        RequestRefused: The site has no such alias (``unknown_status_alias``).
    """
    # An unchanged alias is not checked: the site may have removed it since it was set.
    if alias != ill_request.status_alias:
        validation.check_status_alias(tx, alias)
        requests.update(tx, ill_request.illrequest_id, status_alias=alias)
    changed = replace(ill_request, status_alias=alias)
    _record(tx, ill_request, changed, actor)
    return changed


def _record(tx: Transaction, before: ILLRequest, after: ILLRequest, actor: Actor) -> None:
    was = before.status_alias or before.status
    now = after.status_alias or after.status
    action_logs.add_status_change(tx, after.illrequest_id, before=was, after=now, actor=actor)
    history.add(tx, after.illrequest_id, "status", actor=actor, detail={"before": was, "after": now})
    sidecar_requests.record_seen(tx, after)
    logger.debug("status changed", extra={"illrequest_id": after.illrequest_id, "before": was, "after": now})
