"""Requests for a list, with the names behind their codes."""

import functools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CompoundSelect, Integer, ScalarSelect, bindparam, func, null, select, union_all
from sqlalchemy.engine import RowMapping

from koha_ill_sidecar.domain.requests import ILLRequest
from koha_ill_sidecar.storage.koha import requests
from koha_ill_sidecar.storage.koha.installed import InstalledKoha
from koha_ill_sidecar.storage.transaction import Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedRow:
    """
    A request in a list.

    Attributes:
        attributes: Values by type.
        alias: Name of the site's own status, for staff.
        batch: Name of the batch.
    """

    ill_request: ILLRequest
    attributes: Mapping[str, str]
    patron_name: str
    patron_card: str
    alias: str
    batch: str
    comments: int

    @property
    def patron(self) -> str:
        """Name and card number of the patron: ``Sam Page [20000005]``; empty without a patron."""
        card = f"[{self.patron_card}]" if self.patron_card else ""
        return f"{self.patron_name} {card}".strip()


def find(tx: Transaction, illrequest_ids: Sequence[int]) -> list[ListedRow]:
    """Return requests in the given order, without those that are deleted; one query."""
    if not illrequest_ids:
        return []
    parameters = {"b_ids": list(illrequest_ids), "b_category": tx.koha.status_alias_category}
    found: dict[int, RowMapping] = {}
    attributes: dict[int, dict[str, str]] = defaultdict(dict)
    for row in tx.connection.execute(_select(tx.koha), parameters).mappings():
        if row["type"] is None:
            found[row["illrequest_id"]] = row
        elif row["value"]:  # up to Koha 25.05 an empty row means no value
            attributes[row["illrequest_id"]][row["type"]] = row["value"]
    return [_listed(found[each], attributes[each]) for each in illrequest_ids if each in found]


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
def _select(koha: InstalledKoha) -> CompoundSelect[Any]:
    """Return the statement for the requests, with their attributes as rows of their own."""
    request, patron, value = (
        koha.table("illrequests"),
        koha.table("borrowers"),
        koha.table("illrequestattributes"),
    )
    columns = [
        *(request.c[name] for name in requests.COLUMNS if name in request.c),
        patron.c.firstname,
        patron.c.surname,
        patron.c.cardnumber,
        _alias_name(koha).label("alias_name"),
        _comments(koha).label("comments"),
        _batch_name(koha).label("batch_name"),
    ]
    wanted = bindparam("b_ids", expanding=True, type_=Integer)
    rows = (
        select(*columns, null().label("type"), null().label("value"))
        .select_from(request.outerjoin(patron, patron.c.borrowernumber == request.c.borrowernumber))
        .where(request.c.illrequest_id.in_(wanted))
    )
    nothing = [null() for _ in columns[1:]]
    values = select(value.c.illrequest_id, *nothing, value.c.type, value.c.value)
    return union_all(rows, values.where(value.c.illrequest_id.in_(wanted)))


def _alias_name(koha: InstalledKoha) -> ScalarSelect[Any]:
    request, value = koha.table("illrequests"), koha.table("authorised_values")
    # A category may hold a value twice.
    name = select(func.min(value.c.lib)).where(
        value.c.category == bindparam("b_category"), value.c.authorised_value == request.c.status_alias
    )
    return name.scalar_subquery()


def _comments(koha: InstalledKoha) -> ScalarSelect[Any]:
    request, comment = koha.table("illrequests"), koha.table("illcomments")
    return select(func.count()).where(comment.c.illrequest_id == request.c.illrequest_id).scalar_subquery()


def _batch_name(koha: InstalledKoha) -> Any:  # noqa: ANN401  (a column or a constant)
    if not koha.features.batches:
        return func.trim("")
    request, batch = koha.table("illrequests"), koha.table("illbatches")
    return select(batch.c.name).where(batch.c.ill_batch_id == request.c.batch_id).scalar_subquery()
