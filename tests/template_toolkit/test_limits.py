"""A template cannot exceed its time or its memory, whatever it does; parsing takes time that grows with the source."""

import contextlib
import time
import tracemalloc

import pytest

from koha_ill_sidecar.template_toolkit.engine import Engine
from koha_ill_sidecar.template_toolkit.errors import TemplateError, TemplateLimitError
from koha_ill_sidecar.template_toolkit.limits import Limits

# Of processor time, which other programs on the machine do not lengthen much.
_SECONDS = 0.3
_LONGEST = 2.0
_LIMITS = Limits(seconds=_SECONDS, output=1_000_000, list_size=100_000, memory=100_000_000, tokens=50_000)


def _seconds_of(source: str, limits: Limits = _LIMITS) -> float:
    start = time.process_time()
    with contextlib.suppress(TemplateError):
        Engine(limits=limits).render(source, {"kept": [], "hash": {}})
    return time.process_time() - start


@pytest.mark.parametrize(
    "statement",
    [
        "x = l.unique",
        "x = l.sort",
        "x = l.nsort",
        "x = l.join(',').split(',')",
        "x = l.reverse",
        "x = l.grep('a')",
        "x = l.hash",
        "x = $l",
        "x = s.chunk(10)",
        "x = s | html",
        "x = s | html_entity | collapse",
        "SWITCH 'x'; CASE l; END",
        "USE t = table(l, rows=3); x = t.rows",
        "USE w = wrap; x = w(s, 20)",
        "h = l.hash(0); x = h.keys.sort",
    ],
)
def test_time_is_checked_by_the_work_done(statement: str) -> None:
    source = f"[% l = [1..90000]; s = 'a'; s = s.repeat(900000); FOREACH i IN [1..250]; {statement}; END %]"

    assert _seconds_of(source) < _LONGEST


def test_turn_of_a_loop_counts_the_statements_in_it() -> None:
    source = f"[% l = [1..90000]; FOREACH i IN l; {'x = i + 1; ' * 5000} END %]"
    engine = Engine(limits=Limits(seconds=60))
    template = engine.compile(source)
    engine.limits = Limits(seconds=1)  # only for the run: a busy machine may take longer than that to compile

    start = time.process_time()
    with pytest.raises(TemplateLimitError, match="seconds"):
        template.render({})

    assert time.process_time() - start < 1.5


@pytest.mark.parametrize(
    "statement",
    [
        "kept.push([1..90000])",
        "kept.push(l.slice(1, 80000))",
        "kept.push(l.reverse)",
        "hash.$i = l.unique",
        "m = []; m.import(l); kept.push(m)",
        "m = []; m.splice(0, 0, l); kept.push(m)",
        "m = []; m.90000 = 1; kept.push(m)",
        "m = {}; m.import(numbered); kept.push(m)",
        "kept.push([" + "1, " * 2000 + "])",
        "kept.push(s.repeat(900000))",
        "kept.push(s.repeat(900000).upper)",
        "USE t = String(s); t.repeat(900000); kept.push(t)",
        "s.repeat(900000)",
        "x = BLOCK; s.repeat(900000); END; kept.push(x)",
        "s.repeat(900000) | html",
    ],
)
def test_memory_of_all_values_is_limited(statement: str) -> None:
    limits = Limits(seconds=30, output=1_000_000, list_size=100_000, memory=50_000_000)
    source = (
        "[% s = 'a'; l = [1..90000]; numbered = {}; FOREACH i IN [1..1000]; numbered.$i = i; END; "
        f"FOREACH i IN [1..90000]; {statement}; END %]"
    )
    tracemalloc.start()
    try:
        with pytest.raises(TemplateLimitError, match="bytes in all"):
            Engine(limits=limits).render(source, {"kept": [], "hash": {}})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 100_000_000


@pytest.mark.parametrize(
    "source",
    [
        "[% " * 60_000,
        "[% " * 60_000 + "%]",
        '[% "' + "${" * 100_000 + '" %]',
        "[% " + "a _ " * 20_000 + "a %]",
        " " * 900_000 + "x[%~ a %]",
        "[% a %]" * 100_000,
        "[% " + "' \" " * 60_000 + " %]",
    ],
)
def test_parsing_takes_time_that_grows_with_the_source(source: str) -> None:
    assert _seconds_of(source) < _LONGEST


def test_parsing_is_under_the_time_limit() -> None:
    with pytest.raises(TemplateLimitError, match="seconds"):
        Engine(limits=Limits(seconds=0.01)).compile("[% a.b.c %]" * 10_000)


def test_number_of_tokens_is_limited() -> None:
    with pytest.raises(TemplateLimitError, match="more than 100 words and signs"):
        Engine(limits=Limits(tokens=100)).compile("[% a %]" * 50)


def test_trim_takes_time_that_grows_with_the_text() -> None:
    source = "[% s = ' '; t = 'a' _ s.repeat(900000) _ 'b'; t = t.trim; u = 'a' _ s.repeat(900000); u.trim.length %]"

    assert _seconds_of(source) < _LONGEST
