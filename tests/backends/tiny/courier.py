"""
A backend of another package: a courier that fetches requested things from a neighbour.

This folder and the entry point in test_tiny_backend.py are all there is of it.
"""

from collections.abc import Mapping, Sequence

from koha_ill_sidecar.backends.base import Change, KohaFeatures
from koha_ill_sidecar.backends.standard import StandardBackend
from koha_ill_sidecar.domain.actions import Action
from koha_ill_sidecar.domain.attributes import Field
from koha_ill_sidecar.domain.item_form import FieldSet
from koha_ill_sidecar.domain.requests import ILLRequest
from koha_ill_sidecar.domain.statuses import StatusNode

COLLECT = Action(
    method="collect",
    edge="COLLECTED",
    button="Let the courier collect it",
    status="COLLECTED",
    effects=("The courier is on the way.",),
    command=("collect", "Let the courier collect a request."),
)


class CourierBackend(StandardBackend):
    """Its requests are collected before they are completed."""

    actions = (COLLECT,)

    @property
    def field_sets(self) -> Mapping[str, FieldSet]:
        """It fetches one type of thing."""
        return {"parcel": FieldSet("Parcel", (Field(key="weight", label="Weight"),))}

    def status_nodes(self, koha: KohaFeatures) -> Sequence[StatusNode]:
        """A confirmed request can be collected, and a collected one completed."""
        own = StatusNode(id="COLLECTED", name="Collected", prev_actions=("REQ",), next_actions=("COMP",))
        return (*super().status_nodes(koha), own)

    def confirm(self, ill_request: ILLRequest) -> Change:
        """The courier has order IDs of its own."""
        return Change(status="REQ", orderid=f"COURIER-{ill_request.illrequest_id}")
