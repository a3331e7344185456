from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koha_ill_sidecar.backends.base import KohaFeatures, status_graph
from koha_ill_sidecar.backends.registry import STANDARD
from koha_ill_sidecar.domain.callbacks import (
    RULES,
    TARGETS,
    Attempt,
    Decision,
    Progress,
    Situation,
    Verdict,
    additional_text,
    decide,
)
from koha_ill_sidecar.domain.notices import NoticeCode
from koha_ill_sidecar.domain.status_reports import Cost, ReportedStatus, StatusReport
from koha_ill_sidecar.domain.statuses import Status
from koha_ill_sidecar.translations import translate

GRAPH = status_graph(STANDARD, KohaFeatures())
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def report(status: str, *, minutes: int = 0, **fields: object) -> StatusReport:
    defaults: dict[str, object] = {"illrequest_id": 7, "occurred_at": NOON + timedelta(minutes=minutes)}
    return StatusReport(status=ReportedStatus(status), **(defaults | fields))  # type: ignore[arg-type]


def situation(status: str | None = "REQ", **fields: object) -> Situation:
    defaults: dict[str, object] = dict.fromkeys(("order_id", "cost", "access_url", "due", "tracking"))
    return Situation(status=status, **(defaults | {"progress": Progress()} | fields))  # type: ignore[arg-type]


def after(before: Situation, decision: Decision) -> Situation:
    """Do what was decided, as the service does."""
    supply = decision.supply
    return replace(
        before,
        status=decision.path[-1] if decision.path else before.status,
        order_id=None if supply.ends_order else supply.order_id or before.order_id,
        cost=supply.cost or before.cost,
        access_url=supply.access_url or before.access_url,
        tracking=supply.tracking or before.tracking,
        progress=decision.progress or before.progress,
    )


def walk(start: Situation, *reports: StatusReport) -> tuple[Situation, list[Decision]]:
    decisions = []
    for one in reports:
        decisions.append(decide(start, one, GRAPH))
        start = after(start, decisions[-1])
    return start, decisions


def words(decision: Decision) -> str:
    """Return the staff alerts, in English."""
    return " ".join(map(str, decision.alert))


@pytest.mark.parametrize(
    ("status", "reported", "path"),
    [
        ("NEW", "received", ("REQ",)),
        ("QUEUED", "in_process", ("REQ",)),
        ("UNAUTH", "received", ("REQ",)),
        ("REQ", "will_supply", ()),
        ("GENREQ", "shipped", ()),
        ("REQ", "unfilled", ("REQREV",)),
        ("GENREQ", "needs_information", ("REQREV",)),
        ("REQ", "delivered", ("COMP",)),
        ("NEW", "delivered", ("REQ", "COMP")),
        ("QUEUED", "completed", ("REQ", "COMP")),
        ("RET", "completed", ("COMP",)),
        ("REQ", "cancelled", ("REQREV",)),
        ("CANCREQ", "cancel_denied", ("REQ",)),
        ("REQ", "cancel_denied", ()),
        ("CANCREQ", "in_process", ()),
        ("CHK", "renewed", ()),
        ("COMP", "completed", ()),
    ],
)
def test_a_report_moves_the_request_along_the_graph(
    status: str, reported: str, path: tuple[str, ...]
) -> None:
    decision = decide(situation(status), report(reported), GRAPH)

    assert (decision.verdict, decision.path) == (Verdict.APPLIED, path)


@pytest.mark.parametrize(
    ("status", "reported"),
    [
        ("NEW", "unfilled"),
        ("CANCREQ", "delivered"),
        ("CANCREQ", "cancelled"),
        ("COMP", "cancelled"),
        ("CHK", "completed"),
        ("CHK", "delivered"),
        ("KREJCI", "received"),
        (None, "received"),
    ],
)
def test_an_edge_that_koha_lacks_is_never_forced(status: str | None, reported: str) -> None:
    decision = decide(situation(status), report(reported, message="sorry"), GRAPH)

    assert (decision.verdict, decision.path) == (Verdict.ATTENTION, ())
    assert words(decision).endswith("Supplier's message: sorry")


