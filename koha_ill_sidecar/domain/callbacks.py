"""
What a supplier's report does to a request: the rules, as data and one pure decision.

Ranks keep a request from going backwards, in whatever order the events arrive; the status graph keeps it from
going where Koha would not let it go. What is not possible is never forced: it becomes an alert for staff.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from enum import StrEnum

from koha_ill_sidecar.domain.notices import NoticeCode
from koha_ill_sidecar.domain.status_reports import ReportedStatus, StatusReport
from koha_ill_sidecar.domain.statuses import Status, StatusGraph
from koha_ill_sidecar.messages import LazyMessage, lazy


class Verdict(StrEnum):
    """The result of a callback, as the receipt stores it and the answer reports it."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"  # nothing new
    LATE = "late"  # superseded by a later event
    ATTENTION = "attention"  # not possible in the request's status; staff decide
    UNKNOWN_STATUS = "unknown_status"
    UNKNOWN_REQUEST = "unknown_request"  # kept for replay
    AMBIGUOUS_ORDER = "ambiguous_order"  # several requests have the order ID; kept for replay
    DELETED_REQUEST = "deleted_request"
    INVALID = "invalid"  # kept for replay, once the mapping is corrected


OPEN_VERDICTS = frozenset({Verdict.UNKNOWN_REQUEST, Verdict.AMBIGUOUS_ORDER, Verdict.INVALID})
"""Nothing was decided yet: if the supplier repeats such an event, it is judged again."""

REPLAYABLE_VERDICTS = OPEN_VERDICTS | {Verdict.ATTENTION, Verdict.UNKNOWN_STATUS, Verdict.LATE}


class Effect(StrEnum):
    """What a report means for the status in Koha."""

    REQUESTED = "requested"  # the supplier is working on it
    REVERTED = "reverted"  # the supplier will not supply it; it is ours again
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    CANCELLATION_REFUSED = "cancellation_refused"
    NONE = "none"


def _to(target: Status, *sources: Status) -> dict[str, str]:
    return {source.value: target.value for source in sources}


def _stay(*statuses: Status) -> dict[str, str]:
    return {status.value: status.value for status in statuses}


_PLACED = (Status.REQ, Status.GENREQ)
_NOT_YET_PLACED = (Status.NEW, Status.QUEUED, Status.UNAUTH)

