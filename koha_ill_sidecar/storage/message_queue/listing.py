"""The queue as staff see it: Koha's messages together with our deliveries."""

import functools
from collections.abc import Collection, Mapping
from datetime import timedelta

from sqlalchemy import RowMapping, TextClause, bindparam, text
from sqlalchemy.sql.selectable import TextualSelect

from koha_ill_sidecar.domain.queue_entries import RECENT_ROWS, DeliveryProgress, QueueEntry, QueueFilter
from koha_ill_sidecar.errors import MessageNotFound
from koha_ill_sidecar.messages import from_stored
from koha_ill_sidecar.storage.koha.installed import InstalledKoha
from koha_ill_sidecar.storage.message_queue.deliveries import GIVEN_UP_REASONS, IN_FLIGHT
from koha_ill_sidecar.storage.sidecar.schema import UTCDateTime
from koha_ill_sidecar.storage.transaction import Transaction


def find(tx: Transaction, wanted: QueueFilter, *, limit: int, max_age_seconds: float) -> list[QueueEntry]:
    """
    Find messages, newest first; one query.

    Args:
        max_age_seconds: A message that has been pending for longer and was never tried is ignored.
    """
    statement = _find(tx.koha, wanted.failed_days is not None)
    rows = tx.connection.execute(statement, _values(wanted, limit, max_age_seconds)).mappings()
    return [_entry(row) for row in rows]


def count(tx: Transaction, wanted: QueueFilter, *, limit: int, max_age_seconds: float) -> int:
    """Count what :func:`find` would find, at most *limit*; one query."""
    statement = _count(tx.koha, wanted.failed_days is not None)
    return int(tx.connection.scalar(statement, _values(wanted, limit, max_age_seconds)) or 0)


def find_by_ids(tx: Transaction, message_ids: Collection[int], *, max_age_seconds: float) -> list[QueueEntry]:
    """Return messages by ID, newest first, without those that are deleted; one query."""
    values = {"message_ids": list(message_ids), "max_age_seconds": round(max_age_seconds)}
    rows = tx.connection.execute(_find_by_ids(tx.koha), values).mappings()
    return [_entry(row) for row in rows]


def get(tx: Transaction, message_id: int, *, max_age_seconds: float, for_update: bool = False) -> QueueEntry:
    """Return one message, locked if *for_update*; raises MessageNotFound."""
    values = {"message_id": message_id, "max_age_seconds": round(max_age_seconds)}
    row = tx.connection.execute(_get(tx.koha, for_update), values).mappings().one_or_none()
    if row is None:
        raise MessageNotFound(message_id)
    return _entry(row)


def _entry(row: RowMapping) -> QueueEntry:
    read = {"progress": DeliveryProgress(row["progress"]), "last_error": from_stored(row["last_error"])}
    return QueueEntry(**{**row, **read})


def count_sent_by_others(tx: Transaction, codes: Collection[str], *, within: timedelta) -> int:
    """
    Count recent messages that another program sent: those that are ``sent`` without a delivery of ours.

    Only messages that were queued after our first attempt count, and only among the newest 20,000: the table has no
    index on status or time.

    Args:
        codes: The letter codes that we deliver; empty for those of module ``ill``.
    """
    values = {"recent": RECENT_ROWS, "seconds": int(within.total_seconds()), "codes": list(codes)}
    statement = _SENT_BY_OTHERS_WITH_CODES if codes else _SENT_BY_OTHERS
    return int(tx.connection.scalar(statement, values) or 0)


_EVERY_ROW = 2**31

_SENT_BY_OTHERS_SQL = (
    "SELECT COUNT(*) FROM message_queue m LEFT JOIN ill_sidecar_deliveries d ON d.message_id = m.message_id"
    " WHERE m.message_id > (SELECT MAX(message_id) FROM message_queue) - :recent"
    # By time, not by ID: our first attempt may be at a message that is older than the sidecar (queue retry).
    " AND m.time_queued > NOW() - INTERVAL TIMESTAMPDIFF(SECOND, (SELECT MIN(first_attempt_at)"
    " FROM ill_sidecar_deliveries WHERE message_id > (SELECT MAX(message_id) FROM message_queue) - :recent),"
    " UTC_TIMESTAMP()) SECOND"
    " AND m.status = 'sent' AND m.message_transport_type IN ('email', 'sms')"
    " AND m.time_queued > NOW() - INTERVAL :seconds SECOND AND d.message_id IS NULL AND m.letter_code IN "
)
_SENT_BY_OTHERS = text(f"{_SENT_BY_OTHERS_SQL}(SELECT code FROM letter WHERE module = 'ill')")
_SENT_BY_OTHERS_WITH_CODES = text(f"{_SENT_BY_OTHERS_SQL}:codes").bindparams(
    bindparam("codes", expanding=True)
)


