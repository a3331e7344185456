"""Rows of ``illrequestattributes``: one of each type per request, whatever the backend column holds."""

import functools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Delete, Select, Update, bindparam, delete, select, update
from sqlalchemy import text as sql_text
from sqlalchemy.dialects.mysql import Insert, insert
from sqlalchemy.engine import RowMapping

from koha_ill_sidecar.domain.characters import without_control_characters
from koha_ill_sidecar.domain.requests import Attribute, ILLRequest
from koha_ill_sidecar.storage.koha.installed import InstalledKoha
from koha_ill_sidecar.storage.transaction import Transaction


def find(tx: Transaction, illrequest_id: int) -> list[Attribute]:
    """Return the attributes of a request, sorted by type; up to Koha 25.05 an empty value means none."""
    rows = tx.connection.execute(_select(tx.koha), {"b_ids": [illrequest_id]}).mappings()
    return [_attribute(row) for row in rows]


def find_for_all(tx: Transaction, illrequest_ids: Sequence[int]) -> Mapping[int, list[Attribute]]:
    """Return the attributes of many requests, by request; one query."""
    found: dict[int, list[Attribute]] = defaultdict(list)
    for row in tx.connection.execute(_select(tx.koha), {"b_ids": list(illrequest_ids)}).mappings():
        found[row["illrequest_id"]].append(_attribute(row))
    return found


def add(
    tx: Transaction, ill_request: ILLRequest, values: Mapping[str, str], *, readonly: bool = True
) -> None:
    """
    Insert attributes; one statement.

    A type that exists already keeps its value. So does the first of two types that are equal to MariaDB, which ignores
    case and accents: Koha's insert of the second fails, too, and Koha ignores that.
    """
    if not values:
        return
    rows = [
        {
            "illrequest_id": ill_request.illrequest_id,
            "type": without_control_characters(kind),
            "value": without_control_characters(value),
            "readonly": readonly,
            "backend": ill_request.backend,
        }
        for kind, value in values.items()
    ]
    if not tx.koha.has("illrequestattributes", "backend"):
        for row in rows:
            del row["backend"]
    tx.connection.execute(_insert(tx.koha), rows)
    tx.changed.add(ill_request.illrequest_id)


def put(
    tx: Transaction, ill_request: ILLRequest, values: Mapping[str, str], *, readonly: bool = True
) -> None:
    """
    Insert attributes, or change only the value where the type exists already; a statement each.

    Source: Koha, Koha/ILL/Request.pm add_or_update_attributes.
    """
    new: dict[str, str] = {}
    for kind, value in values.items():
        parameters = {
            "b_id": ill_request.illrequest_id,
            "b_type": kind,
            "b_value": without_control_characters(value),
        }
        if not tx.connection.execute(_update(tx.koha), parameters).rowcount:
            new[kind] = value
    tx.changed.add(ill_request.illrequest_id)
    add(tx, ill_request, new, readonly=readonly)


def remove(tx: Transaction, illrequest_id: int, kinds: Iterable[str]) -> None:
    """Delete the attributes of these types."""
    tx.connection.execute(_delete(tx.koha), {"b_id": illrequest_id, "b_types": list(kinds)})
    tx.changed.add(illrequest_id)


def remove_all(tx: Transaction, illrequest_id: int) -> None:
    """Delete every attribute of a request."""
    tx.connection.execute(
        sql_text("DELETE FROM illrequestattributes WHERE illrequest_id = :illrequest_id"),
        {"illrequest_id": illrequest_id},
    )
    tx.changed.add(illrequest_id)


def _attribute(row: RowMapping) -> Attribute:
    return Attribute(
        type=row["type"], value=row["value"], readonly=bool(row["readonly"]), backend=row.get("backend")
    )


@functools.cache
def _select(koha: InstalledKoha) -> Select[Any]:
    table = koha.table("illrequestattributes")
    return (
        select(table)
        .where(table.c.illrequest_id.in_(bindparam("b_ids", expanding=True)))
        .order_by(table.c.illrequest_id, table.c.type)
    )


@functools.cache
def _insert(koha: InstalledKoha) -> Insert:
    statement = insert(koha.table("illrequestattributes"))
    return statement.on_duplicate_key_update(type=statement.table.c.type)


@functools.cache
def _update(koha: InstalledKoha) -> Update:
    table = koha.table("illrequestattributes")
    return (
        update(table)
        .where(table.c.illrequest_id == bindparam("b_id"), table.c.type == bindparam("b_type"))
        .values(value=bindparam("b_value"))
    )


@functools.cache
def _delete(koha: InstalledKoha) -> Delete:
    table = koha.table("illrequestattributes")
    return delete(table).where(
        table.c.illrequest_id == bindparam("b_id"), table.c.type.in_(bindparam("b_types", expanding=True))
    )
