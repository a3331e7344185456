"""The number of a request as people see it."""

from koha_ill_sidecar.domain.requests import ILLRequest
from koha_ill_sidecar.storage.transaction import Transaction


def shown_id(tx: Transaction, ill_request: ILLRequest) -> str:
    """Return a request's number with its library's prefix: ``CPL-17``."""
    return f"{tx.site.id_prefix(ill_request.branchcode)}{ill_request.illrequest_id}"
