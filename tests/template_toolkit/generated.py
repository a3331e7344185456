"""
Templates made up by Hypothesis, for the comparison with the real engine.

`templates()` writes sense: nested directives over variables that exist. `token_soup()` writes tokens in any order,
most of it wrong, to see that the same things are errors. Not generated are what differs on purpose: the order of
hashes, addresses of references, and Perl's `\\p{...}` and the like.
"""

import re
from typing import Any

from hypothesis import strategies as st

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

_texts = st.sampled_from(
    [
        "",
        " ",
        "\n",
        "text",
        "  two words  ",
        "a\n",
        "\n  b",
        "$a",
        "é林",
        "0",
        "<b>",
        "100%",
        "[",
        "%]",
        "\\",
        "'",
        '"',
    ]
)
_numbers = st.sampled_from(
    [
        "0",
        "1",
        "2",
        "3",
        "-1",
        "10",
        "0.5",
        "1.50",
        "007",
        "3.14159",
        "1000000",
        "99999999999",
        "-0",
        "1.0",
        "-2.5",
    ]
)
_single_quoted = st.sampled_from(
    ["''", "'a'", "'it\\'s'", "'\\\\'", "'0'", "'a b'", "' x '", "'12abc'", "'$a'", "'\\n'", "'k'"]
)
_double_quoted = st.sampled_from(
    [
        '""',
        '"a"',
        '"x $a y"',
        '"${h.k}!"',
        '"$h.k"',
        '"\\$5"',
        '"tab\\tnew\\n"',
        '"a\\\\b"',
        '"\\"q\\""',
        '"$n$f"',
        '"$l.0"',
        '"é"',
        '"${a}b"',
        '"${people.0.name}"',
        '"${ n }"',
        '"$undefined"',
        '"0"',
        '"0.0"',
    ]
)
_scalar_variables = st.sampled_from(_SCALARS)
_paths = st.sampled_from(
    [
        "l.0", "l.1", "l.-1", "l.99", "nums.2", "nested.0.1", "h.k", "h.n", "h.list.1", "h.h.x", "h.nothing", "h.h.y.z",
        "people.0.name", "people.2.age", "a.nothing", "n.k", "l.k", "h.0", "single.name", "$a", "${a}", "h.$a",
        "h.${'k'}", "l.${zero}", "l.$n", "_private", "h._k", "loop.count", "loop.first", "x.y", "h.x", "undefined.a.b",
    ]
)  # fmt: skip
_text_methods = st.sampled_from(
    [
        "length", "upper", "lower", "ucfirst", "lcfirst", "trim", "collapse", "html", "xml", "size", "defined", "empty",
        "list.size", "list.first", "hash.value", "repeat(2)", "repeat(0)", "repeat", "replace('a', 'X')",
        "replace('([a-z])', '<$1>')", "replace('(x)?p', '[$1]')", "replace('l', '-', 0)", "remove('[aeiou]')",
        "search('p+')", "search('^$')", "match('(\\w)(\\w)').join('-')", "match('a', 1).size", "match('zzz')",
        "split('').join('|')", "split(' ').size", "split('[a-z]').join(',')", "split(',', 2).size", "split.join('/')",
        "split('(p)').join('_')", "split(' ', -1).join('|')", "chunk(2).join('|')", "chunk(-2).join('|')", "chunk(0).size",
        "substr(1)", "substr(-2)", "substr(1, 2)", "substr(2, -1)", "substr(0, 1, 'ZZ')", "substr(1, 0, '+')", "squote",
        "dquote", "item", "first", "last", "max", "join", "reverse.join", "sort.size", "nosuch", "0", "push(1)",
    ]
)  # fmt: skip
_list_methods = st.sampled_from(
    [
        "size", "max", "first", "last", "join", "join(', ')", "join('')", "reverse.join", "sort.join", "nsort.join",
        "unique.size", "first(2).join", "last(2).join", "slice(1, 2).join", "slice(-2).join", "slice(0, -2).join",
        "grep('[0-9]').join", "grep('^.$').size", "item(1)", "defined(0)", "defined(9)", "defined('a')", "empty", "list.size",
        "merge([1, 2]).join", "merge(nums).size", "hash(1).2", "push(1)", "pop", "shift", "unshift('u')", "splice(1, 1).join",
        "splice(1, 1, 'new').join", "import([4]).join", "hash.size", "length", "nosuch", "5", "slice(2, 1).size", "splice(-1).join",
        "first(0).size", "last(9).size", "splice(0, 2, [7, 8]).size",
    ]
)  # fmt: skip
_hash_methods = st.sampled_from(
    [
        "size", "keys.sort.join", "values.size", "exists('k')", "exists('zzz')", "defined('k')", "defined", "empty",
        "item('n')", "pairs.size", "pairs.0.key", "list.size", "list('keys').sort.join", "each.size", "items.size",
        "delete('k')", "import({ q => 1 })", "hash.size", "first.size", "nosuch", "list.0.value", "delete('n', 'k')",
    ]
)  # fmt: skip


