"""The messages that a dispatcher holds, shared by the threads that send them."""

import threading
import time
from collections.abc import Iterable, Sequence

from koha_ill_sidecar.storage.message_queue.deliveries import AttemptResult


def lease_clock() -> float:
    """
    Return the seconds by which leases are measured.

    This clock also counts the time in which the process is stopped or the host is suspended. time.monotonic() does not
    count a suspended host, so a worker would trust leases that other hosts have seen expire.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class InFlight:
    """
    Messages from claim to recorded result, and when each lease was last renewed; thread-safe.

    Attributes:
        changed: Notified when few enough messages are left; guards the rest.
        unrecorded: Results, by message, that the database did not accept yet. At most one for each thread is of a
            message that was sent, because a thread sends nothing else before its result is recorded.
    """

    def __init__(self, lease_seconds: float) -> None:
        self.changed = threading.Condition()
        self.unrecorded: dict[int, AttemptResult] = {}
        self._safe_seconds = lease_seconds / 2
        self._renew_seconds = lease_seconds / 4
        self._renewed_at: dict[int, float] = {}
        self._lost: set[int] = set()
        self._low_water = 0
        self._to_mark_sent: set[int] = set()

    def add(self, message_ids: Sequence[int], at: float) -> None:
        """Hold messages, claimed at this moment of the lease clock."""
        with self.changed:
            self._renewed_at.update(dict.fromkeys(message_ids, at))

    def remove(self, message_id: int) -> None:
        """Hold a message no longer."""
        with self.changed:
            self._renewed_at.pop(message_id, None)
            self._lost.discard(message_id)
            if self._is_low():
                self.changed.notify_all()

    def message_ids(self) -> list[int]:
        """Return the messages that are being sent, or wait for it, and are not known to be lost."""
        with self.changed:
            return [message_id for message_id in self._renewed_at if message_id not in self._lost]

    def claimed_ids(self) -> set[int]:
        """Return every message that the database still shows as ours."""
        with self.changed:
            return {*self.unrecorded, *self._renewed_at, *self._to_mark_sent}

    def keep(self, result: AttemptResult) -> None:
        """Keep a result that the database did not accept."""
        with self.changed:
            self.unrecorded[result.message_id] = result

    def recorded(self, message_id: int) -> None:
        """Forget a result that the database has accepted."""
        with self.changed:
            self.unrecorded.pop(message_id, None)

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

    def renewed(self, message_ids: Iterable[int], at: float) -> None:
        """Record that leases were renewed; a message that is no longer held is ignored."""
        with self.changed:
            for message_id in self._renewed_at.keys() & set(message_ids):
                self._renewed_at[message_id] = at

    def lost(self, message_ids: Iterable[int]) -> None:
        """Record that leases were not renewed, because another worker has claimed the messages."""
        with self.changed:
            self._lost |= self._renewed_at.keys() & set(message_ids)

    def has_safe_lease(self, message_id: int) -> bool:
        """Return whether the lease was renewed so recently that no other worker can have claimed the message."""
        with self.changed:
            renewed_at = self._renewed_at.get(message_id)
            is_held = renewed_at is not None and message_id not in self._lost
        return is_held and lease_clock() - (renewed_at or 0.0) < self._safe_seconds

    def wait_until(self, low_water: int) -> bool:
        """
        Wait until there is little left to do and return True; return False if a lease must be renewed.

        Little is left if at most *low_water* messages are held and no thread waits for the database to accept a result.
        """
        with self.changed:
            self._low_water = low_water
            while True:
                held = [at for message_id, at in self._renewed_at.items() if message_id not in self._lost]
                remaining = min(held) + self._renew_seconds - lease_clock() if held else None
                if remaining is not None and remaining <= 0:
                    return False
                if self._is_low():
                    return True
                self.changed.wait(remaining)

    def _is_low(self) -> bool:
        return (
            len(self._renewed_at) <= self._low_water and not self.unrecorded.keys() & self._renewed_at.keys()
        )
