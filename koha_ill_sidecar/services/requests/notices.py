"""A notice to the patron of a request: previewed and sent by staff."""

from collections.abc import Mapping
from dataclasses import dataclass

from koha_ill_sidecar.domain.actors import Actor
from koha_ill_sidecar.domain.notices import EMAIL, SMS, NoticeOutcome, NoticePreview
from koha_ill_sidecar.services.notices.sending import preview_patron_notice, send_patron_notice
from koha_ill_sidecar.services.people.addresses import notice_email_address
from koha_ill_sidecar.services.requests.header import RequestHeader, StaffContext, load_header
from koha_ill_sidecar.services.requests.log import LogEntry, find_last_notice
from koha_ill_sidecar.services.requests.snapshots import Version, lock, snapshot
from koha_ill_sidecar.storage.koha import patrons, requests
from koha_ill_sidecar.storage.koha.patrons import PatronCard
from koha_ill_sidecar.storage.transaction import Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class NoticePage:
    """
    A notice as it would be sent now.

    Attributes:
        version: What the request must still be like when it is sent.
        previous: When it was last sent from here.
        recipients: The patron's address by transport; empty where they have none.
    """

    header: RequestHeader
    version: Mapping[str, str]
    name: str
    previous: LogEntry | None
    preview: NoticePreview
    patron: PatronCard | None
    recipients: Mapping[str, str]


def preview_notice(
    tx: Transaction,
    illrequest_id: int,
    notice_code: str,
    context: StaffContext,
    *,
    additional_text: str = "",
) -> NoticePage:
    """Render a notice for a request as it would be sent now. Raises RequestNotFound."""
    header = load_header(tx, illrequest_id, context)
    ill_request = header.ill_request
    patron = patrons.find_card(tx, ill_request.borrowernumber) if ill_request.borrowernumber else None
    recipients = {}
    if patron is not None:
        recipients[EMAIL] = notice_email_address(patron.addresses, tx.preferences) or ""
        recipients[SMS] = patron.smsalertnumber
    return NoticePage(
        header=header,
        version=snapshot(tx, ill_request, status=header.status),
        name=header.notice_names.get(notice_code, notice_code),
        previous=find_last_notice(tx, illrequest_id, notice_code),
        preview=preview_patron_notice(
            tx, ill_request, notice_code, context.actor, additional_text=additional_text
        ),
        patron=patron,
        recipients=recipients,
    )


def send_notice(
    tx: Transaction,
    illrequest_id: int,
    notice_code: str,
    actor: Actor,
    *,
    version: Version | None = None,
    additional_text: str = "",
) -> NoticeOutcome:
    """
    Queue a notice for the patron, by the transports that they chose for it.

    Raises:
        RequestChanged: The request is not as *version* has it.
        RequestNotFound: There is no such request.
    """
    # A notice changes nothing on the request: it is locked only where it must still be as it was shown.
    ill_request = lock(tx, illrequest_id, version) if version is not None else requests.get(tx, illrequest_id)
    return send_patron_notice(tx, ill_request, notice_code, actor, additional_text=additional_text)
