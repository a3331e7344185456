"""
The plugin Date: formats times with the C library's `strftime`.

The names of days and months come from the locale of the process, which this daemon never sets. A template's `locale`
argument is ignored, because a locale applies to all threads.

Source: Template Toolkit 2.27, Template::Plugin::Date; Perl 5.36, POSIX::strftime.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date

from koha_ill_sidecar.template_toolkit.context import Context
from koha_ill_sidecar.template_toolkit.errors import TemplateError
from koha_ill_sidecar.template_toolkit.text_methods import argument
from koha_ill_sidecar.template_toolkit.values import MISSING, Value, integer, split_arguments, text, truth

_FORMAT = "%H:%M:%S %d-%b-%Y"
_SECONDS = re.compile(r"-?\d+\n?")
_NOT_A_DIGIT = re.compile(r"\D")
_DAY = 86_400
# The days of 400 years, after which the calendar repeats.
_CYCLE = 146_097
# Beyond this Perl's calculation overflows its 32 bits.
_LARGEST_PART = 500_000
# Python tries buffers of up to this many characters per character of the format.
_BUFFER_FACTOR = 256


class Date:
    """Formats times; the named arguments of USE are the defaults for each call."""

    def __init__(self, context: Context, defaults: dict[str, Value]) -> None:
        self.context = context
        self._defaults = defaults

    def template_get(self, name: str, args: list[Value]) -> Value:
        """Call a method, or return a named argument of USE."""
        if method := _METHODS.get(name):
            return method(self, args)
        value = self._defaults.get(name)
        return MISSING if value is None else value

    def format(self, args: list[Value]) -> str:
        """
        Format a time: `format(time, format, locale, gmt)`; each argument can also be a named one.

        Raises:
            TemplateError: Of the kind `date` if the time cannot be parsed.
        """
        positional, named = split_arguments(args)
        given = argument(positional, 0)
        moment = given if truth(given) else self._option(named, "time")
        pattern = positional[1] if len(positional) > 1 else self._option(named, "format")
        gmt = positional[3] if len(positional) > 3 else self._option(named, "gmt")
        if len(positional) < 2 and not truth(pattern):
            pattern = _FORMAT
        written = text(moment) if truth(moment) else str(_now())
        return self._strftime(text(pattern), _fields(written, gmt=truth(gmt)))

    def _option(self, named: Mapping[str, Value], name: str) -> Value:
        return named[name] if truth(named.get(name)) else self._defaults.get(name)

    def _strftime(self, pattern: str, fields: time.struct_time) -> str:
        self.context.meter.check_length(len(pattern) * _BUFFER_FACTOR)
        # In C a string ends at its first zero byte.
        try:
            return time.strftime(pattern.partition("\0")[0], fields)
        except (ValueError, OverflowError) as error:
            raise TemplateError("date", f"cannot write the date: {error}") from error


def _now() -> int:
    return int(time.time())


def _fields(written: str, *, gmt: bool) -> time.struct_time:
    if not _SECONDS.fullmatch(written):
        return _normal(_parse(written))
    try:
        found = (time.gmtime if gmt else time.localtime)(integer(written))
    except (OverflowError, OSError, ValueError) as error:
        raise TemplateError("undef", f"{written} seconds are too far from 1970") from error
    return _normal(found[:6])


def _parse(written: str) -> Sequence[int]:
    """Read year, month, day, hour, minute and second, in this order or as `h:m:s d:m:y`, with any separators."""
    parts = _NOT_A_DIGIT.split(written)
    while parts and not parts[-1]:
        parts.pop()
    numbers = [integer(part) for part in parts[:6]]
    if len(numbers) < 6 or max(numbers) > _LARGEST_PART:
        raise TemplateError("date", f"bad time/date string:  expects 'h:m:s d:m:y'  got: '{written}'")
    if len(parts[0]) == 4:
        return numbers
    hour, minute, second, day, month, year = numbers
    return year, month, day, hour, minute, second


def _normal(fields: Sequence[int]) -> time.struct_time:
    """
    Normalise fields that are out of range, as Perl does before it formats them.

    Perl counts months of 30.6 days, so months above 13 are some days off. Second 60 stays: it may be a leap second.
    """
    year, month, day, hour, minute, second = fields
    leap = second if second <= 60 else 0
    more_days, rest = divmod(hour * 3600 + minute * 60 + second - leap, _DAY)
    cycles, ordinal = divmod(_ordinal(year, month, day + more_days) - 1, _CYCLE)
    found = date.fromordinal(ordinal + 1)
    year = found.year + cycles * 400
    whole = (year, found.month, found.day, rest // 3600, rest % 3600 // 60, leap + rest % 60)
    # The -1 means that daylight saving time is unknown; C then leaves %z empty.
    known = (*whole, found.weekday(), found.timetuple().tm_yday, -1)
    return time.struct_time((*known, *_zone(known)))


def _ordinal(year: int, month: int, day: int) -> int:
    """Return the number of the day, counted from 1 January of the year 1, which is day 1."""
    # If years start in March, the leap day is the last day of the year.
    month, year = (month + 12, year - 1) if month < 3 else (month, year)
    return 365 * year + year // 4 - year // 100 + year // 400 + (month + 1) * 153 // 5 + day - 428


def _zone(known: tuple[int, ...]) -> tuple[str, int]:
    try:
        local = time.localtime(time.mktime(time.struct_time(known)))
    except (OverflowError, OSError, ValueError):
        local = time.localtime()
    return local.tm_zone, local.tm_gmtoff


def _throw(context: Context, args: list[Value]) -> Value:
    raise TemplateError("date", context.meter.join_each(map(text, args), ", "))


def _refuse(module: str) -> Value:
    raise TemplateError("date", f"failed to load {module}: this engine runs no Perl")


_METHODS: dict[str, Callable[[Date, list[Value]], Value]] = {
    "calc": lambda _plugin, _args: _refuse("Date::Calc"),
    "format": Date.format,
    "manip": lambda _plugin, _args: _refuse("Date::Manip"),
    "now": lambda _plugin, _args: _now(),
    "throw": lambda plugin, args: _throw(plugin.context, args),
}


def make_date(context: Context, args: list[Value]) -> Date:
    """
    Create the plugin; it takes the arguments of `format` as named arguments.

    Raises:
        TemplateError: Of the kind `plugin` if the first argument is not a named one.
    """
    options = argument(args, 0)
    if not truth(options):
        return Date(context, {})
    if not isinstance(options, dict):
        raise TemplateError("plugin", "Date plugin failed: its arguments are named ones")
    return Date(context, dict(options))
