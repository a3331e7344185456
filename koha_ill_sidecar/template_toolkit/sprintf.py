"""
Perl's `sprintf`.

Source: Perl, perldoc -f sprintf.
"""

import re
from collections.abc import Iterator

from koha_ill_sidecar.template_toolkit.errors import TemplateError
from koha_ill_sidecar.template_toolkit.values import Value, integer, number, text

_CONVERSION = re.compile(
    r"%(?P<index>\d+\$)?(?P<flags>[ +\-0#]*)(?P<width>\*|\d+)?(?:\.(?P<precision>\*|\d*))?"
    r"(?:hh|h|ll|l|q|L|V|z|t|j)?(?P<type>[%csduioxXbBeEfFgGDUO])"
)
_INTEGER_FORMATS = {"o": "o", "x": "x", "X": "X", "b": "b", "B": "b", "O": "o"}
_PREFIXES = {"o": "0", "x": "0x", "X": "0X", "b": "0b", "B": "0B"}
_UNSIGNED = 2**64  # Perl's integers have 64 bits; negative ones wrap in %x, %o, %b and %u


def sprintf(pattern: str, args: list[Value], longest: int) -> str:
    """
    Format as Perl's `sprintf` does; invalid conversions stay unchanged.

    Raises:
        TemplateError: A width or precision is greater than *longest*.
    """
    rest = iter(args)

    def convert(match: re.Match[str]) -> str:
        return _convert(match, args, rest, longest)

    return _CONVERSION.sub(convert, pattern)


def _convert(match: re.Match[str], args: list[Value], rest: Iterator[Value], longest: int) -> str:
    kind = match.group("type")
    if kind == "%":
        return "%"
    flags = match.group("flags")
    width = _size(match.group("width"), rest)
    if width is not None and width < 0:
        flags, width = flags + "-", -width
    precision = _size(match.group("precision"), rest)
    if max(width or 0, precision or 0) > longest:
        raise TemplateError("undef", f"sprintf: more than {longest} characters")
    index = match.group("index")
    value = _argument(args, int(index[:-1][:9])) if index else next(rest, None)
    return _pad(
        _formatted(kind, flags, precision, value), flags, width or 0, zero=_zero_pads(kind, precision)
    )


def _argument(args: list[Value], number: int) -> Value:
    return args[number - 1] if 0 < number <= len(args) else None


def _size(spec: str | None, rest: Iterator[Value]) -> int | None:
    if spec is None:
        return None
    return integer(next(rest, None)) if spec == "*" else int(spec[:9] or "0")


def _zero_pads(kind: str, precision: int | None) -> bool:
    return kind in "eEfFgGsc" or precision is None


def _formatted(kind: str, flags: str, precision: int | None, value: Value) -> str:
    if kind == "s":
        return text(value) if precision is None or precision < 0 else text(value)[:precision]
    if kind == "c":
        return _character(integer(value))
    if kind in "eEfFgG":
        return _float(kind, flags, precision, float(number(value)))
    return _whole(kind, flags, precision, value)


def _character(code: int) -> str:
    if code < 0:
        raise TemplateError("undef", f"sprintf: no character has the number {code}")
    return chr(code) if code <= 0x10FFFF else "\ufffd"


def _float(kind: str, flags: str, precision: int | None, value: float) -> str:
    if value != value or value in (float("inf"), float("-inf")):
        return _signed(text(abs(value)), flags, negative=value < 0)
    digits = 6 if precision is None or precision < 0 else precision
    alternate = "#" if "#" in flags else ""
    formatted = f"{abs(value):{alternate}.{digits}{kind}}"
    return _signed(formatted, flags, negative=value < 0 or (value == 0 and str(value).startswith("-")))


def _whole(kind: str, flags: str, precision: int | None, value: Value) -> str:
    whole = integer(value)
    if kind in _INTEGER_FORMATS:
        digits = format(whole % _UNSIGNED, _INTEGER_FORMATS[kind]).rjust(precision or 0, "0")
        prefixed = "#" in flags and whole
        return _PREFIXES.get(kind, "0") + digits if prefixed else digits
    if kind in "uU":
        return str(whole % _UNSIGNED).rjust(precision or 0, "0")
    whole = _as_signed(whole)
    digits = "" if precision == 0 and whole == 0 else str(abs(whole)).rjust(precision or 0, "0")
    return _signed(digits, flags, negative=whole < 0)


def _as_signed(whole: int) -> int:
    """Wrap numbers above the largest signed integer to negative ones, as Perl's cast does."""
    return whole - _UNSIGNED if whole >= _UNSIGNED // 2 else whole


def _signed(digits: str, flags: str, *, negative: bool) -> str:
    if negative:
        return "-" + digits
    if "+" in flags:
        return "+" + digits
    return " " + digits if " " in flags else digits


def _pad(formatted: str, flags: str, width: int, *, zero: bool) -> str:
    if len(formatted) >= width:
        return formatted
    if "-" in flags:
        return formatted.ljust(width)
    if "0" in flags and zero:
        sign = formatted[0] if formatted[:1] in ("-", "+", " ") else ""
        prefix = sign + (
            formatted[len(sign) : len(sign) + 2] if formatted[len(sign) :][:2] in ("0x", "0X", "0b") else ""
        )
        return prefix + formatted[len(prefix) :].rjust(width - len(prefix), "0")
    return formatted.rjust(width)
