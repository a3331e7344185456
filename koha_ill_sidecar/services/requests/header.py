"""The header of every page of a request: its ID, its status, and what can be done now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from koha_ill_sidecar.domain import actions
from koha_ill_sidecar.domain.actions import Action
from koha_ill_sidecar.domain.actors import Actor
from koha_ill_sidecar.domain.notices import STAFF_MENU, NoticeCode
from koha_ill_sidecar.domain.requests import ILLRequest
from koha_ill_sidecar.services.requests.statuses import available_actions, graph_of, status_of
from koha_ill_sidecar.storage.koha import letters, requests
from koha_ill_sidecar.storage.sidecar import requests as sidecar_requests
from koha_ill_sidecar.storage.sidecar.requests import RequestState
from koha_ill_sidecar.storage.transaction import Transaction

SENDABLE = (*STAFF_MENU, NoticeCode.REQUEST_UPDATE)
"""The notices that staff can send to the patron: Koha's two, and one with a text of their own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StaffContext:
    """
    The person at a staff page, and the settings that its services need.

    Attributes:
        suppliers: The configured backends that may supply a request.
        max_age_seconds: Messages that have been pending for longer are not sent any more.
    """

    actor: Actor
    suppliers: Sequence[str]
    max_age_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestHeader:
    """
    What every page of a request shows at its top.

    Attributes:
        shown_id: With the library's prefix.
        status: The site's own, where it has one, else Koha's.
        core_status: The name of the status in Koha's graph.
        actions: What can be done here now.
        notice_names: Names of the notices that Koha has, by code.
        suppliers: Who else could supply it; None stands for the backend that comes with Koha.
    """

    ill_request: ILLRequest
    shown_id: str
    status: str
    core_status: str
    actions: tuple[Action, ...]
    notice_names: Mapping[str, str]
    state: RequestState
    suppliers: tuple[str | None, ...]
    generic_backend: str

    @property
    def methods(self) -> tuple[str, ...]:
        """The names of the actions."""
        return tuple(action.method for action in self.actions)

    @property
    def notices(self) -> Mapping[str, str]:
        """Names of the notices that staff can send to the patron, by code."""
        if self.ill_request.borrowernumber is None:
            return {}
        return {code: self.notice_names[code] for code in SENDABLE if code in self.notice_names}


def shown_id(tx: Transaction, ill_request: ILLRequest) -> str:
    """Return a request's ID with its library's prefix: ``CPL-17``."""
    return f"{tx.site.id_prefix(ill_request.branchcode)}{ill_request.illrequest_id}"


def load_header(tx: Transaction, illrequest_id: int, context: StaffContext) -> RequestHeader:
    """Return the header of a request; four queries at most. Raises RequestNotFound."""
    return header_of(tx, requests.get(tx, illrequest_id), context)


def header_of(tx: Transaction, ill_request: ILLRequest, context: StaffContext) -> RequestHeader:
    """Return the header of a request that was read already; three queries at most."""
    state = sidecar_requests.get(tx, ill_request.illrequest_id)
    suppliers = _other_suppliers(tx, state, context)
    return RequestHeader(
        ill_request=ill_request,
        shown_id=shown_id(tx, ill_request),
        status=status_of(tx, ill_request),
        core_status=graph_of(tx, ill_request).name(ill_request.status),
        actions=tuple(
            action
            for action in available_actions(tx, ill_request, context.actor)
            # as in Koha, there is no switching where there is nothing to switch to
            if action.is_possible_here and (suppliers or action is not actions.SWITCH_PROVIDER)
        ),
        notice_names=letters.names(tx),
        state=state,
        suppliers=suppliers,
        generic_backend=tx.koha.generic_backend,
    )


def _other_suppliers(tx: Transaction, state: RequestState, context: StaffContext) -> tuple[str | None, ...]:
    """Return who else could supply a request; as in Koha, there is no choice where there is only one backend."""
    every = (None, *(name for name in context.suppliers if name != tx.koha.generic_backend))
    return tuple(name for name in every if name != state.supplier_backend)
