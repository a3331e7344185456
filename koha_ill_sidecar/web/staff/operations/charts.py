"""
Charts of months as shapes, on a drawing that is 320 wide and 140 high.

They can be read without colours: bars reach from one number to another, a line goes through the medians. Each
has a title and says in a sentence what it shows; the numbers stand in a table below it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from koha_ill_sidecar.domain.figures import Group

_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 312, 10, 116
_BAR = 0.5  # of a month's width
_LEAST_HEIGHT = 1.5  # so that a bar between equals is seen
_LABELLED = 3  # of so many months one has its name below it, the last among them


@dataclass(frozen=True, slots=True)
class Tick:
    """A label at an axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Bar:
    """The bar of a month."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """
    What is drawn.

    Attributes:
        values, months: Labels up the side and along the bottom.
        lines: Points as SVG's ``polyline`` takes them; a line ends where a month has no number.
        dots: Of the line, as pairs of x and y.
    """

    values: Sequence[Tick]
    months: Sequence[Tick]
    bars: Sequence[Bar]
    lines: Sequence[str]
    dots: Sequence[tuple[float, float]]


def turnaround(months: Sequence[str], by_month: Mapping[str, Group], scale: int) -> Chart:
    """Draw the middle half of each month's requests as a bar, and a line through the medians, up to *scale* days."""
    axis = _Axis(months)
    took = {
        index: group.turnaround
        for index, month in enumerate(months)
        if (group := by_month.get(month)) and group.turnaround
    }
    medians = {index: (axis.x(index), _y(one.median / scale)) for index, one in took.items()}
    return Chart(
        values=_values(lambda part: f"{part * scale:g}"),
        months=axis.labels(),
        bars=[axis.bar(index, one.lower / scale, one.upper / scale) for index, one in took.items()],
        lines=list(_lines(medians)),
        dots=list(medians.values()),
    )


def fill_rate(months: Sequence[str], by_month: Mapping[str, Group]) -> Chart:
    """Draw the part of each month's requests that was supplied as a bar."""
    axis = _Axis(months)
    rates = {
        index: group.fill_rate
        for index, month in enumerate(months)
        if (group := by_month.get(month)) and group.fill_rate is not None
    }
    return Chart(
        values=_values(lambda part: f"{100 * part:g} %"),
        months=axis.labels(),
        bars=[axis.bar(index, 0, rate) for index, rate in rates.items()],
        lines=(),
        dots=(),
    )


@dataclass(frozen=True, slots=True)
class _Axis:
    """The months along the bottom."""

    months: Sequence[str]

    @property
    def step(self) -> float:
        return (_RIGHT - _LEFT) / max(len(self.months), 1)

    def x(self, index: int) -> float:
        return round(_LEFT + self.step * (index + 0.5), 1)

    def bar(self, index: int, lower: float, upper: float) -> Bar:
        height = max(_y(lower) - _y(upper), _LEAST_HEIGHT)
        width = self.step * _BAR
        return Bar(
            round(self.x(index) - width / 2, 1),
            round(_y(lower) - height, 1),
            round(width, 1),
            round(height, 1),
        )

    def labels(self) -> list[Tick]:
        last = len(self.months) - 1
        return [
            Tick(self.x(index), month)
            for index, month in enumerate(self.months)
            if (last - index) % _LABELLED == 0
        ]


def _y(part: float) -> float:
    return round(_BOTTOM - part * (_BOTTOM - _TOP), 1)


def _values(label: Callable[[float], str]) -> list[Tick]:
    return [Tick(_y(part), label(part)) for part in (0, 0.5, 1)]


def _lines(points: Mapping[int, tuple[float, float]]) -> Iterable[str]:
    """Join the points of months that follow one another."""
    run: list[str] = []
    for index, (x, y) in points.items():
        if index - 1 not in points and run:
            yield " ".join(run)
            run = []
        run.append(f"{x},{y}")
    if run:
        yield " ".join(run)
