import pytest
from hypothesis import given
from hypothesis import strategies as st

from koha_ill_sidecar.backends import registry
from koha_ill_sidecar.backends.base import KohaFeatures, status_graph
from koha_ill_sidecar.domain.actions import (
    ACTIONS,
    CHECK_OUT,
    PLACE_WITH_PARTNERS,
    Action,
    available_actions,
    require_action,
)
from koha_ill_sidecar.domain.actors import Permission
from koha_ill_sidecar.domain.statuses import Status, StatusGraph
from koha_ill_sidecar.errors import ActionNotAllowed

STANDARD = status_graph(registry.STANDARD, KohaFeatures())
FREEFORM = status_graph(registry.STANDARD, KohaFeatures(unauthenticated_requests=False))
FOREIGN = status_graph(registry.FOREIGN, KohaFeatures())
OLD = status_graph(
    registry.STANDARD, KohaFeatures(unauthenticated_requests=False, revert_from_partners=False)
)
GRAPHS = (STANDARD, FREEFORM, FOREIGN, OLD)


def offered_to_all(graph: StatusGraph, status: str) -> tuple[Action, ...]:
    """Return what is offered where every condition holds."""
    return available_actions(
        graph, status, preferences=["CirculateILL"], permissions=[Permission.CIRCULATE], has_record=True
    )


# As Koha 25.05 offers them for a request of its Standard backend.
BUTTONS = {
    "NEW": {"REQ", "GENREQ", "KILL", "MIG", "EDITITEM"},
    "REQ": {"REQREV", "COMP", "CHK", "MIG"},
    "GENREQ": {"COMP", "CHK", "REQREV", "MIG"},
    "REQREV": {"REQ", "GENREQ", "KILL", "MIG"},
    "QUEUED": {"REQ", "KILL", "MIG"},
    "CANCREQ": {"KILL", "REQ", "MIG"},
    "COMP": {"CHK"},
    "CHK": set(),
    "RET": {"COMP"},
    "UNAUTH": {"REQ", "GENREQ", "KILL"},
}


@pytest.mark.parametrize(("status", "ids"), BUTTONS.items())
def test_standard_offers_what_koha_offers(status: str, ids: set[str]) -> None:
    offered = offered_to_all(STANDARD, status)

    assert {action.edge for action in offered} == ids


@given(st.sampled_from(GRAPHS), st.sampled_from(["NEW", "UNAUTH"]), st.lists(st.integers(0, 9), max_size=30))
def test_no_walk_leaves_the_graph(graph: StatusGraph, start: str, choices: list[int]) -> None:
    status = start if start in graph.nodes else "NEW"
    for choice in choices:
        offered = offered_to_all(graph, status)
        stored = [action for action in offered if action.edge in set(Status)]
        if not stored:
            break
        status = stored[choice % len(stored)].edge

        assert status in graph.nodes
        assert graph.name(status)


@given(
    status=st.sampled_from(sorted(Status)), pref=st.booleans(), permission=st.booleans(), biblio=st.booleans()
)
def test_check_out_needs_preference_permission_and_record(
    *,
    status: str,
    pref: bool,
    permission: bool,
    biblio: bool,
) -> None:
    offered = available_actions(
        STANDARD,
        status,
        preferences=("CirculateILL",) if pref else (),
        permissions=(Permission.CIRCULATE,) if permission else (),
        has_record=biblio,
    )

    offers_check_out = any(action is CHECK_OUT for action in offered)
    assert offers_check_out == ("CHK" in BUTTONS[status] and pref and permission and biblio)


def test_freeform_has_no_requests_without_an_account() -> None:
    assert "UNAUTH" not in FREEFORM.nodes
    assert offered_to_all(FREEFORM, "UNAUTH") == ()


def test_a_foreign_backend_gets_the_core_only() -> None:
    assert {action.edge for action in offered_to_all(FOREIGN, "NEW")} == {"REQ", "GENREQ", "KILL"}


def test_a_refused_action_names_those_that_are_allowed() -> None:
    offered = offered_to_all(STANDARD, "QUEUED")

    with pytest.raises(
        ActionNotAllowed, match="status QUEUED, from which there is no generic_confirm"
    ) as error:
        require_action(PLACE_WITH_PARTNERS, illrequest_id=7, status="QUEUED", available=offered)

    assert set(error.value.allowed) == {"confirm", "delete", "migrate"}


def test_an_unknown_status_offers_nothing() -> None:
    assert offered_to_all(STANDARD, "ODD") == ()


def test_every_edge_of_the_table_is_in_the_graph() -> None:
    assert {action.edge for action in ACTIONS.values()} <= STANDARD.nodes.keys()


def test_an_action_leaves_the_request_in_a_status_of_the_graph_or_in_none() -> None:
    for action in ACTIONS.values():
        assert action.status is None or action.status in STANDARD.nodes


def test_an_action_that_asks_first_says_what_it_does() -> None:
    for action in ACTIONS.values():
        assert bool(action.effects) == action.has_question
