"""
What needs somebody's attention, and the numbers of the last months.

What needs attention is asked for each time, by index and with a limit; the numbers come from the document that the
job ``figures`` keeps. So the page costs the same with a thousand requests and with a million.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from koha_ill_sidecar.domain.callbacks import Verdict
from koha_ill_sidecar.domain.figures import By, Group
from koha_ill_sidecar.domain.statuses import WAITING_FOR_STAFF
from koha_ill_sidecar.services import figures
from koha_ill_sidecar.services.figures import ReckonedFigures
from koha_ill_sidecar.services.queue import GIVEN_UP_REASON
from koha_ill_sidecar.storage.koha import libraries, patrons
from koha_ill_sidecar.storage.sidecar import progress, queue_entries, receipts, waiting
from koha_ill_sidecar.storage.sidecar.progress import Note
from koha_ill_sidecar.storage.sidecar.waiting import WaitingRequests
from koha_ill_sidecar.storage.transaction import Transaction

MOST_NOTES = 20
MOST_COUNTED = 1000
"""What is more is told as "more than"."""

FAILED_DAYS = 30
MOST_GROUPS = 15


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

    notes: Sequence[Note]
    failed_messages: int
    unmatched_callbacks: int
    waiting: Sequence[WaitingRequests]
    reckoned: ReckonedFigures | None
    rankings: Mapping[By, Ranking]


def look(tx: Transaction) -> Dashboard:
    """
    Give the dashboard; at most seven queries.

    None reads more than a thousand entries of an index, but for one: messages that failed longer ago, or were given
    up, are passed over.
    """
    reckoned = figures.last(tx)
    return Dashboard(
        notes=progress.notes(tx, limit=MOST_NOTES + 1),
        failed_messages=queue_entries.count_failed(
            tx, days=FAILED_DAYS, but_for=GIVEN_UP_REASON, limit=MOST_COUNTED + 1
        ),
        unmatched_callbacks=receipts.count(tx, [Verdict.UNKNOWN_REQUEST], limit=MOST_COUNTED + 1),
        waiting=waiting.look(tx, WAITING_FOR_STAFF, limit=MOST_COUNTED + 1),
        reckoned=reckoned,
        rankings=_rankings(tx, reckoned) if reckoned else {},
    )


def _rankings(tx: Transaction, reckoned: ReckonedFigures) -> dict[By, Ranking]:
    found = {by: _largest(reckoned.figures.groups.get(by, ()), by) for by in By}
    partners = patrons.find_many(tx, {int(group.key) for group in found[By.PARTNER]})
    names: Mapping[By, Mapping[str, str]] = {
        By.LIBRARY: libraries.names(tx),
        By.PARTNER: {str(number): partner.name for number, partner in partners.items()},
    }
    return {
        by: Ranking(
            groups=[
                NamedGroup(name=names.get(by, {}).get(group.key, group.key), group=group) for group in groups
            ],
            others=len(reckoned.figures.groups.get(by, ())) - len(groups),
        )
        for by, groups in found.items()
    }


def _largest(groups: Sequence[Group], by: By) -> Sequence[Group]:
    return groups if by is By.MONTH else groups[:MOST_GROUPS]
