"""The form in which staff edit the description of the wanted item."""

from collections.abc import Mapping
from dataclasses import dataclass

from koha_ill_sidecar.domain import actions
from koha_ill_sidecar.domain.actors import StaffMember
from koha_ill_sidecar.domain.attributes import label
from koha_ill_sidecar.domain.concurrent_changes import RequestChanged, compare, one_line_ends
from koha_ill_sidecar.domain.item_form import NOT_SHOWN, ItemEntry, entry_of
from koha_ill_sidecar.domain.requests import ILLRequest, values_by_type
from koha_ill_sidecar.services.backends import backend_of
from koha_ill_sidecar.services.requests import editing
from koha_ill_sidecar.services.requests.header import shown_id
from koha_ill_sidecar.services.requests.statuses import require
from koha_ill_sidecar.storage.koha import attributes, requests
from koha_ill_sidecar.storage.transaction import Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemForm:
    """
    The description of an item, to be edited.

    Attributes:
        values: The attributes that the form shows, by type.
        keeps_emptied: A field that is emptied keeps its old value in this Koha (from 25.11, bug 40850).
    """

    ill_request: ILLRequest
    shown_id: str
    entry: ItemEntry
    values: Mapping[str, str]
    keeps_emptied: bool


def form(tx: Transaction, illrequest_id: int) -> ItemForm:
    """
    Return the form; two queries.

    Raises:
        ActionNotAllowed: The request is not NEW.
        RequestNotFound: There is no such request.
    """
    ill_request = requests.get(tx, illrequest_id)
    require(tx, ill_request, actions.EDIT_ITEM)
    values = _shown(tx, illrequest_id)
    return ItemForm(
        ill_request=ill_request,
        shown_id=shown_id(tx, ill_request),
        entry=entry_of(values, backend_of(tx, ill_request).field_sets),
        values=values,
        keeps_emptied=tx.koha.features.updates_single_attributes,
    )


def save(
    tx: Transaction, illrequest_id: int, member: StaffMember, *, entry: ItemEntry, version: Mapping[str, str]
) -> tuple[str, ...]:
    """
    Write what was typed, unless somebody else has changed the item since it was shown.

    Attributes that programs write (such as the partners that were asked) stay in every version of Koha.

    Returns:
        Labels of the fields that were emptied but keep their value in this Koha.

    Raises:
        ActionNotAllowed: The request is not NEW.
        RequestChanged: Somebody else has changed a value; nothing was written.
        RequestNotFound: There is no such request.
        RequestRefused: As :func:`koha_ill_sidecar.services.requests.editing.edit_item`.
    """
    require(tx, requests.get_for_update(tx, illrequest_id), actions.EDIT_ITEM)
    stored = values_by_type(attributes.find(tx, illrequest_id))
    now = {key: value for key, value in stored.items() if key not in NOT_SHOWN}
    typed = {key: one_line_ends(value) for key, value in {"type": entry.type, **entry.stored}.items()}
    changed = compare(seen=version, now=now, yours=typed)
    if changed is not None:
        raise RequestChanged(illrequest_id, changed)
    keeps_emptied = tx.koha.features.updates_single_attributes
    # Up to 25.05 saving replaces all attributes: those that the form does not show are written back.
    not_shown = {} if keeps_emptied else {key: stored[key] for key in stored.keys() & NOT_SHOWN}
    editing.edit_item(tx, illrequest_id, {**not_shown, **typed}, member)
    emptied = [key for key in now if typed.get(key, "") in ("", "0")]
    return tuple(label(key) for key in emptied) if keeps_emptied else ()


def _shown(tx: Transaction, illrequest_id: int) -> dict[str, str]:
    stored = values_by_type(attributes.find(tx, illrequest_id))
    return {key: value for key, value in stored.items() if key not in NOT_SHOWN}
