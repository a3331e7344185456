"""
The status graph: which statuses there are, and which can follow which.

In Koha an entry of the graph is a status and at the same time the action that leads to it
(:mod:`koha_ill_sidecar.domain.actions`). Two entries of the generic backend, MIG and EDITITEM, and the core's KILL are
actions only and never stored.

Source: Koha, Koha/ILL/Request.pm _core_status_graph and _status_graph_union, Koha/ILL/Backend/Standard.pm
status_graph.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType


class Status(StrEnum):
    """The statuses of ``illrequests.status`` that Koha's core and its own backend have."""

    NEW = "NEW"
    UNAUTH = "UNAUTH"
    REQ = "REQ"
    GENREQ = "GENREQ"
    REQREV = "REQREV"
    QUEUED = "QUEUED"
    CANCREQ = "CANCREQ"
    COMP = "COMP"
    CHK = "CHK"
    RET = "RET"


WAITING_FOR_STAFF = (Status.CANCREQ, Status.UNAUTH, Status.NEW, Status.QUEUED, Status.REQREV)
"""Statuses in which staff have to act; the most urgent first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StatusNode:
    """An entry of the graph."""

    id: str
    name: str  # label of the status; empty for an action that leaves none
    prev_actions: tuple[str, ...] = ()
    next_actions: tuple[str, ...] = ()


COMPLETED_STATUSES = frozenset({Status.COMP, "GENCOMP"})
"""Statuses of a completed request. Source: Koha, Koha/ILL/Requests.pm search_incomplete."""

_CORE = (
    StatusNode(id="NEW", name="New request", next_actions=("REQ", "GENREQ", "KILL")),
    StatusNode(
        id="REQ",
        name="Requested",
        prev_actions=("NEW", "REQREV", "QUEUED", "CANCREQ"),
        next_actions=("REQREV", "COMP", "CHK"),
    ),
    StatusNode(
        id="GENREQ",
        name="Requested from partners",
        prev_actions=("NEW", "REQREV"),
        next_actions=("COMP", "CHK"),
    ),
    StatusNode(
        id="REQREV", name="Request reverted", prev_actions=("REQ",), next_actions=("REQ", "GENREQ", "KILL")
    ),
    StatusNode(id="QUEUED", name="Queued request", next_actions=("REQ", "KILL")),
    StatusNode(
        id="CANCREQ", name="Cancellation requested", prev_actions=("NEW",), next_actions=("KILL", "REQ")
    ),
    StatusNode(id="COMP", name="Completed", prev_actions=("REQ",), next_actions=("CHK",)),
    StatusNode(id="KILL", name="", prev_actions=("QUEUED", "REQREV", "NEW", "CANCREQ")),
    StatusNode(id="CHK", name="Checked out", prev_actions=("REQ", "GENREQ", "COMP")),
    StatusNode(id="RET", name="Returned to library", prev_actions=("CHK",), next_actions=("COMP",)),
)


@dataclass(frozen=True, eq=False, slots=True)
class StatusGraph:
    """Statuses and the actions between them, by id."""

    nodes: Mapping[str, StatusNode]

    @classmethod
    def of(cls, nodes: Iterable[StatusNode]) -> "StatusGraph":
        """Make a graph of these nodes."""
        return cls(MappingProxyType({node.id: node for node in nodes}))

    def union(self, backend_nodes: Sequence[StatusNode]) -> "StatusGraph":
        """
        Unite this graph with a backend's.

        A backend's node replaces the one of the same ID, and is linked with every node of this graph that it names as
        previous or next. Links between two nodes of the backend stay as it wrote them. A backend cannot remove
        anything from this graph.
        """
        united = StatusGraph.of([*self.nodes.values(), *backend_nodes])
        for node in backend_nodes:
            for previous in self.nodes.keys() & set(node.prev_actions):
                united = united.linked(previous, node.id)
            for following in self.nodes.keys() & set(node.next_actions):
                united = united.linked(node.id, following)
        return united

    def linked(self, before: str, after: str) -> "StatusGraph":
        """Return this graph with one more edge, which both its ends name."""
        first, second = self.nodes[before], self.nodes[after]
        changed = {
            before: replace(first, next_actions=_with(first.next_actions, after)),
            after: replace(second, prev_actions=_with(second.prev_actions, before)),
        }
        return StatusGraph.of({**self.nodes, **changed}.values())

    def next_nodes(self, status: str | None) -> tuple[StatusNode, ...]:
        """Return the nodes that can follow a status, in the graph's order; none follow one that the graph lacks."""
        node = self.nodes.get(status or "")
        if node is None:
            return ()
        return tuple(self.nodes[following] for following in node.next_actions if following in self.nodes)

    def name(self, status: str | None) -> str:
        """Return the label of a status, or the bare code of one that is not in the graph."""
        node = self.nodes.get(status or "")
        return node.name if node is not None and node.name else status or ""


def core_graph(*, can_revert_from_partners: bool) -> StatusGraph:
    """
    Return the graph of Koha's core, which every backend's requests have.

    Args:
        can_revert_from_partners: From 23.11 (bug 27542).
    """
    graph = StatusGraph.of(_CORE)
    return graph.linked("GENREQ", "REQREV") if can_revert_from_partners else graph


def is_open(status: str | None) -> bool:
    """Return whether a request in this status is not completed yet."""
    return status not in COMPLETED_STATUSES


def _with(actions: tuple[str, ...], new: str) -> tuple[str, ...]:
    return actions if new in actions else (*actions, new)
