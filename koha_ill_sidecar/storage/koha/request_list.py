"""Requests as a list shows them: with the names that their codes stand for, in two queries however many they are."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.engine import RowMapping

from koha_ill_sidecar.domain.requests import ILLRequest, values_by_type
from koha_ill_sidecar.storage.koha import attributes, requests
from koha_ill_sidecar.storage.koha.installed import InstalledKoha
from koha_ill_sidecar.storage.transaction import Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedRow:
    """
    A request in a list.

    Attributes:
        attributes: Values by type.
        alias: What the site's own status is called, for staff.
        batch: What its batch is called.
    """

    ill_request: ILLRequest
    attributes: Mapping[str, str]
    patron_name: str
    patron_card: str
    alias: str
    batch: str
    comments: int


def find(tx: Transaction, illrequest_ids: Sequence[int]) -> list[ListedRow]:
    """Give requests in the order of their numbers as given; those that are gone are left out. Two queries."""
    if not illrequest_ids:
        return []
    known = attributes.find_for_all(tx, illrequest_ids)
    parameters = {"b_ids": list(illrequest_ids), "b_category": tx.koha.status_alias_category}
    found = {
        row["illrequest_id"]: row for row in tx.connection.execute(_select(tx.koha), parameters).mappings()
    }
    return [
        _listed(found[number], values_by_type(known.get(number, ())))
        for number in illrequest_ids
        if number in found
    ]


def _listed(row: RowMapping, values: Mapping[str, str]) -> ListedRow:
    columns = {name: row[name] for name in requests.COLUMNS if name in row}
    return ListedRow(
        ill_request=ILLRequest(**columns),
        attributes=values,
        patron_name=" ".join(part for part in (row["firstname"], row["surname"]) if part),
        patron_card=row["cardnumber"] or "",
        alias=row["alias_name"] or row["status_alias"] or "",
        batch=row["batch_name"] or "",
        comments=row["comments"],
    )


@functools.cache
def _select(koha: InstalledKoha) -> Select[Any]:
    request, patron = koha.table("illrequests"), koha.table("borrowers")
    comment, value = koha.table("illcomments"), koha.table("authorised_values")
    # A category may hold a value twice.
    alias = (
        select(func.min(value.c.lib))
        .where(
            value.c.category == bindparam("b_category"),
            value.c.authorised_value == request.c.status_alias,
        )
        .scalar_subquery()
    )
    comments = (
        select(func.count()).where(comment.c.illrequest_id == request.c.illrequest_id).scalar_subquery()
    )
    return (
        select(
            *(request.c[name] for name in requests.COLUMNS if name in request.c),
            patron.c.firstname,
            patron.c.surname,
            patron.c.cardnumber,
            alias.label("alias_name"),
            comments.label("comments"),
            _batch_name(koha).label("batch_name"),
        )
        .select_from(request.outerjoin(patron, patron.c.borrowernumber == request.c.borrowernumber))
        .where(request.c.illrequest_id.in_(bindparam("b_ids", expanding=True)))
    )


def _batch_name(koha: InstalledKoha) -> Any:  # noqa: ANN401  (a column or a constant)
    if not koha.has("illbatches") or not koha.has("illrequests", "batch_id"):
        return func.trim("")
    request, batch = koha.table("illrequests"), koha.table("illbatches")
    return select(batch.c.name).where(batch.c.ill_batch_id == request.c.batch_id).scalar_subquery()
