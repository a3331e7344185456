"""
The plugin Math: the functions of Perl and of its module Math::Trig, for real numbers.

The formulas are those of Math::Complex, so that the last digits are the same.

Source: Template Toolkit 2.27, Template::Plugin::Math; Perl 5.36, Math::Trig, Math::Complex, `perldoc -f`.
"""

import math
import re
import secrets
from collections.abc import Callable

from koha_ill_sidecar.template_toolkit.context import Context
from koha_ill_sidecar.template_toolkit.errors import TemplateError
from koha_ill_sidecar.template_toolkit.text_methods import argument
from koha_ill_sidecar.template_toolkit.values import (
    Number,
    Value,
    fit,
    number,
    text,
    truncate,
    truth,
)

_HEXADECIMAL = re.compile(r"(?:0?x)?((?:_?[0-9a-f])*)", re.IGNORECASE | re.ASCII)
_BINARY = re.compile(r"(?:0?b)?((?:_?[01])*)", re.IGNORECASE)
_OCTAL = re.compile(r"o?((?:_?[0-7])*)", re.IGNORECASE)
_LEADING_SPACE = " \t\n\x0b\f\r"
_WHOLE = re.compile(r"[ \t\n\x0b\f\r]*[+-]?(\d+)(?:\.\d*)?[ \t\n\x0b\f\r]*", re.ASCII)
_LARGEST_SEED = 2**64 - 1
# The random number generator drand48, which Perl uses.
_FACTOR, _ADDEND, _MODULUS, _START = 0x5DEECE66D, 0xB, 2**48, 0x330E


class Math:
    """Provides functions of numbers; an unknown name is undefined, as in Perl."""

    def __init__(self) -> None:
        self._state = _START + (secrets.randbits(32) << 16)

    def template_get(self, name: str, args: list[Value]) -> Value:
        """Call a function."""
        first = argument(args, 0)
        match name:
            case "rand":
                return self.rand(first)
            case "srand":
                return self.srand(text(first))
            case "hex" | "oct":
                return _FROM_TEXT[name](text(first))
            case "atan2":
                return math.atan2(number(first), number(argument(args, 1)))
            case "truly_random":
                raise TemplateError("plugin", "Can't load Math::TrulyRandom")
        if angles := _ANGLES.get(name):
            return _converted(number(first), *angles, wraps=not truth(argument(args, 1)))
        function = _FUNCTIONS.get(name)
        return None if function is None else _value(name, function, number(first))

    def rand(self, limit: Value) -> float:
        """Return a random number of at least 0 and less than *limit*, which is 1 by default."""
        self._state = (self._state * _FACTOR + _ADDEND) % _MODULUS
        return (number(limit) or 1) * (self._state / _MODULUS)

    def srand(self, seed: str) -> Value:
        """Seed `rand`, which then returns the same numbers as Perl; return the seed that is used."""
        match = _WHOLE.fullmatch(seed)
        chosen = min(int(match.group(1).lstrip("0")[:25] or 0), _LARGEST_SEED) if match else _LARGEST_SEED
        self._state = _START + (chosen % 2**32 << 16)
        return chosen or "0 but true"


def _value(name: str, function: Callable[[float], Number], given: Number) -> Number:
    try:
        return function(given)
    except ZeroDivisionError as error:
        raise TemplateError("undef", f"{name}({text(given)}): Division by zero.") from error
    except OverflowError:
        return math.inf
    except ValueError:
        # C's functions return NaN for infinite arguments.
        return math.nan


# Numbers from text.


def _hexadecimal(value: str) -> Number:
    return _digits(_HEXADECIMAL, value, 16)


def _octal(value: str) -> Number:
    rest = value.lstrip(_LEADING_SPACE)
    prefix = rest.removeprefix("0")[:1].lower()
    if prefix == "x":
        return _digits(_HEXADECIMAL, rest.removeprefix("0")[1:], 16)
    if prefix == "b":
        return _digits(_BINARY, rest.removeprefix("0")[1:], 2)
    return _digits(_OCTAL, rest.removeprefix("0"), 8)


def _digits(pattern: re.Pattern[str], value: str, base: int) -> Number:
    if any(character > "\xff" for character in value):
        raise TemplateError("undef", "Wide character in a number")
    match = pattern.match(value)
    digits = match.group(1).replace("_", "") if match else ""
    # Longer numbers are infinite, and Python would convert them slowly.
    return fit(int(digits, base)) if 0 < len(digits) <= 1100 else math.inf if digits.strip("0") else 0


_FROM_TEXT = {"hex": _hexadecimal, "oct": _octal}


# Perl's own functions.


def _log(value: float) -> float:
    if value <= 0:
        raise TemplateError("undef", f"Can't take log of {value:g}")
    return math.log(value)


def _sqrt(value: float) -> float:
    if value < 0:
        raise TemplateError("undef", f"Can't take sqrt of {value:g}")
    return math.sqrt(value)


