"""
Rows of ``illrequests``.

Koha takes no locks and overwrites whole columns. So every change here names the columns that it means, and a status
changes only if it is still the one that the decision was based on.
"""

import functools
from dataclasses import fields
from typing import Any

from sqlalchemy import ColumnElement, Insert, Select, bindparam, func, insert, or_, select, text
from sqlalchemy import update as update_table

from koha_ill_sidecar.config.settings import LimitMethod, RequestLimit
from koha_ill_sidecar.domain.characters import without_control_characters
from koha_ill_sidecar.domain.requests import ILLRequest
from koha_ill_sidecar.domain.statuses import COMPLETED_STATUSES
from koha_ill_sidecar.errors import RequestNotFound, StatusConflict
from koha_ill_sidecar.storage.direct import execute
from koha_ill_sidecar.storage.koha import installed
from koha_ill_sidecar.storage.koha.installed import InstalledKoha
from koha_ill_sidecar.storage.transaction import Transaction

_MOST_RECENT = 500
_RECENT_COLUMNS = (
    "illrequest_id", "borrowernumber", "branchcode", "status", "status_alias", "placed", "backend",
)  # fmt: skip

COLUMNS = tuple(field.name for field in fields(ILLRequest))
"""Columns of ``illrequests`` that the sidecar reads, as far as the installed version has them."""

SOURCE = "illrequests r"
"""Koha's requests under the name ``r``, for statements that join them with tables of ours."""

# Koha inserts the row first and sets the backend later (Koha, Koha/ILL/Backend/Standard.pm add_request). A row that is
# still without one after a minute stays so.
IS_FINISHED = "(r.backend IS NOT NULL OR r.updated < NOW() - INTERVAL 60 SECOND)"
"""Condition on ``r``: Koha has finished creating the request."""


@functools.cache
def present_columns(koha: InstalledKoha) -> tuple[str, ...]:
    """Return those of :data:`COLUMNS` that the installed version has."""
    return tuple(name for name in COLUMNS if koha.has("illrequests", name))


def get(tx: Transaction, illrequest_id: int) -> ILLRequest:
    """Return a request; raises RequestNotFound."""
    row = tx.connection.execute(_select_request(tx.koha), {"b_id": illrequest_id}).mappings().one_or_none()
    if row is None:
        raise RequestNotFound(illrequest_id)
    return ILLRequest(**row)


def get_for_update(tx: Transaction, illrequest_id: int) -> ILLRequest:
    """
    Return a request and lock its row until the transaction ends. Raises RequestNotFound.

    Everybody else who calls this waits. Koha does not lock, but it cannot write the row in the meantime.
    """
    statement, names = _lock_request(tx.koha)
    row = execute(tx, statement, {"illrequest_id": illrequest_id}).fetchone()
    if row is None:
        raise RequestNotFound(illrequest_id)
    return ILLRequest(**dict(zip(names, row, strict=True)))


def add(tx: Transaction, **columns: object) -> int:
    """
    Insert a request, placed today by MariaDB's clock, and return its ID.

    Columns that the installed version lacks are left out.
    """
    present = {name: _clean(value) for name, value in columns.items() if tx.koha.has("illrequests", name)}
    statement = _insert_request(tx.koha, tuple(sorted(present)))
    illrequest_id = int(tx.connection.execute(statement, present).lastrowid)
    tx.changed.add(illrequest_id)
    return illrequest_id


def set_status(
    tx: Transaction, illrequest_id: int, *, expected: str | None, new: str, **columns: object
) -> None:
    """
    Move a request from *expected* to *new*, clear its status alias, and write these columns too; one statement.

    MariaDB sets ``updated`` itself; all other columns stay as others wrote them.

    Raises:
        StatusConflict: The request no longer has *expected*; nothing was written.
        RequestNotFound: It is gone.

    Source: Koha, Koha/ILL/Request.pm status.
    """
    values = {"illrequest_id": illrequest_id, "expected": expected, "new": new, **columns}
    tx.changed.add(illrequest_id)
    if execute(tx, _update_status(tuple(columns)), values).rowcount != 1:
        found = get(tx, illrequest_id)
        raise StatusConflict(illrequest_id, expected=expected, found=found.status)


