"""The standard plugins behave as Perl's do, and respect the engine's limits."""

import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from template_toolkit.comparison import agree
from template_toolkit.perl_engine import PerlEngine
from template_toolkit.profiles import profile

from koha_ill_sidecar.services.notices.plugins import PLUGINS
from koha_ill_sidecar.template_toolkit import Engine, Limits, TemplateError, TemplateLimitError
from koha_ill_sidecar.template_toolkit.plugins import STANDARD_PLUGINS

_VARIABLES = {
    "text": "Hello World",
    "lines": "line one\nline two\n",
    "list": [1, 2, 3, 4, 5, 6, 7],
    "hash": {"b": 2, "a": 1},
    "undefined": None,
}


@pytest.fixture(autouse=True)
def _system_time_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Use the time zone of the Perl process."""
    monkeypatch.delenv("TZ", raising=False)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def _render(source: str, **variables: object) -> str:
    return Engine().render(source, variables)


def _error(source: str, engine: Engine | None = None) -> TemplateError:
    with pytest.raises(TemplateError) as raised:
        (engine or Engine()).render(source, {})
    return raised.value


# Templates written by hand.

_NAMES = [
    "[% USE date; USE Date; USE DATE; date.format(1, '%Y'); DATE.format(1, '%Y') %]",
    "[% USE url('/x'); USE Url('/y'); USE other = URL('/z'); url; Url; other %]",
    "[% USE html; USE Html; html.element('p'); Html.element('q') %]",
    "[% USE math %]",
    "[% USE string %]",
    "[% USE Nothing %]",
]
_ASSERT = [
    "[% USE assert; assert.text; assert.hash.a; assert.nothing %]",
    "[% USE Assert; TRY; Assert.undefined; CATCH assert; error.info; END %]",
    "[% USE assert; assert.size %]",
    "[% USE assert; MACRO m(x) GET x; assert.m(3) %]",
    "[% USE scalar; scalar.text; scalar.list.join; scalar.nothing %]",
    "[% USE scalar; TRY; scalar.undefined; CATCH scalar; error.info; END %]",
]
_DATE = [
    "[% USE d = Date(time=5, format='%Y', foo='bar'); d.format; d.time; d.foo; d.nothing; d.now > 5 %]",
    "[% USE d = Date('x') %]",
    "[% USE d = Date('x', time=5) %]",
    "[% USE d = Date({time => 86400}); d.format %]",
    "[% USE d = Date; d.format('2026-11-26 10:11:12', '%Y-%m-%d %H:%M:%S %Z %z %s %a %j') %]",
    "[% USE d = Date; d.format('10:11:12 26/11/2026'); d.format('1:2:3 4/15/2026') %]",
    "[% USE d = Date; d.format('2026-11-26 10:11:12', format='%Y', gmt=1); d.format(864000, '%c %Z', 'de_DE', 1) %]",
    "[% USE d = Date; d.format(99999999999999999999) %]",
    "[% USE d = Date; TRY; d.format('x'); CATCH date; error.info; END %]",
    "[% USE d = Date; d.format('2026-11-26') %]",
    "[% USE d = Date; d.format('2026-11-26 10:11:12', use_offset => 1, format => '%H') %]",
    "[% USE d = Date; d.format('2024-02-29T23:59:60Z', '%D %T'); d.format('2026-13-45 25:61:61', '%D %T') %]",
    "[% USE d = Date; d.format(\"86400\\n\", '%F'); d.format('1.5') %]",
    "[% USE d = Date; d.format(1, ''); d.format(1, '%Q %'); d.format(1, '%3000d') %]",
    "[% USE d = Date; d.calc %]",
    "[% USE d = Date; d.manip %]",
    "[% USE d = Date; TRY; d.throw('a', 'b'); CATCH date; error.info; END %]",
]
_FORMAT = [
    "[% USE Format; f = \\Format('%3d|%s'); g = f(2, 'x'); g('a', 'b') %]",
    "[% USE f = Format('<%s>'); f('a', 'b'); f; f(undefined); f(list.first) %]",
    "[% USE f = Format(undefined); f('a') %]",
    "[% USE f = Format('%s %s'); f('a'); f(1, 2, 3); f.nothing; 'x' | $f %]",
    "[% USE f = Format('%5.1f|%-5s|%05d|%x'); f(3.14159, 'ab', 42, 255) %]",
]
_HTML = [
    "[% USE HTML(attributes={a=1,b='<\"'}, sorted=1); HTML.element('p'); HTML.element('p', {x=1}) %]",
    "[% USE HTML(attrs={a=1}); HTML.closed_element(br={c=undefined}); HTML.element('') %]",
    "[% USE HTML; HTML.escape('<&>\"'' é'); HTML.url('a b/é林~'); HTML.escape; HTML.url; HTML.nothing %]",
    (
        "[% USE HTML(attributes={a=1}, sorted=1); HTML.add(a=2, c=3); HTML.attributes; HTML.replace(a=5);"
        " HTML.attributes; HTML.clear_attributes; HTML.attributes; HTML.add_attribute('x'); HTML.sorted %]"
    ),
    "[% USE HTML(attributes='x'); HTML.attributes %]",
    "[% USE HTML(attributes='x'); HTML.add(a=1) %]",
    "[% h = {a = 1}; USE HTML(attributes=h); HTML.add(a=2); h.a %]",
    "[% USE HTML('a', 'b'); HTML.element('p', 'x'); HTML.element(undefined); HTML.element; HTML.element(0) %]",
]
_ITERATOR = [
    "[% USE i = Iterator(list); i.size; i.first; i.nothing; i.count; i.odd; i.parity; i.even; i.join %]",
    "[% USE i = Iterator(list); i.get_first; i.get_next; i.next; i.prev; i.get_all.join(','); i.last; i.index %]",
    "[% USE i = Iterator(list); i.get_next %]",
    "[% USE i = Iterator([1]); i.get_first; i.get_next %]",
    "[% USE i = Iterator([]); i.get_first %]",
    "[% USE i = Iterator([]); i.get_all %]",
    "[% USE i = Iterator('x'); i.get_all.join; i.size; i.get_all %]",
    "[% USE i = Iterator(0); FOREACH x IN i; x; END; i.size %]",
    "[% USE i = Iterator; i.size; FOREACH x IN i; x; END %]",
    "[% USE i = Iterator(hash); FOREACH x IN i; x.key; x.value; END; i.size; i.index; i.Size; i.MAX; i.NUMBER %]",
    (
        "[% USE i = Iterator(list); FOREACH x IN i; x; i.first; i.last; LAST IF x == 3; END; i.index;"
        " FOREACH x IN i; x; END %]"
    ),
    "[% USE i = Iterator(list); FOREACH x IN i; x; loop.count; loop.parity; i.get_next; END %]",
    "[% USE i = Iterator(list); i.get_first; i.max = 9; i.max %]",
]
_MATH = [
    "[% USE Math; Math.srand(42); ' '; Math.rand(10); ' '; Math.rand; ' '; Math.rand(-5) %]",
    "[% USE Math; Math.srand(0); ' '; Math.srand(''); ' '; Math.srand(-1); ' '; Math.srand(3.7) %]",
    "[% USE Math; Math.log(0) %]",
    "[% USE Math; Math.log('x') %]",
    "[% USE Math; Math.sqrt(-1) %]",
    "[% USE Math; Math.csc(0) %]",
    "[% USE Math; Math.truly_random %]",
    "[% USE Math; Math.hex('ff'); ' '; Math.hex('0xFg'); ' '; Math.hex('1_0'); ' '; Math.hex(' 1') %]",
    "[% USE Math; Math.hex('fffffffffffffffff'); ' '; Math.hex('林') %]",
    (
        "[% USE Math; Math.oct('755'); ' '; Math.oct('0x1f'); ' '; Math.oct('b101'); ' '; Math.oct(' 0o17');"
        " ' '; Math.oct('9'); ' '; Math.oct('1__2') %]"
    ),
    "[% USE Math; Math.pi; ' '; Math.nothing; Math.deg2rad(90); ' '; Math.rad2deg(40); ' '; Math.rad2deg(40, 1) %]",
    "[% USE Math; Math.abs(-3.5); ' '; Math.int(-3.7); ' '; Math.exp(1000); ' '; Math.cos('inf') %]",
    "[% USE Math(1) %]",
    "[% USE Math(x=1); Math.x %]",
]
_STRING = [
    "[% USE s = String(undefined); '['; s; ']'; USE s = String(text, 'x'); s; USE s = String('a', text='b'); s %]",
    "[% USE s = String('abc'); s.search('b'); s.search('z'); s.search('(a)(b)').join('-'); s.search('(a)') %]",
    "[% USE s = String('abc'); s.search('(x)?(b)') %]",
    "[% USE s = String('abc'); s.search('(x)?b') %]",
    "[% USE s = String('ab<', filter='html'); s; s.text; s.copy; s.push('c'); s.length; s.filter('repeat', 2) %]",
    "[% USE s = String('ab', filters=['upper', 'repeat', [2]]); s; s | lower; s _ 'x'; s == 'ABAB' %]",
    "[% USE s = String('ab', filters={upper=''}); s; s.output_filter('repeat'); s %]",
    "[% USE s = String('ab', filters='upper,repeat(2)'); s %]",
    "[% USE s = String('ab'); s.filter('nope') %]",
    "[% USE s = String('ab'); TRY; s.throw('a', 'b'); CATCH String; error.info; END %]",
    "[% USE s = String('ab'); x = s.new('q', text='r'); x; s; x.left(5); '|'; x.center(9.7); '|'; x.right(12) %]",
    "[% USE s = String('hello'); s.substr(1); s.substr(9); s.substr(1, 2, 'XX'); s; s.substr(-3, 1) %]",
    "[% USE s = String('hello'); s.substr(9, 1, 'x') %]",
    "[% USE s = String('hello'); s.truncate; s.truncate(3, '....'); s.truncate(2) %]",
    "[% USE s = String('hello'); s.pop('l+o'); s.shift('h|e'); s.pop(0); s.shift; s.unshift('a', 'b'); s.append(1) %]",
    "[% USE s = String('hello'); s.pop('(') %]",
    "[% USE s = String('hello'); s.format('%10s|'); s.format; s.nothing; s.ucfirst %]",
    "[% USE s = String(' a  b '); s.trim; '|'; s.collapse; '|'; s.capital; s.chop; s.chomp; s.upper; s.lower %]",
    "[% USE s = String('a,b,,'); s.split(',').join('|'); s.split(',', 2).join('|'); s.split.size %]",
    "[% USE s = String('aXbX'); s.replace('X', '$1'); s.remove('b'); s.equals('a$1$1'); s.equals('') %]",
]
_TABLE = [
    "[% USE t = Table(list, rows=3); FOREACH r IN t.rows; r.join(','); '/'; END; FOREACH c IN t.cols; c.size; END %]",
    "[% USE t = Table(list, cols=3, overlap=1, pad=0); FOREACH c IN t.col; c.join(','); '/'; END; t.row(1).join %]",
    "[% USE t = Table(list, Rows=9); t.row(0).join; t.row(9); t.row(-1); t.col(0).join; t.col(1) %]",
    "[% USE t = Table(list); t.rows.size; t.cols.size; t.size; t.nrows; t.data; t.overlap; t.pad %]",
    "[% USE t = Table([]); t.rows.size; t.cols.size %]",
    "[% USE i = Iterator(list); USE t = Table(i, rows=2); t.row(1).join; TRY; USE Table(i); CATCH plugin; 0; END %]",
    "[% USE Table(3) %]",
    "[% USE Table(list, 3) %]",
    "[% USE Table(list, rows=2, overlap=2) %]",
    "[% USE t = Table(list); t.nothing %]",
    "[% USE t = Table(list); FOREACH x IN t; 'once'; END %]",
]
_URL = [
    "[% USE URL('/x', a=1); URL; URL(b=2); URL('/y', a=undefined, c='a b&é~'); URL(a=[1, '', 'é']); URL('', {}) %]",
    "[% USE URL(a=1); URL('/q') %]",
    "[% USE URL; URL(a=1); URL; URL('/q', z=1, a=2) %]",
    "[% USE URL('/x', 'y'); URL('/q') %]",
    "[% USE URL('/x'); URL('/q', 'y') %]",
]
_WRAP = [
    "[% USE wrap; wrap(text, 5); '|'; text | wrap(5, '>', '>>') %]",
    "[% USE Wrap; FILTER wrap(20, '* ', '  '); text; ' '; text; ' '; text; END; wrap(text) %]",
    "[% USE wrap; wrap('aaa bbb', 1).join(','); 'aaa bbb' | wrap(1); wrap('aaa', -3).join(',') %]",
    "[% USE wrap; wrap('aaa bbb', 20.5) %]",
    "[% USE wrap; wrap('aaa bbb', 40000); wrap(' ', 70000); wrap('aaa bbb', 70000) %]",
    "[% USE wrap; wrap('aaa bbb', 3, 'abcdef', 'gh'); '|'; wrap; '|'; wrap('abc', 'x').join('/') %]",
    '[% USE wrap; wrap("tab\\tand\\t\\tmore\\ttabs  here", 12, "\\t", "  ") %]',
    '[% USE wrap; wrap("a\\n\\nb  c \\r\\n d  ", 3); wrap("é林 ee\u0301e word\u0301 x", 5, "", "\u0301") %]',
]


@pytest.mark.parametrize(
    "source",
    [
        *(*_NAMES, *_ASSERT, *_DATE, *_FORMAT, *_HTML, *_ITERATOR),
        *(*_MATH, *_STRING, *_TABLE, *_URL, *_WRAP),
    ],
)
def test_this_answers_as_in_perl(perl_engine: PerlEngine, source: str) -> None:
    agree(perl_engine, source, _VARIABLES)


# Calls with random arguments. The pools contain arguments in the syntax of templates.

_NUMBERS = [
    *("0", "1", "2", "3", "7", "12", "100", "1000", "-1", "-3", "2.5", "0.5", "-0.7", "1e3", "1_0"),
    *("'x'", "''", "'3 a'", "' 5'", "'1e3'", "'0'", "'00'", "undefined", "nothing"),
]
_TEXTS = [
    *("'abc'", "'a b  c'", "' x '", '"two\\nlines"', "'é林'", "'ß'", "'aXbX'", "'<a href=\"x\">&'"),
    *("text", "lines", "''", "'0'", "5"),
]
_PATTERNS = [
    "'b'",
    "'l+'",
    "'(l)(o)'",
    "'(x)?l'",
    "'[a-c]'",
    "' '",
    "'.'",
    "'^a'",
    "'c$'",
    "'|'",
    "'a|b'",
    "'('",
]
_FORMATS = [
    "'%s'",
    "'%5s|'",
    "'<%-6s>'",
    "'%d'",
    "'%s %s'",
    "'%05.1f'",
    "'%%'",
    "'%c'",
    "'%x'",
    "'%*d'",
]
_LISTS = ["list", "[]", "['a', '']", "[3]", "[1..9]", "[1..12]", "hash", "'x'", "0", "['x', 'y', 'z', 'w']"]
_HASHES = ["{a => 1}", "{}", "{b => '<é\"'}", "{a => 'x y', c => ''}", "{c => undefined, d => [1, 2]}"]
_DATES = [
    *("0", "1", "-1", "86400", "1700000000", "'-86400'", "253402300800", "1.5", "''", "'x'", "'2026-11-26'"),
    *(
        "'2026-11-26 10:11:12'",
        "'10:11:12 26/11/2026'",
        "'2024-02-29T23:59:60Z'",
        "'1:2:3 4-5-6'",
        "'::::: '",
    ),
    *("'2026-00-10 1:2:3'", "'2026-13-45 25:61:61'", "'3:4:5 6 7 20264'", "'2026-11-26 10:11:12.5 +01:00'"),
]
_DATE_FORMATS = [
    *("'%Y-%m-%d'", "'%c'", "'%H:%M:%S %j %U %W %u %w %a %A %b %B'", "'%s %Z %z'", "'%p %I'", "'%Q %'", "''"),
    *(
        "'%e%k%l%n%t%%'",
        "'%G %V %g %C %y'",
        "'%D %F %T %R %r %x %X'",
        "'%-d %_d %010d %^a'",
        "'é%Y'",
        "'%100d'",
    ),
]
_ANGLES = [*_NUMBERS, "3.14159", "720", "-1000", "'inf'", "0.999", "'-1e400'", "'9999999999999999999'"]
_DIGITS = [
    "'0x1F'",
    "'b11'",
    "'017'",
    "'ff'",
    "'1_000'",
    "'0b12'",
    "'o7'",
    "' 077'",
    "'7_'",
    "'_7'",
    "'é'",
    "'08'",
]
_PARAGRAPHS = [
    *(
        "text",
        "lines",
        "''",
        "'   '",
        "'the quick brown fox jumps'",
        "'supercalifragilistic expialidocious x'",
    ),
    *(
        '"a\\n\\nb  c \\n d"',
        '"tab\\tand\\t\\tmore\\ttabs here"',
        '" lead trail  "',
        '"a\\r\\nb c d"',
        "'é林 林林林林 x'",
    ),
    *(
        "'e\u0301e\u0301 word\u0301 x'",
        "'a        b         c     d               e'",
        "'x\x1cy z\x1fw\xa0v'",
    ),
]
_WIDTHS = [
    "1",
    "2",
    "3",
    "5",
    "8",
    "9",
    "16",
    "20",
    "40",
    "0",
    "-3",
    "'x'",
    "2.5",
    "'8.0'",
    "undefined",
    "70000",
]
_INDENTS = ["''", "' '", "'> '", '"\\t"', "'a long indent '", "'\u0301'", '"a\\n"', "'        '", "5"]

Pools = tuple[list[str], ...]


def _arguments(pools: Pools, least: int = 0) -> st.SearchStrategy[str]:
    """Draw a random number of arguments, each from the pool of its position."""

    def some(count: int) -> st.SearchStrategy[str]:
        return st.tuples(*map(st.sampled_from, pools[:count])).map(", ".join)

    return st.integers(least, len(pools)).flatmap(some)


def _called(methods: dict[str, Pools]) -> st.SearchStrategy[str]:
    def call(name: str) -> st.SearchStrategy[str]:
        return _arguments(methods[name]).map(lambda given: f"x = p.{name}({given}); x.join(',')")

    return st.sampled_from(sorted(methods)).flatmap(call)


def _uses(made: st.SearchStrategy[str], calls: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    several = st.lists(calls, min_size=1, max_size=5).map("; '|'; ".join)
    return st.builds("[% USE p = {}; {} %]".format, made, several)


def _plugin(
    name: str, *pools: list[str], methods: dict[str, Pools], least: int = 0
) -> st.SearchStrategy[str]:
    return _uses(_arguments(pools, least).map(lambda given: f"{name}({given})"), _called(methods))


def _named(**pools: list[str]) -> list[str]:
    return [f"{name} => {value}" for name, values in pools.items() for value in values]


_STRING_METHODS: dict[str, Pools] = {
    **dict.fromkeys(("push", "append", "unshift", "prepend", "throw", "new", "equals"), (_TEXTS, _TEXTS)),
    **dict.fromkeys(("pop", "shift", "remove", "search"), (_PATTERNS,)),
    **dict.fromkeys(("left", "right", "center", "centre", "repeat"), (_NUMBERS,)),
    **dict.fromkeys(("upper", "lower", "capital", "chop", "chomp", "trim", "collapse", "length"), (_TEXTS,)),
    **dict.fromkeys(("text", "copy", "nothing"), ()),
    "filter": (["'html'", "'nope'", "'repeat', 2", "''"],),
    "format": (_FORMATS,),
    "output_filter": (["'upper'", "'html lower'", "['repeat', [2]]", "{'upper' => ''}", "'nope'"],),
    "replace": (_PATTERNS, _TEXTS),
    "split": ([pattern for pattern in _PATTERNS if pattern != "'|'"], _NUMBERS),
    "substr": (_NUMBERS, _NUMBERS, _TEXTS),
    "truncate": (_NUMBERS, ["'.'", "'....'"]),
}
_HTML_METHODS: dict[str, Pools] = {
    **dict.fromkeys(
        ("element", "closed_element"), (["'p'", "''", "0", "{p => {a => 1}}"], [*_HASHES, *_TEXTS])
    ),
    **dict.fromkeys(("attributes", "add", "add_attribute", "add_attributes"), ([*_HASHES, *_TEXTS],)),
    **dict.fromkeys(("replace", "replace_attribute", "replace_attributes"), ([*_HASHES, *_TEXTS],)),
    **dict.fromkeys(("escape", "url", "nothing"), ([*_TEXTS, *_NUMBERS],)),
    "clear_attributes": (),
}
_ITERATOR_METHODS: dict[str, Pools] = {
    **dict.fromkeys(("size", "max", "index", "count", "number", "first", "last", "Size", "COUNT"), ()),
    **dict.fromkeys(("odd", "even", "parity", "get_first", "get_next", "nothing", "prev", "next"), ()),
}
# Functions whose results are not real for some arguments are tried with other arguments.
_REAL = [
    "abs",
    "acot",
    "acotan",
    "acos_real",
    "asin_real",
    "atan",
    "cos",
    "cosec",
    "cosech",
    "cosh",
    "cot",
    "cotan",
    "cotanh",
    "coth",
    "csc",
    "csch",
    "exp",
    "int",
    "log",
    "nothing",
    "pi",
    "sec",
    "sech",
    "sin",
    "sinh",
    "sqrt",
    "srand",
    "tan",
    "tanh",
]
_SMALL = ["0.1", "-0.9", "0.5", "1", "-1", "0", "0.999"]
_LARGE = ["1", "1.5", "-1", "2", "1000", "0"]
_MATH_METHODS: dict[str, tuple[Pools, int]] = {
    **dict.fromkeys(_REAL, ((_ANGLES,), 1)),
    **dict.fromkeys(("acos", "asin", "asinh", "atanh"), ((_SMALL,), 1)),
    **dict.fromkeys(("asec", "acsc", "acosec", "acoth", "acotanh", "acsch", "acosech"), ((_LARGE,), 1)),
    **dict.fromkeys(
        ("deg2rad", "rad2deg", "grad2rad", "rad2grad", "deg2grad", "grad2deg"), ((_ANGLES, ["0", "1"]), 1)
    ),
    **dict.fromkeys(("hex", "oct"), (([*_DIGITS, *_NUMBERS],), 1)),
    "acosh": ((["1", "1.5", "2", "1000"],), 1),
    "asech": ((["0.1", "0.999", "1", "0"],), 1),
    "atan2": ((_ANGLES, _ANGLES), 2),
    "rand": ((_NUMBERS,), 1),
}


def _math_call(name: str) -> st.SearchStrategy[str]:
    pools, least = _MATH_METHODS[name]
    return _arguments(pools, least).map(lambda given: f"p.{name}({given})")


def _functions(name: str, made: Pools, called: Pools) -> st.SearchStrategy[str]:
    """Draw uses of a plugin that is a function."""
    calls = _arguments(called).map(lambda given: f"x = p({given}); x.join(',')")
    return _uses(_arguments(made, 1).map(lambda given: f"{name}({given})"), calls)


_OPTIONS = _named(rows=_NUMBERS, COLS=_NUMBERS)
_ROWS = "FOREACH r IN p.{}; r.size; r.join(','); '/'; END"
_PLUGINS = {
    "Date": _plugin(
        "Date",
        # Always with a time: the current time may change between the two renderings.
        _named(time=[moment for moment in _DATES if moment not in ("0", "''")]),
        _named(format=_DATE_FORMATS, gmt=["0", "1"]),
        methods={
            "format": (_DATES, _DATE_FORMATS, ["'C'", "''"], ["0", "1"], _named(gmt=["1"], time=_DATES)),
            "time": (),
            "nothing": (_DATES,),
        },
        least=1,
    ),
    "Format": _functions("Format", (_FORMATS,), ([*_TEXTS, *_NUMBERS], _NUMBERS)),
    "HTML": _plugin(
        "HTML",
        ["sorted => 1"],
        _named(attributes=[*_HASHES, "'x'"], attrs=_HASHES),
        methods=_HTML_METHODS,
        least=1,
    ),
    "Iterator": _plugin("Iterator", [*_LISTS, *_HASHES], methods=_ITERATOR_METHODS),
    "Math": _uses(st.just("Math; p.srand(42)"), st.sampled_from(sorted(_MATH_METHODS)).flatmap(_math_call)),
    "String": _plugin(
        "String", _TEXTS, _named(filter=["'html'", "'upper lower'"], text=_TEXTS), methods=_STRING_METHODS
    ),
    "Table": _uses(
        _arguments(
            ([*_LISTS, "[1..30]"], _OPTIONS, _named(overlap=["0", "1", "2", "-1", "9"], pad=["0", "1"])), 1
        ).map(lambda given: f"Table({given})"),
        st.one_of(
            st.sampled_from([_ROWS.format(name) for name in ("rows", "cols", "row", "col")]),
            _called({"row": (_NUMBERS,), "col": (_NUMBERS,), "size": (), "nrows": (), "pad": ()}),
        ),
    ),
    "URL": _functions(
        "URL", (["'/x'", "''", "'/é?a'", "0", "{a => 1}"], _HASHES), ([*_HASHES, *_TEXTS], _HASHES)
    ),
    "Wrap": _uses(
        st.just("Wrap"),
        _arguments((_PARAGRAPHS, _WIDTHS, _INDENTS, _INDENTS)).map(
            lambda given: f"x = p({given}); x.join('/')"
        ),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("plugin", _PLUGINS)
@profile(150)
@given(data=st.data())
def test_calls_answer_as_in_perl(perl_engine: PerlEngine, plugin: str, data: st.DataObject) -> None:
    agree(perl_engine, data.draw(_PLUGINS[plugin]), _VARIABLES)


@profile(150)
@given(
    paragraph=st.text(st.sampled_from(["a", "b", " ", "\n", "\t", "\u0301", "é", "林"]), max_size=60),
    width=st.integers(0, 30),
    indents=st.tuples(*(st.text(st.sampled_from([" ", "\t", ">"]), max_size=9) for _ in range(2))),
)
def test_any_text_is_wrapped_as_in_perl(
    perl_engine: PerlEngine, paragraph: str, width: int, indents: tuple[str, str]
) -> None:
    source = "[% USE wrap; x = wrap(t, width, first, further); x.join('/') %]"
    variables = {"t": paragraph, "width": width, "first": indents[0], "further": indents[1]}

    agree(perl_engine, source, variables)


@profile(150)
@given(parts=st.tuples(*(st.integers(0, limit) for limit in (3000, 13, 99, 99, 99, 99))))
def test_any_date_is_carried_over_as_in_perl(perl_engine: PerlEngine, parts: tuple[int, ...]) -> None:
    year, *rest = parts
    written = f"{year + 2:04}-{'-'.join(map(str, rest))}"

    agree(perl_engine, f"[% USE date; date.format('{written}', '%Y-%m-%d %H:%M:%S %a %j %s') %]", _VARIABLES)


@profile(150)
@given(
    value=st.floats(allow_nan=False) | st.floats(-10, 10),
    # Perl's abs converts only some texts beyond 2**53 to integers.
    function=st.sampled_from([name for name in _REAL if name != "abs"]),
)
def test_functions_of_any_number_are_as_in_perl(perl_engine: PerlEngine, value: float, function: str) -> None:
    agree(perl_engine, f"[% USE Math; Math.{function}('{value!r}') %]", _VARIABLES)


# What our engine guarantees itself.


@pytest.mark.parametrize(
    "source",
    [
        "[% USE s = String('x'); s.repeat(1000000) %]",
        "[% USE s = String('x'); s.left(1000000) %]",
        "[% USE s = String('x'); s.center(1000000) %]",
        "[% USE s = String('xxxxx'); FOREACH i IN [1..20]; CALL s.push(s.text); END %]",
        "[% USE s = String('xxxxx'); FOREACH i IN [1..20]; CALL s.replace('x', 'xxxxx'); END %]",
        "[% USE f = Format('%100s%1$s%1$s%1$s'); x = f('a'); FOREACH i IN [1..20]; x = f(x); END %]",
        "[% USE d = Date; f = '%c'; d.format(1, f.repeat(100)) %]",
        "[% USE t = Table([1..1000], rows=500, overlap=499); t.rows %]",
        "[% USE t = Table([1..1000], rows=500, overlap=499); t.cols %]",
        "[% USE t = Table([1..10], cols=2, overlap=100000); t.col(0) %]",
        "[% USE wrap; x = 'a '; y = '> '; wrap(x.repeat(2000), 5, '', y.repeat(900)) %]",
        '[% USE wrap; x = "\\t"; wrap(x.repeat(1500), 5) %]',
        "[% USE HTML; x = 'a'; HTML.element(x.repeat(9999)) %]",
        "[% USE HTML(attributes={a='x'}); FOREACH i IN [1..20]; HTML.add(a=HTML.attributes); END %]",
        "[% USE u = URL; x = 'é'; u(a=x.repeat(5000)) %]",
        "[% USE s = String('abc'); r = 'x'; s.replace('', r.repeat(9000)) %]",
        "[% USE s = String; r = 'x'; r = r.repeat(6000); s.push(r, r) %]",
        "[% USE s = String; r = 'x'; r = r.repeat(6000); TRY; s.throw(r, r); CATCH; END %]",
        "[% USE s = String('&'); FOREACH i IN [1..3000]; s.output_filter('html'); END; s %]",
        "[% USE HTML; x = 'a'; x = x.repeat(6000); HTML.attributes(a=x, b=x) %]",
        "[% USE u = URL; x = 'a'; x = x.repeat(6000); u(a=[x, x]) %]",
        "[% USE d = Date; x = 'a'; x = x.repeat(6000); TRY; d.throw(x, x); CATCH; END %]",
        "[% USE i = Iterator([1..900]); FOREACH x IN [1..900]; FOREACH y IN i; END; END %]",
    ],
)
def test_plugins_keep_within_the_limits(source: str) -> None:
    engine = Engine(limits=Limits(output=10_000, list_size=10_000, loop_turns=10_000))

    with pytest.raises(TemplateLimitError):
        engine.render(source, {})


def test_excessive_width_is_an_error() -> None:
    for source in (
        "[% USE f = Format('%99999999999s'); f(1) %]",
        "[% USE s = String; s.format('%.*f', 1) %]",
    ):
        with pytest.raises(TemplateError):
            Engine(limits=Limits(output=10_000)).render(source + "[% f = '%99999s'; 'x' | format(f) %]", {})


@pytest.mark.parametrize(
    "made", ["Date", "HTML", "Iterator([1])", "Math", "String('x')", "URL('')", "Format('')", "Wrap"]
)
@pytest.mark.parametrize(
    "name",
    ["__class__", "_context", "context", "value", "defaults", "template_get", "template_text", "__call__"],
)
def test_attributes_of_plugins_are_out_of_reach(made: str, name: str) -> None:
    assert _render(f"[% USE p = {made}; p.{name}; k = '{name}'; p.$k %]") == ""


def test_plugins_of_the_caller_come_first() -> None:
    engine = Engine(plugins={"Date": lambda _context, _args: "mine"})

    assert engine.render("[% USE Date; Date; USE date; date.format(86400, '%Y', '', 1) %]", {}) == "mine1970"


def test_no_plugin_has_the_name_of_a_plugin_of_koha() -> None:
    assert not set(STANDARD_PLUGINS) & set(PLUGINS)


def test_times_are_those_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()

    source = "[% USE date; date.format(t, '%H:%M %Z'); date.format(t, '|%H:%M', gmt => 1); date.format(w, '|%Z %s') %]"

    rendered_in_berlin = _render(source, t=1782907200, w="2026-07-01 12:00:00")

    assert rendered_in_berlin == "14:00 CEST|12:00|CEST 1782900000"


def test_a_locale_is_not_set() -> None:
    source = "[% USE date; date.format(86400, '%A', locale => 'de_DE', gmt => 1) %]"

    assert _render(source) == "Friday"


def test_now_is_now() -> None:
    before = int(time.time())

    assert before <= int(_render("[% USE date; date.now %]")) <= int(time.time())
    assert _render("[% USE date; date.format(format => '%Y') %]") == time.strftime("%Y")


def test_errors_name_the_problem() -> None:
    assert _error("[% USE Table(3) %]").info == "Table plugin failed: invalid table data, expecting a list"
    assert _error("[% USE Math; Math.asin(2) %]").info == "asin(2) is not a real number"
    assert _error("[% USE d = Date; d.format('x') %]").info == (
        "bad time/date string:  expects 'h:m:s d:m:y'  got: 'x'"
    )
    assert _error("[% USE d = Date; d.format('9-9-9-9-9-999999999') %]").kind == "date"
    assert _error("[% USE d = Date; d.format('99999999999999999') %]").kind == "undef"


@profile(150)
@given(pattern=st.text(max_size=20), moment=st.integers() | st.text("0123456789 :-", max_size=30))
def test_any_date_and_format_ends_in_text_or_our_error(pattern: str, moment: int | str) -> None:
    with suppress(TemplateError):
        _render("[% USE date; date.format(moment, pattern) %]", moment=moment, pattern=pattern)


def test_random_numbers_differ_without_a_seed() -> None:
    source = "[% USE Math; Math.rand %]"

    assert _render(source) != _render(source)