def test_partners_cannot_be_reverted_where_this_koha_lacks_the_edge() -> None:
    graph = status_graph(STANDARD, KohaFeatures(unauthenticated_requests=False, revert_from_partners=False))

    assert decide(situation("GENREQ"), report("unfilled"), graph).verdict is Verdict.ATTENTION


def test_one_partner_who_says_no_does_not_end_it_for_the_others() -> None:
    decision = decide(situation("GENREQ", other_partners_open=True), report("unfilled"), GRAPH)

    assert decision.verdict is Verdict.ATTENTION
    assert "other partners" in words(decision)


@pytest.mark.parametrize(
    "reported", ["needs_information", "conditional", "overdue", "recalled", "lost", "error"]
)
def test_some_reports_always_need_somebody(reported: str) -> None:
    decision = decide(situation("REQ"), report(reported, message="why"), GRAPH)

    assert decision.verdict is Verdict.APPLIED
    assert "Supplier's message: why" in words(decision)


def test_an_event_of_lower_rank_is_late_whatever_its_time() -> None:
    _, decisions = walk(situation(), report("shipped"), report("in_process", minutes=5))

    assert [decision.verdict for decision in decisions] == [Verdict.APPLIED, Verdict.LATE]
    assert decisions[1].progress is None


@pytest.mark.parametrize(
    ("before", "contrary"),
    [
        ("shipped", "unfilled"),
        ("shipped", "expired"),
        ("shipped", "needs_information"),
        ("shipped", "retry_possible"),
        ("recalled", "renewed"),
        ("lost", "returned"),
        ("completed", "cancelled"),
    ],
)
def test_a_newer_report_that_contradicts_the_last_one_alerts_staff(before: str, contrary: str) -> None:
    start = situation("CHK" if RULES[ReportedStatus(before)].rank in (75, 85) else "REQ")
    end, decisions = walk(start, report(before), report(contrary, minutes=5, message="A mistake"))

    assert decisions[1].verdict is Verdict.ATTENTION
    assert f"already reported {before}" in words(decisions[1])
    assert "Supplier's message: A mistake" in words(decisions[1])
    assert end.progress.status == before


def test_an_older_report_of_lower_rank_is_late_even_if_it_would_contradict() -> None:
    _, decisions = walk(situation(), report("shipped", minutes=5), report("unfilled"))

    assert decisions[1].verdict is Verdict.LATE
    assert decisions[1].alert == ()


def test_an_older_event_of_equal_rank_is_late() -> None:
    _, decisions = walk(situation("CHK"), report("renewal_denied", minutes=5), report("renewed"))

    assert decisions[1].verdict is Verdict.LATE


def test_the_same_news_twice_is_unchanged() -> None:
    _, decisions = walk(situation(), report("will_supply"), report("will_supply", minutes=5))

    assert [decision.verdict for decision in decisions] == [Verdict.APPLIED, Verdict.UNCHANGED]


def test_a_second_renewal_is_no_repeat() -> None:
    _, decisions = walk(
        situation("CHK"),
        report("renewed", due=date(2026, 4, 1)),
        report("renewed", minutes=5, due=date(2026, 5, 1)),
    )

    assert [(one.verdict, one.notice) for one in decisions] == [
        (Verdict.APPLIED, NoticeCode.REQUEST_UPDATE),
        (Verdict.APPLIED, NoticeCode.REQUEST_UPDATE),
    ]


def test_another_supplier_starts_from_the_beginning() -> None:
    end, decisions = walk(
        situation(),
        report("unfilled", supplier="North"),
        report("received", minutes=5, supplier="South"),
        report("shipped", minutes=1, supplier="north"),
    )

    assert [decision.verdict for decision in decisions] == [Verdict.APPLIED, Verdict.APPLIED, Verdict.LATE]
    assert (end.status, end.progress.attempt.supplier) == ("REQ", "South")


