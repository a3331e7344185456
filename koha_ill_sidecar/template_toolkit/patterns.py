"""
Search, replace and split with Perl's regular expressions.

The library `regex` supports most of Perl's syntax; `pattern_syntax` translates the rest.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import regex

from koha_ill_sidecar.template_toolkit.errors import TemplateError, TemplateLimitError
from koha_ill_sidecar.template_toolkit.limits import Meter
from koha_ill_sidecar.template_toolkit.pattern_syntax import translate
from koha_ill_sidecar.template_toolkit.values import Value

Match = regex.Match[str]

# The memory of a search grows with the text, up to about a hundred bytes per character.
_LONGEST_TEXT = 1_000_000


class Pattern:
    """A compiled pattern. Its searches stop at the time limit of the rendering."""

    __slots__ = ("_regex", "_source")

    def __init__(self, source: str) -> None:
        self._source = source
        try:
            self._regex = regex.compile(translate(source), regex.VERSION1)
        except (regex.error, ValueError, RecursionError, OverflowError) as error:
            raise TemplateError("undef", f"pattern /{source}/: {error}") from error

    @property
    def groups(self) -> int:
        """The number of capturing groups."""
        return self._regex.groups

    def search(self, value: str, meter: Meter) -> Match | None:
        """Find the first match."""
        with self._bounded(value, meter) as seconds:
            return self._regex.search(value, timeout=seconds)

    def find_all(self, value: str, meter: Meter) -> Iterator[Match]:
        """Yield all matches from left to right."""
        with self._bounded(value, meter) as seconds:
            yield from self._regex.finditer(value, timeout=seconds)

    def replace(
        self, replacement: Callable[[Match], str], value: str, meter: Meter, *, count: int = 0
    ) -> str:
        """Replace each match, or the first *count* matches."""
        pieces: list[str] = []
        length = end = 0
        for number, match in enumerate(self.find_all(value, meter), 1):
            pieces += (value[end : match.start()], replacement(match))
            length += len(pieces[-2]) + len(pieces[-1])
            meter.check_length(length)
            end = match.end()
            if number == count:
                break
        return meter.checked("".join((*pieces, value[end:])))

    @contextmanager
    def _bounded(self, value: str, meter: Meter) -> Iterator[float]:
        if len(value) > _LONGEST_TEXT:
            raise TemplateLimitError(f"pattern on a text longer than {_LONGEST_TEXT} characters")
        try:
            yield meter.seconds_left()
        except TimeoutError as error:
            raise meter.out_of_time() from error
        except (MemoryError, regex.error) as error:
            raise TemplateLimitError(f"pattern /{self._source}/ takes too much memory") from error


@functools.lru_cache(maxsize=512)
def compile_pattern(source: str) -> Pattern:
    """
    Compile a Perl pattern.

    Raises:
        TemplateError: The pattern is invalid or not supported.
    """
    return Pattern(source)


def split(pattern: Pattern | None, value: str, limit: int, meter: Meter) -> list[Value]:
    """
    Split as Perl does.

    Without a *pattern* it splits at white space. With the *limit* 0 it drops empty fields at the end.
    """
    if pattern is None:
        pattern = _WHITE_SPACE
        value = _LEADING_SPACE.replace(lambda _: "", value, meter)
    if value == "":
        return []
    fields: list[Value] = []
    start = 0
    for match in pattern.find_all(value, meter):
        if 0 < limit <= len(fields) // (pattern.groups + 1) + 1:
            break
        if match.end() == start and match.end() == match.start():
            continue
        fields.append(value[start : match.start()])
        fields.extend(match.groups())
        start = match.end()
    fields.append(value[start:])
    if limit == 0:
        while fields and fields[-1] in (None, ""):
            fields.pop()
    return fields


_WHITE_SPACE = compile_pattern(r"\s+")
_LEADING_SPACE = compile_pattern(r"\A\s+")
