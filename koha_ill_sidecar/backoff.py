"""Growing pauses before something that failed is tried again."""

import logging
import random
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

_MOST_DOUBLINGS = 30  # so that a number of failures, however large, does not overflow
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0


def pause_seconds(failures: int, *, first: float, longest: float, jitter: float = 0.0) -> float:
    """
    Return the pause after so many failures: doubled each time, up to the longest.

    Args:
        failures: From 1.
        jitter: The share by which the pause is longer or shorter by chance, so that many do not try at once.
    """
    pause = min(first * 2.0 ** min(failures - 1, _MOST_DOUBLINGS), longest)
    return pause * random.uniform(1 - jitter, 1 + jitter)  # noqa: S311  (jitter, no secret)


class Backoff:
    """
    When to try again something that fails, with a log line for each reason and for its end; thread-safe.

    Args:
        lost: Event phrase for the log when it begins to fail, and when it fails for a new reason.
        regained: Event phrase for when it works again.
        details: Added to both lines.
    """

    def __init__(
        self, lost: str, regained: str, *, clock: Callable[[], float] = time.monotonic, **details: str
    ) -> None:
        self._lost = lost
        self._regained = regained
        self._details = details
        self._clock = clock
        self._lock = threading.Lock()
        self._since: float | None = None
        self._reasons: set[str] = set()
        self._failures = 0
        self._failed_at = 0.0
        self._until = 0.0

    def ready(self) -> bool:
        """Return whether it is time to try."""
        return self._since is None or self._clock() >= self._until

    def failed(self, reason: str) -> None:
        """Record a failure; the pause doubles with each, up to half a minute."""
        with self._lock:
            now = self._failed_at = self._clock()
            if self._since is None:
                self._since, self._failures = now, 1
                self._reasons.clear()
            elif now >= self._until:  # failures of several threads at once count as one
                self._failures += 1
            self._until = now + pause_seconds(
                self._failures, first=_FIRST_PAUSE_SECONDS, longest=_LONGEST_PAUSE_SECONDS
            )
            # Several threads may fail for different reasons in turn, for as long as it lasts.
            is_news = reason not in self._reasons
            self._reasons.add(reason)
        if is_news:
            logger.warning(self._lost, extra={**self._details, "reason": reason})

    def succeeded(self, began: float) -> None:
        """
        Record a success.

        Args:
            began: When the attempt began, by the clock. One that began before the last failure proves nothing.
        """
        if self._since is None:
            return
        with self._lock:
            if began < self._failed_at:
                return
            since, self._since = self._since, None
        if since is not None:
            seconds = round(self._clock() - since, 1)
            logger.info(self._regained, extra={**self._details, "seconds": seconds})
