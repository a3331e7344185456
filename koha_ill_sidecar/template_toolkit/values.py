"""
Text, numbers and truth as Perl understands them.

A value is None, str, int, float, bool, list, dict, a callable or a template object. Perl has one scalar type for text
and numbers. These functions convert on use, as Perl does: with 64-bit integers, 15 significant digits, and the number
at the start of a text.
"""

import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Final, Protocol, TypeAlias, TypeVar, runtime_checkable

from koha_ill_sidecar.template_toolkit.errors import TemplateError

Value: TypeAlias = object
Number: TypeAlias = int | float


class _Missing:
    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
"""`TemplateObject.template_get` returns this for an unknown name."""


@runtime_checkable
class TemplateObject(Protocol):
    """An object that templates can access, only through this method."""

    def template_get(self, name: str, args: list[object]) -> object:
        """
        Return `object.name(args)`, or `MISSING` for an unknown name.

        Named arguments are a dict at the end of *args*, as in Template Toolkit.
        """


@runtime_checkable
class TemplateText(Protocol):
    """A template object that can be printed."""

    def template_text(self) -> str:
        """Return the text of the object."""


_LARGEST_INTEGER = 2**64 - 1
_SMALLEST_INTEGER = -(2**63)
# A double holds integers exactly up to here, and Perl converts an integral double back to an integer.
_EXACT_DOUBLE = 2**53
# Below this, a double prints with all its digits.
_LONGEST_PRINTED = 10**15
_SPACE = " \t\n\x0b\f\r"
_NUMBER = re.compile(r"[ \t\n\x0b\f\r]*([+-]?)(?:(\d+)(\.\d*)?|(\.\d+))([eE][+-]?\d+)?", re.ASCII)
_INFINITE = re.compile(r"[ \t\n\x0b\f\r]*([+-]?)(inf(?:inity)?|nan)", re.ASCII | re.IGNORECASE)
_MAGIC = re.compile(r"[a-zA-Z]*[0-9]*\Z", re.ASCII)


def text(value: Value) -> str:
    """Return the text that Perl would print for *value*."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, int):
        return str(int(value))  # True is 1 in Perl
    if isinstance(value, float):
        return _float_text(value)
    return _reference_text(value)


def _float_text(value: float) -> str:
    if math.isfinite(value):
        if value == 0:
            return "0"
        return f"{value:.15g}"
    if math.isnan(value):
        return "NaN"
    return "Inf" if value > 0 else "-Inf"


def _reference_text(value: Value) -> str:
    if isinstance(value, TemplateText):
        return value.template_text()
    return f"{_reference_type(value)}(0x{id(value):x})"


def _reference_type(value: Value) -> str:
    if isinstance(value, dict):
        return "HASH"
    if isinstance(value, list):
        return "ARRAY"
    if isinstance(value, TemplateObject):
        return "OBJECT"
    if callable(value):
        return "CODE"
    raise TemplateError("undef", f"a value of type {type(value).__name__} has no meaning in a template")


def is_reference(value: Value) -> bool:
    """Return whether *value* is a list, a hash, code or an object."""
    return not (value is None or isinstance(value, str | int | float))


def truth(value: Value) -> bool:
    """Return whether *value* is true in Perl."""
    if isinstance(value, str):
        return value not in ("", "0")
    if value is None:
        return False
    if isinstance(value, int | float):
        return value != 0
    return text(value) not in ("", "0") if hasattr(value, "template_text") else True


def number(value: Value) -> Number:
    """Return the number that Perl reads from *value*, 0 if there is none."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float):
        return value
    if isinstance(value, str):
        return text_number(value)
    if hasattr(value, "template_text"):
        return text_number(text(value))
    return id(value) if is_reference(value) else 0


def text_number(value: str) -> Number:
    """
    Return the number at the start of *value*, 0 if there is none.

    As in Perl 5.36, a large whole number stays exact if it is the whole text, even with an exponent.
    """
    match = _NUMBER.match(value)
    if match is None:
        return _infinite(value)
    sign, whole, fraction, only_fraction, exponent = match.groups()
    if only_fraction is None and fraction is None and exponent is None:
        # More digits than any double has; Python would need long to convert millions of them.
        return fit(int(sign + whole[:400]))
    double = float(match.group())
    is_integer = exponent is not None and double.is_integer() and not value[match.end() :].strip(_SPACE)
    return int(double) if is_integer and _SMALLEST_INTEGER <= double <= _LARGEST_INTEGER else double


def _infinite(value: str) -> Number:
    match = _INFINITE.match(value)
    if match is None:
        return 0
    return float(match.group(1) + match.group(2)[:3])


def looks_like_number(value: Value) -> bool:
    """Return whether the whole of *value* is a number."""
    if isinstance(value, int | float):
        return True
    if not isinstance(value, str):
        return False
    match = _NUMBER.match(value) or _INFINITE.match(value)
    return match is not None and not value[match.end() :].strip(_SPACE)


def integer(value: Value) -> int:
    """Return *value* without its fraction, limited to Perl's 64 bits."""
    found = number(value)
    if isinstance(found, int):
        return found
    if math.isnan(found):
        return 0
    if math.isinf(found):
        return _LARGEST_INTEGER if found > 0 else _SMALLEST_INTEGER
    return max(_SMALLEST_INTEGER, min(_LARGEST_INTEGER, int(found)))


def fit(value: int) -> Number:
    """Return an integer that fits Perl's 64 bits unchanged, and a larger one as a double."""
    if _SMALLEST_INTEGER <= value <= _LARGEST_INTEGER:
        return value
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _operand(value: Value) -> Number:
    found = number(value)
    if isinstance(found, float) and abs(found) < _EXACT_DOUBLE and found.is_integer():
        return int(found)
    return found


