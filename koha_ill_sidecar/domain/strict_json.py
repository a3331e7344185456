"""
Read JSON from other systems strictly, and write our own.

If two programs read the same bytes differently, a check can be bypassed. So what RFC 8259 leaves open is an error here:
duplicate keys, NaN, and texts that cannot be written as UTF-8.
"""

import json
from collections import Counter
from decimal import Decimal
from typing import Never, TypeAlias

from koha_ill_sidecar.errors import NotStrictJSON

MAX_DEPTH = 32
"""How deep objects and lists may be nested; a callback needs three levels."""

# A longer number is no price, ID or time, and slow to compute with.
_MAX_DIGITS = 64
_MAX_EXPONENT = 300

JSONValue: TypeAlias = "bool | int | Decimal | str | list[JSONValue] | dict[str, JSONValue] | None"


# Made once: json.dumps makes an encoder at each call, which takes longer than encoding our short values.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def dumps(value: object) -> str:
    """Write a value of our own as JSON as Koha writes its own: without spaces, other scripts not escaped."""
    return _ENCODER.encode(value)


def loads(data: bytes) -> JSONValue:
    """
    Read one JSON value; numbers with a fraction become Decimal.

    Raises:
        NotStrictJSON: The bytes are not UTF-8 or not JSON, an object has a key twice, a number is NaN, infinite or
            absurdly long, a text has half a surrogate pair, or it is nested deeper than MAX_DEPTH.
    """
    try:
        text = data.decode("utf-8")
        value: JSONValue = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_float=_decimal,
            parse_int=_integer,
        )
    except UnicodeDecodeError as error:
        raise NotStrictJSON(f"The body is not UTF-8: byte {error.start} cannot be read.") from error
    except RecursionError as error:
        raise NotStrictJSON(_TOO_DEEP) from error
    except json.JSONDecodeError as error:
        raise NotStrictJSON(
            f"The body is not JSON: {error.msg} in line {error.lineno}, column {error.colno}."
        ) from error
    _check(value, depth=0)
    return value


def pretty(data: bytes) -> str | None:
    """Lay out JSON for people to read; None for bytes that are not JSON, or not strict."""
    try:
        loads(data)
    except NotStrictJSON:
        return None
    return json.dumps(json.loads(data), indent=2, ensure_ascii=False)  # with numbers as they were written


_TOO_DEEP = f"The body nests objects and lists deeper than {MAX_DEPTH}."


def _object(pairs: list[tuple[str, JSONValue]]) -> JSONValue:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise NotStrictJSON(f"The body has the key {twice[:100]!a} twice in one object.")
    return found


def _refuse_constant(name: str) -> Never:
    raise NotStrictJSON(f"The body holds {name}, which is not JSON.")


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise NotStrictJSON(
            f"The body holds a number of {len(digits)} digits; at most {_MAX_DIGITS} are read."
        )
    return int(digits)


def _decimal(digits: str) -> Decimal:
    number = Decimal(digits) if len(digits) <= _MAX_DIGITS else None
    if number is None or abs(number.adjusted()) > _MAX_EXPONENT:
        raise NotStrictJSON("The body holds a number that is longer than any price or time.")
    return number


def _check(value: JSONValue, *, depth: int) -> None:
    match value:
        case str():
            _check_text(value)
        case dict() | list() if depth >= MAX_DEPTH:
            raise NotStrictJSON(_TOO_DEEP)
        case dict():
            for key, member in value.items():
                _check_text(key)
                _check(member, depth=depth + 1)
        case list():
            for item in value:
                _check(item, depth=depth + 1)


def _check_text(text: str) -> None:
    # JSON's grammar allows "\ud800" alone, but no file, table or log can hold it.
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise NotStrictJSON("The body holds one half of a surrogate pair, which stands for no character.")