TARGETS: Mapping[Effect, Mapping[str, str]] = {
    # A patron's wish to cancel (CANCREQ) stays when a supplier who does not know of it yet reports progress.
    Effect.REQUESTED: _to(Status.REQ, *_NOT_YET_PLACED, Status.REQREV)
    | _stay(*_PLACED, Status.CANCREQ, Status.COMP, Status.CHK, Status.RET),
    Effect.REVERTED: _to(Status.REQREV, *_PLACED) | _stay(Status.REQREV),
    Effect.COMPLETED: _to(Status.COMP, *_PLACED, *_NOT_YET_PLACED, Status.REQREV, Status.RET)
    | _stay(Status.COMP),
    Effect.CANCELLED: _to(Status.REQREV, *_PLACED) | _stay(Status.REQREV),
    Effect.CANCELLATION_REFUSED: _stay(*Status) | _to(Status.REQ, Status.CANCREQ),
    Effect.NONE: _stay(*Status),
}
"""Where an effect leads from each status. A status that is missing here stays, and staff are alerted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """What one canonical status does."""

    effect: Effect = Effect.NONE
    rank: int | None = None  # never goes down; None: fits any rank
    notice: NoticeCode | None = None  # sent to the patron, once
    alert: LazyMessage | None = None  # for staff, always
    ends_order: bool = False  # the order ID is void
    notify_again_for_new_date: bool = False  # such as for a second renewal


_UPDATE = NoticeCode.REQUEST_UPDATE
_S = ReportedStatus

RULES: Mapping[ReportedStatus, Rule] = {
    _S.RECEIVED: Rule(rank=10, effect=Effect.REQUESTED),
    _S.QUEUED: Rule(rank=15, effect=Effect.REQUESTED),
    _S.IN_PROCESS: Rule(rank=20, effect=Effect.REQUESTED),
    _S.NEEDS_INFORMATION: Rule(
        rank=25, effect=Effect.REVERTED, alert=lazy("The supplier needs more information.")
    ),
    _S.CONDITIONAL: Rule(
        rank=25,
        effect=Effect.REQUESTED,
        alert=lazy("The supplier asks us to accept a condition."),
    ),
    _S.WILL_SUPPLY: Rule(rank=30, effect=Effect.REQUESTED),
    _S.RETRY_POSSIBLE: Rule(rank=35, effect=Effect.REVERTED),
    _S.UNFILLED: Rule(
        rank=40, effect=Effect.REVERTED, notice=NoticeCode.REQUEST_UNAVAILABLE, ends_order=True
    ),
    _S.EXPIRED: Rule(rank=40, effect=Effect.REVERTED, notice=NoticeCode.REQUEST_UNAVAILABLE, ends_order=True),
    _S.SHIPPED: Rule(rank=50, effect=Effect.REQUESTED, notice=_UPDATE),
    _S.DELIVERED: Rule(rank=60, effect=Effect.COMPLETED, notice=NoticeCode.PICKUP_READY),
    _S.ARRIVED: Rule(rank=60, effect=Effect.REQUESTED),
    _S.NOT_RECEIVED: Rule(
        rank=60, effect=Effect.REQUESTED, alert=lazy("The supplier reports that the item has not arrived.")
    ),
    _S.RENEWED: Rule(rank=70, notice=_UPDATE, notify_again_for_new_date=True),
    _S.RENEWAL_DENIED: Rule(rank=70, notice=_UPDATE, notify_again_for_new_date=True),
    _S.OVERDUE: Rule(
        rank=70,
        notice=_UPDATE,
        notify_again_for_new_date=True,
        alert=lazy("The supplier reports that the item is overdue."),
    ),
    _S.RECALLED: Rule(
        rank=75,
        notice=_UPDATE,
        notify_again_for_new_date=True,
        alert=lazy("The supplier has recalled the item."),
    ),
    _S.RETURNED: Rule(rank=80),
    _S.LOST: Rule(rank=85, alert=lazy("The supplier considers the item lost.")),
    _S.CANCELLED: Rule(rank=90, effect=Effect.CANCELLED, notice=_UPDATE, ends_order=True),
    _S.CANCEL_DENIED: Rule(effect=Effect.CANCELLATION_REFUSED, notice=_UPDATE),
    _S.COMPLETED: Rule(rank=95, effect=Effect.COMPLETED),
    _S.COMPLETED_WITHOUT_RETURN: Rule(rank=95, effect=Effect.COMPLETED),
    _S.FORWARDED: Rule(),
    _S.NOTE: Rule(),
    _S.ERROR: Rule(alert=lazy("The supplier reports an error.")),
    _S.UNKNOWN: Rule(alert=lazy("The supplier sent a status that is not mapped.")),
}

SHIPPED_RANK = 50
"""From here on the item is on its way, and can no longer be cancelled."""

END_OF_DAY = time(23, 59)
"""The time of a due date without one. Source: Koha, C4/Circulation.pm CalcDateDue (not 23:59:59)."""

_ORDERS = frozenset({Effect.REQUESTED, Effect.REVERTED, Effect.COMPLETED})
"""Effects that set the order ID; a note on a void order must not bring it back."""

COMMENTED = frozenset({_S.NOTE, _S.COMPLETED_WITHOUT_RETURN, _S.FORWARDED, _S.CANCEL_DENIED})
"""Their message becomes a comment on the request, even if the status is not new: the message is what matters."""


_STEPS = frozenset(
    {_S.RECEIVED, _S.QUEUED, _S.IN_PROCESS, _S.WILL_SUPPLY, _S.SHIPPED, _S.DELIVERED, _S.ARRIVED}
)
"""Steps of an item, which are no news once a later step is reported. Any other report contradicts that step."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One attempt to obtain an item. Ranks count within an attempt, because the next supplier starts again."""

    supplier: str | None = None
    number: int | None = None

    @property
    def text(self) -> str | None:
        """One line for a column of 191 characters; None if attempts are not told apart."""
        if self == Attempt():
            return None
        return f"{(self.supplier or '')[:160]}#{self.number or ''}"

    @classmethod
    def parse(cls, text: str | None) -> "Attempt":
        """Parse what :attr:`text` returned."""
        supplier, _, number = (text or "").rpartition("#")
        return cls(supplier=supplier or None, number=int(number) if number else None)

    def is_before(self, other: "Attempt", *, in_time: bool) -> bool:
        """Return whether *other* is a later attempt; by number, else by supplier and *in_time*."""
        if self.number is not None and other.number is not None and self.number != other.number:
            return self.number < other.number
        return self._has_other_supplier(other) and in_time

    def _has_other_supplier(self, other: "Attempt") -> bool:
        if self.supplier is None or other.supplier is None:
            return False
        return self.supplier[:160].casefold() != other.supplier[:160].casefold()


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far the reports on a request have come."""

    status: ReportedStatus | None = None  # of the last report applied
    rank: int | None = None
    attempt: Attempt = Attempt()
    last_event_at: datetime | None = None
    notified_of: frozenset[str] = frozenset()  # the news that the patron was sent in this attempt


@dataclass(frozen=True, kw_only=True, slots=True)
class Situation:
    """What is known of a request when a report on it arrives."""

    status: str | None
    order_id: str | None
    cost: str | None
    access_url: str | None
    due: datetime | None
    tracking: str | None
    progress: Progress
    other_partners_open: bool = False  # other partners have not answered yet


@dataclass(frozen=True, kw_only=True, slots=True)
class Supply:
    """Facts to write to the request; None leaves the current value."""

    order_id: str | None = None
    cost: str | None = None
    access_url: str | None = None
    due: date | datetime | None = None
    tracking: str | None = None
    ends_order: bool = False

    def __bool__(self) -> bool:
        return self != Supply()


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What is to be done about a report."""

    verdict: Verdict
    detail: str  # one sentence, for the answer and for staff
    path: tuple[str, ...] = ()  # statuses to go through, each an edge of the graph
    supply: Supply = Supply()
    progress: Progress | None = None  # None: stays
    alert: tuple[LazyMessage, ...] = ()  # for staff
    comment: str | None = None
    notice: NoticeCode | None = None


