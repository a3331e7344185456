"""
Plots as shapes, in hundredths of the width.

Each is in a table row beside its figures, which say the same, so it is hidden from screen readers. Shapes have classes
instead of inline styles, which the pages' content security policy forbids.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from koha_ill_sidecar.domain.figures import Group, OpenStatus

_STEPS = (1, 2, 5)
_MIN_WIDTH = 0.8  # keeps small numbers visible, and a median between equal quartiles


@dataclass(frozen=True, slots=True)
class Shape:
    """A rectangle of a plot; its class says what it stands for."""

    kind: str
    start: float
    width: float


def scale_of(values: Iterable[float]) -> int:
    """Return the end of a scale that all values fit on: 1, 2 or 5 times a power of ten."""
    most = max(values, default=0)
    power = 1
    while True:
        for step in _STEPS:
            if step * power >= most:
                return step * power
        power *= 10


def ages(open_status: OpenStatus, scale: int) -> list[Shape]:
    """Draw the open requests of a status, one age after another."""
    shapes, start = [], 0.0
    for age, number in enumerate(open_status.by_age):
        width = 100 * number / scale
        if number:
            shapes.append(Shape(f"age-{age}", round(start, 2), round(max(width, _MIN_WIDTH), 2)))
        start += width
    return shapes


def turnaround(group: Group, scale: int) -> list[Shape]:
    """Draw the middle half of a group's requests and the median across it."""
    took = group.turnaround
    if took is None:
        return []
    start, width = 100 * took.lower / scale, 100 * (took.upper - took.lower) / scale
    median = min(100 * took.median / scale, 100 - _MIN_WIDTH)
    return [
        Shape("middle", round(start, 2), round(max(width, _MIN_WIDTH), 2)),
        Shape("median", round(median, 2), _MIN_WIDTH),
    ]


def fill_rate(group: Group) -> list[Shape]:
    """Draw the share of a group's requests that was supplied."""
    rate = group.fill_rate
    return [] if rate is None else [Shape("filled", 0, round(100 * rate, 2))]


def turnaround_scale(groups: Sequence[Group]) -> int:
    """Return the end of the scale for these groups, in days."""
    return scale_of(group.turnaround.upper for group in groups if group.turnaround)