def _methods() -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("{}.{}".format, _scalar_variables, _text_methods),
        st.builds("{}.{}".format, st.sampled_from(_LISTS), _list_methods),
        st.builds("{}.{}".format, st.sampled_from(_HASHES), _hash_methods),
        st.builds(
            "people.{}".format,
            st.sampled_from(
                [
                    "size",
                    "sort('name').0.name",
                    "nsort('age').1.name",
                    "first.name",
                    "sort('town', 'name').2.age",
                    "nsort('age', 'name').0.town",
                ]
            ),
        ),
    )


_atoms = st.one_of(_scalar_variables, _numbers, _single_quoted, _double_quoted, _paths, _methods())
# Variables that hold characters outside ASCII, or may come to hold them.
_SPOILING = {"b", "html", "l", "x", "y", "h", "people"}

_operators = st.sampled_from(
    [
        "+",
        "-",
        "*",
        "/",
        "%",
        "mod",
        "div",
        "DIV",
        "_",
        "==",
        "!=",
        "<",
        ">",
        "<=",
        ">=",
        "&&",
        "||",
        "and",
        "or",
        "AND",
        "OR",
    ]
)


def _is_ascii(expression: str) -> bool:
    # Perl's C stash spoils a joint that has other characters; ours does not.
    return expression.isascii() and not _SPOILING & set(re.findall(r"\w+", expression))


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("{} {} {}".format, inner, _operators, inner),
        st.builds("{} {} {}".format, inner, _operators, inner),
        st.builds("({})".format, inner),
        st.builds("!{}".format, inner),
        st.builds("not {}".format, inner),
        st.builds("{} ? {} : {} ".format, inner, inner, inner),
        st.builds("(x = {})".format, inner),
        st.builds("l.join({})".format, inner.filter(_is_ascii)),
        st.builds("{}.repeat({})".format, _scalar_variables, st.sampled_from(["2", "n", "zero"])),
    )


expressions = st.recursive(_atoms, _grow, max_leaves=6)

