"""
Telling others what they are to know of a change, once it is committed.

A row is removed after it was told; a process that dies in between tells it again, so whoever is told must bear that.
Koha's workers do: a message about a job that is no longer new they put aside. Jobs that they were not told of they do
not look for, as long as the broker is there (Koha, misc/workers/es_indexer_daemon.pl).
"""

import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from koha_ill_sidecar.config.settings import BrokerSettings
from koha_ill_sidecar.delivery.broker import Broker, connected
from koha_ill_sidecar.errors import BrokerUnavailable
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.sidecar import outbox
from koha_ill_sidecar.storage.sidecar.outbox import OutboxKind, OutboxRow

logger = logging.getLogger(__name__)

ShouldContinue = Callable[[], bool]

_AT_ONCE = 100
_FIRST_PAUSE_SECONDS = 10.0
_LONGEST_PAUSE_SECONDS = 300.0
_MOST_DOUBLINGS = 10
_GIVE_UP_SECONDS = 7 * 86400.0  # by then somebody has missed the records, and had the index rebuilt


def notify_workers(
    database: Database, broker: BrokerSettings | None, go_on: ShouldContinue
) -> Mapping[str, int]:
    """
    Tell Koha's workers of the jobs that wait for them; gives how many were told, put off or dropped.

    Args:
        broker: Nothing where no koha-conf.xml was read: then the rows are dropped, with a warning.
    """
    tally: Counter[str] = Counter()
    while go_on():
        rows = database.transact(outbox.due, [OutboxKind.INDEX_JOB], limit=_AT_ONCE)
        if not rows:
            break
        if broker is None:
            logger.warning("no message broker known, koha.conf is not set", extra={"jobs": len(rows)})
            _remove(database, rows, "dropped", tally)
        elif not _notify_all(database, broker, rows, tally):
            break
    return tally


def _notify_all(
    database: Database, settings: BrokerSettings, rows: Sequence[OutboxRow], tally: "Counter[str]"
) -> bool:
    """Tell as much as goes over one connection; says whether the broker is there."""
    told: list[OutboxRow] = []
    try:
        with connected(settings) as broker:
            for row in rows:
                _notify(broker, settings, row)
                told.append(row)
    except BrokerUnavailable as error:
        logger.warning("message broker away", extra={"reason": str(error), "jobs": len(rows) - len(told)})
        _remove(database, told, "told", tally)
        for row in rows[len(told) :]:
            _postpone(database, row, error, tally)
        return False
    _remove(database, told, "told", tally)
    return True


def _notify(broker: Broker, settings: BrokerSettings, row: OutboxRow) -> None:
    broker.send(settings.queue(row.payload["queue"]), json.dumps(row.payload["message"]))


def _postpone(database: Database, row: OutboxRow, error: BrokerUnavailable, tally: "Counter[str]") -> None:
    if row.age_seconds > _GIVE_UP_SECONDS:
        logger.error("job not told to koha's workers", extra={"job": row.payload["message"].get("job_id")})
        _remove(database, [row], "dropped", tally)
        return
    pause = min(_FIRST_PAUSE_SECONDS * 2.0 ** min(row.attempts, _MOST_DOUBLINGS), _LONGEST_PAUSE_SECONDS)
    database.transact(outbox.postpone, row.outbox_id, seconds=pause, error=str(error))
    tally["put_off"] += 1


def _remove(database: Database, rows: Sequence[OutboxRow], outcome: str, tally: "Counter[str]") -> None:
    if rows:
        database.transact(outbox.remove, [row.outbox_id for row in rows])
        tally[outcome] += len(rows)
