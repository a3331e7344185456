"""
Finds patrons while somebody types.

Koha's ``borrowers`` has indexes on surname, firstname, cardnumber and userid, but none on email. So prefixes of these
four are looked up by index, and everything else is searched in a limited number of rows.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, and_, func, or_, select

from koha_ill_sidecar.storage.koha.patrons import Patron
from koha_ill_sidecar.storage.transaction import Transaction

_BY_KEY = ("cardnumber", "userid", "surname", "firstname")
_ANYWHERE = ("surname", "firstname", "othernames", "cardnumber", "userid", "email")

ROWS_EXAMINED = 150_000
"""A scan ends after this many rows. For 100,000 patrons it reads all of them, in a tenth of a second."""


def by_prefix(tx: Transaction, words: Sequence[str], *, branchcode: str | None, limit: int) -> list[Patron]:
    """
    Return the patrons for whom every word is a prefix of surname, first name, card number or userid, by name.

    One query, which reads the indexes from the longest word on and then checks the other words.

    Args:
        branchcode: Only patrons of this library; None for all.
    """
    columns = tx.koha.table("borrowers").c
    longest = max(words, key=len)
    candidates = or_(*(columns[name].startswith(longest, autoescape=True) for name in _BY_KEY))
    others = [
        or_(*(columns[name].startswith(word, autoescape=True) for name in _BY_KEY))
        for word in words
        if word != longest
    ]
    statement = _select(tx, branchcode).where(and_(candidates, *others))
    ordered = statement.order_by(
        columns.cardnumber != longest, func.lower(columns.surname), columns.firstname, columns.borrowernumber
    )
    return _patrons(tx, ordered.limit(limit))


def by_substring(
    tx: Transaction, words: Sequence[str], *, branchcode: str | None, limit: int
) -> list[Patron]:
    """
    Return patrons for whom every word is part of a name, card number, userid or email address, unsorted.

    One query, which stops at *limit* patrons or after :data:`ROWS_EXAMINED` rows, so some may be missing.
    """
    columns = tx.koha.table("borrowers").c
    every = [or_(*(columns[name].contains(word, autoescape=True) for name in _ANYWHERE)) for word in words]
    return _bounded(tx, _select(tx, branchcode).where(*every), limit)


def by_email_or_name(
    tx: Transaction, *, email: str, surname: str, firstname: str, branchcode: str | None, limit: int
) -> list[Patron]:
    """
    Return the patrons with this name, then those with this email address; two queries.

    The name is looked up by index, the address in at most :data:`ROWS_EXAMINED` rows.
    """
    columns = tx.koha.table("borrowers").c
    named = and_(columns.surname == surname, columns.firstname == firstname)
    addressed = or_(*(columns[name] == email for name in ("email", "emailpro", "B_email")))
    found = [
        *_bounded(tx, _select(tx, branchcode).where(named), limit),
        *(_bounded(tx, _select(tx, branchcode).where(addressed), limit) if email else ()),
    ]
    return list({patron.borrowernumber: patron for patron in found}.values())[:limit]


def _select(tx: Transaction, branchcode: str | None) -> Select[Any]:
    columns = tx.koha.table("borrowers").c
    statement: Select[Any] = select(*(columns[name] for name in Patron.__dataclass_fields__))
    return statement if branchcode is None else statement.where(columns.branchcode == branchcode)


def _bounded(tx: Transaction, statement: Select[Any], limit: int) -> list[Patron]:
    return _patrons(tx, statement.limit(limit).suffix_with(f"ROWS EXAMINED {ROWS_EXAMINED}"))


def _patrons(tx: Transaction, statement: Select[Any]) -> list[Patron]:
    return [Patron(**row) for row in tx.connection.execute(statement).mappings()]
