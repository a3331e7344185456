"""
What staff do to a request, with exactly Koha's effects.

Every function that takes an ID locks the row first: two people who act at the same time act one after the other, and
the second sees what the first did. A *version* makes sure that the request still is as it was shown.

Source: Koha, ill/ill-requests.pl, Koha/ILL/Request.pm, Koha/ILL/Backend/Standard.pm.
"""

from koha_ill_sidecar.backends.base import Change
from koha_ill_sidecar.domain import actions
from koha_ill_sidecar.domain.actions import Action
from koha_ill_sidecar.domain.actors import Actor
from koha_ill_sidecar.domain.requests import ILLRequest
from koha_ill_sidecar.domain.statuses import Status
from koha_ill_sidecar.services.backends import backend_of
from koha_ill_sidecar.services.requests.snapshots import Version, lock
from koha_ill_sidecar.services.requests.statuses import require, set_status, set_status_alias
from koha_ill_sidecar.storage.koha import patrons, requests, statistics
from koha_ill_sidecar.storage.koha.statistics import StatisticType
from koha_ill_sidecar.storage.sidecar import history, partner_enquiries
from koha_ill_sidecar.storage.sidecar import requests as sidecar_requests
from koha_ill_sidecar.storage.transaction import Transaction


def confirm(
    tx: Transaction, illrequest_id: int, actor: Actor, *, version: Version | None = None
) -> ILLRequest:
    """
    Confirm a request as its backend does; with Koha's own backend it is REQ, and its ID is its order ID.

    Returns:
        The request as it is now, but for ``updated``: MariaDB has stamped it.

    Raises:
        ActionNotAllowed: Its status does not allow it.
        RequestChanged: It is not as *version* has it.
        RequestNotFound: There is no such request.

    Source: Koha, Koha/ILL/Backend/Standard.pm confirm.
    """
    ill_request = lock(tx, illrequest_id, version)
    require(tx, ill_request, actions.CONFIRM)
    return _apply(tx, ill_request, backend_of(tx, ill_request).confirm(ill_request), actor)


def revert(
    tx: Transaction, illrequest_id: int, actor: Actor, *, version: Version | None = None
) -> ILLRequest:
    """
    Revert a request as its backend does; with Koha's own backend it is REQREV and has no order ID.

    Returns and raises as :func:`confirm`.

    Source: Koha, Koha/ILL/Backend/Standard.pm cancel.
    """
    ill_request = lock(tx, illrequest_id, version)
    require(tx, ill_request, actions.REVERT)
    return _apply(tx, ill_request, backend_of(tx, ill_request).cancel(ill_request), actor)


def perform(
    tx: Transaction, illrequest_id: int, actor: Actor, *, action: Action, version: Version | None = None
) -> ILLRequest:
    """
    Do one of the actions that only the request's backend has.

    Returns and raises as :func:`confirm`.
    """
    ill_request = lock(tx, illrequest_id, version)
    require(tx, ill_request, action)
    return _apply(tx, ill_request, backend_of(tx, ill_request).perform(action, ill_request), actor)


def mark_completed(
    tx: Transaction,
    illrequest_id: int,
    actor: Actor,
    *,
    version: Version | None = None,
    status_alias: str | None = None,
) -> ILLRequest:
    """
    Mark a request completed today.

    Args:
        status_alias: One of the site's own statuses to set at once.

    Raises:
        RequestRefused: The site has no such alias (unknown_status_alias).
        ActionNotAllowed, RequestChanged, RequestNotFound: As :func:`confirm`.
    """
    ill_request = lock(tx, illrequest_id, version)
    require(tx, ill_request, actions.MARK_COMPLETED)
    return complete(tx, ill_request, actor, status_alias=status_alias)


def complete(
    tx: Transaction, ill_request: ILLRequest, actor: Actor, *, status_alias: str | None = None
) -> ILLRequest:
    """
    Complete a request whether or not the graph leads there: status, date, statistics.

    Args:
        ill_request: The current row, locked by the caller.

    Source: Koha, Koha/ILL/Request.pm mark_completed.
    """
    completed = set_status(tx, ill_request, Status.COMP, actor)
    if status_alias is not None:
        completed = set_status_alias(tx, completed, status_alias, actor)
    requests.set_completed_today(tx, ill_request.illrequest_id)
    patron = patrons.find(tx, ill_request.borrowernumber) if ill_request.borrowernumber else None
    statistics.add(
        tx,
        StatisticType.COMPLETED,
        completed,
        categorycode=patron.categorycode if patron else None,
        actor=actor,
    )
    return requests.get(tx, ill_request.illrequest_id)


def delete(
    tx: Transaction, illrequest_id: int, actor: Actor, *, version: Version | None = None
) -> ILLRequest:
    """
    Delete a request with its attributes and comments; its record and the log rows stay, and no notice is sent.

    The caller has asked for confirmation. Returns the request as it was; raises what :func:`confirm` raises.
    """
    ill_request = lock(tx, illrequest_id, version)
    require(tx, ill_request, actions.DELETE)
    requests.delete(tx, illrequest_id)
    # Attributes and comments go with the row by Koha's foreign keys; our own tables have none to Koha's.
    sidecar_requests.delete(tx, illrequest_id)
    partner_enquiries.delete_for_request(tx, illrequest_id)
    history.add(tx, illrequest_id, "deleted", actor=actor, detail={"status": ill_request.status})
    return ill_request


def change_status_alias(tx: Transaction, illrequest_id: int, alias: str | None, actor: Actor) -> ILLRequest:
    """
    Set one of the site's own statuses, or clear it with None.

    Raises:
        RequestNotFound: There is no such request.
        RequestRefused: The site has no such alias (unknown_status_alias).
    """
    return set_status_alias(tx, requests.get_for_update(tx, illrequest_id), alias, actor)


def _apply(tx: Transaction, ill_request: ILLRequest, change: Change, actor: Actor) -> ILLRequest:
    """Write the change that a backend returned: status and order ID in one UPDATE."""
    return set_status(tx, ill_request, change.status, actor, orderid=change.orderid)
