"""
Plots as shapes: what is drawn where, in units of a hundredth of the width.

Each stands in a row of a table beside its numbers, which say all that it says; so it is hidden from those who do not
see it. Nothing has a style of its own, which the policy of the pages would refuse: classes do.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from koha_ill_sidecar.domain.figures import Group, OpenStatus

_STEPS = (1, 2, 5)
_LEAST_WIDTH = 0.8  # so that a small number is seen, and a median among equals


@dataclass(frozen=True, slots=True)
class Shape:
    """A rectangle of a plot; what it stands for, its class says."""

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
    """Draw the open requests of a status, one age behind the other."""
    shapes, start = [], 0.0
    for age, number in enumerate(open_status.by_age):
        width = 100 * number / scale
        if number:
            shapes.append(Shape(f"age-{age}", round(start, 2), round(max(width, _LEAST_WIDTH), 2)))
        start += width
    return shapes


def turnaround(group: Group, scale: int) -> list[Shape]:
    """Draw the middle half of a group's requests and, across it, the median."""
    took = group.turnaround
    if took is None:
        return []
    start, width = 100 * took.lower / scale, 100 * (took.upper - took.lower) / scale
    median = min(100 * took.median / scale, 100 - _LEAST_WIDTH)
    return [
        Shape("middle", round(start, 2), round(max(width, _LEAST_WIDTH), 2)),
        Shape("median", round(median, 2), _LEAST_WIDTH),
    ]


def fill_rate(group: Group) -> list[Shape]:
    """Draw the part of a group's requests that were supplied."""
    rate = group.fill_rate
    return [] if rate is None else [Shape("filled", 0, round(100 * rate, 2))]


def turnaround_scale(groups: Sequence[Group]) -> int:
    """Return the end of the scale for these groups, in days."""
    return scale_of(group.turnaround.upper for group in groups if group.turnaround)
