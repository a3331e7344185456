"""
Values that are read often and change seldom, kept for some seconds.

Written here and not taken from ``cachetools``: that has neither the time of loading, which pages show, nor the old
value for other threads while one thread loads the new one, so most of this would wrap it.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar, cast

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cached(Generic[T]):
    """A value and when it was loaded."""

    value: T
    loaded_at: datetime
    expires: float  # by the monotonic clock


class Cache:
    """
    Keep values by name, each for so many *seconds*; thread-safe.

    Only one thread loads a value. The others use the old one in the meantime and wait only if there is none.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._locks: dict[str, threading.Lock] = {}
        self._entries: dict[str, Cached[object]] = {}

    def get(self, name: str, load: Callable[[], T], *, refresh: bool = False) -> Cached[T]:
        """
        Return a value, loading it if it is missing or too old.

        Args:
            load: What it raises is raised here, and nothing is cached.
            refresh: Load it however young it is.
        """
        found = self._fresh(name)
        if found is not None and not refresh:
            return cast("Cached[T]", found)
        lock = self._locks.setdefault(name, threading.Lock())  # atomic: two threads get the same lock
        old = self._entries.get(name)
        if not lock.acquire(blocking=refresh or old is None):
            return cast("Cached[T]", old)
        try:
            found = self._fresh(name)  # another thread may have loaded it while this one waited
            if found is None or refresh:
                found = Cached(load(), datetime.now(UTC), time.monotonic() + self._seconds)
                self._entries[name] = found
            return cast("Cached[T]", found)
        finally:
            lock.release()

    def clear(self) -> None:
        """Load every value again when it is next needed."""
        self._entries.clear()

    def _fresh(self, name: str) -> Cached[object] | None:
        found = self._entries.get(name)
        return found if found is not None and time.monotonic() < found.expires else None
