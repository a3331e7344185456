"""
Editing a request and the description of the wanted item.

Source: Koha, ill/ill-requests.pl edit_action, Koha/ILL/Backend/Standard.pm edititem.
"""

from collections.abc import Mapping
from typing import TypedDict, Unpack

from koha_ill_sidecar.domain import actions
from koha_ill_sidecar.domain.actors import Actor
from koha_ill_sidecar.domain.identifiers import normalised
from koha_ill_sidecar.domain.item_form import check_key
from koha_ill_sidecar.domain.requests import ILLRequest
from koha_ill_sidecar.errors import RequestRefused
from koha_ill_sidecar.services.requests import validation
from koha_ill_sidecar.services.requests.statuses import require, set_status_alias
from koha_ill_sidecar.storage.koha import attributes, patrons, requests
from koha_ill_sidecar.storage.sidecar import history
from koha_ill_sidecar.storage.transaction import Transaction


class RequestEdit(TypedDict, total=False):
    """The columns that staff may edit; an empty text is stored as NULL, and missing columns stay as they are."""

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

    As in Koha, each save logs the alias even if nothing changed, and a new patron takes over the holds that the old one
    had on the request's record.

    Raises:
        RequestNotFound: There is no such request.
        RequestRefused: invalid_patron, invalid_manager, invalid_biblio, invalid_batch, invalid_branch,
            unknown_status_alias, invalid_price, too_long.

    Source: Koha, ill/ill-requests.pl edit_action, Koha/ILL/Request.pm store.
    """
    before = requests.get_for_update(tx, illrequest_id)
    # The alias has its own log row, so it is not written with the other columns.
    alias = changes.pop("status_alias", before.status_alias) or None
    columns = {name: validated(tx, name, value) for name, value in changes.items()}
    _move_holds(tx, before, columns)
    if columns:
        requests.update(tx, illrequest_id, **columns)
    edited = requests.get(tx, illrequest_id)
    changed = sorted(name for name in columns if getattr(before, name) != getattr(edited, name))
    if changed:
        history.add(tx, illrequest_id, "edited", actor=actor, detail={"columns": changed})
    set_status_alias(tx, edited, alias, actor)
    return requests.get(tx, illrequest_id)


def validated(tx: Transaction, name: str, value: object) -> object:
    """Return the value to write to a column. Raises RequestRefused."""
    match name, value:
        case "borrowernumber", int():
            validation.check_patron(tx, value)
        case "managedby", int():
            validation.check_manager(tx, value)
        case "biblio_id", int():
            validation.check_record(tx, value)
        case "batch_id", int():
            validation.check_batch(tx, value)
        case "branchcode", str():
            return validation.library(tx, value)
        case "status_alias", str() if value:
            validation.check_status_alias(tx, value)
        case "price_paid", str() if value:
            value = validation.price(tx, value)
    if isinstance(value, str):
        validation.check_length(tx, "illrequests", name, value)
    return None if value == "" else value


def edit_item(tx: Transaction, illrequest_id: int, values: Mapping[str, str], actor: Actor) -> ILLRequest:
    """
    Write the attributes that describe the wanted item; only while the request is NEW.

    Up to 25.05 *values* replace all attributes, and missing ones are lost. From 25.11 (bug 40850) only those in
    *values* change, and empty ones are ignored. In both, "0" counts as empty.

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
    filled = {key: normalised(key, value) for key, value in values.items() if value not in ("", "0")}
    if tx.koha.features.updates_single_attributes:
        attributes.put(tx, ill_request, filled, readonly=False)
    else:
        if "type" not in filled:
            raise RequestRefused(
                "missing_type", "The type is missing: specify the type of material, such as book or article."
            )
        attributes.remove_all(tx, illrequest_id)
        attributes.add(tx, ill_request, filled, readonly=False)
    requests.touch(tx, illrequest_id)
    history.add(tx, illrequest_id, "item_edited", actor=actor, detail={"types": sorted(filled)})
    return requests.get(tx, illrequest_id)


def _move_holds(tx: Transaction, before: ILLRequest, columns: Mapping[str, object]) -> None:
    patron, biblio_id = columns.get("borrowernumber"), columns.get("biblio_id", before.biblio_id)
    if not isinstance(patron, int) or not isinstance(biblio_id, int) or before.borrowernumber is None:
        return
    if patron != before.borrowernumber:
        patrons.move_holds(tx, biblionumber=biblio_id, from_patron=before.borrowernumber, to_patron=patron)
