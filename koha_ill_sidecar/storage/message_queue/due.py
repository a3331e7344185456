"""
Finds the messages of Koha's ``message_queue`` that are due.

The table has no index on status, may hold millions of rows, and is not ours to change. So new rows are found by primary
key, above a checkpoint near the end; deliveries that we have begun, by the indexes of our own table; and everything
else by a slow sweep in chunks of the primary key.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import TextClause, bindparam, text

from koha_ill_sidecar.config.settings import DeliverySettings, Transport
from koha_ill_sidecar.storage.koha.installed import InstalledKoha
from koha_ill_sidecar.storage.koha.preferences import Preferences
from koha_ill_sidecar.storage.transaction import Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class DueFilter:
    """
    Which messages of the queue are ours to deliver.

    Attributes:
        transports: Such as email and sms; empty for none.
        letter_codes: Empty for every letter of Koha's module ``ill``.
        max_age_seconds: A message that we never tried is ignored if it was queued and last changed longer ago.
        touched_since: Only changes after this second of the epoch count, not those made before the sidecar was
            installed.
    """

    transports: tuple[str, ...]
    letter_codes: tuple[str, ...] = ()
    max_age_seconds: int
    touched_since: int


def transports(settings: DeliverySettings, preferences: Preferences) -> tuple[str, ...]:
    """
    Return the transports that are ours: SMS only if it is sent by mail.

    Source: Koha, C4/Letters.pm _send_message_by_sms.
    """
    by_mail = preferences.text("SMSSendDriver") == "Email"
    return tuple(
        transport.value for transport in settings.transports if transport is not Transport.SMS or by_mail
    )


def find_due(
    tx: Transaction, wanted: DueFilter, *, above: int, limit: int, retry_limit: int
) -> tuple[list[int], int, int]:
    """
    Find what is due: new rows above an ID, retries whose time has come, leases that have expired; one query.

    Return the messages that seem to be due (the claim decides), up to which ID all rows were read, and the highest ID.

    Args:
        limit: New rows at most.
        retry_limit: Retries at most, and as many expired leases.
    """
    values = _values(wanted, above=above, limit=limit, retry_limit=retry_limit)
    rows = tx.connection.execute(_due_statement(tx.koha, bool(wanted.letter_codes)), values)
    begun, new, highest = [], [], 0
    for kind, message_id in rows:
        match kind:
            case "new":
                new.append(message_id)
            case "highest":
                highest = message_id or 0
            case _:
                begun.append(message_id)
    return list(dict.fromkeys([*begun, *new])), new[-1] if len(new) == limit else highest, highest


def sweep(
    tx: Transaction, wanted: DueFilter, *, below: int, rows: int, limit: int
) -> tuple[Sequence[int], int, bool]:
    """
    Find what is due among the *rows* rows of the queue below an ID; two queries, both by primary key.

    Return the messages, the ID below which the next chunk lies (0 at the beginning of the queue), and whether
    everything there is too old to be delivered, unless somebody has changed it. If it finds *limit* messages, the chunk
    ends at the last of them.
    """
    values = _values(wanted, below=below, rows=rows)
    edge = tx.connection.execute(_CHUNK_EDGE, values).one()
    if edge.lowest is None:
        return (), 0, True
    values |= {"lowest": edge.lowest, "limit": limit}
    found = tx.connection.scalars(_chunk(tx.koha, bool(wanted.letter_codes)), values).all()
    lowest = found[-1] if len(found) == limit else edge.lowest
    return found, lowest, bool(edge.is_old)


def find_resent(tx: Transaction, *, below: int, rows: int) -> tuple[tuple[int, ...], int]:
    """
    Find messages that we had settled and staff have set to pending again, among *rows* of ours below an ID.

    Two queries. The second value is where to continue, 0 after the last chunk.
    """
    values = {"below": below, "rows": rows}
    lowest = tx.connection.scalar(_SETTLED_EDGE, values)
    if lowest is None:
        return (), 0
    found = tx.connection.scalars(_RESENT, values | {"lowest": lowest})
    return tuple(found), int(lowest)


def epoch_seconds(tx: Transaction) -> int:
    """Return the seconds since 1970 by the database's clock."""
    return int(tx.connection.scalar(text("SELECT UNIX_TIMESTAMP()")) or 0)


def highest_id(tx: Transaction) -> int:
    """Return the highest ID in the queue, 0 if it is empty."""
    return int(tx.connection.scalar(text("SELECT MAX(message_id) FROM message_queue")) or 0)


