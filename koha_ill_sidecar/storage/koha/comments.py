"""Staff's comments on a request (``illcomments``): added, never changed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, Table, func, insert, select

from koha_ill_sidecar.domain.characters import without_control_characters
from koha_ill_sidecar.storage.transaction import Transaction

SOURCE = "illcomments n"
"""Koha's comments under the name ``n``, for statements that join them with tables of ours."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comment:
    """A comment and its author."""

    illcomment_id: int
    timestamp: datetime  # the library's time
    comment: str
    borrowernumber: int | None
    author: str  # as Koha shows them: "Clara Birchwood [20000002]"
    categorycode: str  # the author's; empty for comments of the program


def add(tx: Transaction, illrequest_id: int, *, borrowernumber: int | None, comment: str) -> int:
    """Add a comment and return its ID; MariaDB sets the time. Without an author it is a comment of the program."""
    values = {
        "illrequest_id": illrequest_id,
        "borrowernumber": borrowernumber,
        "comment": without_control_characters(comment),
    }
    result = tx.connection.execute(insert(tx.koha.table("illcomments")).values(values))
    tx.changed.add(illrequest_id)
    return int(result.lastrowid)


def find(tx: Transaction, illrequest_id: int) -> list[Comment]:
    """Return the comments on a request, oldest first; one query."""
    return _found(tx, _of_request(tx, illrequest_id).order_by(_table(tx).c.illcomment_id))


def find_newest(
    tx: Transaction, illrequest_id: int, *, limit: int, before: int | None = None
) -> list[Comment]:
    """Return comments on a request, newest first; *before*: only those with a lower ID. One query."""
    column = _table(tx).c.illcomment_id
    statement = _of_request(tx, illrequest_id).order_by(column.desc()).limit(limit)
    return _found(tx, statement if before is None else statement.where(column < before))


def count(tx: Transaction, illrequest_id: int) -> tuple[int, int]:
    """Return the number of comments on a request and the ID of the newest, 0 if there is none; one query."""
    columns = _table(tx).c
    statement = select(func.count(), func.max(columns.illcomment_id)).where(
        columns.illrequest_id == illrequest_id
    )
    count, newest = tx.connection.execute(statement).one()
    return count, newest or 0


def find_duplicate(
    tx: Transaction, illrequest_id: int, *, borrowernumber: int, comment: str, after: int
) -> int | None:
    """Return the ID of a person's comment with exactly this text, if there is one after the ID *after*."""
    columns = _table(tx).c
    found: int | None = tx.connection.scalar(
        select(func.max(columns.illcomment_id)).where(
            columns.illrequest_id == illrequest_id,
            columns.illcomment_id > after,
            columns.borrowernumber == borrowernumber,
            columns.comment == comment,
        )
    )
    return found


def highest_id(tx: Transaction) -> int:
    """Return the newest comment's ID, 0 where there is none."""
    return int(tx.connection.scalar(select(func.max(_table(tx).c.illcomment_id))) or 0)


def _table(tx: Transaction) -> Table:
    return tx.koha.table("illcomments")


def _of_request(tx: Transaction, illrequest_id: int) -> Select[Any]:
    table, people = _table(tx), tx.koha.table("borrowers")
    return (
        select(
            table.c.illcomment_id,
            table.c.timestamp,
            table.c.comment,
            table.c.borrowernumber,
            people.c.firstname,
            people.c.surname,
            people.c.cardnumber,
            people.c.categorycode,
        )
        .select_from(table.outerjoin(people, people.c.borrowernumber == table.c.borrowernumber))
        .where(table.c.illrequest_id == illrequest_id)
    )


def _found(tx: Transaction, statement: Select[Any]) -> list[Comment]:
    return [
        Comment(
            illcomment_id=row.illcomment_id,
            timestamp=row.timestamp,
            comment=row.comment or "",
            borrowernumber=row.borrowernumber,
            author=" ".join(
                part
                for part in (row.firstname, row.surname, row.cardnumber and f"[{row.cardnumber}]")
                if part
            ),
            categorycode=row.categorycode or "",
        )
        for row in tx.connection.execute(statement)
    ]
