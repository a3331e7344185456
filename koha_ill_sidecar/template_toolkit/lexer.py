"""
Split a directive into tokens.

Some of Template Toolkit's tokens are odd, and templates depend on them: `a/b` and `a:b` are file names, `a-1` is a
variable and a negative number, and a quoted text without a closing quote is a word.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from koha_ill_sidecar.template_toolkit.limits import Meter
from koha_ill_sidecar.template_toolkit.source import Options, Part, split_source


@dataclass(frozen=True, slots=True)
class Token:
    """
    One token of a directive, or the text between two directives.

    The *type* is the keyword or symbol itself, or one of TEXT, IDENT, NUMBER, FILENAME, LITERAL, QUOTED, UNQUOTED and
    EOF. The *parts* of an interpolated text (`"Dear $name"`) are its texts and the tokens of its variables.
    """

    type: str
    value: str
    offset: int
    parts: tuple["str | tuple[Token, ...]", ...] = ()


_WORDS = (
    "GET CALL SET DEFAULT INSERT INCLUDE PROCESS WRAPPER BLOCK END USE PLUGIN FILTER MACRO PERL RAWPERL TO STEP "
    "AND OR NOT DIV MOD IF UNLESS ELSE ELSIF FOR NEXT WHILE SWITCH CASE META IN TRY THROW CATCH FINAL LAST RETURN "
    "STOP CLEAR VIEW DEBUG"
)
KEYWORDS = {word: word for word in _WORDS.split()} | {
    "FOREACH": "FOR",
    "BREAK": "LAST",
    "and": "AND",
    "or": "OR",
    "not": "NOT",
    "mod": "MOD",
    "div": "DIV",
    "_": "CAT",
}

_SIGNS = "( ) [ ] { } ${ $ + / ; : ? != == < > >= <= - * % . = , \\"
SYMBOLS = {sign: sign for sign in _SIGNS.split()} | {
    "=>": "=",
    "&&": "AND",
    "||": "OR",
    "!": "NOT",
    "|": "FILTER",
    "..": "TO",
}

_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}

_TOKEN = re.compile(
    r"""
    (?P<comment>\#[^\n]*)
    | (?P<quote>["'])
    | (?P<number>-?\d+(?:\.\d+)?)
    | (?P<filename>/?\w+(?:(?:/|::?)\w*)+ | /\w+)
    | (?P<word>\w+)
    | (?P<symbol>[(){}\[\]:;,/\\] | [+\-*] | \$\{? | => | [=!<>]?= | [!<>] | &&? | \|\|? | \.\.? | \S+)
    """,
    re.VERBOSE,
)
_WORD = re.compile(r"\S+")
_INTERPOLATED = re.compile(
    r"(?P<text>(?:\\.|[^$])+)|(?P<variable>\$(?:\{(?P<braced>[^}]*)\}|(?P<plain>[\w.]+)))"
)
_WITHOUT_BRACES = re.compile(r"(?P<text>(?:\\.|[^$])+)|(?P<variable>\$(?P<braced>(?!))?(?P<plain>[\w.]+))")
_BEFORE_OPERATOR = re.compile(r"\s*[=.]")
# A word behind one of these is never a keyword, so `anycase` leaves it unchanged.
_BEFORE_NAMES = (
    "GET SET CALL DEFAULT INSERT INCLUDE PROCESS WRAPPER BLOCK USE PLUGIN FILTER MACRO IN TO STEP AND OR NOT DIV "
    "MOD . IF UNLESS ELSIF FOR WHILE SWITCH CASE META THROW CATCH VIEW == != < > <= >= - * % , ( [ {"
)
_NEVER_KEYWORD_AFTER = frozenset(_BEFORE_NAMES.split())


def tokens(source: str, options: Options, meter: Meter) -> Iterator[Token]:
    """
    Yield the tokens of a whole template: its texts and its directives, each directive followed by a `;`.

    Source: Template Toolkit 2.27, Template::Parser tokenise_directive and interpolate_text.
    """
    for part in split_source(source, options):
        meter.spend(len(part.text))
        if part.is_directive:
            yield from directive_tokens(part.text, part.offset, options)
            yield Token(";", ";", part.offset + len(part.text))
        elif options.interpolate:
            yield from _interpolated_text(part, options)
        else:
            yield Token("TEXT", part.text, part.offset)
    yield Token("EOF", "", len(source))


def _interpolated_text(part: Part, options: Options) -> Iterator[Token]:
    for piece in _interpolate(part.text, part.offset, options):
        if isinstance(piece, str):
            yield Token("TEXT", piece, part.offset)
        else:
            yield from piece
            yield Token(";", ";", part.offset)


def directive_tokens(text: str, offset: int, options: Options) -> Iterator[Token]:
    """Yield the tokens of the directive *text*, which starts at *offset* in the template."""
    position, previous = 0, ""
    while match := _TOKEN.search(text, position):
        position = match.end()
        if match.lastgroup == "comment":
            continue
        if match.lastgroup == "quote":
            end = _closing_quote(text, match.start())
            if end is None:
                word = _WORD.match(text, match.start())
                position = word.end() if word else position
                token = Token("UNQUOTED", text[match.start() : position], offset + match.start())
            else:
                position = end + 1
                token = _quoted(text[match.start() : position], offset + match.start(), options)
        else:
            token = _plain(match, previous, offset, options)
        previous = token.type
        yield token


def _closing_quote(text: str, start: int) -> int | None:
    quote = text[start]
    position = start + 1
    while position < len(text):
        character = text[position]
        if character == quote:
            return position
        escaped = character == "\\" and text[position + 1 : position + 2] in ("\\", quote)
        position += 2 if escaped else 1
    # Only escaped quotes are left. Perl's pattern backtracks, so the last of them closes the text.
    last = text.rfind(quote, start + 1)
    return None if last == -1 else last


def _plain(match: re.Match[str], previous: str, offset: int, options: Options) -> Token:
    value, offset = match.group(), offset + match.start()
    if match.lastgroup == "number":
        return Token("NUMBER", value, offset)
    if match.lastgroup == "filename":
        return Token("FILENAME", value, offset)
    if match.lastgroup == "word":
        folded = value
        if options.anycase and previous not in _NEVER_KEYWORD_AFTER:
            folded = value if _BEFORE_OPERATOR.match(match.string, match.end()) else value.upper()
        keyword = KEYWORDS.get(folded)
        return Token(keyword or "IDENT", value, offset)
    symbol = SYMBOLS.get(value)
    if symbol is None:
        return Token("UNQUOTED", value, offset)
    return Token(symbol, value, offset)


def _quoted(quoted: str, offset: int, options: Options) -> Token:
    inside = quoted[1:-1]
    if quoted[0] == "'":
        # The last quote is escaped, so the text has no closing quote.
        is_open = (len(inside) - len(inside.rstrip("\\"))) % 2 == 1
        return Token("UNQUOTED" if is_open else "LITERAL", _single_quoted(inside), offset)
    if "$" not in inside and "\\" not in inside:
        return Token("LITERAL", inside, offset)
    # A backslash before a dollar sign stays: the interpolation needs it.
    unescaped = re.sub(r"\\([^$nrt])", r"\1", inside, flags=re.DOTALL)
    unescaped = re.sub(r"\\([nrt])", lambda match: _ESCAPES[match.group(1)], unescaped)
    # Unescaping shortens the text, so the offsets of later variables are slightly too small.
    return Token("QUOTED", unescaped, offset, tuple(_interpolate(unescaped, offset + 1, options)))


def _single_quoted(inside: str) -> str:
    return re.sub(r"\\([\\'])", r"\1", inside)


def _interpolate(text: str, offset: int, options: Options) -> Iterator[str | tuple[Token, ...]]:
    # A dollar sign without a name matches neither alternative and is dropped, as in Template Toolkit.
    # Behind the last brace `${` is looked for no longer: each would search the rest of the text for its end.
    last_brace = text.rfind("}") + 1
    position = 0
    while match := (_INTERPOLATED if position < last_brace else _WITHOUT_BRACES).search(text, position):
        position = match.end()
        plain = match.group("text")
        name = "plain" if match.group("braced") is None else "braced"
        variable = match.group(name)
        if plain is not None:
            yield plain.replace("\\$", "$")
        elif variable and variable != "0":
            yield tuple(directive_tokens(variable, offset + match.start(name), options))
        else:
            yield match.group("variable")