_terms = st.one_of(
    st.sampled_from(_LISTS + _HASHES + ("people", "nested")),
    _scalar_variables,
    st.builds("[{}]".format, st.lists(_atoms, max_size=4).map(", ".join)),
    st.builds("[{}..{}]".format, st.sampled_from(["1", "3", "'a'", "'y'", "zero", "neg", "'08'"]), st.sampled_from(["3", "n", "'e'", "'ab'", "1", "'11'"])),
    st.just("{ name => 'n', x = a, 'k' => [1, 2] }"),
)  # fmt: skip
_filters = st.sampled_from(
    [
        "html", "upper", "lower", "ucfirst", "lcfirst", "trim", "collapse", "xml", "uri", "url", "null", "html_para",
        "html_break", "html_para_break", "html_line_break", "indent", "indent(2)", "indent('> ')", "format('%-6s|')",
        "format('%05.1f')", "format('%3d')", "format('%s %s')", "truncate(4)", "truncate(2, '…')", "truncate(40)", "truncate",
        "repeat(2)", "repeat(0)", "replace('a', 'b')", "replace('(.)', '$1')", "remove('[a-z]+')", "format('%x')", "format('%+d')",
        "format('%.3s')", "format('%e')", "format('%g')", "format('%c')", "format('100%%')", "eval", "f = upper", "nosuch", "f",
    ]
)  # fmt: skip
_targets = st.sampled_from(["x", "y", "z", "h.x", "l.0", "new.a.b", "a", "$a", "l.2"])
_open = st.sampled_from(["[% ", "[%- ", "[%= ", "[%~ ", "[%+ ", "[%"])
_close = st.sampled_from([" %]", " -%]", " =%]", " ~%]", " +%]"])


