"""The metadata of the wanted item, as notices and pages show it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from koha_ill_sidecar.domain.requests import Attribute, ILLRequest, values_by_type
from koha_ill_sidecar.services.backends import supplying_backend
from koha_ill_sidecar.storage.koha import attributes, requests
from koha_ill_sidecar.storage.transaction import Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class Metadata:
    """The metadata of the wanted item, as a notice uses it."""

    title: str
    author: str
    lines: str  # "- Label: value", one per line
    attributes: Mapping[str, str]  # value by type, including those that are not in *lines*


def notice_metadata(tx: Transaction, ill_request: ILLRequest) -> Metadata:
    """
    Return the metadata for a notice; one query.

    Source: Koha, Koha/ILL/Request.pm get_notice.
    """
    found = attributes.find(tx, ill_request.illrequest_id)
    values = values_by_type(found)
    described = _sorted(supplying_backend(tx, ill_request.illrequest_id).metadata(found))
    return Metadata(
        title=values.get("title", ""),
        author=values.get("author", ""),
        lines="\n".join(f"- {label}: {value}" for label, value in described.items()),
        attributes=values,
    )


def metadata(tx: Transaction, illrequest_id: int) -> Mapping[str, str]:
    """
    Return values by label, sorted by label; one query.

    Underscores in custom keys become spaces, as on Koha's page.
    """
    return describe(tx, illrequest_id, attributes.find(tx, illrequest_id))


def describe(tx: Transaction, illrequest_id: int, found: Sequence[Attribute]) -> Mapping[str, str]:
    """Return label and value of those attributes that describe the wanted item, by label."""
    described = _sorted(supplying_backend(tx, illrequest_id).metadata(found))
    return {label.replace("_", " "): value for label, value in described.items()}


def supplier_metadata(tx: Transaction, illrequest_id: int) -> Mapping[str, str]:
    """Return :func:`metadata` of a request that may have been deleted; raises RequestNotFound."""
    requests.get(tx, illrequest_id)
    return metadata(tx, illrequest_id)


def supplier_metadata_text(tx: Transaction, illrequest_id: int) -> str:
    """Return :func:`supplier_metadata` as plain text, one line per value; raises RequestNotFound."""
    return "\n".join(f"{label}: {value}" for label, value in supplier_metadata(tx, illrequest_id).items())


def _sorted(labelled: Mapping[str, str]) -> Mapping[str, str]:
    return {label: labelled[label] for label in sorted(labelled, key=str.lower)}