def decide(situation: Situation, report: StatusReport, graph: StatusGraph) -> Decision:
    """
    Decide what a report does to a request.

    A report of a lower rank than the last one of the same attempt, or an older one of the same rank, is late; but one
    that is newer and contradicts the last one, such as unfilled after shipped, is for staff to decide. A report of
    another supplier, or of a higher attempt number, begins a new attempt. So does one on a request that staff placed
    again after the supplier had returned it unfilled.
    """
    rule = RULES[report.status]
    if report.status is ReportedStatus.UNKNOWN:
        return _unknown_status(report)
    progress = _progress_before(situation, report)
    if progress is None or _is_late(progress, report, rule):
        if progress is not None and report.status not in _STEPS and _is_newer(report, progress):
            return _not_possible(situation, report, _already_reported(progress))
        return Decision(verdict=Verdict.LATE, detail=_late_detail(situation.progress))
    obstacle = _obstacle(situation, report, progress)
    path = () if obstacle else _path(situation, rule, graph)
    if path is None or obstacle:
        return _not_possible(situation, report, obstacle)
    return _applied(situation, report, progress, path)


def _unknown_status(report: StatusReport) -> Decision:
    word = report.status_text or report.status
    return Decision(
        verdict=Verdict.UNKNOWN_STATUS,
        detail=f"The status {word!r} is not mapped; the callback was stored and staff will look at it.",
        alert=_with_message(RULES[ReportedStatus.UNKNOWN].alert, word),
    )


def _progress_before(situation: Situation, report: StatusReport) -> Progress | None:
    """Return the progress of the attempt that a report belongs to; None for an attempt that is over."""
    progress = situation.progress
    if RULES[report.status].rank is None and report.status is not ReportedStatus.FORWARDED:
        return progress
    reported = Attempt(supplier=report.supplier, number=report.attempt)
    is_newer_in_time = _is_newer(report, progress)
    if reported.is_before(progress.attempt, in_time=not is_newer_in_time):
        return None
    was_placed_again = _was_returned_unfilled(progress) and situation.status in _PLACED
    if progress.attempt.is_before(reported, in_time=is_newer_in_time) or (
        was_placed_again and is_newer_in_time
    ):
        return Progress(attempt=reported, last_event_at=progress.last_event_at)
    return progress


def _is_newer(report: StatusReport, progress: Progress) -> bool:
    if report.occurred_at is None or progress.last_event_at is None:
        return True
    return report.occurred_at > progress.last_event_at


def _was_returned_unfilled(progress: Progress) -> bool:
    return progress.status is not None and RULES[progress.status].effect in (
        Effect.REVERTED,
        Effect.CANCELLED,
    )


