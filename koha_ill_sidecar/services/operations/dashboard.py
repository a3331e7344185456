"""
What needs attention, and the figures of the last months.

What needs attention is queried each time, by index and with a limit; the figures come from the document that the job
``figures`` stores. So the page costs the same with a thousand requests and with a million.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row

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
from koha_ill_sidecar.storage.sidecar.requests import StaffAlert
from koha_ill_sidecar.storage.transaction import Transaction

MAX_ALERTS = 20
MAX_COUNTED = 1000
"""Larger numbers are shown as "more than" this."""

MAX_GROUPS = 15


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranking:
    """The largest groups, each with its name for people, and how many others there are."""

    groups: Sequence[tuple[str, Group]]
    others: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Dashboard:
    """
    What the page shows.

    Attributes:
        alerts: Newest first; one more than :data:`MAX_ALERTS` if there are more.
        failed_messages, unmatched_callbacks, waiting: Counted up to one more than :data:`MAX_COUNTED`.
        computed: None if the job has never run.
    """

    alerts: Sequence[StaffAlert]
    failed_messages: int
    unmatched_callbacks: int
    waiting: Sequence[Row[Any]]
    computed: ComputedFigures | None
    rankings: Mapping[By, Ranking]


def load_dashboard(tx: Transaction, delivery: DeliverySettings) -> Dashboard:
    """
    Return the dashboard; at most seven queries.

    None reads more than a thousand entries of an index, except one: failed messages are searched among the newest rows
    of Koha's queue, which has no index on status.
    """
    computed = figures.latest(tx)
    return Dashboard(
        alerts=sidecar_requests.find_alerts(tx, limit=MAX_ALERTS + 1),
        failed_messages=messages.count_entries(tx, messages.FAILED_RECENTLY, delivery, limit=MAX_COUNTED + 1),
        unmatched_callbacks=receipts.count(tx, [Verdict.UNKNOWN_REQUEST], limit=MAX_COUNTED + 1),
        waiting=sidecar_requests.count_waiting(tx, WAITING_FOR_STAFF, limit=MAX_COUNTED + 1),
        computed=computed,
        rankings=_rankings(tx, computed) if computed else {},
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class OverTime:
    """
    The largest groups, each with its name for people, and how many others there are.

    Attributes:
        series: Month by month; months without requests are left out.
    """

    made_at: datetime
    months: Sequence[str]
    series: Sequence[tuple[str, Mapping[str, Group]]]
    others: int


def load_over_time(tx: Transaction, by: By) -> OverTime | None:
    """Return the largest backends, libraries or partners month by month; two queries."""
    computed = figures.latest(tx)
    if computed is None:
        return None
    found = computed.figures.series.get(by, {})
    names = _names(tx, by, found)
    return OverTime(
        made_at=computed.made_at,
        months=computed.figures.months,
        series=[
            (names.get(key, key), {month.key: month for month in months}) for key, months in found.items()
        ],
        others=len(computed.figures.groups.get(by, ())) - len(found),
    )


def _names(tx: Transaction, by: By, keys: Iterable[str]) -> Mapping[str, str]:
    """Return the names of groups for people, where they differ from the keys."""
    if by is By.LIBRARY:
        return libraries.names(tx)
    if by is By.PARTNER:
        return {str(number): one.name for number, one in patrons.find_many(tx, set(map(int, keys))).items()}
    return {}


def _rankings(tx: Transaction, computed: ComputedFigures) -> dict[By, Ranking]:
    return {by: _ranking(tx, by, computed.figures.groups.get(by, ())) for by in By}


def _ranking(tx: Transaction, by: By, every: Sequence[Group]) -> Ranking:
    groups = _largest(every, by)
    names = _names(tx, by, [group.key for group in groups])
    return Ranking(
        groups=[(names.get(group.key, group.key), group) for group in groups],
        others=len(every) - len(groups),
    )


def _largest(groups: Sequence[Group], by: By) -> Sequence[Group]:
    return groups if by is By.MONTH else groups[:MAX_GROUPS]
