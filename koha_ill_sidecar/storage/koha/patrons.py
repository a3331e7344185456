"""Patrons (``borrowers``): those who request, staff, and those that stand for partner libraries."""

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, func, select

from koha_ill_sidecar.storage.koha.installed import InstalledKoha
from koha_ill_sidecar.storage.transaction import Transaction

_ADDRESSES = ("email", "emailpro", "B_email")

_SUPERLIBRARIAN = 1 << 0
_STAFF_LOOKUP = ("cardnumber", "surname", "userid", "firstname")


@dataclass(frozen=True, kw_only=True, slots=True)
class Patron:
    """The columns of ``borrowers`` that the sidecar needs."""

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


@dataclass(frozen=True, kw_only=True, slots=True)
class PatronCard:
    """
    What a request's page shows of its patron.

    Attributes:
        addresses: Email addresses by column: email, emailpro, B_email.
        is_restricted: Debarred, whether until a date or without one.
    """

    borrowernumber: int
    cardnumber: str | None
    name: str
    categorycode: str
    category: str
    branchcode: str
    phone: str
    smsalertnumber: str
    lang: str
    addresses: Mapping[str, str | None]
    dateexpiry: date | None
    is_expired: bool
    is_restricted: bool


def find_card(tx: Transaction, borrowernumber: int) -> PatronCard | None:
    """
    Return the card of a patron, if the patron exists; one query.

    Source: Koha, Koha/Patron.pm is_expired and is_debarred: no date and 9999-12-31 mean never.
    """
    row = (
        tx.connection.execute(_select_card(tx.koha), {"borrowernumber": borrowernumber})
        .mappings()
        .one_or_none()
    )
    if row is None:
        return None
    return PatronCard(
        borrowernumber=borrowernumber,
        cardnumber=row["cardnumber"],
        name=" ".join(part for part in (row["firstname"], row["surname"]) if part),
        categorycode=row["categorycode"],
        category=row["category"] or row["categorycode"],
        branchcode=row["branchcode"],
        phone=row["phone"] or row["mobile"] or "",
        smsalertnumber=row["smsalertnumber"] or "",
        lang=row["lang"] or "default",
        addresses={name: row[name] for name in _ADDRESSES},
        dateexpiry=row["dateexpiry"] or None,
        is_expired=bool(row["is_expired"]),
        is_restricted=bool(row["is_restricted"]),
    )


def find(tx: Transaction, borrowernumber: int) -> Patron | None:
    """Return a patron, if one has this borrowernumber."""
    found = _find_all(tx, _columns(tx).borrowernumber == borrowernumber)
    return found[0] if found else None


def find_many(tx: Transaction, borrowernumbers: Iterable[int]) -> dict[int, Patron]:
    """Return patrons by borrowernumber; one query."""
    found = _find_all(tx, _columns(tx).borrowernumber.in_(set(borrowernumbers)))
    return {patron.borrowernumber: patron for patron in found}


def find_by_userid(tx: Transaction, userid: str) -> Patron | None:
    """Return the patron with this userid."""
    found = _find_all(tx, _columns(tx).userid == userid)
    return found[0] if found else None


def find_as_typed(tx: Transaction, entry: str) -> list[Patron]:
    """
    Return the patrons that staff may mean: by card number, otherwise surname, userid or first name, in this order.

    The first of these with a match decides, so a surname that is also a card number finds the card.

    Source: Koha, Koha/ILL/Backend/Standard.pm _validate_borrower.
    """
    for name in _STAFF_LOOKUP:
        found = _find_all(tx, tx.koha.table("borrowers").c[name] == entry)
        if found:
            return found
    return []


def find_partners(tx: Transaction, categorycode: str) -> list[Patron]:
    """Return the patrons that stand for partner libraries, by library and name."""
    return _find_all(tx, _columns(tx).categorycode == categorycode)


def may_work_on_ill(tx: Transaction, patron: Patron) -> bool:
    """
    Return whether a patron has the permission ``ill`` or is superlibrarian.

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
    Return everybody who has the permission ``ill`` or is superlibrarian, by library and name; two queries.

    The flags have no index, so this reads all patrons (30 ms for 100,000).
    """
    flags, columns = tx.koha.table("userflags"), _columns(tx)
    bits = [_SUPERLIBRARIAN]
    bits += [1 << bit for bit in tx.connection.scalars(select(flags.c.bit).where(flags.c.flag == "ill"))]
    return _find_all(tx, columns.flags.op("&")(sum(bits)) != 0)


def move_holds(tx: Transaction, *, biblionumber: int, from_patron: int, to_patron: int) -> int:
    """
    Move one patron's holds on a record to another patron; return how many.

    Source: Koha, Koha/ILL/Request.pm store.
    """
    table = tx.koha.table("reserves")
    statement = (
        table.update()
        .where(table.c.biblionumber == biblionumber, table.c.borrowernumber == from_patron)
        .values(borrowernumber=to_patron)
    )
    return tx.connection.execute(statement).rowcount


@functools.cache
def _select_card(koha: InstalledKoha) -> Select[Any]:
    table, categories = koha.table("borrowers"), koha.table("categories")
    columns = ("cardnumber", "firstname", "surname", "categorycode", "branchcode", "phone", "mobile")
    return (
        select(
            *(table.c[name] for name in (*columns, "smsalertnumber", "lang", "dateexpiry", *_ADDRESSES)),
            categories.c.description.label("category"),
            (table.c.dateexpiry < func.curdate()).label("is_expired"),
            (table.c.debarred >= func.curdate()).label("is_restricted"),
        )
        .select_from(table.outerjoin(categories, categories.c.categorycode == table.c.categorycode))
        .where(table.c.borrowernumber == bindparam("borrowernumber"))
    )


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
