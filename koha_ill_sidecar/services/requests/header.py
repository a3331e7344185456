"""The head of every page of a request: what it is, who it is for, and what can be done now."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from koha_ill_sidecar.domain.actors import Actor
from koha_ill_sidecar.domain.notices import STAFF_MENU, NoticeCode
from koha_ill_sidecar.domain.requests import ILLRequest
from koha_ill_sidecar.domain.statuses import Action, StatusNode
from koha_ill_sidecar.services.requests.ids import shown_id
from koha_ill_sidecar.services.requests.overview import status_of
from koha_ill_sidecar.services.requests.statuses import available_actions, graph_of
from koha_ill_sidecar.storage.koha import letters, requests
from koha_ill_sidecar.storage.sidecar import requests as sidecar_requests
from koha_ill_sidecar.storage.sidecar.requests import RequestState
from koha_ill_sidecar.storage.transaction import Transaction

OFFERED = frozenset(
    {
        Action.CONFIRM,
        Action.PLACE_WITH_PARTNERS,
        Action.REVERT,
        Action.MARK_COMPLETED,
        Action.DELETE,
        Action.SWITCH_PROVIDER,
        Action.EDIT_ITEM,
    }
)
"""The actions of the status graph that can be done here; to check out and in is done in Koha."""

SENDABLE = (*STAFF_MENU, NoticeCode.REQUEST_UPDATE)
"""The notices that can be sent to the patron by hand: Koha's two, and news in one's own words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StaffContext:
    """
    Who works with requests, and with what.

    Attributes:
        permissions: The person's sub-permissions.
        suppliers: The configured backends that may supply a request.
        oldest_seconds: Messages that have been pending for longer are left alone.
    """

    actor: Actor
    permissions: Collection[str]
    suppliers: Sequence[str]
    oldest_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestHeader:
    """
    What every page about a request begins with.

    Attributes:
        number: With the library's prefix.
        status: The site's own, where it has one, else Koha's.
        core_status: What Koha's graph calls the status.
        actions: What can be done now.
        notice_names: What the notices that there are in Koha are called, by code.
        suppliers: Who else could supply it, None being the backend that comes with Koha.
    """

    ill_request: ILLRequest
    shown_id: str
    status: str
    core_status: str
    actions: tuple[StatusNode, ...]
    notice_names: Mapping[str, str]
    state: RequestState
    suppliers: tuple[str | None, ...]
    generic_backend: str

    @property
    def methods(self) -> tuple[str, ...]:
        """The names of the actions."""
        return tuple(node.method for node in self.actions if node.method)

    @property
    def notices(self) -> Mapping[str, str]:
        """Names of the notices that can be sent to the patron by hand, by code."""
        if self.ill_request.borrowernumber is None:
            return {}
        return {code: self.notice_names[code] for code in SENDABLE if code in self.notice_names}


def load_header(tx: Transaction, illrequest_id: int, workplace: StaffContext) -> RequestHeader:
    """Return what every page about a request begins with; three queries, or four. Raises RequestNotFound."""
    return header_of(tx, requests.get(tx, illrequest_id), workplace)


def header_of(tx: Transaction, ill_request: ILLRequest, workplace: StaffContext) -> RequestHeader:
    """Return the head for a request that was read already; three queries at most."""
    kept = sidecar_requests.get(tx, ill_request.illrequest_id)
    suppliers = _other_suppliers(tx, kept, workplace)
    return RequestHeader(
        ill_request=ill_request,
        shown_id=shown_id(tx, ill_request),
        status=status_of(tx, ill_request),
        core_status=graph_of(tx.koha, ill_request).name(ill_request.status),
        actions=tuple(
            node
            for node in available_actions(tx, ill_request, permissions=workplace.permissions)
            if node.method in OFFERED and (suppliers or node.method != Action.SWITCH_PROVIDER)
        ),
        notice_names=letters.names(tx),
        state=kept,
        suppliers=suppliers,
        generic_backend=tx.koha.generic_backend,
    )


def _other_suppliers(tx: Transaction, kept: RequestState, workplace: StaffContext) -> tuple[str | None, ...]:
    """Return who else could supply a request; as in Koha, nobody can where there is one backend only."""
    every = (None, *(name for name in workplace.suppliers if name != tx.koha.generic_backend))
    return tuple(name for name in every if name != kept.supplier_backend)
