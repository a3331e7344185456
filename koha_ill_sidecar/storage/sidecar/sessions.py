"""Sessions of people who signed in here with their password. Only a hash of the cookie's token is stored."""

import hashlib
from typing import Any

from sqlalchemy import Row, Select, delete, func, insert, select, text, update

from koha_ill_sidecar.storage.sidecar.schema import sessions, utc_now
from koha_ill_sidecar.storage.transaction import Transaction

# The time of the last use is written at most once in this time, not for every page.
_PRECISION_SECONDS = 60


def begin(tx: Transaction, token: str, *, borrowernumber: int, branchcode: str, password: str | None) -> None:
    """
    Store a new session.

    Args:
        password: As Koha stores it; of its hash only another hash is kept, to notice that it changed.
    """
    tx.connection.execute(
        insert(sessions).values(
            token_sha256=_hash(token),
            borrowernumber=borrowernumber,
            branchcode=branchcode,
            created_at=utc_now(),
            last_used_at=utc_now(),
            password_sha256=_hash(password or ""),
        )
    )


def find(tx: Transaction, token: str, *, lasts_seconds: int) -> Row[Any] | None:
    """Return whose session it is and where they work, if it was used within *lasts_seconds*; it is used now."""
    idle = func.timestampdiff(text("SECOND"), sessions.c.last_used_at, utc_now())
    columns = (
        *(sessions.c.borrowernumber, sessions.c.branchcode, sessions.c.password_sha256),
        idle.label("idle"),
    )
    statement: Select[Any] = select(*columns).where(sessions.c.token_sha256 == _hash(token))
    row = tx.connection.execute(statement).first()
    if row is None or row.idle > lasts_seconds:
        return None
    if row.idle > _PRECISION_SECONDS:
        tx.connection.execute(
            update(sessions).where(sessions.c.token_sha256 == _hash(token)).values(last_used_at=utc_now())
        )
    return row


def has_password(session: Row[Any], password: str | None) -> bool:
    """Return whether a session began with this password, given as Koha stores it."""
    return bool(session.password_sha256 == _hash(password or ""))


def set_library(tx: Transaction, token: str, branchcode: str) -> None:
    """Change the library of a session."""
    tx.connection.execute(
        update(sessions).where(sessions.c.token_sha256 == _hash(token)).values(branchcode=branchcode)
    )


def end(tx: Transaction, token: str) -> None:
    """End a session."""
    tx.connection.execute(delete(sessions).where(sessions.c.token_sha256 == _hash(token)))


def remove_unused(tx: Transaction, *, seconds: int) -> int:
    """Remove the sessions that were not used for so long; return how many."""
    idle = func.timestampdiff(text("SECOND"), sessions.c.last_used_at, utc_now())
    return tx.connection.execute(delete(sessions).where(idle > seconds)).rowcount


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
