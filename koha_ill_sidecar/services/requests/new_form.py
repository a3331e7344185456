"""A new request, asked for at the desk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from koha_ill_sidecar.backends.registry import graph_of_all
from koha_ill_sidecar.domain.actors import StaffMember
from koha_ill_sidecar.domain.duplicates import is_same_item
from koha_ill_sidecar.domain.requests import ILLRequest, values_by_type
from koha_ill_sidecar.domain.statuses import Status
from koha_ill_sidecar.services.backends import features_of
from koha_ill_sidecar.services.people import patron_search
from koha_ill_sidecar.services.people.patron_search import PatronMatch
from koha_ill_sidecar.services.requests import creation
from koha_ill_sidecar.services.requests.creation import NewRequest
from koha_ill_sidecar.services.requests.header import shown_id
from koha_ill_sidecar.storage.koha import attributes, patrons, requests
from koha_ill_sidecar.storage.koha.patrons import Patron
from koha_ill_sidecar.storage.sidecar import history
from koha_ill_sidecar.storage.transaction import Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class EarlierRequest:
    """An earlier request of the same patron for the same thing."""

    ill_request: ILLRequest
    shown_id: str  # with the library's prefix
    title: str
    status: str  # Koha's name of it


@dataclass(frozen=True, kw_only=True, slots=True)
class Created:
    """
    The request was created.

    Attributes:
        queued_because: The detail of the history entry ``creation.QUEUED``, if a limit was reached.
    """

    ill_request: ILLRequest
    shown_id: str  # with the library's prefix
    queued_because: Mapping[str, object] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class AlreadyRequested:
    """Nothing was created: the patron has requested this before."""

    patron: Patron
    earlier: Sequence[EarlierRequest]


Outcome: TypeAlias = Created | AlreadyRequested | PatronMatch
"""The result; a :class:`PatronMatch` if the patron has to be chosen first."""


def create_for_patron(
    tx: Transaction,
    new: NewRequest,
    member: StaffMember,
    *,
    typed: str,
    chosen: int | None = None,
    even_if_requested_before: bool = False,
) -> Outcome:
    """
    Create a request for the patron whom staff typed, unless they have requested the same thing before.

    Args:
        new: The request without its patron.
        typed: The patron (:func:`koha_ill_sidecar.services.people.patron_search.resolve_patron`).

    Raises:
        RequestRefused: As :func:`koha_ill_sidecar.services.requests.creation.create`.
    """
    match = patron_search.resolve_patron(tx, typed, member, chosen=chosen)
    if match.patron is None:
        return match
    if not even_if_requested_before and (
        earlier := find_earlier(tx, match.patron, {**new.custom, **new.fields})
    ):
        return AlreadyRequested(patron=match.patron, earlier=earlier)
    made = creation.create(tx, replace(new, borrowernumber=match.patron.borrowernumber), member)
    return Created(ill_request=made, shown_id=shown_id(tx, made), queued_because=_why_queued(tx, made))


def find_earlier(tx: Transaction, patron: Patron, wanted: Mapping[str, str]) -> list[EarlierRequest]:
    """
    Return a patron's requests for the same thing, newest first; two queries.

    Only those that are open or not older than a year, and that
    :func:`koha_ill_sidecar.domain.duplicates.is_same_item` finds to be the same.
    """
    recent = requests.find_recent_of_patron(tx, patron.borrowernumber)
    known = attributes.find_for_all(tx, [one.illrequest_id for one in recent]) if recent else {}
    graph = graph_of_all(features_of(tx.koha))
    found = []
    for one in recent:
        values = values_by_type(known.get(one.illrequest_id, ()))
        if is_same_item(wanted, values):
            found.append(
                EarlierRequest(
                    ill_request=one,
                    shown_id=shown_id(tx, one),
                    title=values.get("article_title") or values.get("title", ""),
                    status=graph.name(one.status),
                )
            )
    return found


def form(
    tx: Transaction, member: StaffMember, *, typed: str = "", chosen: int | None = None
) -> tuple[PatronMatch, str]:
    """Return who matches what was typed, and the name of Koha's own backend; six queries at most."""
    if chosen is not None and not typed:
        match = PatronMatch(patrons.find(tx, chosen))
    else:
        match = patron_search.resolve_patron(tx, typed, member, chosen=chosen)
    return match, tx.koha.generic_backend


def _why_queued(tx: Transaction, ill_request: ILLRequest) -> Mapping[str, object] | None:
    if ill_request.status != Status.QUEUED:
        return None
    entries = history.find_for_request(tx, ill_request.illrequest_id)
    return next((entry.detail for entry in entries if entry.kind == creation.QUEUED), {})
