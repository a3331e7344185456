"""
What staff do to a request, with exactly Koha's effects.

Every function that takes an ID locks the row first: two people who act at the same time act one after the other, and
the second sees what the first did. A *version* makes sure that the request still is as it was shown.

Source: Koha, ill/ill-requests.pl, Koha/ILL/Request.pm, Koha/ILL/Backend/Standard.pm.
"""

from collections.abc import Mapping
from typing import TypedDict, Unpack

from koha_ill_sidecar.backends.base import Change
from koha_ill_sidecar.domain import actions
from koha_ill_sidecar.domain.actions import Action
from koha_ill_sidecar.domain.actors import Actor
from koha_ill_sidecar.domain.item_form import check_key
from koha_ill_sidecar.domain.notices import NoticeOutcome
from koha_ill_sidecar.domain.requests import ILLRequest
from koha_ill_sidecar.domain.statuses import Status
from koha_ill_sidecar.errors import RequestRefused
from koha_ill_sidecar.services.backends import backend_of
from koha_ill_sidecar.services.notices.sending import send_patron_notice
from koha_ill_sidecar.services.requests import validation
from koha_ill_sidecar.services.requests.snapshots import Version, lock
from koha_ill_sidecar.services.requests.statuses import require, set_status, set_status_alias
from koha_ill_sidecar.storage.koha import attributes, comments, patrons, requests, statistics
from koha_ill_sidecar.storage.koha.comments import Comment
from koha_ill_sidecar.storage.koha.statistics import StatisticType
from koha_ill_sidecar.storage.sidecar import history, partner_enquiries
from koha_ill_sidecar.storage.sidecar import requests as sidecar_requests
from koha_ill_sidecar.storage.transaction import Transaction


class RequestEdit(TypedDict, total=False):
    """The columns that staff may edit; an empty text is stored as NULL, and what is not given stays."""

    borrowernumber: int
    managedby: int | None  # from 26.05 (bug 40504)
    biblio_id: int | None
    batch_id: int | None
    branchcode: str
    price_paid: str | None
    notesopac: str | None
    notesstaff: str | None
    status_alias: str | None


def edit(tx: Transaction, illrequest_id: int, actor: Actor, **changes: Unpack[RequestEdit]) -> ILLRequest:
    """
    Edit a request; possible in every status.

    As in Koha, each save logs the alias anew, even if nothing else changed, and another patron takes over the holds
    that the former one had on the request's record.

    Raises:
        RequestNotFound: There is no such request.
        RequestRefused: invalid_patron, invalid_manager, invalid_biblio, invalid_batch, invalid_branch,
            unknown_status_alias, invalid_price, too_long.

    Source: Koha, ill/ill-requests.pl edit_action, Koha/ILL/Request.pm store.
    """
    before = requests.get_for_update(tx, illrequest_id)
    alias = changes.pop("status_alias", before.status_alias) or None
    columns = {name: checked(tx, name, value) for name, value in changes.items()}
    _move_holds(tx, before, columns)
    if columns:
        requests.update(tx, illrequest_id, **columns)
    edited = requests.get(tx, illrequest_id)
    changed = sorted(name for name in columns if getattr(before, name) != getattr(edited, name))
    if changed:
        history.add(tx, illrequest_id, "edited", actor=actor, detail={"columns": changed})
    set_status_alias(tx, edited, alias, actor)
    return requests.get(tx, illrequest_id)


def checked(tx: Transaction, name: str, value: object) -> object:
    """
    Return what is to be written to a column for what was given.

    Raises:
        RequestRefused: As :func:`edit`.
    """
    match name, value:
        case "borrowernumber", int():
            validation.check_patron(tx, value)
        case "managedby", int():
            validation.manager(tx, value)
        case "biblio_id", int():
            validation.biblio(tx, value)
        case "batch_id", int():
            validation.batch(tx, value)
        case "branchcode", str():
            return validation.branch(tx, value)
        case "status_alias", str() if value:
            validation.status_alias(tx, value)
        case "price_paid", str() if value:
            value = validation.price(tx, value)
    if isinstance(value, str):
        validation.check_length(tx, "illrequests", name, value)
    return None if value == "" else value


