"""
Notify Koha's workers of changes that are committed.

A row is removed after its message was sent. A process that dies in between sends it again, so receivers must tolerate
that. Koha's workers do: they ignore a message about a job that is no longer new. They do not look for jobs that no
message announced, as long as the broker is up (Koha, misc/workers/es_indexer_daemon.pl).
"""

import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from koha_ill_sidecar.backoff import pause_seconds
from koha_ill_sidecar.config.jobs import ShouldContinue
from koha_ill_sidecar.config.settings import BrokerSettings
from koha_ill_sidecar.delivery.broker import connected
from koha_ill_sidecar.errors import BrokerUnavailable
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.sidecar import outbox
from koha_ill_sidecar.storage.sidecar.outbox import OutboxKind

logger = logging.getLogger(__name__)

_BATCH = 100
_FIRST_PAUSE_SECONDS = 10.0
_LONGEST_PAUSE_SECONDS = 300.0
_GIVE_UP_SECONDS = 7 * 86400.0  # after a week staff have missed the records and had the index rebuilt


def notify_workers(
    database: Database, broker: BrokerSettings | None, should_continue: ShouldContinue
) -> Mapping[str, int]:
    """
    Notify Koha's workers of the jobs that wait for them; return how many were notified, postponed or dropped.

    A worker of the daemon: it opens its own transactions, because it talks to the broker between them.

    Args:
        broker: None where no koha-conf.xml was read; then the rows are dropped, with a warning.
    """
    counts: Counter[str] = Counter()
    while should_continue():
        rows = database.transact(outbox.find_due, [OutboxKind.INDEX_JOB], limit=_BATCH)
        if not rows:
            break
        if broker is None:
            logger.warning("no message broker known, koha.conf is not set", extra={"jobs": len(rows)})
            _remove(database, rows, "dropped", counts)
        elif not _notify_all(database, broker, rows, counts):
            break
    return counts


def _notify_all(
    database: Database, settings: BrokerSettings, rows: Sequence[Row[Any]], counts: "Counter[str]"
) -> bool:
    """Send as much as one connection takes; return whether the broker is up."""
    sent: list[Row[Any]] = []
    failure: BrokerUnavailable | None = None
    try:
        with connected(settings) as broker:
            for row in rows:
                broker.send(settings.queue(row.payload["queue"]), json.dumps(row.payload["message"]))
                sent.append(row)
    except BrokerUnavailable as error:
        logger.warning("message broker away", extra={"reason": str(error), "jobs": len(rows) - len(sent)})
        failure = error
    _remove(database, sent, "notified", counts)
    if failure is not None:
        for row in rows[len(sent) :]:
            _postpone(database, row, failure, counts)
    return failure is None


def _postpone(database: Database, row: Row[Any], error: BrokerUnavailable, counts: "Counter[str]") -> None:
    if row.age_seconds > _GIVE_UP_SECONDS:
        logger.error(
            "koha's workers not notified of job", extra={"job": row.payload["message"].get("job_id")}
        )
        _remove(database, [row], "dropped", counts)
        return
    pause = pause_seconds(row.attempts + 1, first=_FIRST_PAUSE_SECONDS, longest=_LONGEST_PAUSE_SECONDS)
    database.transact(outbox.postpone, row.outbox_id, seconds=pause, error=str(error))
    counts["postponed"] += 1


def _remove(database: Database, rows: Sequence[Row[Any]], outcome: str, counts: "Counter[str]") -> None:
    if rows:
        database.transact(outbox.remove, [row.outbox_id for row in rows])
        counts[outcome] += len(rows)
