import pytest
from hypothesis import given
from hypothesis import strategies as st

from koha_ill_sidecar.backends import registry
from koha_ill_sidecar.backends.base import KohaFeatures, status_graph
from koha_ill_sidecar.domain.statuses import StatusGraph, StatusNode, is_open

STANDARD = status_graph(registry.STANDARD, KohaFeatures())
FREEFORM = status_graph(registry.STANDARD, KohaFeatures(unauthenticated_requests=False))
FOREIGN = status_graph(registry.FOREIGN, KohaFeatures())
OLD = status_graph(
    registry.STANDARD, KohaFeatures(unauthenticated_requests=False, revert_from_partners=False)
)
GRAPHS = (STANDARD, FREEFORM, FOREIGN, OLD)


@given(st.sampled_from(GRAPHS))
def test_every_edge_of_the_graph_leads_somewhere(graph: StatusGraph) -> None:
    for node in graph.nodes.values():
        assert set(node.next_actions) <= graph.nodes.keys()


def test_before_23_11_partners_cannot_be_reverted() -> None:
    assert "REQREV" not in {node.id for node in OLD.next_nodes("GENREQ")}
    assert "GENREQ" not in OLD.nodes["REQREV"].prev_actions
    assert "REQREV" in {node.id for node in FREEFORM.next_nodes("GENREQ")}


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


def test_an_unknown_status_is_shown_as_its_code() -> None:
    assert STANDARD.name("ODD") == "ODD"


@pytest.mark.parametrize(
    ("status", "expected"), [("NEW", True), ("RET", True), ("COMP", False), (None, True)]
)
def test_only_completed_requests_are_closed(status: str | None, *, expected: bool) -> None:
    assert is_open(status) is expected