@functools.cache
def _columns(koha: InstalledKoha) -> str:
    code = "COALESCE(m.failure_code, '')" if koha.has("message_queue", "failure_code") else "''"
    touched = (
        "GREATEST(m.time_queued, m.updated_on)"
        if koha.has("message_queue", "updated_on")
        else "m.time_queued"
    )
    held = "m.status = 'failed' AND d.state = 'waiting'"
    if koha.has("message_queue", "failure_code"):
        held += f" AND m.failure_code = '{IN_FLIGHT}'"
    # The first condition that holds decides.
    return (
        "m.message_id, CASE"
        " WHEN d.state = 'in_flight' AND m.status <> 'sent' AND d.lease_until >= UTC_TIMESTAMP(6) THEN 'in flight'"
        " WHEN d.state = 'in_flight' AND m.status = 'failed' THEN 'abandoned'"
        f" WHEN (m.status = 'pending' OR {held}) AND d.state = 'waiting'"
        "   AND d.next_attempt_at > UTC_TIMESTAMP(6) THEN 'waiting'"
        f" WHEN {held} THEN 'pending'"
        " WHEN m.status = 'pending' AND d.message_id IS NULL"
        f"   AND {touched} < NOW() - INTERVAL :max_age_seconds SECOND THEN 'too old'"
        f" WHEN m.status = 'failed' AND d.state = 'failed' AND d.last_error IN {GIVEN_UP_REASONS} THEN 'given up'"
        " ELSE m.status END AS progress, m.letter_code, m.message_transport_type, m.borrowernumber,"
        f" m.to_address, m.subject, m.status, {code} AS failure_code, m.time_queued,"
        " COALESCE(d.attempts, 0) AS attempts, d.mail_message_id, d.first_attempt_at, d.last_attempt_at,"
        " d.next_attempt_at, d.last_error, d.lease_holder"
    )


_SOURCE = "message_queue m LEFT JOIN ill_sidecar_deliveries d ON d.message_id = m.message_id"

_TYPES: Mapping[str, type[UTCDateTime]] = dict.fromkeys(
    ("first_attempt_at", "last_attempt_at", "next_attempt_at"), UTCDateTime
)


_CANDIDATES = (
    "(SELECT message_id FROM message_queue ORDER BY message_id DESC LIMIT :newest)"
    " UNION SELECT message_id FROM ill_sidecar_deliveries WHERE state IN ('waiting', 'in_flight')"
    " UNION SELECT message_id FROM message_queue WHERE borrowernumber = :borrowernumber"
)
_RECENTLY_FAILED = (
    "SELECT message_id FROM ill_sidecar_deliveries FORCE INDEX (ill_sidecar_deliveries_due)"
    " WHERE state = 'failed' AND settled_at >= UTC_TIMESTAMP(6) - INTERVAL :failed_days DAY"
)


def _from_where(koha: InstalledKoha, *, recently_failed: bool) -> str:
    candidates = f"{_CANDIDATES} UNION {_RECENTLY_FAILED}" if recently_failed else _CANDIDATES
    touched = "m.updated_on" if koha.has("message_queue", "updated_on") else "m.time_queued"
    failed_recently = (
        " AND m.status = 'failed' AND IF(d.state = 'failed',"
        " d.settled_at >= UTC_TIMESTAMP(6) - INTERVAL :failed_days DAY,"
        f" {touched} >= NOW() - INTERVAL :failed_days DAY)"  # Koha's own script stores no other time
    )
    return (
        f"FROM (SELECT {_columns(koha)} FROM ({candidates}) candidates"
        f" JOIN ({_SOURCE}) ON m.message_id = candidates.message_id"
        f" WHERE 1{failed_recently if recently_failed else ''}"
        " AND (:borrowernumber IS NULL OR m.borrowernumber = :borrowernumber)"
        " AND (:to_address IS NULL OR m.to_address = :to_address)"
        " AND (:before IS NULL OR m.message_id < :before)"
        " AND (m.letter_code IN :letter_codes OR :every_ill_letter"
        "   AND EXISTS (SELECT 1 FROM letter l WHERE l.module = 'ill' AND l.code = m.letter_code))) entries"
        " WHERE progress IN :progress"
    )


def _values(wanted: QueueFilter, limit: int, max_age_seconds: float) -> dict[str, object]:
    return {
        "progress": [each.value for each in wanted.progress],
        "borrowernumber": wanted.borrowernumber,
        "to_address": wanted.to_address,
        "letter_codes": list(wanted.letter_codes) or [""],
        "every_ill_letter": not wanted.letter_codes,
        "max_age_seconds": round(max_age_seconds),
        "before": wanted.before,
        "limit": limit,
        "newest": _EVERY_ROW if wanted.newest is None else wanted.newest,
        "failed_days": wanted.failed_days,
    }


def _with_lists(statement: str) -> TextClause:
    clause = text(statement).bindparams(bindparam("letter_codes", expanding=True))
    return clause.bindparams(bindparam("progress", expanding=True))


@functools.cache
def _find(koha: InstalledKoha, recently_failed: bool) -> TextualSelect:  # noqa: FBT001  (cached by position)
    statement = (
        f"SELECT * {_from_where(koha, recently_failed=recently_failed)} ORDER BY message_id DESC LIMIT :limit"
    )
    return _with_lists(statement).columns(**_TYPES)


@functools.cache
def _count(koha: InstalledKoha, recently_failed: bool) -> TextClause:  # noqa: FBT001  (cached by position)
    return _with_lists(
        f"SELECT COUNT(*) FROM (SELECT 1 {_from_where(koha, recently_failed=recently_failed)} LIMIT :limit) counted"
    )


@functools.cache
def _find_by_ids(koha: InstalledKoha) -> TextualSelect:
    statement = (
        f"SELECT {_columns(koha)} FROM {_SOURCE} WHERE m.message_id IN :message_ids"
        " ORDER BY m.message_id DESC"
    )
    return text(statement).bindparams(bindparam("message_ids", expanding=True)).columns(**_TYPES)


@functools.cache
def _get(koha: InstalledKoha, for_update: bool) -> TextualSelect:  # noqa: FBT001  (cached by position)
    lock = " FOR UPDATE" if for_update else ""
    return text(f"SELECT {_columns(koha)} FROM {_SOURCE} WHERE m.message_id = :message_id{lock}").columns(
        **_TYPES
    )