def _is_exact(*operands: Value) -> bool:
    """Return whether every operand is a number without other text; otherwise Perl computes with doubles."""
    return all(operand is None or looks_like_number(operand) for operand in operands)


def _compute(operation: Callable[[Number, Number], Number], left: Value, right: Value) -> Number:
    first, second = _operand(left), _operand(right)
    result = operation(first, second)
    if isinstance(result, float) or abs(result) < _LONGEST_PRINTED:
        return result
    fits = _SMALLEST_INTEGER <= result <= _LARGEST_INTEGER
    return result if fits and _is_exact(left, right) else operation(float(first), float(second))


def add(left: Value, right: Value) -> Number:
    """Add as Perl does."""
    return _compute(operator.add, left, right)


def subtract(left: Value, right: Value) -> Number:
    """Subtract as Perl does."""
    return _compute(operator.sub, left, right)


def multiply(left: Value, right: Value) -> Number:
    """Multiply as Perl does."""
    return _compute(operator.mul, left, right)


def divide(left: Value, right: Value) -> Number:
    """
    Divide as Perl does: exactly if both are integers too large for a double, otherwise as doubles.

    Raises:
        TemplateError: The divisor is zero.
    """
    dividend, divisor = _operand(left), _operand(right)
    if divisor == 0:
        raise TemplateError("undef", "Illegal division by zero")
    whole = isinstance(dividend, int) and isinstance(divisor, int) and dividend % divisor == 0
    if whole and abs(dividend) > _EXACT_DOUBLE and _is_exact(left, right):
        return fit(int(dividend // divisor))
    return float(dividend) / float(divisor)


def truncate(value: Value) -> Number:
    """Round *value* towards zero, as Perl's `int` does."""
    found = number(value)
    if isinstance(found, float) and math.isfinite(found):
        return fit(int(found)) if abs(found) < _LARGEST_INTEGER else float(math.trunc(found))
    return found


def modulo(left: Value, right: Value) -> Number:
    """
    Return the remainder with the sign of *right*, computed with whole numbers, or with doubles beyond 64 bits.

    Raises:
        TemplateError: *right* is zero without its fraction.

    Source: Perl, perlop "Multiplicative Operators", and the behaviour of Perl 5.36 where perlop is silent.
    """
    dividend, divisor = number(left), number(right)
    if abs(dividend) <= _LARGEST_INTEGER and abs(divisor) <= _LARGEST_INTEGER:
        return int(dividend) % _modulus(int(divisor))
    if isinstance(divisor, float) and abs(divisor) <= _LARGEST_INTEGER:
        divisor = math.copysign(math.floor(abs(divisor) + 0.5), divisor)
    return _remainder(dividend, _modulus(divisor))


_Modulus = TypeVar("_Modulus", int, float)


def _modulus(divisor: _Modulus) -> _Modulus:
    if divisor == 0:
        raise TemplateError("undef", "Illegal modulus zero")
    return divisor


def _remainder(dividend: float, divisor: float) -> float:
    if math.isinf(dividend):
        return math.nan
    rest = math.fmod(abs(dividend), abs(divisor))
    if rest and (dividend < 0) != (divisor < 0):
        rest = abs(divisor) - rest
    return math.copysign(rest, divisor)


def successor(value: Value) -> Value:
    """Increment *value* as Perl's `++` does: `az` becomes `ba`, `a9` becomes `b0`, 1 becomes 2."""
    if isinstance(value, str) and value and _MAGIC.match(value) and not value.isdigit():
        return _text_successor(value)
    return add(value, 1)


def _text_successor(value: str) -> str:
    characters = list(value)
    for index in range(len(characters) - 1, -1, -1):
        last = {"z": "a", "Z": "A", "9": "0"}.get(characters[index])
        if last is None:
            characters[index] = chr(ord(characters[index]) + 1)
            return "".join(characters)
        characters[index] = last
    first = characters[0]
    return ("1" if first == "0" else first) + "".join(characters)


def range_values(first: Value, last: Value, largest: int) -> list[Value]:
    """
    Return the list `[first..last]`, of numbers, or of texts that are incremented as `++` does.

    Raises:
        TemplateError: The range has more than *largest* elements.
    """
    if _is_numeric_range(first, last):
        start, stop = integer(first), integer(last)
        if stop - start >= largest:
            raise TemplateError("undef", f"range of more than {largest} elements")
        return list(range(start, stop + 1))
    return _text_range(text(first), text(last), largest)


def _is_numeric_range(first: Value, last: Value) -> bool:
    if isinstance(first, int | float) or isinstance(last, int | float):
        return True
    beginning = text(first)
    if not beginning:
        return text(last) != "" and looks_like_number(last)
    leading_zero = len(beginning) > 1 and beginning.startswith("0")
    return looks_like_number(first) and not leading_zero and looks_like_number(last)


def _text_range(first: str, last: str, largest: int) -> list[Value]:
    if not first or not _MAGIC.match(first):
        return [first]
    found: list[Value] = []
    current: str = first
    while len(current) <= len(last):
        found.append(current)
        if current == last:
            break
        if len(found) > largest:
            raise TemplateError("undef", f"range of more than {largest} elements")
        current = _text_successor(current)
    return found


def split_arguments(args: list[Value]) -> tuple[list[Value], Mapping[str, Value]]:
    """Separate positional arguments from the named ones, which are a hash at the end."""
    if args and isinstance(args[-1], dict):
        return args[:-1], args[-1]
    return args, {}
