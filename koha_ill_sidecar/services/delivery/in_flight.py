"""The messages that a dispatcher holds, shared by the threads that send them."""

import threading
import time
from collections.abc import Sequence

from koha_ill_sidecar.storage.message_queue.deliveries import AttemptResult


class InFlight:
    """
    Messages from claim to recorded result, and when each lease was last renewed; thread-safe.

    Attributes:
        changed: Notified when few enough messages are left; guards the rest.
        unrecorded: Results that could not be written because the database was away.
    """

    def __init__(self, lease_seconds: float) -> None:
        self.changed = threading.Condition()
        self.unrecorded: list[AttemptResult] = []
        self._safe_seconds = lease_seconds / 2
        self._renew_seconds = lease_seconds / 4
        self._renewed_at: dict[int, float] = {}
        self._low_water = 0
        self._to_mark_sent: set[int] = set()

    def add(self, message_ids: Sequence[int], at: float) -> None:
        """Hold messages, claimed at this moment of the monotonic clock."""
        with self.changed:
            self._renewed_at.update(dict.fromkeys(message_ids, at))

    def remove(self, message_id: int) -> None:
        """Hold a message no longer."""
        with self.changed:
            self._renewed_at.pop(message_id, None)
            if len(self._renewed_at) <= self._low_water:
                self.changed.notify_all()

    def message_ids(self) -> list[int]:
        """Return the messages that are being sent, or wait for it."""
        with self.changed:
            return list(self._renewed_at)

    def claimed_ids(self) -> set[int]:
        """Return every message that the database still shows as ours."""
        with self.changed:
            unrecorded = {result.message_id for result in self.unrecorded}
            return unrecorded.union(self._renewed_at, self._to_mark_sent)

    def mark_sent_later(self, message_id: int) -> None:
        """Remember that our row of a sent message is still to be updated."""
        with self.changed:
            self._to_mark_sent.add(message_id)

    def to_mark_sent(self) -> set[int]:
        """Return the sent messages whose rows of ours are still to be updated."""
        with self.changed:
            return set(self._to_mark_sent)

    def marked_sent(self, message_ids: set[int]) -> None:
        """Forget messages whose rows are up to date."""
        with self.changed:
            self._to_mark_sent -= message_ids

    def renewed(self, message_ids: Sequence[int], at: float) -> None:
        """Record that leases were renewed; a message that is no longer held is ignored."""
        with self.changed:
            for message_id in self._renewed_at.keys() & set(message_ids):
                self._renewed_at[message_id] = at

    def has_safe_lease(self, message_id: int) -> bool:
        """Return whether the lease was renewed so recently that no other worker can have claimed the message."""
        return time.monotonic() - self._renewed_at.get(message_id, 0.0) < self._safe_seconds

    def wait_until(self, low_water: int) -> bool:
        """Wait until at most so many messages are left and return True; return False if a lease must be renewed."""
        with self.changed:
            self._low_water = low_water
            while True:
                oldest = min(self._renewed_at.values(), default=0.0)
                remaining = oldest + self._renew_seconds - time.monotonic()
                if self._renewed_at and remaining <= 0:
                    return False
                if len(self._renewed_at) <= low_water:
                    return True
                self.changed.wait(remaining)
