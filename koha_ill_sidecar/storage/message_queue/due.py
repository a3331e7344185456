"""
Which messages of Koha's ``message_queue`` are due.

The table has no index on its status, may hold millions of rows, and is not ours to index. New rows are therefore looked
for above a mark near its end, by primary key; what we have begun is found through our own table's indexes; everything
else by a slow sweep in chunks of the primary key.
"""

import functools
from dataclasses import dataclass

from sqlalchemy import TextClause, bindparam, text

from koha_ill_sidecar.storage.koha.installed import InstalledKoha
from koha_ill_sidecar.storage.transaction import Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class DueFilter:
    """
    Which messages of the queue are ours to deliver.

    Attributes:
        transports: Such as email and sms; none means that nothing is.
        letter_codes: Codes; empty for those of every letter of Koha's module ``ill``.
        oldest_seconds: A message that we never tried is left alone when it was queued, and last touched, longer ago.
        touched_since: Only touches after this second of the epoch count: those before the sidecar came do not.
    """

    transports: tuple[str, ...]
    letter_codes: tuple[str, ...] = ()
    max_age_seconds: int
    touched_since: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DueMessages:
    """
    What a look at the queue found.

    Attributes:
        message_ids: Messages that seem to be due; the claim decides.
        looked_up_to: There may be more new rows above this number; None when all were seen.
        highest: The greatest number in the queue.
    """

    message_ids: tuple[int, ...]
    scanned_up_to: int | None
    highest: int


def find_due(tx: Transaction, wanted: DueFilter, *, above: int, limit: int, begun_limit: int) -> DueMessages:
    """
    Find what is due: new rows above a number, attempts whose time has come, leases that ran out; one query.

    Args:
        limit: New rows at most.
        begun_limit: Attempts whose time has come at most, and as many leases.
    """
    values = _values(wanted, above=above, limit=limit, begun_limit=begun_limit)
    rows = tx.connection.execute(_look(tx.koha, bool(wanted.letter_codes)), values)
    begun, new, highest = [], [], 0
    for kind, number in rows:
        match kind:
            case "new":
                new.append(number)
            case "highest":
                highest = number or 0
            case _:
                begun.append(number)
    return DueMessages(
        message_ids=tuple(dict.fromkeys([*begun, *new])),
        scanned_up_to=new[-1] if len(new) == limit else None,
        highest=highest,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class SweptChunk:
    """
    Messages due in a stretch of the queue.

    Attributes:
        lowest: The smallest number of the stretch; the next one lies below it. 0 at the queue's beginning.
        is_old: Whether everything below is older than what is delivered, unless somebody touched it.
    """

    message_ids: tuple[int, ...]
    lowest: int
    is_old: bool


def sweep(tx: Transaction, wanted: DueFilter, *, below: int, rows: int, limit: int) -> SweptChunk:
    """
    Look at the *rows* rows of the queue below a number for what is due; two queries, both by primary key.

    At most *limit* messages are found; the chunk then ends at the last of them.
    """
    values = _values(wanted, below=below, rows=rows)
    edge = tx.connection.execute(_CHUNK_EDGE, values).one()
    if edge.lowest is None:
        return SweptChunk(message_ids=(), lowest=0, is_old=True)
    values |= {"lowest": edge.lowest, "limit": limit}
    found: tuple[int, ...] = tuple(tx.connection.scalars(_chunk(tx.koha, bool(wanted.letter_codes)), values))
    lowest = found[-1] if len(found) == limit else edge.lowest
    return SweptChunk(message_ids=found, lowest=lowest, is_old=bool(edge.is_old))


def find_resent(tx: Transaction, *, below: int, rows: int) -> tuple[tuple[int, ...], int]:
    """
    Find messages that we had settled and that staff have set to pending again, among *rows* of ours below a number.

    Two queries. The second value is where the next look goes on; 0 when this was the last stretch.
    """
    values = {"below": below, "rows": rows}
    lowest = tx.connection.scalar(_SETTLED_EDGE, values)
    if lowest is None:
        return (), 0
    found = tx.connection.scalars(_RESENT, values | {"lowest": lowest})
    return tuple(found), int(lowest)


def epoch_seconds(tx: Transaction) -> int:
    """Return the second of the epoch by the database's clock."""
    return int(tx.connection.scalar(text("SELECT UNIX_TIMESTAMP()")) or 0)


def highest_id(tx: Transaction) -> int:
    """Return the greatest number in the queue, 0 where it is empty."""
    return int(tx.connection.scalar(text("SELECT MAX(message_id) FROM message_queue")) or 0)


_ELIGIBLE = (
    "m.status = 'pending' AND m.message_transport_type IN :transports"
    " AND (d.message_id IS NULL OR d.state IN ('sent', 'failed')"
    " OR (d.state = 'waiting' AND d.next_attempt_at <= UTC_TIMESTAMP(6)))"
)


def _eligible(koha: InstalledKoha, *, with_codes: bool) -> str:
    """
    Return the condition for a row ``m`` of the queue with our row ``d`` beside it, if there is one.

    A row that is new to us must not be old: a library that starts the sidecar must not mail what has been lying
    there for months. A touch after that start counts, because staff who resend an old message mean it.
    """
    codes = (
        "m.letter_code IN :letter_codes"
        if with_codes
        else "EXISTS (SELECT 1 FROM letter l WHERE l.module = 'ill' AND l.code = m.letter_code)"
    )
    touched = (
        " OR m.updated_on > GREATEST(FROM_UNIXTIME(:touched_since), NOW() - INTERVAL :oldest_seconds SECOND)"
        if koha.has("message_queue", "updated_on")
        else ""
    )
    young = f"COALESCE(m.time_queued, NOW()) > NOW() - INTERVAL :oldest_seconds SECOND{touched}"
    return f"{_ELIGIBLE} AND {codes} AND (d.message_id IS NOT NULL OR {young})"


_DUE = (
    "(SELECT 'due', message_id FROM ill_sidecar_deliveries"
    "  WHERE state = 'waiting' AND next_attempt_at <= UTC_TIMESTAMP(6) ORDER BY next_attempt_at LIMIT :begun_limit)"
    " UNION ALL"
    " (SELECT 'expired', message_id FROM ill_sidecar_deliveries"
    "  WHERE state = 'in_flight' AND lease_until < UTC_TIMESTAMP(6) ORDER BY lease_until LIMIT :begun_limit)"
)


@functools.cache
def _look(koha: InstalledKoha, with_codes: bool) -> TextClause:  # noqa: FBT001  (cached by position)
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
    "SELECT MIN(message_id) AS lowest, MAX(time_queued) < NOW() - INTERVAL :oldest_seconds SECOND AS is_old"
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
        "oldest_seconds": wanted.max_age_seconds,
        "touched_since": wanted.touched_since,
        **more,
    }
    if wanted.letter_codes:
        values["letter_codes"] = wanted.letter_codes
    return values
