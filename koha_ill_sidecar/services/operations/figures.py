"""Reckoning the numbers of the dashboard, a step a transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from koha_ill_sidecar.domain.figures import MONTHS, Count, Figures
from koha_ill_sidecar.storage import clock
from koha_ill_sidecar.storage.koha import requests
from koha_ill_sidecar.storage.sidecar import figures
from koha_ill_sidecar.storage.transaction import Transaction

STEP = 20_000
"""Rows of a step: some hundredths of a second."""

_NAME = "dashboard"


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """
    The time that the numbers are about.

    Attributes:
        since: First day of the first month looked at.
    """

    today: date
    since: date

    @property
    def months(self) -> list[str]:
        """The months, the oldest first, such as ``2026-01``."""
        first = self.since.year * 12 + self.since.month - 1
        return [f"{month // 12}-{month % 12 + 1:02}" for month in range(first, first + MONTHS)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """What a step counted, and where the next begins; nothing at the end."""

    counts: Sequence[Count]
    above: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ComputedFigures:
    """The numbers as they last were reckoned."""

    figures: Figures
    made_at: datetime


def span(tx: Transaction) -> Span:
    """Find out which months are looked at: this one and those before it, twelve together."""
    today = clock.today(tx)
    months = today.year * 12 + today.month - MONTHS  # the first of them, counted from 0
    return Span(today=today, since=date(months // 12, months % 12 + 1, 1))


def count_requests(tx: Transaction, above: int, about: Span) -> Step:
    """
    Count the next requests; four queries, three of which read :data:`STEP` rows by primary key.

    A million requests are fifty steps.
    """
    up_to, _ = requests.chunk(tx, above=above, limit=STEP)
    if up_to is None:
        return Step(counts=(), above=None)
    counts = [
        *figures.count_open(tx, above=above, up_to=up_to, today=about.today),
        *figures.count_outcomes(tx, above=above, up_to=up_to, since=about.since),
        *figures.count_days(tx, above=above, up_to=up_to, since=about.since),
    ]
    return Step(counts=counts, above=up_to)


def count_enquiries(tx: Transaction, above: int, about: Span) -> Step:
    """Count the next enquiries at partners; two queries."""
    up_to = figures.end_of_enquiries(tx, above=above, limit=STEP)
    if up_to is None:
        return Step(counts=(), above=None)
    counts = figures.count_enquiries(tx, above=above, up_to=up_to, since=about.since)
    return Step(counts=list(counts), above=up_to)


def save(tx: Transaction, reckoned: Figures) -> None:
    """Keep the numbers for whoever looks at the dashboard."""
    figures.save(tx, _NAME, reckoned.as_json())


def latest(tx: Transaction) -> ComputedFigures | None:
    """Return the numbers as they last were reckoned; one query of one row."""
    kept = figures.find(tx, _NAME)
    return None if kept is None else ComputedFigures(figures=Figures.read(kept.value), made_at=kept.made_at)
