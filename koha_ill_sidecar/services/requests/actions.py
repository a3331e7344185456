"""
What an action would do to a request, and what it has done.

What is done to a request, :mod:`koha_ill_sidecar.services.requests.lifecycle` does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from koha_ill_sidecar.domain.actors import Actor
from koha_ill_sidecar.domain.requests import ILLRequest, values_by_type
from koha_ill_sidecar.domain.statuses import Action, Status, StatusNode
from koha_ill_sidecar.errors import ActionNotAllowed
from koha_ill_sidecar.services.requests.header import RequestHeader, StaffContext, load_header
from koha_ill_sidecar.services.requests.ids import shown_id
from koha_ill_sidecar.services.requests.overview import status_of
from koha_ill_sidecar.services.requests.snapshots import snapshot
from koha_ill_sidecar.services.requests.statuses import graph_of
from koha_ill_sidecar.storage.koha import attributes, authorised_values, requests
from koha_ill_sidecar.storage.koha.authorised_values import AuthorisedValue
from koha_ill_sidecar.storage.sidecar import partner_enquiries
from koha_ill_sidecar.storage.transaction import Transaction

_AFTER: Mapping[str, Status | None] = {
    Action.CONFIRM: Status.REQ,
    Action.REVERT: Status.REQREV,
    Action.MARK_COMPLETED: Status.COMP,
    Action.SWITCH_PROVIDER: Status.REQREV,
    Action.DELETE: None,
}
"""The status in which an action leaves a request."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ActionPreview:
    """
    What an action would do now.

    Attributes:
        title: Of the wanted item: of an article its own; empty where none is known.
        after: What the status is called afterwards; empty: the request is gone.
        is_logged: Whether Koha's log is told.
        seen: What the request must still be like when it is done.
        open_enquiries: Partners that were asked and have not answered.
        aliases: The site's own statuses to choose from.
    """

    header: RequestHeader
    node: StatusNode
    title: str
    after: str
    is_logged: bool
    version: Mapping[str, str]
    open_enquiries: int
    comments: int
    aliases: Sequence[AuthorisedValue]


ActionFunction: TypeAlias = Callable[[Transaction, int, Actor], ILLRequest | None]
"""Does an action; gives the request that one goes on with, or nothing if it was deleted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ActionResult:
    """
    What an action led to.

    Attributes:
        number: Of the request that it was done to, with its library's prefix.
        ill_request: The one to go on with, which may be another; nothing if it was deleted.
    """

    shown_id: str
    ill_request: ILLRequest | None
    new_shown_id: str
    status: str


def preview_action(
    tx: Transaction, illrequest_id: int, method: str, workplace: StaffContext
) -> ActionPreview:
    """
    Return what an action would do; thirteen queries at most.

    Raises:
        ActionNotAllowed: The status does not allow it.
        RequestNotFound: There is no such request.
    """
    top = load_header(tx, illrequest_id, workplace)
    node = next((node for node in top.actions if node.method == method), None)
    if node is None or method not in _AFTER:
        raise ActionNotAllowed(f"There is no {method} now.", allowed=top.methods)
    after = _AFTER[method]
    asked = partner_enquiries.find_for_request(tx, illrequest_id)
    seen = snapshot(tx, top.ill_request, status=top.status)
    values = values_by_type(attributes.find(tx, illrequest_id))
    return ActionPreview(
        header=top,
        node=node,
        title=values.get("article_title") or values.get("title", ""),
        after=graph_of(tx.koha, top.ill_request).name(after) if after else "",
        is_logged=after is not None and tx.preferences.flag("IllLog"),
        version=seen,
        open_enquiries=sum(enquiry.closed_at is None for enquiry in asked),
        comments=int(seen["comments"]) if method == Action.DELETE else 0,
        aliases=_aliases(tx, top.ill_request) if method == Action.MARK_COMPLETED else (),
    )


def perform(tx: Transaction, illrequest_id: int, run: ActionFunction, actor: Actor) -> ActionResult:
    """
    Do an action and tell what is so now; what *run* raises is passed on.

    Raises:
        RequestNotFound: There is no such request.
    """
    number = shown_id(tx, requests.get(tx, illrequest_id))
    after = run(tx, illrequest_id, actor)
    return ActionResult(
        shown_id=number,
        ill_request=after,
        new_shown_id=shown_id(tx, after) if after else "",
        status=status_of(tx, after) if after else "",
    )


def _aliases(tx: Transaction, ill_request: ILLRequest) -> Sequence[AuthorisedValue]:
    return authorised_values.find(tx, tx.koha.status_alias_category, branchcode=ill_request.branchcode)
