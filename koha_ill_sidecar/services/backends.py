"""Which backend a request has, and what it needs to know of the installed Koha."""

import functools

from koha_ill_sidecar.backends import registry
from koha_ill_sidecar.backends.base import Backend, KohaFeatures
from koha_ill_sidecar.domain.requests import ILLRequest
from koha_ill_sidecar.storage.koha.installed import InstalledKoha
from koha_ill_sidecar.storage.sidecar import requests as sidecar_requests
from koha_ill_sidecar.storage.transaction import Transaction


@functools.cache
def features_of(koha: InstalledKoha) -> KohaFeatures:
    """Return the features of the installed Koha that backends need to know of."""
    features = koha.features
    return KohaFeatures(
        unauthenticated_requests=features.unauthenticated_requests,
        revert_from_partners=features.revert_from_partners,
        updates_single_attributes=features.updates_single_attributes,
    )


def backend_of(tx: Transaction, ill_request: ILLRequest) -> Backend:
    """Return the backend of a request; a query where other backends are installed."""
    if ill_request.backend != tx.koha.generic_backend:
        return registry.FOREIGN
    return supplying_backend(tx, ill_request.illrequest_id)


def supplying_backend(tx: Transaction, illrequest_id: int) -> Backend:
    """Return the backend of a request whose backend in Koha does not matter; a query as :func:`backend_of`."""
    if not registry.installed_backends():
        return registry.STANDARD
    return registry.backend_for(sidecar_requests.supplier_backend(tx, illrequest_id))
