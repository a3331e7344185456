"""
Where to look for messages that are due: near the end of Koha's queue each time, elsewhere slowly.

Koha's table has no index on status, and keeps every message ever sent. So new messages are looked for above a
checkpoint near the end of the queue, and two slow searches find the rest: messages that staff set to pending again, and
a sweep down the whole queue, a chunk at a time.
"""

import time
from collections.abc import Collection, Sequence

from koha_ill_sidecar.config.settings import DeliverySettings
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.message_queue import due
from koha_ill_sidecar.storage.message_queue.due import DueFilter
from koha_ill_sidecar.storage.sidecar import checkpoints
from koha_ill_sidecar.storage.transaction import Transaction

QUEUE_CHECKPOINT = "message_queue"
"""Near the end of the queue: every message up to it has been looked at."""

SINCE_CHECKPOINT = "delivery_since"
"""The second of the epoch at which the sidecar first looked at the queue."""

_CHECKPOINT_LAG_SECONDS = 600  # longer than any transaction of Koha's that queues a message
_WINDOW_ROWS = (
    10_000  # at most so many rows above the checkpoint are read each time; the sweep finds the others
)
_SWEEP_ROWS = 1000
_RESENT_ROWS = 2000
_URGENT_CHUNKS = 100  # in one run, so that new messages do not wait longer
_UNCOMMITTED_ROWS = 200  # so near to the end there may be rows that we cannot see yet
_SLOW_SECONDS = 10.0
_LAST_ROW = 2**31  # above every message_id


class QueueScanner:
    """
    Finds messages that may be due; the claim decides.

    Its position is lost when the process ends, and found again from the checkpoints.
    """

    def __init__(self, database: Database, delivery: DeliverySettings) -> None:
        self._database = database
        self._delivery = delivery
        self._since: int | None = None
        self._checkpoint = 0
        self._highest = 0
        self._scanned_up_to = 0  # in this run
        self._next_checkpoint_at = 0.0
        self._resent_below = 0  # 0: from the end
        self._next_resent_at = 0.0
        self._sweep_below = 0  # 0: from the end
        self._next_sweep_at = 0.0
        self._urgent_down_to = 0
        self._is_urgent = True

    def start_run(self) -> None:
        """Begin at the checkpoint again."""
        self._scanned_up_to = 0

    def find(self, known: Collection[int]) -> list[int]:
        """Return a batch of messages that may be due, without those that are *known*; empty at the end."""
        if self._since is None:
            self._since, self._checkpoint, self._urgent_down_to = self._database.transact(_starting_point)
        for search in (self._find_near_the_end, self._find_resent, self._sweep):
            if found := [message_id for message_id in search(len(known)) if message_id not in known]:
                return found
        return []

    def _find_near_the_end(self, known: int) -> Sequence[int]:
        found = self._database.transact(self._read_window, known)
        if found is None:
            return ()
        message_ids, scanned_up_to, self._highest = found
        # A run goes through the window once. A row that becomes visible behind this point is found by the next run.
        self._scanned_up_to = scanned_up_to
        if time.monotonic() >= self._next_checkpoint_at:
            self._next_checkpoint_at = time.monotonic() + _SLOW_SECONDS
            self._checkpoint = self._database.transact(
                checkpoints.advance,
                QUEUE_CHECKPOINT,
                max(self._highest - _UNCOMMITTED_ROWS, 0),
                lag_seconds=_CHECKPOINT_LAG_SECONDS,
            )
        return message_ids

    def _read_window(self, tx: Transaction, known: int) -> tuple[list[int], int, int] | None:
        wanted = self._due_filter(tx)
        if not wanted.transports:
            return None
        limit = self._delivery.batch_size
        above = max(self._checkpoint, self._highest - _WINDOW_ROWS, self._scanned_up_to)
        return due.find_due(tx, wanted, above=above, limit=limit, retry_limit=limit + known)

    def _find_resent(self, known: int) -> Sequence[int]:  # noqa: ARG002  (one search reads few enough rows)
        if time.monotonic() < self._next_resent_at:
            return ()
        found, self._resent_below = self._database.transact(
            due.find_resent, below=self._resent_below or _LAST_ROW, rows=_RESENT_ROWS
        )
        self._next_resent_at = time.monotonic() + _SLOW_SECONDS
        return found

    def _sweep(self, known: int) -> Sequence[int]:
        """Go down the queue: quickly through what was queued since any dispatcher last ran, then chunk by chunk."""
        if time.monotonic() < self._next_sweep_at:
            return ()
        for _ in range(_URGENT_CHUNKS):
            found, self._sweep_below, is_old = self._database.transact(self._sweep_chunk, known)
            if is_old or self._sweep_below <= self._urgent_down_to:
                self._is_urgent = False
            if found:
                return found
            if not self._is_urgent:
                self._next_sweep_at = time.monotonic() + _SLOW_SECONDS
                break
        return ()

    def _sweep_chunk(self, tx: Transaction, known: int) -> tuple[Sequence[int], int, bool]:
        return due.sweep(
            tx,
            self._due_filter(tx),
            below=self._sweep_below or _LAST_ROW,
            rows=_SWEEP_ROWS,
            limit=self._delivery.batch_size + known,
        )

    def _due_filter(self, tx: Transaction) -> DueFilter:
        return DueFilter(
            transports=due.transports(self._delivery, tx.preferences),
            letter_codes=self._delivery.letter_codes,
            max_age_seconds=int(self._delivery.ignore_older_than.total_seconds()),
            touched_since=self._since or 0,
        )


def _starting_point(tx: Transaction) -> tuple[int, int, int]:
    """Return when the sidecar first looked at the queue, where to begin, and how far down messages are urgent."""
    since = checkpoints.get(tx, SINCE_CHECKPOINT)
    if since is None:
        since = due.epoch_seconds(tx)
        checkpoints.save(tx, SINCE_CHECKPOINT, since)
    checkpoint = checkpoints.get(tx, QUEUE_CHECKPOINT)
    if checkpoint is None:
        return since, max(due.highest_id(tx) - _UNCOMMITTED_ROWS, 0), 0
    return since, checkpoint, checkpoint
