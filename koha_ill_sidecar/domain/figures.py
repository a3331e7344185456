"""
Figures about requests: how many are open and for how long, how many were supplied, and how long that took.

A million requests are counted chunk by chunk, so that no query takes long; :class:`FigureCounter` adds the chunks up.
Requests are counted by their number of days, so medians and quartiles are exact.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Self

from koha_ill_sidecar.domain.statuses import Status

AGES = (7, 30, 90, 365)
"""Upper limits, in days, of the ages of open requests; older ones form one more age."""

MONTHS = 12
"""Calendar months that turnaround and fill rate cover, including this one."""

MOST_SERIES = 12
"""So many backends, libraries and partners, the largest of each, have figures for each month."""

FILLED = frozenset({Status.COMP, Status.CHK, Status.RET})
"""A request in one of these was supplied."""

UNFILLED = frozenset({Status.REQREV, Status.CANCREQ})
"""A request in one of these was not supplied so far: it was reverted, or the patron wants to cancel it."""


class Outcome(StrEnum):
    """Whether a request was supplied."""

    FILLED = "filled"
    UNFILLED = "unfilled"
    WAITING = "waiting"  # not decided yet


class By(StrEnum):
    """What turnaround and fill rate are grouped by."""

    MONTH = "month"
    BACKEND = "backend"
    LIBRARY = "library"
    PARTNER = "partner"


@dataclass(frozen=True, slots=True)
class OpenCount:
    """A number of open requests of one status and age (an index of :data:`AGES`, or one more)."""

    status: str
    age: int
    number: int


@dataclass(frozen=True, slots=True)
class OutcomeCount:
    """A number of requests with one outcome and the same groups; the month is that in which they were placed."""

    keys: Mapping[By, str]
    outcome: Outcome
    number: int
    month: str


@dataclass(frozen=True, slots=True)
class DaysCount:
    """A number of requests that took so many days; the month is that in which they were completed."""

    keys: Mapping[By, str]
    days: int
    number: int
    month: str


Count = OpenCount | OutcomeCount | DaysCount


@dataclass(frozen=True, kw_only=True, slots=True)
class Turnaround:
    """How long requests took: a quarter of them at most *lower* days, half *median*, three quarters *upper*."""

    completed: int
    lower: int
    median: int
    upper: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """
    The requests of one month, backend, library or partner.

    Attributes:
        turnaround: Of those completed in the period; None if there were none.
        filled, unfilled, waiting: Of those placed in the period.
    """

    key: str
    filled: int
    unfilled: int
    waiting: int
    turnaround: Turnaround | None

    @property
    def placed(self) -> int:
        """How many were placed."""
        return self.filled + self.unfilled + self.waiting

    @property
    def fill_rate(self) -> float | None:
        """The share of the decided requests that were supplied, from 0 to 1; None if none is decided."""
        decided = self.filled + self.unfilled
        return self.filled / decided if decided else None

    @property
    def size(self) -> int:
        """What groups are ranked by."""
        return max(self.placed, self.turnaround.completed if self.turnaround else 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenStatus:
    """The open requests of one status, by age: one more number than :data:`AGES` has."""

    status: str
    by_age: tuple[int, ...]

    @property
    def total(self) -> int:
        """How many there are of all ages."""
        return sum(self.by_age)


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """
    All figures of the dashboard; they can be stored as JSON (:meth:`as_json`) and read again (:meth:`read`).

    Attributes:
        months: The period, oldest first, such as ``2026-01``.
        series: The largest groups month by month; the key of each group in it is the month.
    """

    months: Sequence[str] = ()
    open: Sequence[OpenStatus] = ()
    groups: Mapping[By, Sequence[Group]] = field(default_factory=dict)
    series: Mapping[By, Mapping[str, Sequence[Group]]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        return {
            "months": list(self.months),
            "open": [asdict(status) for status in self.open],
            "groups": {by.value: [asdict(group) for group in groups] for by, groups in self.groups.items()},
            "series": {
                by.value: {key: [asdict(month) for month in months] for key, months in series.items()}
                for by, series in self.series.items()
            },
        }

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """Read what :meth:`as_json` returned; an earlier version's has no months."""
        return cls(
            months=document.get("months", []),
            open=[OpenStatus(status=one["status"], by_age=tuple(one["by_age"])) for one in document["open"]],
            groups={
                By(by): [_read_group(group) for group in groups] for by, groups in document["groups"].items()
            },
            series={
                By(by): {key: [_read_group(month) for month in months] for key, months in series.items()}
                for by, series in document.get("series", {}).items()
            },
        )


