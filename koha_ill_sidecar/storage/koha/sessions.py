"""
Koha's own sessions: the table that its cookie points into.

Source: Koha, C4/Auth.pm get_session: CGI::Session with the serialiser YAML::XS; the table is used where the preference
SessionStorage is `mysql`.
"""

from dataclasses import dataclass

import yaml
from sqlalchemy import select

from koha_ill_sidecar.storage.transaction import Transaction

COOKIE = "CGISESSID"

_MOST_CHARACTERS = 1_000_000  # searches and baskets are kept in sessions, too


@dataclass(frozen=True, kw_only=True, slots=True)
class KohaSession:
    """
    What signing in asks of a session.

    Attributes:
        borrowernumber: 0 for the database's administrator, who is nobody in ``borrowers``.
        last_used: Epoch seconds.
        waits_for_second_factor: The password was right, the second factor is still to come or to be set up.
    """

    session_id: str
    borrowernumber: int
    branchcode: str
    interface: str
    address: str
    last_used: int
    waits_for_second_factor: bool


def find(tx: Transaction, session_id: str) -> KohaSession | None:
    """Give a session that somebody has signed in to; None for any other, and for what cannot be read."""
    table = tx.koha.table("sessions")
    stored = tx.connection.scalar(select(table.c.a_session).where(table.c.id == session_id))
    values = _parsed(stored)
    # Compared here too: the column's collation takes other letters for the same.
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
    )


def _parsed(stored: object) -> dict[str, object] | None:
    text = stored.decode(errors="replace") if isinstance(stored, bytes) else stored
    if not isinstance(text, str) or len(text) > _MOST_CHARACTERS:
        return None
    try:
        # All scalars as texts: a session id of digits only is no number.
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
