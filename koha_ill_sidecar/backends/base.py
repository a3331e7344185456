"""
What a backend is: everything about a request that depends on who supplies it.

A backend is an object that implements :class:`Backend`. Another package registers its class as an entry point of the
group ``koha_ill_sidecar.backends``; the entry point's name is the backend's, as ``ill_sidecar_requests`` stores it and
pages show it. It is made without arguments, once, and used by several threads.

A backend decides and returns values; it reads and writes nothing. The services write what it returns, together with
the log rows and the history, in the transaction of the request. So its methods must be quick, and must be safe to
call again when a transaction is repeated.

The callbacks of suppliers are not part of it: every configured supplier may send them, and
:mod:`koha_ill_sidecar.backends.http` reads them.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from koha_ill_sidecar.domain.actions import Action
from koha_ill_sidecar.domain.item_form import FieldSet
from koha_ill_sidecar.domain.requests import Attribute, ILLRequest
from koha_ill_sidecar.domain.statuses import StatusGraph, StatusNode, core_graph


@dataclass(frozen=True, kw_only=True, slots=True)
class KohaFeatures:
    """What differs between versions of Koha, as far as backends need it; the defaults are those of the newest."""

    unauthenticated_requests: bool = True  # from 25.05 (bug 36197)
    revert_from_partners: bool = True  # from 23.11 (bug 27542)
    updates_single_attributes: bool = True  # from 25.11 (bug 40850)


@dataclass(frozen=True, kw_only=True, slots=True)
class Capabilities:
    """
    What a backend can do beyond the methods that every backend has.

    Attributes:
        creates: Staff can choose it for a new request, or switch a request to it.
    """

    creates: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedItem:
    """A wanted item as it was typed: the type of material, the backend's own fields, and custom ones."""

    type: str
    fields: Mapping[str, str] = field(default_factory=dict)
    custom: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class NewItem:
    """
    How a wanted item is stored.

    Attributes:
        attributes: Rows of ``illrequestattributes``, by type.
        needs_record: It gets a brief bibliographic record of its own.
    """

    attributes: Mapping[str, str]
    needs_record: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """The status and the order ID that an action leaves a request with."""

    status: str
    orderid: str | None


class Backend(Protocol):
    """
    Everything about a request that depends on who supplies it.

    Attributes:
        capabilities: What it can do beyond these methods.
        field_sets: The form of each type of material, by its code; a type without a form has custom fields only.
        actions: Its own actions, beside those of :data:`koha_ill_sidecar.domain.actions.ACTIONS`. No two backends may
            use the same method.
    """

    def __hash__(self) -> int: ...

    @property
    def capabilities(self) -> Capabilities: ...

    @property
    def field_sets(self) -> Mapping[str, FieldSet]: ...

    @property
    def actions(self) -> Sequence[Action]: ...

    def status_nodes(self, koha: KohaFeatures) -> Sequence[StatusNode]:
        """
        Return its own statuses and actions, which are united with the graph of Koha's core.

        Koha knows nothing of a status that only a backend of the sidecar has: its own pages show the bare code.
        """

    def validate(self, item: WantedItem) -> None:
        """
        Check a new item.

        Raises:
            RequestRefused: It cannot be requested like this.
        """

    def create(self, item: WantedItem, koha: KohaFeatures) -> NewItem:
        """Return how a new item is stored; it was validated."""

    def confirm(self, ill_request: ILLRequest) -> Change:
        """Return the status and the order ID of a confirmed request."""

    def cancel(self, ill_request: ILLRequest) -> Change:
        """Return the status and the order ID of a reverted request."""

    def perform(self, action: Action, ill_request: ILLRequest) -> Change:
        """Return the status and the order ID of a request after one of the backend's own actions."""

    def metadata(self, attributes: Iterable[Attribute]) -> dict[str, str]:
        """Return what describes the item as label and value, in the attributes' order."""


@functools.cache
def status_graph(backend: Backend, koha: KohaFeatures) -> StatusGraph:
    """Return the graph of a backend's requests: that of Koha's core, united with the backend's own nodes."""
    core = core_graph(can_revert_from_partners=koha.revert_from_partners)
    return core.union(backend.status_nodes(koha))
