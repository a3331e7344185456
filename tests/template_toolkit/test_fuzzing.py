"""For any input, the engine raises its own error or none, and respects its limits."""

import copy
import os
import time
from collections.abc import Callable
from random import Random, SystemRandom

import pytest
from template_toolkit.generated import VARIABLES, Maker

from koha_ill_sidecar.template_toolkit import Engine, Limits, TemplateError

# A plain loop, because Hypothesis would remember this many examples. The nightly run sets its own number and uses new
# examples each time.
_NIGHTLY = os.environ.get("TEMPLATE_EXAMPLES")
_EXAMPLES = int(_NIGHTLY or "20000")

_PIECES = (
    *map(chr, range(32, 127)),
    *("\n", "é", "林", "\x00", "\x1c", "[%", "%]", "${", "|", "END", "FOREACH x IN l", "WHILE 1", "BLOCK q"),
    *("INCLUDE q", "MACRO m BLOCK", ";", "TAGS star", "\\", "[% # ", "-%]"),
)
# The time is checked only every few loop turns and at every block, so a rendering ends slightly later.
_LIMITS = Limits(seconds=1, output=200_000, list_size=20_000, loop_turns=50_000)
_SECONDS_AT_MOST = 5


def _mutated_template(random: Random) -> str:
    pieces = list(Maker(random).template())
    for _ in range(random.randrange(1, 6)):
        at = random.randrange(len(pieces) + 1)
        match random.randrange(3):
            case 0:
                pieces.insert(at, random.choice(_PIECES))
            case 1:
                del pieces[at : at + random.randrange(1, 5)]
            case _:
                start = random.randrange(len(pieces) + 1)
                pieces[at:at] = pieces[start : start + 30]
    return "".join(pieces)


def _any_text(random: Random) -> str:
    return "".join(
        random.choice(_PIECES) if random.random() < 0.7 else chr(random.randrange(0x110000))
        for _ in range(random.randrange(1, 60))
    )


def _any_bytes(random: Random) -> str:
    octets = random.randbytes(random.randrange(100))
    return f"[% {octets.decode(errors='surrogateescape')} %]"


@pytest.mark.slow
@pytest.mark.parametrize("make", [_mutated_template, _any_text, _any_bytes])
def test_the_engine_survives(make: Callable[[Random], str]) -> None:
    first = SystemRandom().randrange(2**60) if _NIGHTLY else 0
    for seed in range(first, first + _EXAMPLES):
        _survives(make(Random(seed)))


@pytest.mark.parametrize(
    "source", ["[%", "%]", "[%%]", "[%-%]", "[%#", '[% "', "[% ' %]", "[% \\", "[% $ %]", "[% ${ %]"]
)
def test_unfinished_tags(source: str) -> None:
    _survives(source)


def _survives(source: str) -> None:
    begun = time.thread_time()  # does not include the time of other programs
    try:
        output = Engine(limits=_LIMITS).render(source, copy.deepcopy(VARIABLES))
    except TemplateError:
        output = ""
    except Exception as error:
        raise AssertionError(f"the engine raised {error!r} on {source!r}") from error
    assert len(output) <= _LIMITS.output, source
    assert time.thread_time() - begun < _SECONDS_AT_MOST, source
