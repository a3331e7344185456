"""
Koha's own sessions, whose IDs its cookie holds.

Source: Koha, C4/Auth.pm get_session: CGI::Session with the serialiser YAML::XS; Koha uses the table if the preference
SessionStorage is `mysql`.
"""

import re
from dataclasses import dataclass

import yaml
from sqlalchemy import func, select, update

from koha_ill_sidecar.storage.transaction import Transaction

COOKIE = "CGISESSID"

_MOST_CHARACTERS = 1_000_000  # a session also holds searches and baskets
_LAST_USED = re.compile(r"^lasttime: .*$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class KohaSession:
    """
    The parts of a session that signing in needs.

    Attributes:
        borrowernumber: 0 for the database's administrator, who is not in ``borrowers``.
        last_used: Seconds since 1970.
        waits_for_second_factor: The password was right, the second factor is still missing or has to be set up.
        stored: The whole session as the table holds it.
    """

    session_id: str
    borrowernumber: int
    branchcode: str
    interface: str
    address: str
    last_used: int
    waits_for_second_factor: bool
    stored: str


def find(tx: Transaction, session_id: str) -> KohaSession | None:
    """Return a session that somebody has signed in to; None for any other and for one that cannot be read."""
    table = tx.koha.table("sessions")
    found = tx.connection.scalar(select(table.c.a_session).where(table.c.id == session_id))
    stored = found.decode(errors="replace") if isinstance(found, bytes) else found or ""
    values = _parsed(stored)
    # Compare again: to the column's collation, different letters may be equal.
    if values is None or values.get("_SESSION_ID") != session_id or not values.get("id"):
        return None
    return KohaSession(
        session_id=session_id,
        borrowernumber=_number(values.get("number")),
        branchcode=_text(values.get("branch")),
        interface=_text(values.get("interface")),
        address=_text(values.get("ip")),
        last_used=_number(values.get("lasttime")),
        waits_for_second_factor=any(
            _is_true(values.get(name)) for name in ("waiting-for-2FA", "waiting-for-2FA-setup")
        ),
        stored=stored,
    )


def extend(tx: Transaction, session: KohaSession, *, used_at: int) -> None:
    """
    Record when a session was used, in seconds since 1970, as each of Koha's pages does.

    Changes nothing else, and nothing at all if Koha has written the session in the meantime.

    Source: Koha, C4/Auth.pm checkauth, which sets ``lasttime``.
    """
    table = tx.koha.table("sessions")
    # MD5, because the column's collation would take different texts for equal.
    prolonged = _LAST_USED.sub(f"lasttime: {used_at}", session.stored, count=1)
    tx.connection.execute(
        update(table)
        .where(table.c.id == session.session_id, func.md5(table.c.a_session) == func.md5(session.stored))
        .values(a_session=prolonged)
    )


def _parsed(text: str) -> dict[str, object] | None:
    if len(text) > _MOST_CHARACTERS:
        return None
    try:
        # All scalars as texts: a session ID of digits is not a number.
        values = yaml.load(text, Loader=yaml.CBaseLoader if yaml.__with_libyaml__ else yaml.BaseLoader)  # noqa: S506
    except (yaml.YAMLError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> int:
    text = _text(value).partition(".")[0]
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


def _is_true(value: object) -> bool:
    return value not in (None, "", "0", "~")
