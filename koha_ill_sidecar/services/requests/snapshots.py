"""
Acting on a request as it was seen: whoever has a page of an action open decides anew if the request changes meanwhile.

A status alone does not tell: a request that was placed and reverted again can be placed once more, and a form that a
browser sends twice would do so.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

from koha_ill_sidecar.domain.requests import ILLRequest
from koha_ill_sidecar.domain.snapshots import ConcurrentChange, compare
from koha_ill_sidecar.services.notices.sending import NOTICE_QUEUED
from koha_ill_sidecar.services.requests.overview import status_of
from koha_ill_sidecar.storage.koha import action_logs, comments, patrons, requests
from koha_ill_sidecar.storage.sidecar import history
from koha_ill_sidecar.storage.transaction import Transaction

_Outcome = TypeVar("_Outcome")

_COLUMNS = (
    "branchcode",
    "biblio_id",
    "batch_id",
    "orderid",
    "cost",
    "price_paid",
    "due_date",
    "notesstaff",
    "notesopac",
)
_LONGEST = 200  # characters of a column that are remembered and shown


def snapshot(tx: Transaction, ill_request: ILLRequest, *, status: str | None = None) -> dict[str, str]:
    """
    Return what a person who is about to act must have seen of a request, as texts by name; five queries at most.

    Of Koha's columns those that are most often written, cut where they are long. ``updated`` stands for all: MariaDB
    stamps every change, whoever makes it.

    Args:
        status: What the status is called, where that is known already.
    """
    patron = patrons.find(tx, ill_request.borrowernumber) if ill_request.borrowernumber else None
    number = ill_request.illrequest_id
    # Koha's log has notices that were sent from Koha's page too, if there is a log.
    notices = max(history.count(tx, number, kind=NOTICE_QUEUED), action_logs.count_patron_notices(tx, number))
    return {
        "status": status_of(tx, ill_request) if status is None else status,
        "patron": patron.label if patron else "",
        "comments": str(comments.count(tx, number).count),
        "notices": str(notices),
        **{name: _brief(getattr(ill_request, name)) for name in _COLUMNS},
        "updated": str(ill_request.updated or ""),
    }


def check_unchanged(
    tx: Transaction,
    illrequest_id: int,
    version: Mapping[str, str],
    act: Callable[[Transaction], _Outcome],
) -> _Outcome | ConcurrentChange:
    """
    Do something to a request, unless it is no longer as it was seen; what *act* raises is passed on.

    Args:
        seen: What :func:`glance` gave when the page was shown.

    Raises:
        RequestNotFound: There is no such request.
    """
    ill_request = requests.get_for_update(tx, illrequest_id)
    changed = compare(seen=version, now=snapshot(tx, ill_request), yours=version)
    return act(tx) if changed is None else changed


def _brief(value: object) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
