"""What is read often and changes seldom: kept in the process for some seconds."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar, cast

T = TypeVar("T")


class Memory:
    """
    Remembers what was loaded, each thing for as long as it may be believed.

    Args:
        seconds: How long that is.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, object]] = {}

    def recall(self, name: str, load: Callable[[], T]) -> T:
        """Return what *load* gave, if that was not too long ago, else load it now."""
        with self._lock:
            until, value = self._kept.get(name, (0.0, None))
        if time.monotonic() < until:
            return cast("T", value)
        loaded = load()
        with self._lock:
            self._kept[name] = (time.monotonic() + self._seconds, loaded)
        return loaded

    def forget(self) -> None:
        """Load everything anew when it is next asked for."""
        with self._lock:
            self._kept.clear()
