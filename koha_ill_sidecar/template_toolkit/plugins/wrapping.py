"""
The plugin Wrap: breaks text into lines.

A column is a character with its combining marks. As in Perl, tabs (every eight columns) become spaces before the text
is wrapped, and runs of spaces that end at a tab stop become tabs afterwards.

Source: Template Toolkit 2.27, Template::Plugin::Wrap; Perl 5.36, Text::Wrap and Text::Tabs 2021.0814.
"""

import unicodedata
from collections.abc import Callable, Sequence
from itertools import chain, repeat

from koha_ill_sidecar.template_toolkit.context import Context
from koha_ill_sidecar.template_toolkit.errors import TemplateError
from koha_ill_sidecar.template_toolkit.limits import Meter
from koha_ill_sidecar.template_toolkit.text_methods import argument
from koha_ill_sidecar.template_toolkit.values import Number, Value, number, subtract, text, truth

_TAB = 8
_WIDTH = 72
# Perl counts columns with a pattern; this is the largest number of repetitions in one.
_WIDEST_LINE = 65_534
# White space in Python, but not in Perl.
_SEPARATORS = "\x1c\x1d\x1e\x1f"


def make_wrap(context: Context, _args: list[Value]) -> Callable[..., Value]:
    """Return a function `(text, width, first indent, further indents)`; the plugin itself takes no arguments."""

    def wrap(*given: Value) -> Value:
        value, *options = given or ("",)
        wrapped = _wrap(context.meter, text(value), options)
        # Perl returns its arguments if a line has no room for a character.
        return [*_indents(options), value] if wrapped is None else wrapped

    return wrap


def wrap_filter(meter: Meter, args: list[Value]) -> Callable[[str], str]:
    """Return the filter `wrap(width, first indent, further indents)`."""

    def wrap(value: str) -> str:
        wrapped = _wrap(meter, value, args)
        # Here Perl returns the number of its arguments.
        return "3" if wrapped is None else wrapped

    return wrap


def _indents(options: list[Value]) -> tuple[str, str]:
    return text(argument(options, 1)), text(argument(options, 2))


def _wrap(meter: Meter, value: str, options: list[Value]) -> str | None:
    width = argument(options, 0)
    first, further = _indents(options)
    columns = number(width if truth(width) else _WIDTH)
    further_width = _columns(_expand(meter, further))
    room = subtract(columns, further_width + 1)
    if room <= 0 and further:
        columns, room = further_width + 2, 1
    first_room = max(0, subtract(columns, _columns(_expand(meter, first)) + 1))
    breaker = _LineBreaker(meter, _clusters(_expand(meter, value)))
    return breaker.wrap((first, first_room), (further, room), gives_up=columns < 2)


class _LineBreaker:
    """Breaks a text into lines and tracks the position in it."""

    def __init__(self, meter: Meter, clusters: Sequence[str]) -> None:
        self._meter = meter
        self._clusters = clusters
        self._position = 0
        self._empty_at = -1
        # White space at the end is ignored.
        self._end = len(clusters)
        while self._end and _is_space(clusters[self._end - 1]):
            self._end -= 1

    def wrap(self, first: tuple[str, Number], further: tuple[str, Number], *, gives_up: bool) -> str | None:
        """
        Return the wrapped text; None if no character fits into a line and Perl *gives_up*.

        Raises:
            TemplateError: No character fits into a line, and Perl fails.
        """
        lines: list[str] = []
        length = 0
        separator = ""
        for indent, room in chain((first,), repeat(further)):
            if self._position >= self._end:
                break
            taken = self._next_line(room)
            if taken is None and gives_up:
                return None
            if taken is None:
                raise TemplateError("undef", "wrap: a line takes no whole number of columns")
            line, separator = taken
            lines.append(_unexpand(self._meter, indent + line))
            length += len(lines[-1]) + 1
            self._meter.check_length(length)
            self._meter.seconds_left()
        return "\n".join(lines) + separator

    def _next_line(self, room: Number) -> tuple[str, str] | None:
        """Return the next line and the separator after it; None if no character fits."""
        if not isinstance(room, int) or room < 0:
            return None
        if room > _WIDEST_LINE:
            raise TemplateError("undef", f"wrap: more than {_WIDEST_LINE + 2} columns")
        start, stop = self._position, self._stop(room)
        for end in range(stop, start - 1, -1):
            if end == len(self._clusters) or _is_space(self._clusters[end]):
                self._position = end + (2 if self._is_carriage_return(end) else 1)
                return "".join(self._clusters[start:end]), "".join(self._clusters[end : self._position])
        if stop == start:
            # Perl accepts an empty line only once at each position.
            if room or self._empty_at == start:
                return None
            self._empty_at = start
        self._position = stop
        return "".join(self._clusters[start:stop]), "\n"

    def _stop(self, room: int) -> int:
        last = min(self._position + room, len(self._clusters))
        if _is_mark(self._clusters[self._position][0]):
            # A mark without a character before it is not a column of its own.
            return self._position
        for index in range(self._position, last):
            if self._clusters[index].startswith("\n"):
                return index
        return last

    def _is_carriage_return(self, index: int) -> bool:
        return "".join(self._clusters[index : index + 2]) == "\r\n"


def _is_space(cluster: str) -> bool:
    return cluster[0].isspace() and cluster[0] not in _SEPARATORS


def _is_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("M")


def _clusters(value: str) -> Sequence[str]:
    if value.isascii() or not any(map(_is_mark, value)):
        return value
    clusters: list[str] = []
    for character in value:
        if clusters and _is_mark(character):
            clusters[-1] += character
        else:
            clusters.append(character)
    return clusters


def _columns(value: str) -> int:
    return len(value) if value.isascii() else sum(not _is_mark(character) for character in value)


def _expand(meter: Meter, value: str) -> str:
    meter.check_length(len(value) + value.count("\t") * _TAB)
    lines = []
    for line in value.split("\n"):
        *fields, last = line.split("\t")
        lines.append("".join([*(field + " " * (_TAB - _columns(field) % _TAB) for field in fields), last]))
    return "\n".join(lines)


def _unexpand(meter: Meter, value: str) -> str:
    return "\n".join(map(_with_tabs, _expand(meter, value).split("\n")))


def _with_tabs(line: str) -> str:
    unmarked = 0
    while unmarked < len(line) and _is_mark(line[unmarked]):
        unmarked += 1
    clusters = _clusters(line[unmarked:])
    whole = len(clusters) // _TAB * _TAB
    stretches = ["".join(clusters[start : start + _TAB]) for start in range(0, whole, _TAB)]
    return line[:unmarked] + "".join([*map(_with_final_tab, stretches), *clusters[whole:]])


def _with_final_tab(stretch: str) -> str:
    without = stretch.rstrip(" ")
    return without + "\t" if len(stretch) - len(without) > 1 else stretch