def update(tx: Transaction, illrequest_id: int, **columns: object) -> None:
    """
    Write these columns of a request and no others; ``status`` goes through :func:`set_status`. Raises RequestNotFound.

    A value may be an SQL expression. None for a column that the installed version lacks is left out.
    """
    table = tx.koha.table("illrequests")
    present = {name: _clean(value) for name, value in columns.items() if value is not None or name in table.c}
    if not present:
        return
    statement = update_table(table).where(table.c.illrequest_id == illrequest_id).values(present)
    if tx.connection.execute(statement).rowcount != 1:
        raise RequestNotFound(illrequest_id)
    tx.changed.add(illrequest_id)


def _clean(value: object) -> object:
    return without_control_characters(value) if isinstance(value, str) else value


def touch(tx: Transaction, illrequest_id: int) -> None:
    """Set ``updated`` to now, for a change that is in other tables only; raises RequestNotFound."""
    update(tx, illrequest_id, updated=func.now())


def set_completed_today(tx: Transaction, illrequest_id: int) -> None:
    """Set ``completed`` to today at the library; raises RequestNotFound."""
    update(tx, illrequest_id, completed=func.curdate())


def clear_stale_alias(tx: Transaction, illrequest_id: int, status_alias: str) -> bool:
    """
    Remove the alias that Koha's check-in leaves behind; return whether it was still there.

    Source: Koha, C4/Circulation.pm AddReturn: the alias is cleared in memory, logged as cleared and not stored.
    """
    values = {"illrequest_id": illrequest_id, "status_alias": status_alias}
    return bool(execute(tx, _CLEAR_STALE_ALIAS, values).rowcount)


def delete(tx: Transaction, illrequest_id: int) -> None:
    """Delete a request; its attributes and comments go with it by foreign key. Raises RequestNotFound."""
    table = tx.koha.table("illrequests")
    if tx.connection.execute(table.delete().where(table.c.illrequest_id == illrequest_id)).rowcount != 1:
        raise RequestNotFound(illrequest_id)
    tx.changed.add(illrequest_id)


def count_for_limit(
    tx: Transaction, limit: RequestLimit, *, branchcode: str | None = None, borrowernumber: int | None = None
) -> int:
    """
    Count a library's or a patron's requests for their limit.

    An annual limit counts those placed this year, whatever their status; another those neither queued nor completed.

    Source: Koha, Koha/ILL/Request.pm _limit_counter.
    """
    table = tx.koha.table("illrequests")
    conditions: list[ColumnElement[bool]] = []
    if branchcode is not None:
        conditions.append(table.c.branchcode == branchcode)
    if borrowernumber is not None:
        conditions.append(table.c.borrowernumber == borrowernumber)
    conditions.append(
        func.year(table.c.placed) == func.year(func.curdate())
        if limit.method is LimitMethod.ANNUAL
        else table.c.status.not_in(("QUEUED", "COMP"))
    )
    return int(tx.connection.scalar(select(func.count()).select_from(table).where(*conditions)) or 0)


def find_recent_of_patron(tx: Transaction, borrowernumber: int) -> list[ILLRequest]:
    """
    Return a patron's requests that were placed within a year or are still open, newest first, 500 at most.

    One query, which reads only the columns that tell requests apart; the others are None.
    """
    table = tx.koha.table("illrequests")
    is_recent = table.c.placed >= func.date_sub(func.curdate(), text("INTERVAL 1 YEAR"))
    is_open = func.coalesce(table.c.status, "").not_in(COMPLETED_STATUSES)
    statement = (
        select(*(table.c[name] for name in _RECENT_COLUMNS))
        .where(table.c.borrowernumber == borrowernumber, or_(is_recent, is_open))
        .order_by(table.c.illrequest_id.desc())
        .limit(_MOST_RECENT)
    )
    return [ILLRequest(**row) for row in tx.connection.execute(statement).mappings()]