def _tag(directive: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds("{}{}{}".format, _open, directive, _close)


_conditions = expressions
_simple = st.one_of(
    expressions,
    expressions,
    st.builds("{} = {}".format, _targets, expressions),
    st.builds("{} = {}".format, _targets, _terms),
    st.builds("x = {} y = {}".format, _atoms, expressions),
    st.builds("SET {} = {}".format, _targets, expressions),
    st.builds("DEFAULT {} = {}".format, _targets, expressions),
    st.builds("CALL {}".format, expressions),
    st.builds("GET {}".format, expressions),
    st.builds("{} | {}".format, expressions, _filters),
    st.builds("{} | {} | {}".format, _atoms, _filters, _filters),
    st.builds("{} FILTER {}".format, _atoms, _filters),
    st.builds("{} IF {}".format, expressions, _conditions),
    st.builds("x = {} IF {}".format, _atoms, _conditions),
    st.builds("x = {} | {}".format, _atoms, _filters),
    st.builds("SET x = {} UNLESS {}".format, _atoms, _conditions),
    st.builds("{} UNLESS {}".format, _atoms, _conditions),
    st.builds("x FOREACH x IN {}".format, _terms),
    st.builds("x FOREACH x = {}".format, _terms),
    st.builds("{}; {}".format, expressions, expressions),
    st.builds("INCLUDE {} x = {}".format, st.sampled_from(["one_block", "two", "nosuch"]), expressions),
    st.builds("PROCESS {} x = {}".format, st.sampled_from(["one_block", "two"]), expressions),
    st.builds("THROW {} {}".format, st.sampled_from(["mine", "mine.sub", "undef", "other"]), _atoms),
    st.sampled_from(
        [
            "RETURN", "STOP", "CLEAR", "# comment", "INCLUDE one_block + two", "mac(1, 2)", "mac('q')", "mac", "mac(a, b, z = 3)",
            "PROCESS $a", "name = 'two'; INCLUDE $name", "USE NoSuchPlugin", "error", "error.type", "loop.size", "y = \\l.join; y('+')",
            "inc(3)", "dec('3x')", "inc('Zz')", "global.g = 1; global.g", "template.name", "component.name", "import(single); name",
        ]
    ),
)  # fmt: skip


def _texted(parts: list[str]) -> str:
    return "".join(parts)


def _nest(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    body = st.lists(inner, max_size=3).map(_texted)
    end = st.sampled_from(["[% END %]", "[%- END -%]", "[% END -%]", "[%~ END ~%]"])
    return st.one_of(
        st.builds("{}{}{}".format, _tag(st.builds("IF {}".format, _conditions)), body, end),
        st.builds("{}{}[% ELSE %]{}{}".format, _tag(st.builds("UNLESS {}".format, _conditions)), body, body, end),
        st.builds(
            "[% IF {} %]{}[% ELSIF {} -%]{}[% ELSE %]{}{}".format, _conditions, body, _conditions, body, body, end
        ),
        st.builds("{}{}{}".format, _tag(st.builds("FOREACH x IN {}".format, _terms)), body, end),
        st.builds("[% FOREACH {} %]{}[% NEXT IF {} %]{}{}".format, _terms, body, _conditions, body, end),
        st.builds("[% FOREACH y = {} %]{}[% LAST IF {} %]{}{}".format, _terms, body, _conditions, body, end),
        st.builds("[% FOR x IN {} %][% loop.count %]/[% loop.size %][% loop.last %]{}{}".format, _terms, body, end),
        st.builds("[% w = 0; WHILE w < {}; w = w + 1 %]{}{}".format, st.sampled_from(["3", "n"]), body, end),
        st.builds(
            "[% SWITCH {} %]ignored[% CASE {} %]{}[% CASE {} %]{}[% CASE %]{}{}".format,
            expressions, _atoms, body, _terms, body, body, end,
        ),
        st.builds("[% FILTER {} %]{}{}".format, _filters, body, end),
        st.builds("[% WRAPPER two x = {} %]{}{}".format, _atoms, body, end),
        st.builds("[% WRAPPER wrap + wrap %]{}{}".format, body, end),
        st.builds("[% x = BLOCK %]{}{}([% x %])".format, body, end),
        st.builds("[% BLOCK %]{}{}".format, body, end),
        st.builds("[% BLOCK one_block %]{}{}".format, body, end),
        st.builds(
            "[% TRY %]{}[% CATCH {} %]C[% error.type %]{}[% FINAL %]F{}{}".format,
            body, st.sampled_from(["mine", "mine.sub", "undef", "file", "DEFAULT", ""]), body, body, end,
        ),
        st.builds("[% TRY %]{}[% CATCH mine %]M[% CATCH %]{}{}".format, body, body, end),
        st.builds("[% MACRO mac(p, q) BLOCK %]<[% p %][% q %][% z %]{}>{}".format, body, end),
        st.builds("[% MACRO mac GET {} %]".format, expressions),
    )  # fmt: skip


_pieces = st.recursive(st.one_of(_texts, _tag(_simple)), _nest, max_leaves=8)
_BLOCKS = "[% BLOCK two %]2:[% x %][% content %][% x = 'changed' %][% END %][% BLOCK wrap %]([% content %])[% END %]"


def templates() -> st.SearchStrategy[str]:
    """Templates that mostly make sense."""
    return st.lists(_pieces, min_size=1, max_size=4).map(lambda pieces: "".join(pieces) + _BLOCKS)


_tokens = st.sampled_from(
    [
        "a", "b", "n", "l", "h", "h.k", "l.0", "x", "0", "1", "-1", "2.5", "08", "'s'", '"d"', '"$a"', "(", ")", "[", "]", "{", "}",
        ",", ";", ".", "..", ":", "?", "=", "=>", "==", "!=", "<", ">", "<=", ">=", "+", "-", "*", "/", "%", "_", "!", "|", "||",
        "&&", "&", "$", "${", "\\", "@", "#", "and", "or", "not", "mod", "div", "GET", "CALL", "SET", "DEFAULT", "INSERT", "INCLUDE",
        "PROCESS", "WRAPPER", "BLOCK", "END", "USE", "FILTER", "MACRO", "TO", "STEP", "IF", "UNLESS", "ELSE", "ELSIF", "FOR",
        "FOREACH", "NEXT", "WHILE", "SWITCH", "CASE", "META", "IN", "TRY", "THROW", "CATCH", "FINAL", "LAST", "RETURN", "STOP", "CLEAR",
        "html", "upper", "a/b", "a:b", "x=", "f(", "%] [%", "%]\n[%", "%]text[%", "'unclosed", '"', "...", "$a", "${a}", "-", "~",
    ]
)  # fmt: skip


def token_soup() -> st.SearchStrategy[str]:
    """Directives of tokens in any order."""
    return st.lists(_tokens, min_size=1, max_size=8).map(lambda tokens: f"[% {' '.join(tokens)} %]")