_ELIGIBLE = (
    "m.status = 'pending' AND m.message_transport_type IN :transports"
    " AND (d.message_id IS NULL OR d.state IN ('sent', 'failed')"
    " OR (d.state = 'waiting' AND d.next_attempt_at <= UTC_TIMESTAMP(6)))"
)


def _eligible(koha: InstalledKoha, *, with_codes: bool) -> str:
    """
    Return the condition for a row ``m`` of the queue and our row ``d``, if there is one.

    A row that is new to us must not be old: a library that installs the sidecar must not mail what has been lying there
    for months. A later change makes it new again, because staff who resend an old message mean it.
    """
    codes = (
        "m.letter_code IN :letter_codes"
        if with_codes
        else "EXISTS (SELECT 1 FROM letter l WHERE l.module = 'ill' AND l.code = m.letter_code)"
    )
    or_touched = (
        " OR m.updated_on > GREATEST(FROM_UNIXTIME(:touched_since), NOW() - INTERVAL :max_age_seconds SECOND)"
        if koha.has("message_queue", "updated_on")
        else ""
    )
    is_new = f"COALESCE(m.time_queued, NOW()) > NOW() - INTERVAL :max_age_seconds SECOND{or_touched}"
    return f"{_ELIGIBLE} AND {codes} AND (d.message_id IS NOT NULL OR {is_new})"


# Each part goes by an index of its own; with OR the server would read the whole table.
_DUE = (
    "(SELECT 'due', message_id FROM ill_sidecar_deliveries"
    "  WHERE state = 'waiting' AND next_attempt_at <= UTC_TIMESTAMP(6) ORDER BY next_attempt_at LIMIT :retry_limit)"
    " UNION ALL"
    " (SELECT 'expired', message_id FROM ill_sidecar_deliveries"
    "  WHERE state = 'in_flight' AND lease_until < UTC_TIMESTAMP(6) ORDER BY lease_until LIMIT :retry_limit)"
)


@functools.cache
def _due_statement(koha: InstalledKoha, with_codes: bool) -> TextClause:  # noqa: FBT001  (cached by position)
    eligible = _eligible(koha, with_codes=with_codes)
    return _expanding(
        f"{_DUE} UNION ALL"
        " (SELECT 'new', m.message_id FROM message_queue m FORCE INDEX (PRIMARY)"
        "  LEFT JOIN ill_sidecar_deliveries d ON d.message_id = m.message_id"
        f" WHERE m.message_id > :above AND {eligible} ORDER BY m.message_id LIMIT :limit)"
        " UNION ALL (SELECT 'highest', MAX(message_id) FROM message_queue)",
        with_codes=with_codes,
    )


@functools.cache
def _chunk(koha: InstalledKoha, with_codes: bool) -> TextClause:  # noqa: FBT001  (cached by position)
    eligible = _eligible(koha, with_codes=with_codes)
    return _expanding(
        "SELECT m.message_id FROM message_queue m FORCE INDEX (PRIMARY)"
        " LEFT JOIN ill_sidecar_deliveries d ON d.message_id = m.message_id"
        f" WHERE m.message_id >= :lowest AND m.message_id < :below AND {eligible}"
        " ORDER BY m.message_id DESC LIMIT :limit",
        with_codes=with_codes,
    )


_CHUNK_EDGE = text(
    "SELECT MIN(message_id) AS lowest, MAX(time_queued) < NOW() - INTERVAL :max_age_seconds SECOND AS is_old"
    " FROM (SELECT message_id, time_queued FROM message_queue WHERE message_id < :below"
    "  ORDER BY message_id DESC LIMIT :rows) chunk"
)

_SETTLED_EDGE = text(
    "SELECT MIN(message_id) FROM (SELECT message_id FROM ill_sidecar_deliveries WHERE message_id < :below"
    " ORDER BY message_id DESC LIMIT :rows) chunk"
)

_RESENT = text(
    "SELECT d.message_id FROM ill_sidecar_deliveries d JOIN message_queue m ON m.message_id = d.message_id"
    " WHERE d.message_id >= :lowest AND d.message_id < :below AND d.state IN ('sent', 'failed')"
    " AND m.status = 'pending'"
)


def _expanding(statement: str, *, with_codes: bool) -> TextClause:
    clause = text(statement).bindparams(bindparam("transports", expanding=True))
    return clause.bindparams(bindparam("letter_codes", expanding=True)) if with_codes else clause


def _values(wanted: DueFilter, **more: int) -> dict[str, object]:
    values: dict[str, object] = {
        "transports": wanted.transports,
        "max_age_seconds": wanted.max_age_seconds,
        "touched_since": wanted.touched_since,
        **more,
    }
    if wanted.letter_codes:
        values["letter_codes"] = wanted.letter_codes
    return values