def _is_late(progress: Progress, report: StatusReport, rule: Rule) -> bool:
    if rule.rank is None or progress.rank is None:
        return False
    if rule.rank != progress.rank:
        return rule.rank < progress.rank
    at, last = report.occurred_at, progress.last_event_at
    return at is not None and last is not None and at < last


def _late_detail(progress: Progress) -> str:
    return f"A later event ({progress.status}) was applied before; this one was only recorded."


def _obstacle(situation: Situation, report: StatusReport, progress: Progress) -> LazyMessage | None:
    """Return why a report is not applied although the graph would allow it."""
    effect = RULES[report.status].effect
    if effect is Effect.CANCELLED and (progress.rank or 0) >= SHIPPED_RANK:
        return _already_reported(progress)
    is_reverted = situation.status == Status.REQREV and effect in (Effect.REQUESTED, Effect.COMPLETED)
    is_new_attempt = progress is not situation.progress
    if is_reverted and not is_new_attempt and not _was_returned_unfilled(progress):
        return lazy("the library reverted the request")
    if effect is Effect.REVERTED and situation.status == Status.GENREQ and situation.other_partners_open:
        return lazy("other partners were asked too and have not answered")
    return None


def _already_reported(progress: Progress) -> LazyMessage:
    return lazy(
        "the supplier has already reported %(status)s",
        status=_named(progress.status or ReportedStatus.SHIPPED),
    )


def _path(situation: Situation, rule: Rule, graph: StatusGraph) -> tuple[str, ...] | None:
    """Find the statuses to go through; None if the rules or the graph allow no path."""
    current = situation.status or ""
    if rule.effect is Effect.NONE:  # checked first: a backend of its own may have statuses that TARGETS lacks
        return ()
    target = TARGETS[rule.effect].get(current)
    if target is None or target == current:
        return None if target is None else ()
    # A supplier may skip reports: what is supplied was requested, although nobody reported that.
    for path in ((target,), (Status.REQ, target)):
        if all(_is_edge(graph, *edge) for edge in zip((current, *path), path, strict=False)):
            return tuple(str(status) for status in path)
    return None


def _is_edge(graph: StatusGraph, before: str, after: str) -> bool:
    node = graph.nodes.get(before)
    return node is not None and after in node.next_actions


def _not_possible(situation: Situation, report: StatusReport, obstacle: LazyMessage | None) -> Decision:
    reason = obstacle or lazy(
        "the request's status %(status)s does not allow it", status=situation.status or "–"
    )
    what = lazy(
        "The supplier reports %(status)s, which was not applied: %(reason)s.",
        status=_named(report.status),
        reason=reason,
    )
    return Decision(
        verdict=Verdict.ATTENTION,
        detail=f"The event was kept, but not applied: {reason}. Staff will look at it.",
        alert=_with_message(what, report.message),
    )


def _named(status: ReportedStatus) -> LazyMessage:
    return LazyMessage(status.label, {})


def _applied(
    situation: Situation, report: StatusReport, progress: Progress, path: tuple[str, ...]
) -> Decision:
    rule = RULES[report.status]
    supply = _supply(situation, report, ends_order=rule.ends_order and bool(path))
    comment = _comment(report, progress)
    news = _news_key(report, rule, moved=bool(path))
    is_news_to_patron = news is not None and news not in progress.notified_of
    if report.status == progress.status and not (path or supply or comment or is_news_to_patron):
        return Decision(
            verdict=Verdict.UNCHANGED,
            detail="Nothing new: the request stands so already.",
            progress=_progress_after(progress, report, rule, None),
        )
    return Decision(
        verdict=Verdict.APPLIED,
        detail="The report was applied.",
        path=path,
        supply=supply,
        progress=_progress_after(progress, report, rule, news),
        alert=_alert(situation, report),
        comment=comment,
        notice=_notice(rule, report) if is_news_to_patron else None,
    )


def _supply(situation: Situation, report: StatusReport, *, ends_order: bool) -> Supply:
    """Return the facts of a report that are new."""
    cost = None if report.cost is None else str(report.cost.amount)
    due_is_known = report.due is not None and situation.due == _due_moment(report.due)
    rule = RULES[report.status]
    brings_order = rule.effect in _ORDERS or report.status is ReportedStatus.FORWARDED
    return Supply(
        order_id=_news(report.order_id, situation.order_id) if brings_order and not rule.ends_order else None,
        cost=_news(cost, situation.cost),
        access_url=_news(report.access_url, situation.access_url),
        due=None if due_is_known else report.due,
        tracking=_news(report.tracking, situation.tracking),
        ends_order=ends_order and situation.order_id is not None,
    )


