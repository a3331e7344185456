"""
Charts by month as shapes, on a drawing of 320 by 140.

They can be read without colours: bars span a range, a line connects the medians. Each has a title and a sentence for
screen readers, and a table with its figures below.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from koha_ill_sidecar.domain.figures import Group

_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 312, 10, 116
_BAR = 0.5  # of a month's width
_MIN_HEIGHT = 1.5  # keeps a bar between equal values visible
_LABEL_STEP = 3  # every third month has a label, counted from the last

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Tick:
    """A label on an axis."""

    at: float
    label: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """
    The shapes of a chart.

    Attributes:
        values, months: Labels of the vertical and the horizontal axis.
        lines: Points of an SVG ``polyline``; a line ends where a month has no value.
        bars: The bar of each month, as x, y, width and height.
        dots: The points of the lines, as pairs of x and y.
    """

    values: Sequence[Tick]
    months: Sequence[Tick]
    bars: Sequence[tuple[float, float, float, float]]
    lines: Sequence[str]
    dots: Sequence[tuple[float, float]]


def turnaround(months: Sequence[str], by_month: Mapping[str, Group], scale: int) -> Chart:
    """Draw the middle half of each month's requests as a bar, and a line through the medians, up to *scale* days."""
    axis = _Axis(months)
    took = measured(months, by_month, lambda group: group.turnaround)
    medians = {months.index(month): (axis.x(month), _y(one.median / scale)) for month, one in took.items()}
    return Chart(
        values=_values(lambda part: f"{part * scale:g}"),
        months=axis.labels(),
        bars=[axis.bar(month, one.lower / scale, one.upper / scale) for month, one in took.items()],
        lines=list(_lines(medians)),
        dots=list(medians.values()),
    )


def fill_rate(months: Sequence[str], by_month: Mapping[str, Group]) -> Chart:
    """Draw the part of each month's requests that was supplied as a bar."""
    axis = _Axis(months)
    rates = measured(months, by_month, lambda group: group.fill_rate)
    return Chart(
        values=_values(lambda part: f"{100 * part:g} %"),
        months=axis.labels(),
        bars=[axis.bar(month, 0, rate) for month, rate in rates.items()],
        lines=(),
        dots=(),
    )


def measured(
    months: Sequence[str], by_month: Mapping[str, Group], measure: Callable[[Group], _Value | None]
) -> dict[str, _Value]:
    """Return the values of the months that have one, in their order."""
    values = {month: measure(by_month[month]) for month in months if month in by_month}
    return {month: value for month, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class _Axis:
    """The months along the bottom."""

    months: Sequence[str]

    @property
    def step(self) -> float:
        return (_RIGHT - _LEFT) / max(len(self.months), 1)

    def x(self, month: str) -> float:
        return round(_LEFT + self.step * (self.months.index(month) + 0.5), 1)

    def bar(self, month: str, lower: float, upper: float) -> tuple[float, float, float, float]:
        height = max(_y(lower) - _y(upper), _MIN_HEIGHT)
        width = self.step * _BAR
        x, y = self.x(month) - width / 2, _y(lower) - height
        return round(x, 1), round(y, 1), round(width, 1), round(height, 1)

    def labels(self) -> list[Tick]:
        first = (len(self.months) - 1) % _LABEL_STEP
        return [Tick(self.x(month), month) for month in self.months[first::_LABEL_STEP]]


def _y(part: float) -> float:
    return round(_BOTTOM - part * (_BOTTOM - _TOP), 1)


def _values(label: Callable[[float], str]) -> list[Tick]:
    return [Tick(_y(part), label(part)) for part in (0, 0.5, 1)]


def _lines(points: Mapping[int, tuple[float, float]]) -> Iterable[str]:
    """Yield a line for each run of consecutive months."""
    run: list[str] = []
    for index, (x, y) in points.items():
        if index - 1 not in points and run:
            yield " ".join(run)
            run = []
        run.append(f"{x},{y}")
    if run:
        yield " ".join(run)