def edit_item(tx: Transaction, illrequest_id: int, values: Mapping[str, str], actor: Actor) -> ILLRequest:
    """
    Write what is known of the wanted item; only while the request is NEW.

    Up to 25.05 *values* replace all attributes, and those not given are lost; from 25.11 (bug 40850) only the given
    ones change, and empty ones are passed over. In both, "0" counts as empty.

    Args:
        values: Attributes by type, core fields and custom ones alike.

    Raises:
        ActionNotAllowed: The request is not NEW.
        RequestNotFound: There is no such request.
        RequestRefused: A key cannot be stored (invalid_field), or the type is missing (missing_type).

    Source: Koha, Koha/ILL/Backend/Standard.pm edititem.
    """
    ill_request = requests.get_for_update(tx, illrequest_id)
    require(tx, ill_request, actions.EDIT_ITEM)
    for key in values:
        check_key(key)
    kept = {key: value for key, value in values.items() if value not in ("", "0")}
    if tx.koha.features.updates_single_attributes:
        attributes.put(tx, ill_request, kept, readonly=False)
    else:
        if "type" not in kept:
            raise RequestRefused(
                "missing_type", "The type is missing: specify the type of material, such as book or article."
            )
        attributes.remove_all(tx, illrequest_id)
        attributes.add(tx, ill_request, kept, readonly=False)
    requests.touch(tx, illrequest_id)
    history.add(tx, illrequest_id, "item_edited", actor=actor, detail={"types": sorted(kept)})
    return requests.get(tx, illrequest_id)


def confirm(
    tx: Transaction, illrequest_id: int, actor: Actor, *, version: Version | None = None
) -> ILLRequest:
    """
    Confirm a request; what becomes of it, its backend decides: with Koha's own it is REQ, its ID being its order ID.

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
    Revert a request; with Koha's own backend it is REQREV and has no order ID any more.

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
        ill_request: The row as it stands, locked by the caller.

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

    The caller has asked for confirmation.

    Returns:
        The request as it was.

    Raises:
        ActionNotAllowed, RequestChanged, RequestNotFound: As :func:`confirm`.
    """
    ill_request = lock(tx, illrequest_id, version)
    require(tx, ill_request, actions.DELETE)
    requests.delete(tx, illrequest_id)
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


def add_comment(
    tx: Transaction, illrequest_id: int, text: str, actor: Actor, *, seen: int | None = None
) -> int:
    """
    Add a comment of a member of staff and give its number; it cannot be changed later.

    Args:
        seen: The newest comment when this one was written. If this one has come after it, it is a form sent twice, and
            is not added again.

    Raises:
        RequestNotFound: There is no such request.
        RequestRefused: There is no text (empty_comment), more than Koha has room for (too_long), or nobody to have
            written it (no_author).

    Source: Koha, ill/ill-requests.pl cud-save_comment.
    """
    if not text.strip():
        raise RequestRefused("empty_comment", "The comment has no text.")
    if not actor.borrowernumber:
        raise RequestRefused("no_author", "A comment needs a member of staff as its author.")
    validation.check_length(tx, "illcomments", "comment", text)
    requests.get_for_update(tx, illrequest_id)
    if seen is not None:
        twin = comments.find_duplicate(
            tx, illrequest_id, borrowernumber=actor.borrowernumber, comment=text, after=seen
        )
        if twin is not None:
            return twin
    number = comments.add(tx, illrequest_id, borrowernumber=actor.borrowernumber, comment=text)
    history.add(tx, illrequest_id, "commented", actor=actor, detail={"illcomment_id": number})
    return number


def send_notice(
    tx: Transaction,
    illrequest_id: int,
    notice_code: str,
    actor: Actor,
    *,
    version: Version | None = None,
    additional_text: str = "",
) -> NoticeOutcome:
    """
    Queue a notice for the patron, by the transports that they chose for it.

    Raises:
        RequestChanged: The request is not as *version* has it.
        RequestNotFound: There is no such request.
    """
    ill_request = lock(tx, illrequest_id, version) if version is not None else requests.get(tx, illrequest_id)
    return send_patron_notice(tx, ill_request, notice_code, actor, additional_text=additional_text)


def list_comments(tx: Transaction, illrequest_id: int) -> list[Comment]:
    """Return the comments on a request, oldest first; raises RequestNotFound."""
    requests.get(tx, illrequest_id)
    return comments.find(tx, illrequest_id)


def _apply(tx: Transaction, ill_request: ILLRequest, change: Change, actor: Actor) -> ILLRequest:
    """Write what a backend made of a request: status and order ID in one UPDATE."""
    return set_status(tx, ill_request, change.status, actor, orderid=change.orderid)


def _move_holds(tx: Transaction, before: ILLRequest, columns: Mapping[str, object]) -> None:
    patron, biblio_id = columns.get("borrowernumber"), columns.get("biblio_id", before.biblio_id)
    if not isinstance(patron, int) or not isinstance(biblio_id, int) or before.borrowernumber is None:
        return
    if patron != before.borrowernumber:
        patrons.move_holds(tx, biblionumber=biblio_id, from_patron=before.borrowernumber, to_patron=patron)
