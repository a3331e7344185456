"""Patrons: who asks, who works at the desk, and which of them are partner libraries."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select

from koha_ill_sidecar.storage.transaction import Transaction

_SUPERLIBRARIAN = 1 << 0
_STAFF_LOOKUP = ("cardnumber", "surname", "userid", "firstname")


@dataclass(frozen=True, kw_only=True, slots=True)
class Patron:
    """What the sidecar needs of a row of ``borrowers``."""

    borrowernumber: int
    cardnumber: str | None
    surname: str | None
    firstname: str | None
    userid: str | None
    email: str | None
    branchcode: str
    categorycode: str
    flags: int | None

    @property
    def name(self) -> str:
        """First name and surname, as Koha shows a patron."""
        return " ".join(part for part in (self.firstname, self.surname) if part)

    @property
    def label(self) -> str:
        """Name and card number: ``Sam Page [20000005]``."""
        return f"{self.name} [{self.cardnumber}]" if self.cardnumber else self.name


def find(tx: Transaction, borrowernumber: int) -> Patron | None:
    """Give a patron, if there is one with this number."""
    found = _find_all(tx, _columns(tx).borrowernumber == borrowernumber)
    return found[0] if found else None


def find_many(tx: Transaction, borrowernumbers: Iterable[int]) -> dict[int, Patron]:
    """Give patrons by number; one query."""
    found = _find_all(tx, _columns(tx).borrowernumber.in_(set(borrowernumbers)))
    return {patron.borrowernumber: patron for patron in found}


def find_by_userid(tx: Transaction, userid: str) -> Patron | None:
    """Give the patron who logs in with this name."""
    found = _find_all(tx, _columns(tx).userid == userid)
    return found[0] if found else None


def find_as_typed(tx: Transaction, entry: str) -> list[Patron]:
    """
    Give the patrons that staff may mean: by card number, else surname, else userid, else first name.

    The first of these that has hits decides, so that a surname that is somebody's card number finds the card.

    Source: Koha, Koha/ILL/Backend/Standard.pm _validate_borrower.
    """
    for name in _STAFF_LOOKUP:
        found = _find_all(tx, tx.koha.table("borrowers").c[name] == entry)
        if found:
            return found
    return []


def find_partners(tx: Transaction, categorycode: str) -> list[Patron]:
    """Give the patrons that stand for partner libraries, by library and name."""
    return _find_all(tx, _columns(tx).categorycode == categorycode)


def may_work_on_ill(tx: Transaction, patron: Patron) -> bool:
    """
    Tell whether somebody has the permission ``ill``, or is superlibrarian.

    Source: Koha, C4/Auth.pm getuserflags.
    """
    flags = patron.flags or 0
    if flags & _SUPERLIBRARIAN:
        return True
    table = tx.koha.table("userflags")
    row = tx.connection.execute(select(table.c.bit, table.c.defaulton).where(table.c.flag == "ill")).first()
    return row is not None and bool(flags & (1 << row.bit) or row.defaulton)


def find_ill_staff(tx: Transaction) -> list[Patron]:
    """
    Give everybody who has the permission ``ill`` or is superlibrarian, by library and name; one query.

    The flags have no key, so all patrons are looked at (30 ms for 100,000).
    """
    flags, columns = tx.koha.table("userflags"), _columns(tx)
    bits = [_SUPERLIBRARIAN]
    bits += [1 << bit for bit in tx.connection.scalars(select(flags.c.bit).where(flags.c.flag == "ill"))]
    return _find_all(tx, columns.flags.op("&")(sum(bits)) != 0)


def move_holds(tx: Transaction, *, biblionumber: int, from_patron: int, to_patron: int) -> int:
    """
    Give one patron's holds on a record to another; tells how many.

    Source: Koha, Koha/ILL/Request.pm store.
    """
    table = tx.koha.table("reserves")
    statement = (
        table.update()
        .where(table.c.biblionumber == biblionumber, table.c.borrowernumber == from_patron)
        .values(borrowernumber=to_patron)
    )
    return tx.connection.execute(statement).rowcount


def _columns(tx: Transaction) -> Any:  # noqa: ANN401  (SQLAlchemy's columns by name)
    return tx.koha.table("borrowers").c


def _find_all(tx: Transaction, condition: ColumnElement[bool]) -> list[Patron]:
    columns = _columns(tx)
    statement: Select[Any] = (
        select(*(columns[name] for name in Patron.__dataclass_fields__))
        .where(condition)
        .order_by(columns.branchcode, func.lower(columns.surname), columns.borrowernumber)
    )
    return [Patron(**row) for row in tx.connection.execute(statement).mappings()]
