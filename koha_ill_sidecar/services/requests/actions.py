"""What each action does, and what it would do now."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from koha_ill_sidecar.domain import actions
from koha_ill_sidecar.domain.actions import Action, Choice
from koha_ill_sidecar.domain.requests import ILLRequest, values_by_type
from koha_ill_sidecar.errors import ActionNotAllowed
from koha_ill_sidecar.services.requests import creation, lifecycle
from koha_ill_sidecar.services.requests.header import RequestHeader, StaffContext, load_header
from koha_ill_sidecar.services.requests.snapshots import snapshot
from koha_ill_sidecar.services.requests.statuses import graph_of
from koha_ill_sidecar.storage.koha import attributes, authorised_values
from koha_ill_sidecar.storage.sidecar import partner_enquiries
from koha_ill_sidecar.storage.transaction import Transaction

FUNCTIONS: Mapping[str, Callable[..., ILLRequest]] = {
    actions.CONFIRM.method: lifecycle.confirm,
    actions.REVERT.method: lifecycle.revert,
    actions.MARK_COMPLETED.method: lifecycle.mark_completed,
    actions.DELETE.method: lifecycle.delete,
    actions.SWITCH_PROVIDER.method: creation.switch_provider,
}
"""
The function of each action that needs no page of its own, by method.

All have the parameters ``(tx, illrequest_id, actor, *, version=None)``, and one more for what the action asks for
(:class:`Choice`). They return the request to show next.
"""


def function_of(action: Action) -> Callable[..., ILLRequest]:
    """Return the function that does an action: its own, or for a backend's own action the one that asks the backend."""
    return FUNCTIONS.get(action.method) or functools.partial(lifecycle.perform, action=action)


@dataclass(frozen=True, kw_only=True, slots=True)
class ActionPreview:
    """
    What an action would do now.

    Attributes:
        title: Title of the wanted item, of an article its own; empty where none is known.
        after: Name of the status afterwards; empty: the request is gone.
        is_logged: Whether Koha logs it.
        version: What the request must still be like when the action is done.
        open_enquiries: Number of partners that were asked and have not answered.
        comments: Number of comments that are deleted with the request.
        aliases: Names of the site's own statuses to choose from, by code.
    """

    header: RequestHeader
    action: Action
    title: str
    after: str
    is_logged: bool
    version: Mapping[str, str]
    open_enquiries: int
    comments: int
    aliases: Mapping[str, str]


def preview_action(
    tx: Transaction, illrequest_id: int, action: Action, context: StaffContext
) -> ActionPreview:
    """
    Return what an action would do; thirteen queries at most.

    Raises:
        ActionNotAllowed: The status does not allow it.
        RequestNotFound: There is no such request.
    """
    header = load_header(tx, illrequest_id, context)
    ill_request = header.ill_request
    if action not in header.actions:
        raise ActionNotAllowed(f"There is no {action.method} now.", allowed=header.methods)
    enquiries = partner_enquiries.find_for_request(tx, illrequest_id)
    version = snapshot(tx, ill_request, status=header.status)
    values = values_by_type(attributes.find(tx, illrequest_id))
    asks_for_alias = action.asks_for is Choice.STATUS_ALIAS
    category = tx.koha.status_alias_category
    return ActionPreview(
        header=header,
        action=action,
        title=values.get("article_title") or values.get("title", ""),
        after=graph_of(tx, ill_request).name(action.status),
        is_logged=action.status is not None and tx.preferences.flag("IllLog"),
        version=version,
        open_enquiries=sum(enquiry.closed_at is None for enquiry in enquiries),
        comments=int(version["comments"]) if action.status is None else 0,  # counted already
        aliases=authorised_values.find(tx, category, branchcode=ill_request.branchcode)
        if asks_for_alias
        else {},
    )
