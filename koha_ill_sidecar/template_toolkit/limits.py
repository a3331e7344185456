"""Limits for a rendering, and the meter that counts what it uses."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from koha_ill_sidecar.template_toolkit.errors import TemplateLimitError
from koha_ill_sidecar.template_toolkit.values import Value

# Reading the clock at every loop turn would slow short loops down.
_TURNS_PER_CLOCK_READING = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Limits of one rendering. Exceeding one raises `TemplateLimitError`."""

    # Template Toolkit's own limit; the error is one that TRY can catch.
    while_turns: int = 1000
    # Total turns of all loops.
    loop_turns: int = 1_000_000
    # Nested blocks, macros and evaluated texts. Each costs about three Python frames.
    depth: int = 64
    # Characters of the output and of each intermediate text.
    output: int = 10_000_000
    # Elements of each list that the template creates.
    list_size: int = 1_000_000
    # Wall-clock seconds, checked every few loop turns, at every block, and inside patterns.
    seconds: float = 10.0
    # Characters of the template's source.
    source: int = 1_000_000


class Meter:
    """Counts what one rendering uses of its limits."""

    __slots__ = ("_deadline", "_turns", "limits")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._turns = 0
        self._deadline = time.monotonic() + limits.seconds

    def count_turn(self) -> None:
        """Count one turn of a loop."""
        self._turns += 1
        if self._turns > self.limits.loop_turns:
            raise TemplateLimitError(f"more than {self.limits.loop_turns} loop turns")
        if self._turns % _TURNS_PER_CLOCK_READING == 0:
            self.seconds_left()

    def seconds_left(self) -> float:
        """Return the remaining time; raises TemplateLimitError when it is over."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self.out_of_time()
        return left

    def out_of_time(self) -> TemplateLimitError:
        """Return the error for a rendering that takes too long."""
        return TemplateLimitError(f"longer than {self.limits.seconds:g} seconds")

    def check_length(self, length: int) -> None:
        """Raise TemplateLimitError if a text of *length* characters is too long; call it before creating the text."""
        if length > self.limits.output:
            raise TemplateLimitError(f"text longer than {self.limits.output} characters")

    def check_size(self, size: int) -> None:
        """Raise TemplateLimitError if a list of *size* elements is too long; call it before creating the list."""
        if size > self.limits.list_size:
            raise TemplateLimitError(f"list of more than {self.limits.list_size} elements")

    def checked(self, value: str) -> str:
        """Return *value* after checking its length."""
        self.check_length(len(value))
        return value

    def checked_list(self, items: list[Value]) -> list[Value]:
        """Return *items* after checking their number."""
        self.check_size(len(items))
        return items

    def join(self, texts: Sequence[str], joint: str = "") -> str:
        """Join texts with *joint* between them."""
        self.check_length(sum(map(len, texts)) + len(joint) * len(texts))
        return joint.join(texts)

    def join_each(self, texts: Iterable[str], joint: str = "") -> str:
        """
        Join texts that an iterator creates one by one.

        It stops at the limit: a template can repeat one long value so often that all the copies would fill the memory.
        """
        created: list[str] = []
        length = 0
        for each in texts:
            length += len(each) + len(joint)
            self.check_length(length)
            created.append(each)
        return joint.join(created)