# Functions of Math::Trig.


def _beyond(name: str, value: float) -> TemplateError:
    return TemplateError("undef", f"{name}({text(value)}) is not a real number")


def _asin(value: float) -> float:
    if abs(value) > 1:
        raise _beyond("asin", value)
    return math.atan2(value, math.sqrt(1 - value * value))


def _acos(value: float) -> float:
    if abs(value) > 1:
        raise _beyond("acos", value)
    return math.atan2(math.sqrt(1 - value * value), value)


def _acot(value: float) -> float:
    if value == 0:
        raise ZeroDivisionError
    return math.atan2(1, value) if value > 0 else math.atan2(-1, -value)


def _hyperbolic(value: float, sign: int) -> float:
    """Return sinh (*sign* -1) or cosh (1)."""
    power = _power(value)
    if power == 0:
        return sign * math.inf
    return (power + sign / power) / 2


def _power(value: float) -> float:
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf


def _sinh(value: float) -> float:
    return 0 if value == 0 else _hyperbolic(value, -1)


def _cosh(value: float) -> float:
    return _hyperbolic(value, 1)


def _quotient(dividend: float, divisor: float) -> float:
    if divisor == 0:
        raise ZeroDivisionError
    # Both may be infinite, and infinity divided by infinity is not a number.
    if abs(dividend) == abs(divisor):
        return 1 if dividend == divisor else -1
    return dividend / divisor


def _asinh(value: float) -> float:
    total = value + math.sqrt(value * value + 1)
    if total == 0:
        raise _beyond("asinh", value)
    return math.log(total)


def _acosh(value: float) -> float:
    if value < 1:
        raise _beyond("acosh", value)
    return math.log(value + math.sqrt(value * value - 1))


def _atanh(value: float) -> float:
    if abs(value) == 1:
        raise ZeroDivisionError
    if abs(value) > 1:
        raise _beyond("atanh", value)
    return math.log((1 + value) / (1 - value)) / 2


def _acoth(value: float) -> float:
    if value in (-1, 0, 1):
        raise ZeroDivisionError
    if abs(value) < 1:
        raise _beyond("acoth", value)
    return math.log((value + 1) / (value - 1)) / 2


_FUNCTIONS: dict[str, Callable[[float], Number]] = {
    "abs": abs,
    "acos": _acos,
    "acos_real": lambda value: _acos(max(-1, min(1, value))),
    "acosh": _acosh,
    "acot": _acot,
    "acoth": _acoth,
    "acsc": lambda value: _asin(1 / value),
    "acsch": lambda value: _asinh(1 / value),
    "asec": lambda value: _acos(1 / value),
    "asech": lambda value: _acosh(1 / value),
    "asin": _asin,
    "asin_real": lambda value: _asin(max(-1, min(1, value))),
    "asinh": _asinh,
    "atan": lambda value: math.atan2(value, 1),
    "atanh": _atanh,
    "cos": math.cos,
    "cosh": _cosh,
    "cot": lambda value: math.cos(value) / math.sin(value),
    "coth": lambda value: _quotient(_cosh(value), _sinh(value)),
    "csc": lambda value: 1 / math.sin(value),
    "csch": lambda value: 1 / _sinh(value),
    "exp": math.exp,
    "int": truncate,
    "log": _log,
    "pi": lambda _: math.pi,
    "sec": lambda value: 1 / math.cos(value),
    "sech": lambda value: 1 / _cosh(value),
    "sin": math.sin,
    "sinh": _sinh,
    "sqrt": _sqrt,
    "tan": lambda value: math.sin(value) / math.cos(value),
    "tanh": lambda value: _quotient(_sinh(value), _cosh(value)),
}
_FUNCTIONS |= {
    # Math::Trig's longer names: cosec, acosech, cotan and so on.
    prefix + long + suffix: _FUNCTIONS[prefix + short + suffix]
    for long, short in (("cosec", "csc"), ("cotan", "cot"))
    for prefix in ("", "a")
    for suffix in ("", "h")
}

_TURN = {"deg": 360.0, "grad": 400.0, "rad": 2 * math.pi}
_ANGLES = {
    f"{unit}2{other}": (_TURN[unit], _TURN[other]) for unit in _TURN for other in _TURN if unit != other
}


def _converted(angle: Number, turn: float, other_turn: float, *, wraps: bool) -> float:
    converted = other_turn / turn * angle
    if not wraps:
        return converted
    if not math.isfinite(converted):
        return math.nan
    return converted - other_turn * math.trunc(converted / other_turn)


def make_math(_context: Context, args: list[Value]) -> Math:
    """
    Create the plugin; its named arguments are ignored.

    Raises:
        TemplateError: Of the kind `plugin` if the first argument is not a named one.
    """
    options = argument(args, 0)
    if truth(options) and not isinstance(options, dict):
        raise TemplateError("plugin", "Math plugin failed: its arguments are named ones")
    return Math()
