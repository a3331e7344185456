"""Patterns match as in Perl, within limits of time and memory."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from template_toolkit.comparison import agree
from template_toolkit.perl_engine import PerlEngine
from template_toolkit.profiles import profile

from koha_ill_sidecar.template_toolkit import Engine, Limits, TemplateError, TemplateLimitError

_TEMPLATE = (
    "[% t.replace(p, '<$1>') %]|[% t.match(p).join('-') %]|[% t.search(p) %]|[% t.split(p, 5).join('/') %]"
)
_TEXTS = (
    "abc aab  aa\nbB xx{ Straße STRASSE 1",
    "é林\x1c\x1d \xa0\u2003Ⅷ٣",
    "a-b_c!d$e+f<g|h~ 12 aabbccd ]a[ [b] &&||--~~ \\",
    "x\r\ny\x0b\x0cz\n",
    "",
)
_PIECES = (
    *("a", "b", "B", "x", "1", " ", "-", "\n", "é", "林", "ß", "ss", ".", "#", "~", "&&", "]", "}", ","),
    *(
        r"\d",
        r"\w",
        r"\s",
        r"\D",
        r"\W",
        r"\S",
        r"\h",
        r"\H",
        r"\v",
        r"\V",
        r"\R",
        r"\N",
        r"\b",
        r"\B",
    ),
    *(r"\A", r"\z", r"\Z", "^", "$", r"\t", r"\n", r"\e", r"\x{e9}", r"\xe9", r"\cA", r"\o{141}"),
    *(
        r"\N{U+e9}",
        r"\p{Lu}",
        r"\pL",
        r"\P{L}",
        r"\p{Han}",
        r"\1",
        r"\g1",
        r"\g{-1}",
        r"\q",
        r"\m",
        r"\.",
        r"\\",
    ),
    *(
        "[abc]",
        "[^a]",
        "[a-c]",
        "[]a]",
        "[^]a]",
        r"[\]a]",
        "[a-]",
        "[-a]",
        "[[a]",
        r"[\w-]",
        r"[\s\d]",
        r"[\h]",
    ),
    *(
        "[[:alpha:]]",
        "[[:^digit:]x]",
        "[a&&b]",
        "[a||b]",
        "[a~~b]",
        r"[\b]",
        r"[\x{41}-\x{5a}]",
        "[a^]",
        r"[^\n]",
    ),
    *(
        "*",
        "+",
        "?",
        "*?",
        "+?",
        "??",
        "*+",
        "++",
        "{2}",
        "{1,}",
        "{0,2}",
        "{2,3}?",
        "|",
        "|",
        "^",
        "$",
    ),
    *("(", "(", "(", "(?:", "(?=", "(?!", "(?<=a)", "(?<!b)", "(?>", "(?i)", "(?i:", "(?-i:", "(?s:", "(?^:"),
    *("(?m)", ")", ")", ")", ")", "(?#c)", "(?|", "(?<n>"),
)

_REPEATED_ASSERTION = re.compile(r"\(\?<?[=!].*\)[*+?{]", re.DOTALL)


@pytest.mark.slow
@profile(1500)
@given(pieces=st.lists(st.sampled_from(_PIECES), min_size=1, max_size=8), text=st.sampled_from(_TEXTS))
def test_patterns_find_what_perls_find(perl_engine: PerlEngine, pieces: list[str], text: str) -> None:
    # Repeated assertions are useless, and the library and Perl optimise them differently.
    assume(not _REPEATED_ASSERTION.search("".join(pieces)))
    # In Perl splitting at a pattern equivalent to ^ means the start of any line; here only ^ itself does.
    template = _TEMPLATE.rpartition("|")[0] if "^" in pieces else _TEMPLATE
    agree(perl_engine, template, {"p": "".join(pieces), "t": text})


@pytest.mark.parametrize("text", _TEXTS)
@pytest.mark.parametrize(
    "pattern",
    [
        *(
            r"(?<n>a)\k<n>",
            r"(?<n>a)\k{n}",
            r"(?'n'a)\k'n'",
            r"(?P<n>a)(?P=n)",
            r"(?<n>a|b)(?&n)",
            r"(a|b)(?1)",
        ),
        *(r"(\((?:[^()]|(?1))*\))", r"(a)?(?(1)b|c)", r"(?i)STRASSE", r"(?i)ß", r"a(?i)B", r"(?|(a)|(b))\1"),
        *(
            r"a(*SKIP)(*FAIL)|b",
            r"\X",
            r"[\N{U+61}]",
            r"[\p{L}]+",
            r"[^\p{L}]+",
            r"a\Kb",
            r"(?x) a b # c",
            r"(?x: a (b))",
            r"x{,2}",
            r"x{",
            r"x{a}",
            r"a{3,2}",
            r"\0",
            r"\101",
        ),
        *(
            "(",
            ")",
            "[",
            "*a",
            "a**",
            "a{1,2}{2}",
            "(?b)a",
            "(?:a){e<=1}",
            "[b-a]",
            r"(a)\2",
            "[[:nosuch:]]",
            "\\",
        ),
    ],
)
def test_these_mean_the_same(perl_engine: PerlEngine, pattern: str, text: str) -> None:
    agree(perl_engine, _TEMPLATE, {"p": pattern, "t": text})


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(?{ 1 })", "code in patterns is refused"),
        ("(??{ 1 })", "code in patterns is refused"),
        ("(?n)a", "the flag n is not supported"),
        (r"\b{wb}", r"\b is not supported"),
        ("a{70000}", "more than 65534"),
    ],
)
def test_refused_constructs_are_named(pattern: str, reason: str) -> None:
    with pytest.raises(TemplateError) as refused:
        Engine().render("[% t.match(p) %]", {"p": pattern, "t": "a"})

    assert reason in str(refused.value.info)


@pytest.mark.parametrize(
    "use", ["t.match(p)", "t.replace(p, '')", "t.split(p)", "t | replace(p, '')", "l.grep(p)"]
)
def test_a_pattern_cannot_take_all_time(use: str) -> None:
    variables = {"p": r"(\w+\w*)+\s$", "t": "ab" * 5000, "l": ["ab" * 5000]}

    with pytest.raises(TemplateLimitError, match=r"longer than 0\.2 seconds"):
        Engine(limits=Limits(seconds=0.2)).render(f"[% {use} %]", variables)


@pytest.mark.parametrize(
    "pattern", ["(a{1000}){1000}", "((((a{99}){99}){99}){99})", "(?:(?:[ab]{0,6000}){6000})"]
)
def test_a_pattern_cannot_take_all_memory(pattern: str) -> None:
    with pytest.raises(TemplateError, match="repeats more than"):
        Engine().render("[% t.match(p) %]", {"p": pattern, "t": "a"})


def test_a_pattern_on_a_huge_text_is_refused() -> None:
    with pytest.raises(TemplateLimitError, match="text longer than"):
        Engine().render("[% t = a.repeat(2000000); t.match('(.)*') %]", {"a": "a"})
