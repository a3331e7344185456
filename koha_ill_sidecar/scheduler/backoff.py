"""Waiting for what is away, with growing pauses and one log line for each change."""

import logging
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0


class Backoff:
    """
    When to try again something that fails, shared by all who need it; thread-safe.

    Args:
        lost: Event phrase for the log when it begins to fail, and when it fails in another way.
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
        self._reason = ""
        self._pause = 0.0
        self._until = 0.0

    def ready(self) -> bool:
        """Return whether it is time to try."""
        return self._since is None or self._clock() >= self._until

    def failed(self, reason: str) -> None:
        """Note a failure; the pause doubles with each, up to half a minute."""
        with self._lock:
            now = self._clock()
            if self._since is None:
                self._since = now
                self._pause = _FIRST_PAUSE_SECONDS
            elif now >= self._until:  # several who failed at once lengthen the pause once
                self._pause = min(self._pause * 2, _LONGEST_PAUSE_SECONDS)
            self._until = now + self._pause
            is_news = reason != self._reason
            self._reason = reason
        if is_news:
            logger.warning(self._lost, extra={**self._details, "reason": reason})

    def succeeded(self) -> None:
        """Note a success."""
        if self._since is None:
            return
        with self._lock:
            since, self._since, self._reason = self._since, None, ""
        if since is not None:
            seconds = round(self._clock() - since, 1)
            logger.info(self._regained, extra={**self._details, "seconds": seconds})
