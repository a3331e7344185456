"""Compute the figures of the dashboard, one step per transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from koha_ill_sidecar.domain.figures import MONTHS, Count, Figures
from koha_ill_sidecar.storage import clock
from koha_ill_sidecar.storage.koha import requests
from koha_ill_sidecar.storage.sidecar import figures
from koha_ill_sidecar.storage.transaction import Transaction

STEP = 20_000
"""Rows per step: some hundredths of a second."""

_NAME = "dashboard"


@dataclass(frozen=True, kw_only=True, slots=True)
class Period:
    """
    The period of the figures.

    Attributes:
        since: First day of the first month.
    """

    today: date
    since: date

    @property
    def months(self) -> list[str]:
        """The months, oldest first, such as ``2026-01``."""
        first = self.since.year * 12 + self.since.month - 1
        return [f"{month // 12}-{month % 12 + 1:02}" for month in range(first, first + MONTHS)]


@dataclass(frozen=True, kw_only=True, slots=True)
class ComputedFigures:
    """The figures as they were last computed."""

    figures: Figures
    made_at: datetime


def current_period(tx: Transaction) -> Period:
    """Return the period: this month and those before it, twelve together."""
    today = clock.today(tx)
    months = today.year * 12 + today.month - MONTHS  # the first of them, counted from 0
    return Period(today=today, since=date(months // 12, months % 12 + 1, 1))


def count_requests(tx: Transaction, above: int, period: Period) -> tuple[Sequence[Count], int | None]:
    """
    Count the next requests, and return above which ID to continue; None at the end.

    Four queries, three of which read :data:`STEP` rows by primary key.

    A million requests are fifty steps.
    """
    up_to, _ = requests.chunk(tx, above=above, limit=STEP)
    if up_to is None:
        return (), None
    counts = [
        *figures.count_open(tx, above=above, up_to=up_to, today=period.today),
        *figures.count_outcomes(tx, above=above, up_to=up_to, since=period.since),
        *figures.count_days(tx, above=above, up_to=up_to, since=period.since),
    ]
    return counts, up_to


def count_enquiries(tx: Transaction, above: int, period: Period) -> tuple[Sequence[Count], int | None]:
    """Count the next enquiries at partners, as :func:`count_requests` does; two queries."""
    up_to = figures.end_of_enquiries(tx, above=above, limit=STEP)
    if up_to is None:
        return (), None
    counts = figures.count_enquiries(tx, above=above, up_to=up_to, since=period.since)
    return list(counts), up_to


def save(tx: Transaction, computed: Figures) -> None:
    """Store the figures for the dashboard."""
    figures.save(tx, _NAME, computed.as_json())


def latest(tx: Transaction) -> ComputedFigures | None:
    """Return the figures as they were last computed; one query of one row."""
    stored = figures.find(tx, _NAME)
    if stored is None:
        return None
    value, made_at = stored
    return ComputedFigures(figures=Figures.read(value), made_at=made_at)
