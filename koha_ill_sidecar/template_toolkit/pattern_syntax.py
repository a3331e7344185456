"""
Translate Perl's regular expressions to the syntax of the library `regex` (version 1 behaviour).

Source: Perl, perldoc perlre, perlrebackslash and perlrecharclass.
"""

import re
from dataclasses import dataclass

from koha_ill_sidecar.template_toolkit.errors import TemplateError

_VERTICAL = r"\n\x0b\f\r\x85\u2028\u2029"
_HORIZONTAL = r"\t\x20\xa0\u1680\u2000-\u200a\u202f\u205f\u3000"
# Escapes that mean the same in both. Any other letter after a backslash is that letter.
_COMMON = frozenset("AbBdDsSwWfnrtapPGKRX")
_COMMON_IN_CLASS = frozenset("dDsSwWfnrtapP")
_TRANSLATED = {
    "z": r"\Z",
    "Z": r"(?=\n?\Z)",
    "v": f"[{_VERTICAL}]",
    "V": f"[^{_VERTICAL}]",
    "h": f"[{_HORIZONTAL}]",
    "H": f"[^{_HORIZONTAL}]",
    "N": r"[^\n]",
    "e": r"\x1b",
}
_TRANSLATED_IN_CLASS = {
    "b": r"\x08",
    "v": _VERTICAL,
    "V": f"[^{_VERTICAL}]",
    "h": _HORIZONTAL,
    "H": f"[^{_HORIZONTAL}]",
    "e": r"\x1b",
}
_CHARACTER_SETS = frozenset("dDsSwWpPhHvV")

_CHARACTER = re.compile(
    r"\\(?:x\{\s*(?P<braced>[0-9A-Fa-f]*)\s*\}|x(?P<short>[0-9A-Fa-f]{0,2})|N\{U\+(?P<code>[0-9A-Fa-f]+)\}"
    r"|o\{(?P<octal>[0-7]+)\}|c(?P<control>[@-_a-z?]))"
)
_OCTAL_IN_CLASS = re.compile(r"\\(?P<octal>[0-7]{1,3})")
_PROPERTY = re.compile(r"\\[pP](?:\{\^?[\w\s=:]+\}|[A-Z])|\\N\{[A-Z][A-Z0-9 -]*\}")
_NUMBERED = re.compile(r"\\(?:g\{?(?P<relative>-)?(?P<number>\d+)\}?|(?P<plain>[1-9]\d*))")
_NAMED = re.compile(r"\\(?:k\{(\w+)\}|k<(\w+)>|k'(\w+)'|g\{(\w+)\})")
_NOT_SUPPORTED = re.compile(r"\\(?:[Ccgk]|[bB]\{|N\{(?!\d*,?\d*\}))")
_QUANTIFIER = re.compile(r"[*+?]|\{(?P<least>\d+)?(?P<comma>,)?(?P<most>\d+)?\}")
_GROUP = re.compile(
    r"\((?:\?(?P<kind><?[=!]|[:>|]|P?<\w+>|P[=>]\w+\)|'\w+'|\((?:\w+|<\w+>)\)|&\w+\)|\d+\)|R\)))?"
)
_FLAGS = re.compile(r"\(\?(?P<caret>\^?)(?P<on>[a-zA-Z]*)(?:-(?P<off>[a-zA-Z]*))?(?P<end>[:)])")
_POSIX = re.compile(r"\[:\^?(\w+):\]")
_POSIX_NAMES = frozenset(
    (
        *("alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space"),
        *("upper", "word", "xdigit"),
    )
)
# The library's own classes contain only ASCII characters.
_POSIX_TRANSLATED = {
    "[:digit:]": r"\d",
    "[:^digit:]": r"\D",
    "[:alnum:]": r"[:alpha:]\d",
    "[:^alnum:]": r"[^[:alpha:]\d]",
}
_MULTILINE = re.compile(r"\(\?[a-z^]*m")
_ASSERTIONS = frozenset("AbBGKzZ")
_NOTHING, _ELEMENT, _ASSERTION, _REPEATED = range(4)
_MOST_REPEATS = 65534
# The library unrolls repeats; this many elements take about 30 MB.
_MOST_ELEMENTS = 100_000


def translate(pattern: str) -> str:
    """
    Translate a Perl pattern.

    Raises:
        TemplateError: The pattern contains code, uses a flag or construct that the library lacks, or repeats too much.
    """
    return _Translation(pattern).run()


@dataclass(slots=True)
class _Open:
    """A group that is not closed yet: the number of elements in it, and in its last element."""

    elements: int = 0
    last: int = 0


