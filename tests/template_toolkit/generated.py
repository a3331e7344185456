"""
Templates made up at random, for the comparison with the real engine.

`templates()` makes sense: nested directives over variables that exist. `token_soup()` puts tokens in any order, most
of it wrong, to see that the same things are errors. Not made is what differs on purpose: the order of hashes,
Perl's `\\p{...}` and the like, and joints outside ASCII, which Perl's stash in C spoils.

Both draw on a `random.Random` from Hypothesis, so that what fails is shrunk.
"""

import re
from collections.abc import Callable
from random import Random
from typing import Any

from hypothesis import strategies as st

from koha_ill_sidecar.template_toolkit import Options

VARIABLES: dict[str, Any] = {
    "a": "apple",
    "b": "Bär 林",
    "n": 7,
    "f": 2.5,
    "neg": -3,
    "zero": 0,
    "zs": "0",
    "empty": "",
    "num": "12 apples",
    "exp": "1e3",
    "html": '<a href="x">O\'Neil & Söhne</a>',
    "lines": "first line\n\nsecond\nthird line  ",
    "undefined": None,
    "l": [3, "b", 1, "A", "", 10],
    "nums": [10, 9, 2, 33, 1.5],
    "nested": [[1, 2], [3]],
    "one": ["only"],
    "none": [],
    "h": {"k": "value", "n": 5, "list": [1, 2], "h": {"x": "deep"}, "": "nameless"},
    "single": {"name": "Ada"},
    "people": [
        {"name": "Wen", "age": 30, "town": "Taipei"},
        {"name": "ada", "age": 9, "town": "London"},
        {"name": "Bob", "age": 100, "town": "london"},
    ],
}

