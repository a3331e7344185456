"""
What needs somebody's attention, and the numbers of the last months.

What needs attention is asked for each time, by index and with a limit; the numbers come from the document that the
job ``figures`` keeps. So the page costs the same with a thousand requests and with a million.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from koha_ill_sidecar.config.settings import DeliverySettings
from koha_ill_sidecar.domain.callbacks import Verdict
from koha_ill_sidecar.domain.figures import By, Group
from koha_ill_sidecar.domain.statuses import WAITING_FOR_STAFF
from koha_ill_sidecar.services.delivery import messages
from koha_ill_sidecar.services.operations import figures
from koha_ill_sidecar.services.operations.figures import ComputedFigures
from koha_ill_sidecar.storage.koha import libraries, patrons
from koha_ill_sidecar.storage.sidecar import receipts
from koha_ill_sidecar.storage.sidecar import requests as sidecar_requests
from koha_ill_sidecar.storage.sidecar.requests import StaffAlert, WaitingRequests
from koha_ill_sidecar.storage.transaction import Transaction

MAX_ALERTS = 20
MAX_COUNTED = 1000
"""What is more is told as "more than"."""

MAX_GROUPS = 15


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedGroup:
    """A group of requests, and what people call it."""

    name: str
    group: Group


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranking:
    """The largest groups, and how many there are beside them."""

    groups: Sequence[NamedGroup]
    others: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Dashboard:
    """
    What the page shows.

    Attributes:
        notes: Words to the staff, the newest first, one more than :data:`MOST_NOTES` if there are more.
        failed_messages, unmatched_callbacks, waiting: Counted up to one more than :data:`MOST_COUNTED`.
        reckoned: Nothing where the job has never run.
    """

    alerts: Sequence[StaffAlert]
    failed_messages: int
    unmatched_callbacks: int
    waiting: Sequence[WaitingRequests]
    computed: ComputedFigures | None
    rankings: Mapping[By, Ranking]


def load_dashboard(tx: Transaction, delivery: DeliverySettings) -> Dashboard:
    """
    Return the dashboard; at most seven queries.

    None reads more than a thousand entries of an index, but for one: failed messages are looked for among the newest
    rows of Koha's queue, for it has no index on their status.

    Args:
        delivery: Says which messages are ours.
    """
    reckoned = figures.latest(tx)
    return Dashboard(
        alerts=sidecar_requests.find_alerts(tx, limit=MAX_ALERTS + 1),
        failed_messages=messages.count_entries(tx, messages.FAILED_LATELY, delivery, limit=MAX_COUNTED + 1),
        unmatched_callbacks=receipts.count(tx, [Verdict.UNKNOWN_REQUEST], limit=MAX_COUNTED + 1),
        waiting=sidecar_requests.count_waiting(tx, WAITING_FOR_STAFF, limit=MAX_COUNTED + 1),
        computed=reckoned,
        rankings=_rankings(tx, reckoned) if reckoned else {},
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedSeries:
    """A group of requests month by month; a month of which there is nothing to tell is left out."""

    name: str
    by_month: Mapping[str, Group]


@dataclass(frozen=True, kw_only=True, slots=True)
class OverTime:
    """The largest groups month by month, and how many there are beside them."""

    made_at: datetime
    months: Sequence[str]
    series: Sequence[NamedSeries]
    others: int


def load_over_time(tx: Transaction, by: By) -> OverTime | None:
    """Return the months of the largest backends, libraries or partners; two queries, whatever there is to tell."""
    reckoned = figures.latest(tx)
    if reckoned is None:
        return None
    found = reckoned.figures.series.get(by, {})
    names = _names(tx, by, found)
    return OverTime(
        made_at=reckoned.made_at,
        months=reckoned.figures.months,
        series=[
            NamedSeries(name=names.get(key, key), by_month={month.key: month for month in months})
            for key, months in found.items()
        ],
        others=len(reckoned.figures.groups.get(by, ())) - len(found),
    )


def _names(tx: Transaction, by: By, keys: Iterable[str]) -> Mapping[str, str]:
    """Return what people call these groups, where that is another word than the key."""
    if by is By.LIBRARY:
        return libraries.names(tx)
    if by is By.PARTNER:
        return {str(number): one.name for number, one in patrons.find_many(tx, set(map(int, keys))).items()}
    return {}


def _rankings(tx: Transaction, reckoned: ComputedFigures) -> dict[By, Ranking]:
    return {by: _ranking(tx, by, reckoned.figures.groups.get(by, ())) for by in By}


def _ranking(tx: Transaction, by: By, every: Sequence[Group]) -> Ranking:
    groups = _largest(every, by)
    names = _names(tx, by, [group.key for group in groups])
    return Ranking(
        groups=[NamedGroup(name=names.get(group.key, group.key), group=group) for group in groups],
        others=len(every) - len(groups),
    )


def _largest(groups: Sequence[Group], by: By) -> Sequence[Group]:
    return groups if by is By.MONTH else groups[:MAX_GROUPS]
