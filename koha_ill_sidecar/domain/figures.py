"""
Numbers about requests: how many are open and since when, how many were supplied, and how long that took.

They are counted piece by piece, for nobody shall wait for a look at a million requests; a :class:`Tally` puts the
pieces together. Kept are counts by the number of days, of which medians and quartiles are exact.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Self

from koha_ill_sidecar.domain.statuses import Status

AGES = (7, 30, 90, 365)
"""Days up to which an open request counts as of one age; what is older is of the last."""

MONTHS = 12
"""Calendar months that turnaround and fill rate look back, this one among them."""

MOST_SERIES = 12
"""Of so many backends, libraries and partners, the largest of each, the months are told one by one."""

FILLED = frozenset({Status.COMP, Status.CHK, Status.RET})
"""A request in one of these was supplied."""

UNFILLED = frozenset({Status.REQREV, Status.CANCREQ})
"""A request in one of these was not, so far: it was given back, or is not wanted any more."""


class Outcome(StrEnum):
    """What has come of a request."""

    FILLED = "filled"
    UNFILLED = "unfilled"
    WAITING = "waiting"  # nothing yet


class By(StrEnum):
    """What turnaround and fill rate are told by."""

    MONTH = "month"
    BACKEND = "backend"
    LIBRARY = "library"
    PARTNER = "partner"


@dataclass(frozen=True, slots=True)
class OpenCount:
    """So many open requests of one status and age (the index of :data:`AGES`, or one more)."""

    status: str
    age: int
    number: int


@dataclass(frozen=True, slots=True)
class OutcomeCount:
    """So many requests of which this has come, by whatever they are told by; the month is that of their beginning."""

    keys: Mapping[By, str]
    outcome: Outcome
    number: int
    month: str


@dataclass(frozen=True, slots=True)
class DaysCount:
    """So many requests that took so many days; the month is that of their end."""

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
        turnaround: Of those completed in the time looked at; nothing where there were none.
        filled, unfilled, waiting: Of those placed in that time.
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
        """The part of those that something came of, from 0 to 1, that were supplied."""
        decided = self.filled + self.unfilled
        return self.filled / decided if decided else None

    @property
    def size(self) -> int:
        """How much there is to tell of it."""
        return max(self.placed, self.turnaround.completed if self.turnaround else 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenStatus:
    """The open requests of one status, by age: as many numbers as :data:`AGES` has, and one."""

    status: str
    by_age: tuple[int, ...]

    @property
    def total(self) -> int:
        """How many there are of every age."""
        return sum(self.by_age)


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """
    All the numbers; can be kept as JSON (:meth:`as_json`) and read again (:meth:`read`).

    Attributes:
        months: Those looked at, the oldest first, such as ``2026-01``.
        series: What there is to tell of the largest groups in each of the months, whose names are the keys there.
    """

    months: Sequence[str] = ()
    open: Sequence[OpenStatus] = ()
    groups: Mapping[By, Sequence[Group]] = field(default_factory=dict)
    series: Mapping[By, Mapping[str, Sequence[Group]]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
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
        """Read what :meth:`as_json` gave; an earlier version's has no months."""
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
    """Requests that are told together."""

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
    """Puts counts together."""

    def __init__(self) -> None:
        self._open: Counter[tuple[str, int]] = Counter()
        self._piles: dict[By, defaultdict[str, _ByMonth]] = {
            by: defaultdict(lambda: defaultdict(_Accumulator)) for by in By
        }

    def add(self, counts: Iterable[Count]) -> None:
        """Take in a piece."""
        for count in counts:
            match count:
                case OpenCount():
                    self._open[count.status, count.age] += count.number
                case OutcomeCount():
                    for by, key in count.keys.items():
                        self._piles[by][key][count.month].outcomes[count.outcome] += count.number
                case DaysCount():
                    for by, key in count.keys.items():
                        self._piles[by][key][count.month].days[count.days] += count.number

    def figures(self, months: Sequence[str]) -> Figures:
        """
        Reckon: months in their order, everything else by size.

        Args:
            months: Those that the series are about; a clock that was wrong may have left others.
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
        return [_together(by_month.values()).group(key) for key, by_month in self._piles[by].items()]

    def _series(self, by: By, key: str, months: Sequence[str]) -> list[Group]:
        by_month = self._piles[by][key]
        return [by_month[month].group(month) for month in months if month in by_month]


def _together(piles: Iterable[_Accumulator]) -> _Accumulator:
    whole = _Accumulator()
    for pile in piles:
        whole.add(pile)
    return whole


def turnaround(days: Mapping[int, int]) -> Turnaround | None:
    """Reckon median and quartiles of how many requests took how many days; nothing of none."""
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
    """Return the least number of days within which so many quarters of them were completed."""
    seen = 0
    for number_of_days in sorted(days):
        seen += days[number_of_days]
        if seen * 4 >= completed * quarters:
            return number_of_days
    raise AssertionError("more than all of them")


def _read_group(document: Mapping[str, Any]) -> Group:
    took = document["turnaround"]
    return Group(**{**document, "turnaround": Turnaround(**took) if took else None})