_SCALARS = (
    "a",
    "b",
    "n",
    "f",
    "neg",
    "zero",
    "zs",
    "empty",
    "num",
    "exp",
    "html",
    "lines",
    "undefined",
    "x",
    "y",
)
_LISTS = ("l", "nums", "one", "none")
_HASHES = ("h", "single")
# Variables that contain characters outside ASCII, or may receive them.
_SPOILING = frozenset(("b", "html", "l", "x", "y", "h", "people", "lines"))
_TEXTS = (
    "", " ", "\n", "text", "  two words  ", "a\n", "\n  b", "$a", "é林", "0", "<b>", "100%", "[", "%]",
    "\\", "'", '"',
)  # fmt: skip
_NUMBERS = (
    "0", "1", "2", "3", "-1", "10", "0.5", "1.50", "007", "3.14159", "1000000", "99999999999", "-0", "1.0",
    "-2.5",
)  # fmt: skip
_SINGLE_QUOTED = (
    "''", "'a'", "'it\\'s'", "'\\\\'", "'0'", "'a b'", "' x '", "'12abc'", "'$a'", "'\\n'", "'k'",
)  # fmt: skip
_DOUBLE_QUOTED = (
    '""', '"a"', '"x $a y"', '"${h.k}!"', '"$h.k"', '"\\$5"', '"tab\\tnew\\n"', '"a\\\\b"', '"\\"q\\""',
    '"$n$f"', '"$l.0"', '"é"', '"${a}b"', '"${people.0.name}"', '"${ n }"', '"$undefined"', '"0"', '"0.0"',
)  # fmt: skip
_PATHS = (
    "l.0", "l.1", "l.-1", "l.99", "nums.2", "nested.0.1", "h.k", "h.n", "h.list.1", "h.h.x", "h.nothing",
    "h.h.y.z", "people.0.name", "people.2.age", "a.nothing", "n.k", "l.k", "h.0", "single.name", "$a",
    "${a}", "h.$a", "h.${'k'}", "l.${zero}", "l.$n", "_private", "h._k", "loop.count", "loop.first", "x.y",
    "h.x", "undefined.a.b",
)  # fmt: skip
_TEXT_METHODS = (
    "length", "upper", "lower", "ucfirst", "lcfirst", "trim", "collapse", "html", "xml", "size", "defined",
    "empty", "list.size", "list.first", "hash.value", "repeat(2)", "repeat(0)", "repeat",
    "replace('a', 'X')", "replace('([a-z])', '<$1>')", "replace('(x)?p', '[$1]')", "replace('l', '-', 0)",
    "remove('[aeiou]')", "search('p+')", "search('^$')", "match('(\\w)(\\w)').join('-')",
    "match('a', 1).size", "match('zzz')", "split('').join('|')", "split(' ').size",
    "split('[a-z]').join(',')", "split(',', 2).size", "split.join('/')", "split('(p)').join('_')",
    "split(' ', -1).join('|')", "chunk(2).join('|')", "chunk(-2).join('|')", "chunk(0).size", "substr(1)",
    "substr(-2)", "substr(1, 2)", "substr(2, -1)", "substr(0, 1, 'ZZ')", "substr(1, 0, '+')", "squote",
    "dquote", "item", "first", "last", "max", "join", "reverse.join", "sort.size", "nosuch", "0",
    "push(1)",
)  # fmt: skip
_LIST_METHODS = (
    "size", "max", "first", "last", "join", "join(', ')", "join('')", "reverse.join", "sort.join",
    "nsort.join", "unique.size", "first(2).join", "last(2).join", "slice(1, 2).join", "slice(-2).join",
    "slice(0, -2).join", "grep('[0-9]').join", "grep('^.$').size", "item(1)", "defined(0)", "defined(9)",
    "defined('a')", "empty", "list.size", "merge([1, 2]).join", "merge(nums).size", "hash(1).2", "push(1)",
    "pop", "shift", "unshift('u')", "splice(1, 1).join", "splice(1, 1, 'new').join", "import([4]).join",
    "hash.size", "length", "nosuch", "5", "slice(2, 1).size", "splice(-1).join", "first(0).size",
    "last(9).size", "splice(0, 2, [7, 8]).size",
)  # fmt: skip
_HASH_METHODS = (
    "size", "keys.sort.join", "values.size", "exists('k')", "exists('zzz')", "defined('k')", "defined",
    "empty", "item('n')", "pairs.size", "pairs.0.key", "list.size", "list('keys').sort.join", "each.size",
    "items.size", "delete('k')", "import({ q => 1 })", "hash.size", "first.size", "nosuch", "list.0.value",
    "delete('n', 'k')",
)  # fmt: skip
_PEOPLE_METHODS = (
    "size", "sort('name').0.name", "nsort('age').1.name", "first.name", "sort('town', 'name').2.age",
    "nsort('age', 'name').0.town",
)  # fmt: skip
_OPERATORS = (
    "+", "-", "*", "/", "%", "mod", "div", "DIV", "_", "==", "!=", "<", ">", "<=", ">=", "&&", "||", "and",
    "or", "AND", "OR",
)  # fmt: skip
_FILTERS = (
    "html", "upper", "lower", "ucfirst", "lcfirst", "trim", "collapse", "xml", "uri", "url", "null",
    "html_para", "html_break", "html_para_break", "html_line_break", "indent", "indent(2)", "indent('> ')",
    "format('%-6s|')", "format('%05.1f')", "format('%3d')", "format('%s %s')", "truncate(4)",
    "truncate(2, '…')", "truncate(40)", "truncate", "repeat(2)", "repeat(0)", "replace('a', 'b')",
    "replace('(.)', '$1')", "remove('[a-z]+')", "format('%x')", "format('%+d')", "format('%.3s')",
    "format('%e')", "format('%g')", "format('100%%')", "eval", "f = upper", "nosuch", "f",
)  # fmt: skip
_TARGETS = (
    "x", "y", "z", "h.x", "l.0", "new.a.b", "a", "$a", "l.2",
)  # fmt: skip
_TOKENS = (
    "a", "b", "n", "l", "h", "h.k", "l.0", "x", "0", "1", "-1", "2.5", "'s'", '"d"', '"$a"', "(",
    ")", "[", "]", "{", "}", ",", ";", ".", "..", ":", "?", "=", "=>", "==", "!=", "<", ">", "<=", ">=",
    "+", "-", "*", "/", "%", "_", "!", "|", "||", "&&", "&", "$", "${", "\\", "@", "#", "and", "or", "not",
    "mod", "div", "GET", "CALL", "SET", "DEFAULT", "INSERT", "INCLUDE", "PROCESS", "WRAPPER", "BLOCK",
    "END", "USE", "FILTER", "MACRO", "TO", "STEP", "IF", "UNLESS", "ELSE", "ELSIF", "FOR", "FOREACH",
    "NEXT", "WHILE", "SWITCH", "CASE", "META", "IN", "TRY", "THROW", "CATCH", "FINAL", "LAST", "RETURN",
    "STOP", "CLEAR", "html", "upper", "a/b", "a:b", "x=", "f(", "%] [%", "%]\n[%", "%]text[%", "'unclosed",
    '"', "...", "$a", "${a}", "-", "~",
)  # fmt: skip
_DIRECTIVES = (
    "RETURN", "STOP", "CLEAR", "# comment", "INCLUDE one_block + two", "mac(1, 2)", "mac('q')", "mac",
    "mac(a, b, z = 3)", "PROCESS $a", "name = 'two'; INCLUDE $name", "USE NoSuchPlugin", "error",
    "error.type", "loop.size", "y = \\l.join; y('+')", "inc(3)", "dec('3x')", "inc('Zz')",
    "global.g = 1; global.g", "template.name", "component.name", "import(single); name",
    "INSERT one_block", "INSERT nosuch", "META title = 'T' x = 3", "template.title", "f = 'upper'; a | $f",
    "FILTER e = indent('> '); a; END; b | e", "THROW mine 'info' 1 key = a", "error.info.key", "error.info.args.0",
    "PROCESS two + wrap", "PROCESS two x = 1 y = n", "INCLUDE two x = 1, y = [1, 2]", "INCLUDE one_block/sub",
    "BLOCK one_block/sub; 'sub'; END", "WRAPPER two; 'in'; RETURN; 'never'; END", "DEFAULT a = 1 q = 2; q",
    "x.y.z = 5; x.y.z", "SET x = a y = b", "CALL l.push(1)", "l.size", "h.keys.sort.join", "TRY; 'x'; END",
    "TRY; THROW mine a; CATCH; THROW other error.info; FINAL; 'F'; END", "TRY; RETURN; FINAL; 'F'; END",
    "TRY; STOP; CATCH; 'C'; END", "FILTER upper; STOP; END", "FILTER upper; CLEAR; 'c'; END", "PERL; END",
    "SWITCH n; CASE [1, 7]; 'seven'; CASE DEFAULT; 'other'; END", "TAGS star %][* n *][* TAGS default *][% n",
    "x = BLOCK; n; END; x; x.length", "y = x.join('+') | upper; y", "hash = h; hash.k = 'set'; h.k",
    "mac({ z => 'named' })", "a FILTER html FILTER upper", "n; # comment to the end\n a", "# comment\n; b",
    "IF n; a; ELSIF b; c; ELSE; d; END", "x = n + 1 IF n; x", "a UNLESS zero; b IF zero", "\"$l.1 and ${l.size}\"",
)  # fmt: skip
_LOOP_FIELDS = (
    "count", "index", "first", "last", "size", "max", "prev", "next", "number", "odd", "even", "parity", "nosuch",
    "get_next", "get_all.join",
)  # fmt: skip
_TAG_STYLES = {
    "default": ("[%", "%]"), "star": ("[*", "*]"), "asp": ("<%", "%>"), "php": ("<?", "?>"), "html": ("<!--", "-->"),
    "mason": ("<%", ">"), "metatext": ("%%", "%%"), "template1": ("%%", "%%"), "outline": ("[%", "%]"),
}  # fmt: skip
_CHOMPS = ("", "-", "=", "~")
_RANGE_STARTS = ("1", "3", "'a'", "'y'", "zero", "neg", "'08'")
_RANGE_ENDS = ("3", "n", "'e'", "'ab'", "1", "'11'")
_BLOCKS = "[% BLOCK two %]2:[% x %][% content %][% x = 'changed' %][% END %][% BLOCK wrap %]([% content %])[% END %]"


