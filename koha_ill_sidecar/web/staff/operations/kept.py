"""Answers that are good for a while, so that not every page asks anew."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """An answer, and when it was given."""

    value: T
    at: datetime


class Kept(Generic[T]):
    """
    Keeps what *ask* answers for some seconds, for all threads of the process.

    Only one thread asks at a time; the others go on with the answer before, if there is one.
    """

    def __init__(self, ask: Callable[[], T], seconds: float) -> None:
        self._ask = ask
        self._seconds = seconds
        self._lock = threading.Lock()
        self._until = 0.0
        self._answer: Answer[T] | None = None

    def get(self, *, anew: bool = False) -> Answer[T]:
        """Return the answer; whatever *ask* raises, goes on to the caller and is not kept."""
        before = self._answer
        if not self._lock.acquire(blocking=before is None or anew):
            assert before is not None  # noqa: S101  (else we would have waited)
            return before
        try:
            if self._answer is None or anew or time.monotonic() >= self._until:
                self._answer = Answer(self._ask(), datetime.now(UTC))
                self._until = time.monotonic() + self._seconds
            return self._answer
        finally:
            self._lock.release()