class _Translation:
    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._done: list[str] = []
        self._open = [_Open()]
        self._captures = 0
        # Perl's ^ does not match after a line break at the very end of the text.
        self._line_start = r"^(?:(?<!\n)|(?!\Z))" if _MULTILINE.search(pattern) else "^"
        # What precedes: nothing that can be repeated, an element, an assertion, or an element with a quantifier.
        self._before = _NOTHING

    def run(self) -> str:
        while self._at < len(self._pattern):
            self._step()
        return "".join(self._done)

    def _step(self) -> None:
        match self._pattern[self._at]:
            case "\\":
                self._escape()
            case "[":
                self._class()
            case "(":
                self._group()
            case ")":
                self._close()
            case "*" | "+" | "?" | "{" as character:
                self._quantifier(character)
            case "|":
                self._put("|", 1)
                self._before = _NOTHING
            case "^":
                self._put(self._line_start, 1, elements=1)
                self._before = _ASSERTION
            case "$":
                self._put("$", 1, elements=1)
                self._before = _ASSERTION
            case character:
                self._put(character, 1, elements=1)

    def _put(self, translated: str, length: int, *, elements: int = 0) -> None:
        self._done.append(translated)
        self._at += length
        if elements:
            self._count(elements)

    def _count(self, elements: int) -> None:
        group = self._open[-1]
        group.elements += elements
        group.last = elements
        self._before = _ELEMENT
        if group.elements > _MOST_ELEMENTS:
            raise self._error(f"repeats more than {_MOST_ELEMENTS} elements")

    def _error(self, problem: str) -> TemplateError:
        return TemplateError("undef", f"pattern /{self._pattern}/: {problem}")

    # Escapes.

    def _escape(self) -> None:
        if found := _CHARACTER.match(self._pattern, self._at):
            self._put(re.escape(self._character(found)), len(found.group()), elements=1)
        elif found := _PROPERTY.match(self._pattern, self._at):
            self._put(found.group(), len(found.group()), elements=1)
        elif found := _NUMBERED.match(self._pattern, self._at):
            self._numbered(found)
        elif found := _NAMED.match(self._pattern, self._at):
            self._put(f"(?P={found.group(found.lastindex or 1)})", len(found.group()), elements=1)
        else:
            self._letter()

    def _numbered(self, found: re.Match[str]) -> None:
        number = int((found["number"] or found["plain"])[:6])
        if found["relative"]:
            number = self._captures + 1 - number
        if number < 1:
            raise self._error("a reference to a group that is not there")
        if found["plain"] and number > max(self._captures_in_all(), 9) and found["plain"][0] in "1234567":
            octal = re.match(r"[0-7]{1,3}", found["plain"])
            digits = octal.group() if octal else ""
            self._put(re.escape(chr(int(digits, 8))), 1 + len(digits), elements=1)
            return
        self._put(f"(?:\\{number})", len(found.group()), elements=1)

    def _captures_in_all(self) -> int:
        return len(re.findall(r"\((?!\?)|\(\?P?<\w|\(\?'", self._pattern))

    def _letter(self) -> None:
        letter = self._pattern[self._at + 1 : self._at + 2]
        if _NOT_SUPPORTED.match(self._pattern, self._at):
            raise self._error(f"\\{letter} is not supported")
        if letter in _TRANSLATED:
            self._put(_TRANSLATED[letter], 2, elements=1)
        elif letter == "0":
            octal = re.compile(r"[0-7]{1,3}").match(self._pattern, self._at + 1)
            digits = octal.group() if octal else "0"
            self._put(re.escape(chr(int(digits, 8))), 1 + len(digits), elements=1)
        else:
            known = not letter.isalnum() or letter in _COMMON
            self._put("\\" + letter if known else letter, 2, elements=1)
        if letter in _ASSERTIONS:
            self._before = _ASSERTION

    def _character(self, found: re.Match[str]) -> str:
        if found["control"]:
            return chr(ord(found["control"].upper()) ^ 64)
        if found["octal"]:
            return chr(min(int(found["octal"], 8), 0x10FFFF))
        digits = found["braced"] or found["short"] or found["code"] or "0"
        return chr(min(int(digits, 16), 0x10FFFF))

    # Groups.

    def _group(self) -> None:
        if self._pattern.startswith(("(?{", "(??{"), self._at):
            raise self._error("code in patterns is refused")
        if self._pattern.startswith("(?#", self._at):
            self._comment()
            return
        if self._pattern.startswith("(*", self._at):
            verb = self._pattern[self._at : self._pattern.find(")", self._at) + 1]
            self._put(verb or "(*", len(verb) or 2)
            return
        if (flags := _FLAGS.match(self._pattern, self._at)) and not self._pattern.startswith(
            "(?R)", self._at
        ):
            self._flags(flags)
            return
        found = _GROUP.match(self._pattern, self._at)
        kind = found["kind"] if found else None
        if kind is None and self._pattern.startswith("(?", self._at):
            raise self._error(f"{self._pattern[self._at : self._at + 3]} is not supported")
        opening = found.group() if found else "("
        if kind is not None and kind.endswith(")") and not kind.startswith("("):
            self._put(opening, len(opening), elements=1)
            return
        if kind is None or kind[0] in "'P" or re.match(r"<\w", kind):
            self._captures += 1
        translated = f"(?<{kind[1:-1]}>" if kind is not None and kind.startswith("'") else opening
        self._put(translated, len(opening))
        self._begin()

    def _comment(self) -> None:
        end = self._pattern.find(")", self._at)
        if end < 0:
            raise self._error("a comment is not closed")
        self._at = end + 1

    def _begin(self) -> None:
        self._open.append(_Open())
        self._before = _NOTHING

    def _flags(self, found: re.Match[str]) -> None:
        on, off = found["on"], found["off"] or ""
        for flag in (on + off).replace("u", "").replace("d", "").replace("p", ""):
            if flag not in "imsx":
                raise self._error(f"the flag {flag} is not supported")
        on, off = ("".join(flag for flag in flags if flag in "imsx") for flags in (on, off))
        if found["caret"]:
            off = "".join(flag for flag in "imsx" if flag not in on)
        switched = on + (f"-{off}" if off else "")
        self._put(
            f"(?{switched}{found['end']}" if switched or found["end"] == ":" else "", len(found.group())
        )
        self._before = _NOTHING
        if found["end"] == ":":
            self._begin()

    def _close(self) -> None:
        self._put(")", 1)
        if len(self._open) > 1:
            closed = self._open.pop()
            self._count(max(closed.elements, 1))

    def _quantifier(self, character: str) -> None:
        found = _QUANTIFIER.match(self._pattern, self._at)
        counted = found is not None and (found["least"] or found["most"])
        if found is None or (character == "{" and (not counted or self._before == _NOTHING)):
            self._put("\\{", 1, elements=1)
            return
        if self._before == _REPEATED:
            raise self._error("nested quantifiers")
        if self._before == _NOTHING:
            raise self._error("a quantifier follows nothing")
        if self._before == _ASSERTION:
            self._done[-1] = f"(?:{self._done[-1]})"
        self._put(found.group(), len(found.group()))
        if character == "{":
            self._repeat(found)
        self._before = _REPEATED
        # A second quantifier makes the first one lazy or possessive.
        if self._pattern.startswith(("?", "+"), self._at):
            self._put(self._pattern[self._at], 1)

    def _repeat(self, found: re.Match[str]) -> None:
        least, most = int((found["least"] or "0")[:9]), int((found["most"] or "0")[:9])
        if max(least, most) > _MOST_REPEATS:
            raise self._error(f"a repeat of more than {_MOST_REPEATS}")
        if found["most"] and most < least:
            # Perl accepts this and never matches it.
            self._done[-1] = f"{{{least}}}(?!)"
        group = self._open[-1]
        before = group.elements - group.last
        group.elements = before
        self._count(group.last * max(least, most, 1))

    # Classes.

    def _class(self) -> None:
        self._at += 1
        members = ["["]
        if self._pattern.startswith("^", self._at):
            members.append("^")
            self._at += 1
        first = self._at
        while self._at == first or not self._pattern.startswith("]", self._at):
            if self._at >= len(self._pattern):
                raise self._error("a class is not closed")
            members.append(self._member())
        self._put("".join((*members, "]")), 1, elements=1)

    def _member(self) -> str:
        begin, is_set = self._class_element()
        if is_set or not self._pattern.startswith("-", self._at) or self._pattern.startswith("-]", self._at):
            return begin
        self._at += 1
        if self._at >= len(self._pattern):
            raise self._error("a class is not closed")
        end, is_set = self._class_element()
        return f"{begin}\\-{end}" if is_set else f"{begin}-{end}"

    def _class_element(self) -> tuple[str, bool]:
        """Translate one element of a class; the second value is True for a set of characters."""
        if found := _POSIX.match(self._pattern, self._at):
            if found.group(1) not in _POSIX_NAMES:
                raise self._error(f"unknown class {found.group()}")
            self._at += len(found.group())
            return _POSIX_TRANSLATED.get(found.group(), found.group()), True
        if self._pattern[self._at] != "\\":
            self._at += 1
            return re.sub(r"[\[\]&~|\-^]", r"\\\g<0>", self._pattern[self._at - 1]), False
        if found := _CHARACTER.match(self._pattern, self._at) or _OCTAL_IN_CLASS.match(
            self._pattern, self._at
        ):
            self._at += len(found.group())
            character = self._character(found) if found.re is _CHARACTER else chr(int(found["octal"], 8))
            return re.escape(character), False
        if found := _PROPERTY.match(self._pattern, self._at):
            self._at += len(found.group())
            return found.group(), True
        letter = self._pattern[self._at + 1 : self._at + 2]
        self._at += 2
        if letter in _TRANSLATED_IN_CLASS:
            return _TRANSLATED_IN_CLASS[letter], letter in _CHARACTER_SETS
        known = not letter.isalnum() or letter in _COMMON_IN_CLASS
        return "\\" + letter if known else letter, letter in _CHARACTER_SETS
