"""
The one table of actions: what can be done to a request, what it takes and what it does.

An action follows an edge of the status graph (:mod:`koha_ill_sidecar.domain.statuses`); a backend adds rows of its own
to this table. The toolbar, the page that asks before an action, and the command line all read it. A new action is a
row here and a function in :mod:`koha_ill_sidecar.services.requests.actions`.

Source: Koha, Koha/ILL/Request.pm _core_status_graph, Koha/ILL/Backend/Standard.pm status_graph.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from koha_ill_sidecar.domain.actors import Permission
from koha_ill_sidecar.domain.statuses import Status, StatusGraph
from koha_ill_sidecar.errors import ActionNotAllowed
from koha_ill_sidecar.messages import N_


class Choice(StrEnum):
    """What an action asks for; the value is the parameter of the function that does it."""

    STATUS_ALIAS = "status_alias"
    SUPPLIER = "supplier_backend"


@dataclass(frozen=True, kw_only=True, slots=True)
class Action:
    """
    Something that can be done to a request.

    Attributes:
        method: Koha's name of it, which stands in URLs and JSON.
        edge: The entry of the status graph that it follows.
        button: Its label, in English.
        status: The status afterwards; None if the request is gone or the action has its own page.
        effects: What it does beside changing the status, as the page that asks says it.
        asks_for: What that page, and the command, ask for.
        needs_patron: The page asks staff to link the request to a patron first. Koha itself does not insist.
        needs_preference: Name of the preference that must be on.
        needs_record: The request must have a bibliographic record.
        own_page: Last part of the URL of the page on which it is done; empty: the page that asks is enough.
        is_possible_here: Whether the sidecar can do it; otherwise only Koha can.
        command: Its name on the command line, if it has one, and what the help says of it.
    """

    method: str
    edge: str
    button: str
    status: str | None = None
    effects: tuple[str, ...] = ()
    asks_for: Choice | None = None
    is_dangerous: bool = False
    needs_patron: bool = False
    needs_preference: str | None = None
    needs_permission: Permission | None = None
    needs_record: bool = False
    own_page: str = ""
    is_possible_here: bool = True
    command: tuple[str, str] | None = None

    @property
    def has_question(self) -> bool:
        """Whether it is done from the page that asks first."""
        return self.is_possible_here and not self.own_page

    def is_met_by(
        self, *, preferences: Collection[str], permissions: Collection[Permission], has_record: bool
    ) -> bool:
        """Return whether everything that the action needs to be offered is there."""
        return (
            (self.needs_preference is None or self.needs_preference in preferences)
            and (self.needs_permission is None or self.needs_permission in permissions)
            and (has_record or not self.needs_record)
        )


CONFIRM = Action(
    method="confirm",
    edge="REQ",
    button=N_("Confirm request"),
    status=Status.REQ,
    effects=(N_("The request's own ID becomes its order ID."),),
    needs_patron=True,
    command=("confirm", "Confirm a request (REQ)."),
)
PLACE_WITH_PARTNERS = Action(
    method="generic_confirm",
    edge="GENREQ",
    button=N_("Place request with partners"),
    own_page="partners",
)
REVERT = Action(
    method="cancel",
    edge="REQREV",
    button=N_("Revert request"),
    status=Status.REQREV,
    effects=(N_("Its order ID is removed."),),
    command=("revert", "Revert a request (REQREV)."),
)
MARK_COMPLETED = Action(
    method="mark_completed",
    edge="COMP",
    button=N_("Mark completed"),
    status=Status.COMP,
    effects=(N_("Its completion date is set to today."),),
    asks_for=Choice.STATUS_ALIAS,  # Koha asks for it from 25.11 (bug 39917)
    needs_patron=True,
    command=("complete", "Mark a request completed (COMP)."),
)
DELETE = Action(
    method="delete",
    edge="KILL",
    button=N_("Delete request"),
    effects=(
        N_("The request is deleted together with the details of the item. This cannot be undone."),
        N_("Its log and its bibliographic record are kept."),
    ),
    is_dangerous=True,
    command=("delete", "Delete a request with its attributes and comments."),
)
CHECK_OUT = Action(
    method="check_out",
    edge="CHK",
    button=N_("Check out"),
    status=Status.CHK,
    needs_preference="CirculateILL",
    needs_permission=Permission.CIRCULATE,
    needs_record=True,
    is_possible_here=False,
)
CHECK_IN = Action(
    method="check_in", edge="RET", button=N_("Check in"), status=Status.RET, is_possible_here=False
)
SWITCH_PROVIDER = Action(
    method="migrate",
    edge="MIG",
    button=N_("Switch provider"),
    status=Status.REQREV,
    effects=(
        N_("A new request is created with the same patron, library and item metadata."),
        N_("The bibliographic record, notes, comments and batch stay with this request, which is reverted."),
    ),
    asks_for=Choice.SUPPLIER,
    needs_patron=True,
    command=("switch-provider", "Create a request again for another supplier; the old one is reverted."),
)
EDIT_ITEM = Action(method="edititem", edge="EDITITEM", button=N_("Edit item metadata"), own_page="item")


def by_method(actions: Iterable[Action]) -> Mapping[str, Action]:
    """Return actions by their methods."""
    return MappingProxyType({action.method: action for action in actions})


ACTIONS = by_method(
    (
        CONFIRM, PLACE_WITH_PARTNERS, REVERT, MARK_COMPLETED, DELETE, CHECK_OUT, CHECK_IN, SWITCH_PROVIDER,
        EDIT_ITEM,
    )
)  # fmt: skip
"""The actions of Koha's core and of the backend that comes with Koha."""

PREFERENCES = frozenset(action.needs_preference for action in ACTIONS.values() if action.needs_preference)
"""The preferences that switch actions on."""


def available_actions(
    graph: StatusGraph,
    status: str | None,
    *,
    actions: Iterable[Action] = ACTIONS.values(),
    preferences: Collection[str],
    permissions: Collection[Permission],
    has_record: bool,
) -> tuple[Action, ...]:
    """
    Return the actions that may be offered now, in the graph's order.

    Args:
        actions: Those that there are for the request's backend.
        preferences: Names of the preferences that are on.
        permissions: What the acting person may do in Koha.
    """
    # A backend's action comes later in the table, and so replaces one of Koha's on the same edge.
    by_edge = {action.edge: action for action in actions}
    following = (by_edge.get(node.id) for node in graph.next_nodes(status))
    return tuple(
        action
        for action in following
        if action
        and action.is_met_by(preferences=preferences, permissions=permissions, has_record=has_record)
    )


def require_action(
    action: Action, *, illrequest_id: int, status: str | None, available: Sequence[Action]
) -> None:
    """
    Do nothing if an action is among the available ones.

    Raises:
        ActionNotAllowed: It is not; the error lists those that are.
    """
    if action in available:
        return
    methods = tuple(one.method for one in available)
    raise ActionNotAllowed(
        f"Request {illrequest_id} has the status {status or 'unknown'}, from which there is no {action.method}. "
        f"Allowed now: {', '.join(methods) or 'none'}.",
        allowed=methods,
    )
