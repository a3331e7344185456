"""
Acting on a request as it was shown: staff who have a page of an action open decide again if the request has changed.

The status alone is not enough: a request that was placed and reverted again could be placed once more by a form that
a browser sends twice.
"""

from collections.abc import Mapping
from typing import TypeAlias

from koha_ill_sidecar.domain.concurrent_changes import RequestChanged, compare
from koha_ill_sidecar.domain.requests import ILLRequest
from koha_ill_sidecar.services.notices.sending import NOTICE_QUEUED
from koha_ill_sidecar.services.requests.statuses import status_of
from koha_ill_sidecar.storage.koha import action_logs, comments, patrons, requests
from koha_ill_sidecar.storage.sidecar import history
from koha_ill_sidecar.storage.transaction import Transaction

Version: TypeAlias = Mapping[str, str]
"""What :func:`snapshot` returned when a page was shown."""

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
_MAX_LENGTH = 200  # characters of a column that are compared and shown


def snapshot(tx: Transaction, ill_request: ILLRequest, *, status: str | None = None) -> dict[str, str]:
    """
    Return what a person who is about to act must have seen of a request, as texts by name; five queries at most.

    Of Koha's columns it has those that are most often written, shortened where they are long. ``updated`` stands for
    the others: MariaDB stamps every change, no matter who makes it.

    Args:
        status: The name of the status, where it is known already.
    """
    patron = patrons.find(tx, ill_request.borrowernumber) if ill_request.borrowernumber else None
    illrequest_id = ill_request.illrequest_id
    # Koha's log also has the notices that were sent from Koha's page, but it may be off.
    notices = max(
        history.count(tx, illrequest_id, kind=NOTICE_QUEUED),
        action_logs.count_patron_notices(tx, illrequest_id),
    )
    return {
        "status": status_of(tx, ill_request) if status is None else status,
        "patron": patron.label if patron else "",
        "comments": str(comments.count(tx, illrequest_id)[0]),
        "notices": str(notices),
        **{name: _shortened(getattr(ill_request, name)) for name in _COLUMNS},
        "updated": str(ill_request.updated or ""),
    }


def lock(tx: Transaction, illrequest_id: int, version: Version | None = None) -> ILLRequest:
    """
    Return a request and hold its row until the transaction ends, unless it has changed since it was shown.

    Args:
        version: None: nothing was shown, and so nothing is compared.

    Raises:
        RequestChanged: It is no longer as *version* has it.
        RequestNotFound: There is no such request.
    """
    ill_request = requests.get_for_update(tx, illrequest_id)
    if version is not None:
        change = compare(seen=version, now=snapshot(tx, ill_request), yours=version)
        if change is not None:
            raise RequestChanged(illrequest_id, change)
    return ill_request


def _shortened(value: object) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= _MAX_LENGTH else f"{text[:_MAX_LENGTH]}…"
