"""
The backend that comes with Koha: Standard, before 24.11 FreeForm.

Source: Koha, Koha/ILL/Backend/Standard.pm.
"""

from collections.abc import Iterable, Mapping, Sequence

from koha_ill_sidecar.backends.base import Capabilities, Change, KohaFeatures, NewItem, WantedItem
from koha_ill_sidecar.backends.standard.forms import FIELD_SETS
from koha_ill_sidecar.domain import attributes
from koha_ill_sidecar.domain.actions import Action
from koha_ill_sidecar.domain.attributes import LABELS, MaterialType
from koha_ill_sidecar.domain.characters import without_control_characters
from koha_ill_sidecar.domain.identifiers import normalised
from koha_ill_sidecar.domain.item_form import FieldSet, check_key
from koha_ill_sidecar.domain.requests import Attribute, ILLRequest
from koha_ill_sidecar.domain.statuses import Status, StatusNode
from koha_ill_sidecar.errors import RequestRefused

_NODES = (
    StatusNode(
        id="MIG",
        name="Switched provider",
        prev_actions=("NEW", "REQ", "GENREQ", "REQREV", "QUEUED", "CANCREQ"),
    ),
    StatusNode(id="EDITITEM", name="Edited item metadata", prev_actions=("NEW",)),
)
_UNAUTHENTICATED = StatusNode(id="UNAUTH", name="Unauthenticated", next_actions=("REQ", "GENREQ", "KILL"))


class StandardBackend:
    """A backend without a supplier: staff do everything by hand. Other backends may derive from it."""

    capabilities = Capabilities()
    actions: Sequence[Action] = ()

    @property
    def field_sets(self) -> Mapping[str, FieldSet]:
        """The form of each type of material."""
        return FIELD_SETS

    def status_nodes(self, koha: KohaFeatures) -> Sequence[StatusNode]:
        """Return its own statuses and actions. Source: Koha, Standard.pm status_graph."""
        return (*_NODES, _UNAUTHENTICATED) if koha.unauthenticated_requests else _NODES

    def validate(self, item: WantedItem) -> None:
        """Check a new item; refused: missing_type, invalid_field."""
        if not item.type.strip():
            raise RequestRefused(
                "missing_type", "The type is missing: specify the type of material, such as book or article."
            )
        own_fields = self._own_fields()
        for key in item.fields:
            if key not in own_fields:
                raise RequestRefused(
                    "invalid_field",
                    "“%(key)s” is not a field of a request. Enter it as a custom field, or use one of"
                    " %(fields)s.",
                    key=key,
                    fields=", ".join(sorted(own_fields)),
                )
        for key in (*item.fields, *item.custom):
            check_key(key)

    def create(self, item: WantedItem, koha: KohaFeatures) -> NewItem:
        """
        Return how a new item is stored; a book gets a brief record.

        Core fields win over custom ones of the same key; keys that differ in letter case only are the same key to
        MariaDB. Up to 25.05 a field that was sent empty leaves an empty row; from 25.11 it leaves none. An identifier
        is stored in its normal form, so that Koha's check of earlier requests finds it.

        Source: Koha, Standard.pm add_request.
        """
        values = {"type": item.type}
        for key, value in (*item.fields.items(), *item.custom.items()):
            if key.casefold() not in {known.casefold() for known in values}:
                values[key] = normalised(key, without_control_characters(value).strip()) if value else value
        if koha.updates_single_attributes:
            values = {key: value for key, value in values.items() if value}
        return NewItem(attributes=values, needs_record=item.type == MaterialType.BOOK)

    def confirm(self, ill_request: ILLRequest) -> Change:
        """Return REQ, and the request's own ID as its order ID."""
        return Change(status=Status.REQ, orderid=str(ill_request.illrequest_id))

    def cancel(self, ill_request: ILLRequest) -> Change:
        """Return REQREV and no order ID."""
        del ill_request
        return Change(status=Status.REQREV, orderid=None)

    def perform(self, action: Action, ill_request: ILLRequest) -> Change:
        """Return the status that one of its own actions names; the order ID stays."""
        return Change(status=action.status or ill_request.status or "", orderid=ill_request.orderid)

    def metadata(self, attributes_: Iterable[Attribute]) -> dict[str, str]:
        """Return what describes the item as label and value. Source: Koha, Standard.pm metadata."""
        return attributes.metadata(attributes_)

    def _own_fields(self) -> set[str]:
        return {*LABELS, *(field.key for form in self.field_sets.values() for field in form.fields)}