def find_by_orderid(tx: Transaction, order_id: str) -> list[int]:
    """
    Return the IDs of the requests that have this order ID, or its beginning where it is longer than the column.

    At most five. Koha has no index on it, so this reads the whole table: the last resort.
    """
    rows = execute(tx, _BY_ORDERID, {"orderid": order_id[: orderid_length(tx.koha)]}).fetchall()
    return [int(illrequest_id) for (illrequest_id,) in rows]


def orderid_length(koha: InstalledKoha) -> int:
    """Return how many characters of an order ID the column holds."""
    length: int | None = getattr(koha.table("illrequests").c.orderid.type, "length", None)
    return length or 50


def count_by_backend(tx: Transaction) -> dict[str | None, int]:
    """Count the requests of each backend, and those without one; reads the whole table."""
    rows = tx.connection.execute(_BY_BACKEND)
    return {row.name: row.requests for row in rows}


def truncate(tx: Transaction, column: str, value: str) -> str:
    """Shorten a text that others sent to what its column holds."""
    return installed.truncate(tx.koha.table("illrequests").c[column], value)


def highest_id(tx: Transaction) -> int:
    """Return the newest request's ID, 0 where there is none."""
    return int(tx.connection.scalar(text("SELECT COALESCE(MAX(illrequest_id), 0) FROM illrequests")) or 0)


def chunk(tx: Transaction, *, above: int, limit: int) -> tuple[int | None, int]:
    """Return the last ID of the next *limit* requests above an ID, None if there are none, and how many they are."""
    edge, number = execute(tx, _CHUNK, {"above": above, "limit": limit}).fetchone() or (None, 0)
    return edge, number


def ids(tx: Transaction, *, above: int, up_to: int) -> list[int]:
    """Return the IDs of the requests in a range."""
    rows = execute(tx, _IDS, {"above": above, "up_to": up_to}).fetchall()
    return [illrequest_id for (illrequest_id,) in rows]


def count(tx: Transaction) -> int:
    """Count the requests; reads a whole index of the table."""
    return int(tx.connection.scalar(text("SELECT COUNT(*) FROM illrequests")) or 0)


@functools.cache
def _select_request(koha: InstalledKoha) -> Select[Any]:
    table = koha.table("illrequests")
    columns = (table.c[name] for name in present_columns(koha))
    return select(*columns).where(table.c.illrequest_id == bindparam("b_id"))


@functools.cache
def _lock_request(koha: InstalledKoha) -> tuple[str, tuple[str, ...]]:
    names = present_columns(koha)
    statement = (
        f"SELECT {', '.join(names)} FROM illrequests WHERE illrequest_id = %(illrequest_id)s FOR UPDATE"
    )
    return statement, names


@functools.cache
def _update_status(columns: tuple[str, ...]) -> str:
    others = "".join(f", {name} = %({name})s" for name in columns)
    return (
        f"UPDATE illrequests SET status = %(new)s, status_alias = NULL{others}"
        " WHERE illrequest_id = %(illrequest_id)s AND status <=> %(expected)s"
    )


_CLEAR_STALE_ALIAS = (
    "UPDATE illrequests SET status_alias = NULL"
    " WHERE illrequest_id = %(illrequest_id)s AND status = 'RET' AND BINARY status_alias = BINARY %(status_alias)s"
)
_BY_ORDERID = "SELECT illrequest_id FROM illrequests WHERE orderid = %(orderid)s LIMIT 5"
_BY_BACKEND = text(
    f"SELECT MIN(r.backend) AS name, COUNT(*) AS requests FROM {SOURCE} WHERE {IS_FINISHED}"
    " GROUP BY BINARY r.backend"
)
_CHUNK = (
    "SELECT MAX(illrequest_id), COUNT(*) FROM (SELECT illrequest_id FROM illrequests"
    " WHERE illrequest_id > %(above)s ORDER BY illrequest_id LIMIT %(limit)s) chunk"
)
_IDS = "SELECT illrequest_id FROM illrequests WHERE illrequest_id > %(above)s AND illrequest_id <= %(up_to)s"


@functools.cache
def _insert_request(koha: InstalledKoha, columns: tuple[str, ...]) -> Insert:
    return insert(koha.table("illrequests")).values(
        {name: bindparam(name) for name in columns} | {"placed": func.curdate()}
    )