def test_attempts_are_ordered_by_their_number_before_their_time() -> None:
    _, decisions = walk(situation(), report("received", attempt=2), report("shipped", attempt=1, minutes=5))

    assert decisions[1].verdict is Verdict.LATE


def test_a_request_that_staff_placed_again_starts_from_the_beginning() -> None:
    end, _ = walk(situation(), report("unfilled"))

    decision = decide(replace(end, status="REQ"), report("in_process", minutes=5), GRAPH)

    assert decision.verdict is Verdict.APPLIED


def test_what_the_library_reverted_stays_reverted() -> None:
    decision = decide(situation("REQREV"), report("in_process"), GRAPH)

    assert decision.verdict is Verdict.ATTENTION
    assert "the library reverted" in words(decision)


def test_a_supplier_who_gave_it_back_may_take_it_up_again() -> None:
    end, decisions = walk(situation(), report("needs_information"), report("shipped", minutes=5))

    assert (decisions[1].path, end.status) == (("REQ",), "REQ")


def test_nothing_is_cancelled_after_shipping() -> None:
    _, decisions = walk(situation(), report("shipped"), report("cancelled", minutes=5))

    assert decisions[1].verdict is Verdict.ATTENTION
    assert "the supplier has already reported shipped" in decisions[1].detail


def test_a_cancellation_voids_the_order_number() -> None:
    decision = decide(situation(order_id="A-1"), report("cancelled", order_id="A-1"), GRAPH)

    assert decision.supply.ends_order
    assert decision.supply.order_id is None


def test_an_unknown_status_changes_nothing_and_asks_for_somebody() -> None:
    decision = decide(situation(), report("unknown", status_text="Gone fishing"), GRAPH)

    assert (decision.verdict, decision.path, decision.progress) == (Verdict.UNKNOWN_STATUS, (), None)
    assert "Gone fishing" in words(decision)


@pytest.mark.parametrize(
    ("reported", "fields", "notice"),
    [
        ("delivered", {}, NoticeCode.PICKUP_READY),
        ("delivered", {"access_url": "https://example.org/a"}, NoticeCode.REQUEST_UPDATE),
        ("unfilled", {}, NoticeCode.REQUEST_UNAVAILABLE),
        ("shipped", {}, NoticeCode.REQUEST_UPDATE),
        ("in_process", {}, None),
    ],
)
def test_the_patron_is_told_what_matters_to_them(
    reported: str, fields: dict[str, Any], notice: NoticeCode | None
) -> None:
    assert decide(situation(), report(reported, **fields), GRAPH).notice is notice


def test_the_patron_is_told_once_however_many_events_say_so() -> None:
    _, decisions = walk(
        situation(),
        report("shipped"),
        report("shipped", minutes=1, tracking="1Z"),
        report("shipped", minutes=2, cost=Cost(amount=Decimal("3.00"))),
    )

    assert [one.verdict for one in decisions] == [Verdict.APPLIED] * 3
    assert [one.notice for one in decisions] == [NoticeCode.REQUEST_UPDATE, None, None]


def test_a_note_becomes_a_comment_and_moves_no_rank() -> None:
    end, decisions = walk(situation(), report("note", minutes=9, message="Call us"), report("received"))

    assert decisions[0].comment == "note: Call us"
    assert (decisions[1].verdict, end.progress.last_event_at) == (Verdict.APPLIED, NOON)


def test_being_passed_on_names_the_new_supplier() -> None:
    end, decisions = walk(situation(), report("forwarded", supplier="South", message="Good luck"))

    assert decisions[0].comment == "forwarded: passed on to South - Good luck"
    assert end.progress.attempt == Attempt(supplier="South")