class Maker:
    """Generates templates; nested ones are smaller."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._depth = 0
        # Blocks and macros contain nothing that could call itself: Perl would never return.
        self._in_definition = False

    def _one(self, choices: tuple[str, ...]) -> str:
        return choices[self._random.randrange(len(choices))]

    def _any(self, *makers: Callable[[], str]) -> str:
        return makers[self._random.randrange(len(makers))]()

    def template(self) -> str:
        """Generate a template, followed by the blocks that it may use."""
        return "".join(self._piece() for _ in range(self._random.randrange(1, 5))) + _BLOCKS

    def tokens(self) -> str:
        """Generate a directive of tokens in random order."""
        return f"[% {' '.join(self._one(_TOKENS) for _ in range(self._random.randrange(1, 9)))} %]"

    # Expressions.

    def _expression(self) -> str:
        if self._depth > 3 or self._random.randrange(3) == 0:
            return self._atom()
        self._depth += 1
        made = self._any(
            self._operation,
            self._operation,
            self._operation,
            lambda: f"({self._expression()})",
            lambda: f"{self._one(('!', 'not '))}{self._expression()}",
            lambda: f"{self._expression()} ? {self._expression()} : {self._expression()} ",
            lambda: f"(x = {self._expression()})",
            lambda: f"l.join({self._joint()})",
            lambda: f"{self._one(_SCALARS)}.repeat({self._one(('2', 'n', 'zero'))})",
        )
        self._depth -= 1
        return made

    def _operation(self) -> str:
        return f"{self._expression()} {self._one(_OPERATORS)} {self._expression()}"

    def _joint(self) -> str:
        joint = self._expression()
        return joint if joint.isascii() and not _SPOILING & set(re.findall(r"\w+", joint)) else "'-'"

    def _atom(self) -> str:
        return self._any(
            lambda: self._one(_SCALARS),
            lambda: self._one(_NUMBERS),
            lambda: self._one(_SINGLE_QUOTED),
            lambda: self._one(_DOUBLE_QUOTED),
            lambda: self._one(_PATHS),
            lambda: f"{self._one(_SCALARS)}.{self._one(_TEXT_METHODS)}",
            lambda: f"{self._one(_LISTS)}.{self._one(_LIST_METHODS)}",
            lambda: f"{self._one(_HASHES)}.{self._one(_HASH_METHODS)}",
            lambda: f"people.{self._one(_PEOPLE_METHODS)}",
        )

    def _term(self) -> str:
        return self._any(
            lambda: self._one((*_LISTS, *_HASHES, "people", "nested")),
            lambda: self._one(_SCALARS),
            lambda: f"[{', '.join(self._atom() for _ in range(self._random.randrange(5)))}]",
            lambda: f"[{self._one(_RANGE_STARTS)}..{self._one(_RANGE_ENDS)}]",
            lambda: "{ name => 'n', x = a, 'k' => [1, 2] }",
        )

    # Directives.

    def _piece(self) -> str:
        if self._depth < 3 and self._random.randrange(5) < 2:
            self._depth += 1
            made = self._any(self._conditional, self._loop, self._captured, self._handled, self._defined)
            self._depth -= 1
            return made
        return self._any(lambda: self._one(_TEXTS), self._tag, self._tag)

    def _tag(self) -> str:
        return self._tagged(self._any(self._value, self._value, self._set, self._postfix, self._other))

    def _tagged(self, directive: str) -> str:
        opening = self._one(("[% ", "[%- ", "[%= ", "[%~ ", "[%+ ", "[%"))
        return opening + directive + self._one((" %]", " -%]", " =%]", " ~%]", " +%]"))

    def _value(self) -> str:
        return self._any(
            self._expression,
            lambda: f"{self._one(('GET', 'CALL'))} {self._expression()}",
            lambda: f"{self._expression()} | {self._one(_FILTERS)}",
            lambda: f"{self._atom()} | {self._one(_FILTERS)} | {self._one(_FILTERS)}",
            lambda: f"{self._atom()} FILTER {self._one(_FILTERS)}",
            lambda: f"{self._expression()}; {self._expression()}",
        )

    def _set(self) -> str:
        return self._any(
            lambda: f"{self._one(_TARGETS)} = {self._expression()}",
            lambda: f"{self._one(_TARGETS)} = {self._term()}",
            lambda: f"x = {self._atom()} y = {self._expression()}",
            lambda: f"{self._one(('SET', 'DEFAULT'))} {self._one(_TARGETS)} = {self._expression()}",
        )

    def _postfix(self) -> str:
        return self._any(
            lambda: f"{self._expression()} {self._one(('IF', 'UNLESS'))} {self._expression()}",
            lambda: f"x = {self._atom()} IF {self._expression()}",
            lambda: f"x = {self._atom()} | {self._one(_FILTERS)}",
            lambda: f"SET x = {self._atom()} UNLESS {self._expression()}",
            lambda: f"x FOREACH x {self._one(('IN', '='))} {self._term()}",
        )

    def _other(self) -> str:
        if self._in_definition:
            return f"THROW mine {self._atom()}"
        return self._any(
            lambda: f"INCLUDE {self._one(('one_block', 'two', 'nosuch'))} x = {self._expression()}",
            lambda: f"PROCESS {self._one(('one_block', 'two'))} x = {self._expression()}",
            lambda: f"THROW {self._one(('mine', 'mine.sub', 'undef', 'other'))} {self._atom()}",
            lambda: self._one(_DIRECTIVES),
        )

    # Directives with a body.

    def _body(self) -> str:
        return "".join(self._piece() for _ in range(self._random.randrange(4)))

    def _end(self) -> str:
        return self._one(("[% END %]", "[%- END -%]", "[% END -%]", "[%~ END ~%]"))

    def _conditional(self) -> str:
        return self._any(
            lambda: f"{self._tagged(f'IF {self._expression()}')}{self._body()}{self._end()}",
            lambda: (
                f"{self._tagged(f'UNLESS {self._atom()}')}{self._body()}[% ELSE %]{self._body()}{self._end()}"
            ),
            lambda: (
                f"[% IF {self._expression()} %]{self._body()}[% ELSIF {self._expression()} -%]{self._body()}"
                f"[% ELSE %]{self._body()}{self._end()}"
            ),
            lambda: (
                f"[% SWITCH {self._expression()} %]ignored[% CASE {self._atom()} %]{self._body()}"
                f"[% CASE {self._term()} %]{self._body()}[% CASE %]{self._body()}{self._end()}"
            ),
        )

    def _loop(self) -> str:
        return self._any(
            lambda: f"{self._tagged(f'FOREACH x IN {self._term()}')}{self._body()}{self._end()}",
            lambda: (
                f"[% FOREACH {self._term()} %]{self._body()}[% NEXT IF {self._expression()} %]"
                f"{self._body()}{self._end()}"
            ),
            lambda: (
                f"[% FOREACH y = {self._term()} %]{self._body()}[% LAST IF {self._expression()} %]"
                f"{self._body()}{self._end()}"
            ),
            lambda: (
                f"[% FOR x IN {self._term()} %][% loop.count %]/[% loop.{self._one(_LOOP_FIELDS)} %]"
                f"{self._body()}{self._end()}"
            ),
            lambda: f"[% w = 0; WHILE w < {self._one(('3', 'n'))}; w = w + 1 %]{self._body()}{self._end()}",
        )

    def _captured(self) -> str:
        return self._any(
            lambda: f"[% FILTER {self._one(_FILTERS)} %]{self._body()}{self._end()}",
            lambda: f"[% WRAPPER two x = {self._atom()} %]{self._body()}{self._end()}",
            lambda: f"[% WRAPPER wrap + wrap %]{self._body()}{self._end()}",
            lambda: f"[% x = BLOCK %]{self._body()}{self._end()}([% x %])",
            lambda: f"[% BLOCK %]{self._body()}{self._end()}",
        )

    def _handled(self) -> str:
        kind = self._one(("mine", "mine.sub", "undef", "file", "DEFAULT", ""))
        return self._any(
            lambda: (
                f"[% TRY %]{self._body()}[% CATCH {kind} %]C[% error.type %]{self._body()}"
                f"[% FINAL %]F{self._body()}{self._end()}"
            ),
            lambda: f"[% TRY %]{self._body()}[% CATCH mine %]M[% CATCH %]{self._body()}{self._end()}",
        )

    def _defined(self) -> str:
        outermost = not self._in_definition
        self._in_definition = True
        made = self._any(
            lambda: f"[% BLOCK one_block %]{self._body()}{self._end()}",
            lambda: f"[% MACRO mac(p, q) BLOCK %]<[% p %][% q %][% z %]{self._body()}>{self._end()}",
            lambda: f"[% MACRO mac GET {self._expression()} %]",
        )
        self._in_definition = not outermost
        return made


def templates() -> st.SearchStrategy[str]:
    """Templates that mostly make sense."""
    return st.randoms(use_true_random=False).map(lambda random: Maker(random).template())


def options() -> st.SearchStrategy[tuple[dict[str, object], Options]]:
    """Options of both engines that mean the same."""
    return st.builds(
        _options,
        st.sampled_from(sorted(_TAG_STYLES)),
        st.sampled_from(_CHOMPS),
        st.sampled_from(_CHOMPS),
        interpolate=st.booleans(),
        anycase=st.booleans(),
        trim=st.booleans(),
    )


def _options(
    style: str, pre_chomp: str, post_chomp: str, *, interpolate: bool, anycase: bool, trim: bool
) -> tuple[dict[str, object], Options]:
    perl: dict[str, object] = {
        "TAG_STYLE": style,
        "PRE_CHOMP": _CHOMPS.index(pre_chomp),
        "POST_CHOMP": _CHOMPS.index(post_chomp),
        "INTERPOLATE": int(interpolate),
        "ANYCASE": int(anycase),
        "TRIM": int(trim),
    }
    ours = Options(
        tag_style=style,
        pre_chomp=pre_chomp,
        post_chomp=post_chomp,
        interpolate=interpolate,
        anycase=anycase,
        trim=trim,
    )
    return perl, ours


def in_style(source: str, style: object) -> str:
    """Replace the tags of a template by those of a tag style."""
    opening, closing = _TAG_STYLES[str(style)]
    return source.replace("[%", opening).replace("%]", closing)


def token_soup() -> st.SearchStrategy[str]:
    """Directives of tokens in any order."""
    return st.randoms(use_true_random=False).map(lambda random: Maker(random).tokens())
