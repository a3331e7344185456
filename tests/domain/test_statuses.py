import pytest
from hypothesis import given
from hypothesis import strategies as st

from koha_ill_sidecar.domain.statuses import (
    CIRCULATE,
    Action,
    Status,
    StatusGraph,
    StatusNode,
    available_actions,
    is_open,
    require_action,
    status_graph,
)
from koha_ill_sidecar.errors import ActionNotAllowed

STANDARD = status_graph(is_generic=True, has_unauthenticated=True, can_revert_from_partners=True)
FREEFORM = status_graph(is_generic=True, has_unauthenticated=False, can_revert_from_partners=True)
FOREIGN = status_graph(is_generic=False, has_unauthenticated=True, can_revert_from_partners=True)
OLD = status_graph(is_generic=True, has_unauthenticated=False, can_revert_from_partners=False)
GRAPHS = (STANDARD, FREEFORM, FOREIGN, OLD)


def offered_to_all(graph: StatusGraph, status: str) -> tuple[StatusNode, ...]:
    """What is offered where every condition holds."""
    return available_actions(
        graph, status, preferences=["CirculateILL"], permissions=[CIRCULATE], has_biblio=True
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

    assert {node.id for node in offered} == ids


@given(st.sampled_from(GRAPHS), st.sampled_from(["NEW", "UNAUTH"]), st.lists(st.integers(0, 9), max_size=30))
def test_no_walk_leaves_the_graph(graph: StatusGraph, start: str, choices: list[int]) -> None:
    status = start if start in graph.nodes else "NEW"
    for choice in choices:
        offered = offered_to_all(graph, status)
        stored = [node for node in offered if node.id in set(Status)]
        if not stored:
            break
        status = stored[choice % len(stored)].id

        assert status in graph.nodes
        assert graph.name(status)


@given(st.sampled_from(GRAPHS))
def test_every_edge_of_the_graph_leads_somewhere(graph: StatusGraph) -> None:
    for node in graph.nodes.values():
        assert set(node.next_actions) <= graph.nodes.keys()


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
        permissions=(CIRCULATE,) if permission else (),
        has_biblio=biblio,
    )

    offers_check_out = any(node.method == Action.CHECK_OUT for node in offered)
    assert offers_check_out == ("CHK" in BUTTONS[status] and pref and permission and biblio)


def test_freeform_knows_nobody_without_an_account() -> None:
    assert "UNAUTH" not in FREEFORM.nodes
    assert offered_to_all(FREEFORM, "UNAUTH") == ()


def test_before_23_11_partners_cannot_be_reverted() -> None:
    assert "REQREV" not in {node.id for node in OLD.next_nodes("GENREQ")}
    assert "GENREQ" not in OLD.nodes["REQREV"].prev_actions
    assert "REQREV" in {node.id for node in FREEFORM.next_nodes("GENREQ")}


def test_a_foreign_backend_gets_the_core_only() -> None:
    assert {node.id for node in offered_to_all(FOREIGN, "NEW")} == {"REQ", "GENREQ", "KILL"}


def test_union_replaces_a_node_and_links_both_ways() -> None:
    core = StatusGraph.of(
        [StatusNode(id="A", name="a", next_actions=("B",)), StatusNode(id="B", name="b", prev_actions=("A",))]
    )

    united = core.union(
        [
            StatusNode(id="X", name="x", prev_actions=("A", "Y"), next_actions=("B",)),
            StatusNode(id="Y", name="y"),
            StatusNode(id="B", name="other"),
        ]
    )

    assert united.nodes["A"].next_actions == ("B", "X")
    assert united.nodes["B"] == StatusNode(id="B", name="other", prev_actions=("X",))
    assert united.nodes["Y"].next_actions == ()
    assert core.nodes["A"].next_actions == ("B",)


def test_a_refused_action_names_those_that_are_allowed() -> None:
    offered = offered_to_all(STANDARD, "QUEUED")

    with pytest.raises(
        ActionNotAllowed, match="status QUEUED, from which there is no generic_confirm"
    ) as error:
        require_action(Action.PLACE_WITH_PARTNERS, illrequest_id=7, status="QUEUED", available=offered)

    assert set(error.value.allowed) == {"confirm", "delete", "migrate"}


def test_an_unknown_status_is_shown_as_its_code_and_offers_nothing() -> None:
    assert STANDARD.name("ODD") == "ODD"
    assert offered_to_all(STANDARD, "ODD") == ()


@pytest.mark.parametrize(
    ("status", "expected"), [("NEW", True), ("RET", True), ("COMP", False), (None, True)]
)
def test_only_completed_requests_are_closed(status: str | None, *, expected: bool) -> None:
    assert is_open(status) is expected
