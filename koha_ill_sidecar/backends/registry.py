"""Which backends there are: the one that comes with Koha, and those that other packages register."""

import functools
import logging
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from types import MappingProxyType

from koha_ill_sidecar.backends.base import Backend, Capabilities, KohaFeatures, status_graph
from koha_ill_sidecar.backends.standard import StandardBackend
from koha_ill_sidecar.domain.actions import ACTIONS, Action
from koha_ill_sidecar.domain.statuses import StatusGraph, StatusNode

logger = logging.getLogger(__name__)

ENTRY_POINTS = "koha_ill_sidecar.backends"
"""The group of entry points: ``name = "package.module:BackendClass"``."""


class _ForeignBackend(StandardBackend):
    """A Perl backend of Koha's: only Koha knows what it adds, so its requests have the graph of Koha's core."""

    capabilities = Capabilities(creates=False)

    def status_nodes(self, koha: KohaFeatures) -> Sequence[StatusNode]:
        """Return no statuses and actions beyond the core's."""
        del koha
        return ()


STANDARD: Backend = StandardBackend()
FOREIGN: Backend = _ForeignBackend()


@functools.cache
def installed_backends() -> Mapping[str, Backend]:
    """Make the backends that other packages register, by name; one that cannot be made is left out, and logged."""
    found: dict[str, Backend] = {}
    for entry_point in sorted(entry_points(group=ENTRY_POINTS), key=lambda one: one.name):
        try:
            found[entry_point.name] = entry_point.load()()
        except Exception:
            # A faulty package must not stop the sidecar; staff handle the requests of its backend by hand.
            logger.exception("backend cannot be loaded", extra={"backend": entry_point.name})
    return MappingProxyType(found)


def backend_for(supplier: str | None) -> Backend:
    """
    Return the backend that handles the requests of a supplier.

    A supplier that is only configured has no code of its own: Koha's own backend handles its requests, and its
    callbacks change them.
    """
    return installed_backends().get(supplier or "", STANDARD)


def supplier_names(configured: Mapping[str, bool]) -> list[str]:
    """
    Return the names of the suppliers that staff can choose.

    Args:
        configured: Whether each backend of the configuration is enabled, by name. One that is registered and not
            configured can be chosen, too.
    """
    names = [*configured, *(name for name in installed_backends() if name not in configured)]
    return [name for name in names if configured.get(name, True) and backend_for(name).capabilities.creates]


def graph_of_all(koha: KohaFeatures) -> StatusGraph:
    """Return the graph with every status that there can be, to name the statuses of many requests."""
    graph = status_graph(STANDARD, koha)
    for backend in installed_backends().values():
        graph = graph.union(backend.status_nodes(koha))
    return graph


def all_actions() -> tuple[Action, ...]:
    """Return Koha's actions, and those of the installed backends."""
    own = (action for backend in installed_backends().values() for action in backend.actions)
    return (*ACTIONS.values(), *own)


def find_action(method: str) -> Action | None:
    """Return an action of Koha's, or of an installed backend."""
    return next((action for action in all_actions() if action.method == method), None)
