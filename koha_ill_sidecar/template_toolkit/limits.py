"""Limits for a rendering, and the meter that counts what it uses."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from koha_ill_sidecar.template_toolkit.errors import TemplateLimitError
from koha_ill_sidecar.template_toolkit.values import Value

# Work between two readings of the clock, about a millisecond. A unit is roughly one character that is copied.
_WORK_PER_CLOCK_READING = 100_000
# One turn of a loop without its body, and one element that a method visits.
_WORK_OF_A_TURN = 400
_WORK_OF_AN_ELEMENT = 16
# A reference in a list or hash and the small value behind it.
_BYTES_OF_AN_ELEMENT = 64
# A text without its characters; each of them has one, two or four.
_BYTES_OF_A_TEXT = 50


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
    # Approximate bytes of all values that the template creates; values that it no longer uses count too.
    memory: int = 1_000_000_000
    # Wall-clock seconds, compilation included. The clock is read by work done: characters and elements visited.
    seconds: float = 10.0
    # Characters of the template's source.
    source: int = 1_000_000
    # Tokens of the template's source. Python compiles a whole template at once, and nothing can interrupt it.
    tokens: int = 200_000


class Meter:
    """Counts what one rendering uses of its limits."""

    __slots__ = ("_allocated", "_deadline", "_next_check", "_next_reading", "_turns_left", "_work", "limits")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._turns_left = limits.loop_turns
        self._work = 0
        self._next_reading = _WORK_PER_CLOCK_READING
        self._allocated = 0
        self._next_check = _WORK_PER_CLOCK_READING
        self._deadline = time.monotonic() + limits.seconds

    def count_turn(self, body: int = 0) -> None:
        """Count one turn of a loop whose *body* has so many characters of code."""
        self._turns_left -= 1
        if self._turns_left < 0:
            raise TemplateLimitError(f"more than {self.limits.loop_turns} loop turns")
        self._work += _WORK_OF_A_TURN + body
        if self._work >= self._next_reading:
            self.spend(0)

    def spend(self, work: int) -> None:
        """Count *work*, and read the clock when enough has been done since the last reading."""
        self._work += work
        if self._work >= self._next_reading:
            self._next_reading = self._work + _WORK_PER_CLOCK_READING
            self.seconds_left()

    def visit(self, *values: Value) -> None:
        """Count the work of going through the lists, hashes and texts among *values*; call it before doing so."""
        for value in values:
            if isinstance(value, list | dict):
                self.spend(len(value) * _WORK_OF_AN_ELEMENT)
            elif isinstance(value, str):
                self.spend(len(value))

    def allocate(self, size: int) -> None:
        """Count *size* bytes of a new value."""
        self._allocated += size
        if self._allocated >= self._next_check:
            self._check_memory()

    def _check_memory(self) -> None:
        self._next_check = self._allocated + _WORK_PER_CLOCK_READING
        if self._allocated > self.limits.memory:
            raise TemplateLimitError(f"values of more than {self.limits.memory} bytes in all")
        self.seconds_left()

    def created(self, value: Value) -> None:
        """Count the memory of a new list, hash or text."""
        kind = value.__class__
        if kind is str:
            self.allocate(_BYTES_OF_A_TEXT + 2 * len(value))  # type: ignore[arg-type]  # it is a text
        elif kind is list or kind is dict:
            self.allocate_elements(len(value) + 1)  # type: ignore[arg-type]  # it is a list or hash

    def allocate_elements(self, count: int) -> None:
        """Count the memory of new elements of a list or hash."""
        self.allocate(count * _BYTES_OF_AN_ELEMENT)

    def seconds_left(self) -> float:
        """Return the remaining time; raises TemplateLimitError when it is over."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self.out_of_time()
        return left

    def out_of_time(self) -> TemplateLimitError:
        """Return the error for a rendering that takes too long."""
        return TemplateLimitError(f"longer than {self.limits.seconds:g} seconds")

    def check_tokens(self, count: int) -> None:
        """Raise TemplateLimitError if a source has more than *count* tokens; call it after each token."""
        if count > self.limits.tokens:
            raise TemplateLimitError(f"more than {self.limits.tokens} words and signs in its directives")

    def check_length(self, length: int) -> None:
        """Raise TemplateLimitError if a text of *length* characters is too long; call it before creating the text."""
        if length > self.limits.output:
            raise TemplateLimitError(f"text longer than {self.limits.output} characters")

    def check_size(self, size: int) -> None:
        """Raise TemplateLimitError if a list of *size* elements is too long; call it before creating the list."""
        if size > self.limits.list_size:
            raise TemplateLimitError(f"list of more than {self.limits.list_size} elements")

    def checked(self, value: str) -> str:
        """Return the new text *value* after checking its length."""
        self.check_length(len(value))
        self.allocate(_BYTES_OF_A_TEXT + 2 * len(value))
        return value

    def checked_list(self, items: list[Value]) -> list[Value]:
        """Return the new list *items* after checking its size."""
        self.check_size(len(items))
        self.created(items)
        return items

    def checked_hash(self, pairs: dict[str, Value]) -> dict[str, Value]:
        """Return the new hash *pairs* after counting its memory."""
        self.created(pairs)
        return pairs

    def join(self, texts: Sequence[str], joint: str = "") -> str:
        """Join texts with *joint* between them."""
        length = sum(map(len, texts)) + len(joint) * len(texts)
        if length > self.limits.output:
            self.check_length(length)
        # Written out: every block and every text with variables comes here.
        self._allocated += _BYTES_OF_A_TEXT + 2 * length
        if self._allocated >= self._next_check:
            self._check_memory()
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
            self.spend(_WORK_OF_AN_ELEMENT)
            created.append(each)
        self.allocate(_BYTES_OF_A_TEXT + 2 * length)
        return joint.join(created)