def _due_moment(due: date) -> datetime:
    return due if isinstance(due, datetime) else datetime.combine(due, END_OF_DAY)


def _news(reported: str | None, known: str | None) -> str | None:
    return None if reported == known else reported


def _comment(report: StatusReport, progress: Progress) -> str | None:
    """Return a comment for Koha, which only staff see: what a report says beside its status."""
    parts = [report.message or ""]
    if report.status is ReportedStatus.FORWARDED and report.supplier:
        parts.insert(0, f"passed on to {report.supplier}")
    text = " - ".join(part for part in parts if part)
    if not text or (report.status == progress.status and report.status not in COMMENTED):
        return None
    return f"{report.status_text or report.status}: {text}"


def _alert(situation: Situation, report: StatusReport) -> tuple[LazyMessage, ...]:
    rule = RULES[report.status]
    what = rule.alert
    if report.status is ReportedStatus.RETURNED and situation.status == Status.CHK:
        what = lazy("The supplier has the item back, but it is still checked out here.")
    if situation.status == Status.CANCREQ and (rule.rank or 0) >= SHIPPED_RANK:
        what = lazy("The patron wants to cancel, but the supplier has already sent the item.")
    return _with_message(what, report.message)


def _with_message(what: LazyMessage | None, message: str | None) -> tuple[LazyMessage, ...]:
    """Add the supplier's message to an alert, if there is one."""
    if what is None:
        return ()
    return (what, lazy("Supplier's message: %(message)s", message=message)) if message else (what,)


def _news_key(report: StatusReport, rule: Rule, *, moved: bool) -> str | None:
    """Return a key for the news to the patron; None if there is none."""
    needs_no_move = rule.effect in (Effect.NONE, Effect.REQUESTED)
    if rule.notice is None or not (moved or needs_no_move):
        return None
    if rule.notify_again_for_new_date and report.due is not None:
        return f"{report.status}@{report.due.isoformat()}"
    return report.status


def _notice(rule: Rule, report: StatusReport) -> NoticeCode | None:
    # An online copy does not wait at the desk, so the patron gets its URL instead of the pickup notice.
    if rule.notice is NoticeCode.PICKUP_READY and report.access_url:
        return NoticeCode.REQUEST_UPDATE
    return rule.notice


def _progress_after(progress: Progress, report: StatusReport, rule: Rule, news: str | None) -> Progress:
    notified_of = progress.notified_of | {news} if news is not None else progress.notified_of
    if rule.rank is None and report.status is not ReportedStatus.FORWARDED:
        return replace(progress, notified_of=notified_of)
    times = [at for at in (progress.last_event_at, report.occurred_at) if at is not None]
    return Progress(
        status=progress.status if rule.rank is None else report.status,
        rank=progress.rank if rule.rank is None else rule.rank,
        attempt=Attempt(
            supplier=report.supplier or progress.attempt.supplier,
            number=report.attempt or progress.attempt.number,
        ),
        last_event_at=max(times) if times else None,
        notified_of=notified_of,
    )


_NEWS: Mapping[ReportedStatus, LazyMessage] = {
    _S.SHIPPED: lazy("The supplying library has sent it."),
    _S.DELIVERED: lazy("It has been delivered."),
    _S.RENEWED: lazy("The loan has been renewed."),
    _S.RENEWAL_DENIED: lazy("The loan cannot be renewed."),
    _S.OVERDUE: lazy("It is overdue."),
    _S.RECALLED: lazy("The supplying library asks for it back."),
    _S.CANCELLED: lazy("The request has been cancelled."),
    _S.CANCEL_DENIED: lazy("The request can no longer be cancelled."),
}
"""What an update notice says to the patron about a report."""


def additional_text(report: StatusReport) -> tuple[LazyMessage, ...]:
    """Return what an update notice says to the patron, one message per line."""
    lines = [_NEWS[report.status]] if report.status in _NEWS else []
    if report.due is not None:
        day = report.due.date() if isinstance(report.due, datetime) else report.due
        lines.append(lazy("Due date: %(date)s.", date=day.isoformat()))
    if report.access_url:
        lines.append(lazy("You can read it here: %(url)s", url=report.access_url))
    return tuple(lines)