def test_only_what_is_new_is_written() -> None:
    known = situation(order_id="A-1", cost="12.50", due=datetime(2026, 4, 1, 23, 59))  # noqa: DTZ001
    news = report(
        "shipped", order_id="A-1", cost=Cost(amount=Decimal("12.50")), due=date(2026, 4, 1), tracking="1Z"
    )

    supply = decide(known, news, GRAPH).supply

    assert (supply.order_id, supply.cost, supply.due, supply.tracking) == (None, None, None, "1Z")


def news(status: str, lang: str, **members: Any) -> str:
    return "\n".join(translate(message, lang) for message in additional_text(report(status, **members)))


def test_the_patron_reads_the_due_date_and_the_address() -> None:
    facts = {"due": date(2026, 4, 1), "access_url": "https://example.org/{a}%20"}

    assert news("delivered", "en", **facts) == (
        "It has been delivered.\nDue date: 2026-04-01.\nYou can read it here: https://example.org/{a}%20"
    )
    assert news("delivered", "zh-Hant-TW", **facts) == (
        "資料已送達。\n到期日：2026-04-01。\n請由此閱讀：https://example.org/{a}%20"
    )


def test_every_piece_of_news_is_worded_in_both_languages() -> None:
    news_statuses = {status for status, rule in RULES.items() if rule.notice is NoticeCode.REQUEST_UPDATE}

    for status in news_statuses:
        english, chinese = (news(status, lang) for lang in ("en", "zh-Hant-TW"))
        assert english
        assert english.isascii()
        assert not chinese.isascii()


@pytest.mark.parametrize(
    "attempt", [Attempt(), Attempt(supplier="A#1"), Attempt(number=3), Attempt(supplier="B", number=2)]
)
def test_an_attempt_is_read_back_from_its_text(attempt: Attempt) -> None:
    assert Attempt.parse(attempt.text) == attempt


def test_every_canonical_status_has_a_rule_and_every_rule_a_target_table() -> None:
    assert set(RULES) == set(ReportedStatus)
    assert {rule.effect for rule in RULES.values()} <= set(TARGETS)


_REPORTS = st.builds(
    report,
    st.sampled_from([status.value for status in ReportedStatus]),
    minutes=st.integers(-3, 3),
    supplier=st.sampled_from([None, None, "North", "South"]),
    attempt=st.sampled_from([None, None, None, 1, 2]),
    message=st.sampled_from([None, "Hello"]),
    order_id=st.sampled_from([None, "A-1"]),
    due=st.sampled_from([None, date(2026, 4, 1), date(2026, 5, 1)]),
)


@given(st.sampled_from([*Status, None, "KREJCI"]), st.lists(_REPORTS, max_size=8))
def test_no_row_of_reports_leaves_the_graph_or_goes_backwards(
    status: str | None, reports: list[StatusReport]
) -> None:
    state = situation(status and str(status))
    for one in reports:
        decision = decide(state, one, GRAPH)
        steps = [state.status, *decision.path]
        assert all(then in GRAPH.nodes[now or ""].next_actions for now, then in pairwise(steps))
        before, new = state.progress, after(state, decision).progress
        was_placed_again = state.status in ("REQ", "GENREQ") and before.status in _RETURNED_TO_US
        if before.attempt == new.attempt and not was_placed_again:
            assert (new.rank or 0) >= (before.rank or 0)
        state = after(state, decision)


_RETURNED_TO_US = {"needs_information", "retry_possible", "unfilled", "expired", "cancelled"}


@given(st.sampled_from([*Status]), st.lists(_REPORTS, max_size=5), _REPORTS)
def test_a_report_decided_twice_tells_the_patron_and_moves_the_request_once(
    status: Status, reports: list[StatusReport], last: StatusReport
) -> None:
    state, _ = walk(situation(status.value), *reports)
    once = after(state, decide(state, last, GRAPH))

    again = decide(once, last, GRAPH)

    assert again.path == ()
    assert again.notice is None
    assert after(once, again).status == once.status
