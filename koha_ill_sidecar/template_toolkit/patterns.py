"""
Perl's regular expressions and `sprintf`, as far as templates use them.

Patterns are translated to Python's `re`, which agrees on most of the notation. What has no counterpart
(`\\p{...}`, `\\K`, `\\G`, recursion, embedded code) is an error that says so.
"""

import functools
import re
from collections.abc import Iterator

from koha_ill_sidecar.template_toolkit.errors import TemplateError
from koha_ill_sidecar.template_toolkit.values import Value, integer, number, text

_POSIX = {
    "alpha": r"^\W\d_",
    "digit": r"\d",
    "alnum": r"^\W_",
    "upper": "A-Z",
    "lower": "a-z",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\s",
    "word": r"\w",
    "xdigit": "0-9A-Fa-f",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
}
_ESCAPES = {
    "z": r"\Z",
    "Z": r"(?=\n?\Z)",
    "h": r"[ \t\xa0\u1680\u2000-\u200a\u202f\u205f\u3000]",
    "H": r"[^ \t\xa0\u1680\u2000-\u200a\u202f\u205f\u3000]",
    "v": r"[\n\x0b\f\r\x85\u2028\u2029]",
    "V": r"[^\n\x0b\f\r\x85\u2028\u2029]",
    "R": r"(?:\r\n|[\n\x0b\f\r\x85\u2028\u2029])",
    "N": r"[^\n]",
    "e": r"\x1b",
}
_KNOWN_ESCAPES = frozenset("AbBdDsSwWafnrtx0123456789")
_REFUSED_ESCAPES = frozenset("pPKGXCgk")
_HEX = re.compile(r"\\x\{\s*([0-9A-Fa-f]{1,6})\s*\}")
_CONSTRUCT = re.compile(
    r"\\x\{[^}]*\}|\\.|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]|\(\?<(?![=!])|\(\?\??\{|.", re.DOTALL
)
_CLASS_PART = re.compile(r"\[:(\^?)(\w+):\]|\\x\{[^}]*\}|\\.|.", re.DOTALL)


@functools.lru_cache(maxsize=512)
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """
    Translate and compile a Perl pattern.

    Raises:
        TemplateError: The pattern is wrong, or of a kind that Python has nothing for.
    """
    try:
        return re.compile("".join(_translated(pattern)))
    except (re.error, RecursionError, OverflowError) as error:
        raise TemplateError("undef", f"pattern /{pattern}/: {error}") from error


def _translated(pattern: str) -> Iterator[str]:
    for match in _CONSTRUCT.finditer(pattern):
        part = match.group()
        if part.startswith("\\"):
            yield _escape(part, pattern, in_class=False)
        elif part.startswith("[") and len(part) > 1:
            yield _class(part, pattern)
        elif part == "(?<":
            yield "(?P<"
        elif part in ("(?{", "(??{"):
            raise TemplateError("undef", f"pattern /{pattern}/: code in patterns is refused")
        else:
            yield part


def _escape(part: str, pattern: str, *, in_class: bool) -> str:
    if hexadecimal := _HEX.match(part):
        return re.escape(chr(min(int(hexadecimal.group(1), 16), 0x10FFFF)))
    letter = part[1:2]
    if letter in _REFUSED_ESCAPES:
        raise TemplateError("undef", f"pattern /{pattern}/: {part} is not supported")
    if letter in _ESCAPES and not in_class:
        return _ESCAPES[letter]
    if letter == "b" and in_class:
        return r"\x08"
    if letter in ("h", "v") and in_class:
        return _ESCAPES[letter][1:-1]
    return part if not letter.isalpha() or letter in _KNOWN_ESCAPES else re.escape(letter)


def _class(part: str, pattern: str) -> str:
    negated = part.startswith("[^")
    inside = part[2 if negated else 1 : -1]
    pieces: list[str] = []
    alternatives: list[str] = []
    for match in _CLASS_PART.finditer(inside):
        piece = match.group()
        if match.group(2):
            _posix(match, pattern, pieces, alternatives)
        elif piece.startswith("\\") and len(piece) > 1:
            pieces.append(_escape(piece, pattern, in_class=True))
        else:
            # Python wants these escaped, for set operations it may have one day.
            pieces.append("\\" + piece if piece in "[]&~|" else piece)
    found = "".join(pieces)
    if not alternatives:
        return f"[{'^' if negated else ''}{found}]"
    choice = "|".join([*alternatives, *([f"[{found}]"] if found else [])])
    return f"(?:(?!{choice})[\\s\\S])" if negated else f"(?:{choice})"


def _posix(match: re.Match[str], pattern: str, pieces: list[str], alternatives: list[str]) -> None:
    negated, name = match.groups()
    members = _POSIX.get(name)
    if members is None:
        raise TemplateError("undef", f"pattern /{pattern}/: unknown class {match.group()}")
    if members.startswith("^") or negated:
        inverted = members.startswith("^") != bool(negated)
        alternatives.append(f"[{'^' if inverted else ''}{members.removeprefix('^')}]")
    else:
        pieces.append(members)


def split(pattern: str | None, value: str, limit: int) -> list[Value]:
    """
    Split as Perl does.

    Without a *pattern* the text is split at white space; without a *limit* (0) empty fields at the end are dropped.
    """
    if pattern is None:
        value = value.lstrip()
        regex = re.compile(r"\s+")
    else:
        regex = compile_pattern(pattern)
    if value == "":
        return []
    fields: list[Value] = []
    start = 0
    for match in regex.finditer(value):
        if 0 < limit <= _plain_fields(fields, regex.groups) + 1:
            break
        if match.end() == match.start() and (match.start() in (0, len(value)) or match.start() == start):
            continue
        if match.end() == 0:
            continue
        fields.append(value[start : match.start()])
        fields.extend(match.groups())
        start = match.end()
    fields.append(value[start:])
    if limit == 0:
        while fields and fields[-1] in (None, ""):
            fields.pop()
    return fields


def _plain_fields(fields: list[Value], groups: int) -> int:
    return len(fields) // (groups + 1)


_CONVERSION = re.compile(
    r"%(?P<index>\d+\$)?(?P<flags>[ +\-0#]*)(?P<width>\*|\d+)?(?:\.(?P<precision>\*|\d*))?"
    r"(?:hh|h|ll|l|q|L|V|z|t|j)?(?P<type>[%csduioxXbBeEfFgGDUO])"
)
_INTEGER_FORMATS = {"o": "o", "x": "x", "X": "X", "b": "b", "B": "b", "O": "o"}
_PREFIXES = {"o": "0", "x": "0x", "X": "0X", "b": "0b", "B": "0B"}
_UNSIGNED = 2**64


def sprintf(pattern: str, args: list[Value], longest: int) -> str:
    """
    Format as Perl's `sprintf`; what is no conversion stays as it is.

    Raises:
        TemplateError: A width or precision beyond *longest*.
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
    value = args[int(index[:-1]) - 1] if index and 0 < int(index[:-1]) <= len(args) else next(rest, None)
    return _pad(
        _formatted(kind, flags, precision, value), flags, width or 0, zero=_zero_pads(kind, precision)
    )


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
    """Read what is beyond the largest signed number as a negative one, as Perl's cast does."""
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
