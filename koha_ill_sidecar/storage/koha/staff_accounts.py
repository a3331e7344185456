"""Accounts that may sign in to the staff interface (``borrowers``), and their permissions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, false, func, or_, select, update

from koha_ill_sidecar.domain.actors import Permission, StaffMember
from koha_ill_sidecar.storage.transaction import Transaction

_SUPERLIBRARIAN = 1
_CIRCULATE_MODULE = 1  # bit of the flag whose sub-permissions are in user_permissions


@dataclass(frozen=True, kw_only=True, slots=True)
class StaffAccount:
    """What signing in needs of a row of ``borrowers``."""

    borrowernumber: int
    userid: str | None
    cardnumber: str | None
    firstname: str | None
    surname: str | None
    branchcode: str
    is_superlibrarian: bool
    granted: frozenset[str]  # flags granted as a whole, to them or to everybody
    may_circulate: bool  # the sub-permission of circulate
    password: str | None = field(repr=False)
    login_attempts: int
    is_password_expired: bool
    auth_method: str  # password or two-factor


def find(tx: Transaction, borrowernumber: int) -> StaffAccount | None:
    """Return the account with this borrowernumber."""
    found = _find(tx, _columns(tx).borrowernumber == borrowernumber)
    return found[0] if found else None


def lock_for_sign_in(tx: Transaction, name: str) -> list[StaffAccount]:
    """
    Return the accounts with this userid, then those with this card number.

    Their rows stay locked to the end of the transaction, so that passwords tried at the same time are counted one by
    one, and none beyond the limit is accepted.

    Source: Koha, C4/Auth.pm checkpw_internal.
    """
    columns = _columns(tx)
    found = [
        account
        for column in (columns.userid, columns.cardnumber)
        for account in _find(tx, column == name, lock=True)
    ]
    return list({account.borrowernumber: account for account in found}.values())


def add_failed_attempt(tx: Transaction, borrowernumber: int) -> None:
    """Count a failed attempt to sign in."""
    table = tx.koha.table("borrowers")
    tx.connection.execute(
        update(table)
        .where(table.c.borrowernumber == borrowernumber)
        .values(login_attempts=table.c.login_attempts + 1)
    )


def reset_failed_attempts(tx: Transaction, borrowernumber: int) -> None:
    """Reset the count of failed attempts."""
    table = tx.koha.table("borrowers")
    tx.connection.execute(
        update(table)
        .where(table.c.borrowernumber == borrowernumber, table.c.login_attempts != 0)
        .values(login_attempts=0)
    )


def as_staff_member(
    account: StaffAccount, library_names: Mapping[str, str], branchcode: str | None = None
) -> StaffMember:
    """
    Return the person behind an account.

    Args:
        library_names: Names of all libraries by code.
        branchcode: The library that they work at; None or an unknown one means their own.

    Source: Koha, C4/Auth.pm getuserflags and haspermission.
    """
    works_at = branchcode if branchcode in library_names else account.branchcode
    granted = {
        permission for permission in (Permission.CATALOGUE, Permission.ILL) if permission in account.granted
    }
    if "circulate" in account.granted or account.may_circulate:
        granted.add(Permission.CIRCULATE)
    return StaffMember(
        borrowernumber=account.borrowernumber,
        userid=account.userid or "",
        cardnumber=account.cardnumber or "",
        name=" ".join(part for part in (account.firstname, account.surname) if part),
        branchcode=works_at or account.branchcode,
        branchname=library_names.get(works_at or "", account.branchcode),
        is_superlibrarian=account.is_superlibrarian,
        permissions=frozenset(Permission) if account.is_superlibrarian else frozenset(granted),
    )


def _columns(tx: Transaction) -> Any:  # noqa: ANN401  (SQLAlchemy's columns by name)
    return tx.koha.table("borrowers").c


def _find(tx: Transaction, condition: ColumnElement[bool], *, lock: bool = False) -> list[StaffAccount]:
    """Read accounts with their permissions; one query."""
    table, flags = tx.koha.table("borrowers"), tx.koha.table("userflags")
    parts = tx.koha.table("user_permissions")
    granted = (
        select(func.group_concat(flags.c.flag))
        .where(or_(flags.c.defaulton == 1, table.c.flags.op(">>")(flags.c.bit).op("&")(1) == 1))
        .scalar_subquery()
    )
    may_circulate = (
        select(parts.c.code)
        .where(
            parts.c.borrowernumber == table.c.borrowernumber,
            parts.c.module_bit == _CIRCULATE_MODULE,
            parts.c.code == Permission.CIRCULATE.value,
        )
        .exists()
    )
    present = [table.c[name] for name in _COLUMNS if name in table.c]
    expires = table.c.get("password_expiration_date")  # 19.06 lacks it
    statement = select(
        *present,
        granted.label("granted"),
        may_circulate.label("may_circulate"),
        (false() if expires is None else func.coalesce(expires < func.curdate(), 0)).label("is_expired"),
    ).where(condition)
    if lock:
        statement = statement.with_for_update()
    return [
        StaffAccount(
            borrowernumber=row["borrowernumber"],
            userid=row["userid"],
            cardnumber=row["cardnumber"],
            firstname=row["firstname"],
            surname=row["surname"],
            branchcode=row["branchcode"],
            is_superlibrarian=bool(int(row["flags"] or 0) & _SUPERLIBRARIAN),
            granted=frozenset((row["granted"] or "").split(",")),
            may_circulate=bool(row["may_circulate"]),
            password=row["password"],
            login_attempts=int(row["login_attempts"] or 0),
            is_password_expired=bool(row["is_expired"]),
            auth_method=row.get("auth_method") or "password",
        )
        for row in tx.connection.execute(statement).mappings()
    ]


_COLUMNS = (
    *("borrowernumber", "userid", "cardnumber", "firstname", "surname", "branchcode", "flags", "password"),
    *("login_attempts", "auth_method"),
)
