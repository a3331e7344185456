"""
What patrons do to their own requests.

Source: Koha, opac/opac-illrequests.pl.
"""

from koha_ill_sidecar.domain.actors import Actor
from koha_ill_sidecar.domain.notices import NoticeCode
from koha_ill_sidecar.domain.requests import ILLRequest
from koha_ill_sidecar.domain.statuses import Status
from koha_ill_sidecar.errors import ActionNotAllowed
from koha_ill_sidecar.services.notices.sending import send_staff_notice
from koha_ill_sidecar.services.requests.statuses import available_actions, set_status
from koha_ill_sidecar.storage.koha import requests
from koha_ill_sidecar.storage.sidecar import history
from koha_ill_sidecar.storage.transaction import Transaction


def ask_to_cancel(tx: Transaction, illrequest_id: int, actor: Actor) -> ILLRequest:
    """
    Ask the staff to cancel a request that is still NEW; they get a notice, if ILLSendStaffNotices says so.

    Raises:
        ActionNotAllowed: The request is not NEW any more.
        RequestNotFound: There is no such request.
    """
    ill_request = requests.get_for_update(tx, illrequest_id)
    # Not an action of the graph: nothing leads from NEW to CANCREQ there, Koha's OPAC checks the status itself.
    if ill_request.status != Status.NEW:
        allowed = [action.method for action in available_actions(tx, ill_request)]
        raise ActionNotAllowed(
            f"Request {illrequest_id} has the status {ill_request.status}; a cancellation can be asked for while it is "
            f"NEW. Staff can do now: {', '.join(allowed) or 'nothing'}.",
            allowed=allowed,
        )
    return set_status(tx, ill_request, Status.CANCREQ, actor)


def edit_note(tx: Transaction, illrequest_id: int, note: str, actor: Actor) -> ILLRequest:
    """
    Change the patron's note on a request; the staff get a notice, if ILLSendStaffNotices says so.

    Raises:
        RequestNotFound: There is no such request.
    """
    requests.get_for_update(tx, illrequest_id)
    requests.update(tx, illrequest_id, notesopac=note or None)
    history.add(tx, illrequest_id, "edited", actor=actor, detail={"columns": ["notesopac"]})
    edited = requests.get(tx, illrequest_id)
    send_staff_notice(tx, edited, NoticeCode.REQUEST_MODIFIED, actor=actor)
    return edited