@dataclass(slots=True)
class _Accumulator:
    """The counts of one group and month."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    days: Counter[int] = field(default_factory=Counter)

    def add(self, other: "_Accumulator") -> None:
        self.outcomes.update(other.outcomes)
        self.days.update(other.days)

    def group(self, key: str) -> Group:
        return Group(
            key=key,
            filled=self.outcomes[Outcome.FILLED],
            unfilled=self.outcomes[Outcome.UNFILLED],
            waiting=self.outcomes[Outcome.WAITING],
            turnaround=turnaround(self.days),
        )


_ByMonth = defaultdict[str, _Accumulator]


class FigureCounter:
    """Adds counts up."""

    def __init__(self) -> None:
        self._open: Counter[tuple[str, int]] = Counter()
        self._counts: dict[By, defaultdict[str, _ByMonth]] = {
            by: defaultdict(lambda: defaultdict(_Accumulator)) for by in By
        }

    def add(self, counts: Iterable[Count]) -> None:
        """Add the counts of a chunk."""
        for count in counts:
            match count:
                case OpenCount():
                    self._open[count.status, count.age] += count.number
                case OutcomeCount():
                    for by, key in count.keys.items():
                        self._counts[by][key][count.month].outcomes[count.outcome] += count.number
                case DaysCount():
                    for by, key in count.keys.items():
                        self._counts[by][key][count.month].days[count.days] += count.number

    def figures(self, months: Sequence[str]) -> Figures:
        """
        Compute the figures: months in their order, all other groups by size.

        Args:
            months: The period of the series; a clock that was wrong may have left other months.
        """
        groups = {by: self._groups(by) for by in By}
        for by, found in groups.items():
            found.sort(key=lambda group: group.key if by is By.MONTH else (-group.size, group.key))
        return Figures(
            months=list(months),
            open=self._open_statuses(),
            groups=groups,
            series={
                by: {group.key: self._series(by, group.key, months) for group in found[:MOST_SERIES]}
                for by, found in groups.items()
                if by is not By.MONTH
            },
        )

    def _open_statuses(self) -> list[OpenStatus]:
        statuses = {status for status, _ in self._open}
        found = [
            OpenStatus(status=status, by_age=tuple(self._open[status, age] for age in range(len(AGES) + 1)))
            for status in statuses
        ]
        return sorted(found, key=lambda one: (-one.total, one.status))

    def _groups(self, by: By) -> list[Group]:
        return [_sum(by_month.values()).group(key) for key, by_month in self._counts[by].items()]

    def _series(self, by: By, key: str, months: Sequence[str]) -> list[Group]:
        by_month = self._counts[by][key]
        return [by_month[month].group(month) for month in months if month in by_month]


def _sum(parts: Iterable[_Accumulator]) -> _Accumulator:
    total = _Accumulator()
    for part in parts:
        total.add(part)
    return total


def turnaround(days: Mapping[int, int]) -> Turnaround | None:
    """Compute median and quartiles from how many requests took how many days; None if there are none."""
    completed = sum(days.values())
    if not completed:
        return None
    return Turnaround(
        completed=completed,
        lower=_quantile(days, completed, 1),
        median=_quantile(days, completed, 2),
        upper=_quantile(days, completed, 3),
    )


def _quantile(days: Mapping[int, int], completed: int, quarters: int) -> int:
    """Return the smallest number of days within which so many quarters of them were completed."""
    seen = 0
    for number_of_days in sorted(days):
        seen += days[number_of_days]
        if seen * 4 >= completed * quarters:
            return number_of_days
    raise AssertionError("more than all of them")


def _read_group(document: Mapping[str, Any]) -> Group:
    took = document["turnaround"]
    return Group(**{**document, "turnaround": Turnaround(**took) if took else None})
