"""How much a template may do, and the meter that counts it while one is rendered."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from koha_ill_sidecar.template_toolkit.errors import TemplateLimitError
from koha_ill_sidecar.template_toolkit.values import Value

# The clock is looked at once in so many loop turns.
_TURNS_PER_LOOK = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Bounds on one rendering, each ending in a `TemplateLimitError`."""

    # Template Toolkit's own bound, whose error TRY can catch.
    while_turns: int = 1000
    # Turns of all loops of one rendering together.
    loop_turns: int = 1_000_000
    # Blocks, macros and evaluated texts inside each other. Each costs about three Python frames.
    depth: int = 64
    # Characters of the output, and of any one text on the way to it.
    output: int = 10_000_000
    # Elements of any one list that the template makes.
    list_size: int = 1_000_000
    # Wall-clock seconds, looked at every few loop turns, at every block, and inside of patterns.
    seconds: float = 10.0
    # Characters of a template's source.
    source: int = 1_000_000


class Meter:
    """What one rendering has used up of its limits."""

    __slots__ = ("_deadline", "_turns", "limits")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._turns = 0
        self._deadline = time.monotonic() + limits.seconds

    def turn(self) -> None:
        """Count one turn of a loop."""
        self._turns += 1
        if self._turns > self.limits.loop_turns:
            raise TemplateLimitError(f"more than {self.limits.loop_turns} loop turns")
        if self._turns % _TURNS_PER_LOOK == 0:
            self.seconds_left()

    def seconds_left(self) -> float:
        """Return how much time is left; stop a rendering that has none."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self.out_of_time()
        return left

    def out_of_time(self) -> TemplateLimitError:
        """Make the error of a rendering that takes too long."""
        return TemplateLimitError(f"longer than {self.limits.seconds:g} seconds")

    def check_length(self, length: int) -> None:
        """Stop before a text of *length* characters is made, if that is too long."""
        if length > self.limits.output:
            raise TemplateLimitError(f"text longer than {self.limits.output} characters")

    def check_size(self, size: int) -> None:
        """Stop before a list of *size* elements is made, if that is too many."""
        if size > self.limits.list_size:
            raise TemplateLimitError(f"list of more than {self.limits.list_size} elements")

    def checked(self, value: str) -> str:
        """Return *value*, if it is not too long."""
        self.check_length(len(value))
        return value

    def checked_list(self, items: list[Value]) -> list[Value]:
        """Return *items*, if they are not too many."""
        self.check_size(len(items))
        return items

    def join(self, texts: Sequence[str], joint: str = "") -> str:
        """Join texts with *joint* between them."""
        self.check_length(sum(map(len, texts)) + len(joint) * len(texts))
        return joint.join(texts)

    def join_each(self, texts: Iterable[str], joint: str = "") -> str:
        """Join texts that are made one by one, and make no more of them than fit: they may share one long value."""
        made: list[str] = []
        length = 0
        for each in texts:
            length += len(each) + len(joint)
            self.check_length(length)
            made.append(each)
        return joint.join(made)
