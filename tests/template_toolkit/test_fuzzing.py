"""Whatever is put in, the engine raises its own error or none."""

import copy
from contextlib import suppress
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from template_toolkit.generated import VARIABLES, Maker
from template_toolkit.profiles import profile

from koha_ill_sidecar.template_toolkit import Engine, Limits, TemplateError

_PIECES = (
    *map(chr, range(32, 127)),
    *("\n", "é", "林", "\x00", "\x1c", "[%", "%]", "${", "|", "END", "FOREACH x IN l", "WHILE 1", "BLOCK q"),
    *("INCLUDE q", "MACRO m BLOCK", ";", "TAGS star", "\\", "[% # ", "-%]"),
)


def _mutated(random: Random) -> str:
    pieces = list(Maker(random).template())
    for _ in range(random.randrange(1, 6)):
        at = random.randrange(len(pieces) + 1)
        match random.randrange(3):
            case 0:
                pieces.insert(at, _PIECES[random.randrange(len(_PIECES))])
            case 1:
                del pieces[at : at + random.randrange(1, 5)]
            case _:
                start = random.randrange(len(pieces) + 1)
                pieces[at:at] = pieces[start : start + 30]
    return "".join(pieces)


def _survives(source: str) -> None:
    engine = Engine(limits=Limits(seconds=2))
    with suppress(TemplateError):
        engine.render(source, copy.deepcopy(VARIABLES))


@profile(10_000)
@given(random=st.randoms(use_true_random=False))
def test_mutated_templates(random: Random) -> None:
    _survives(_mutated(random))


@profile(10_000)
@given(source=st.text(max_size=200))
def test_any_text(source: str) -> None:
    _survives(source)
    _survives(f"[% {source} %]")


@profile(2_000)
@given(source=st.binary(max_size=200))
def test_any_bytes(source: bytes) -> None:
    _survives(source.decode(errors="surrogateescape"))
    _survives(f"[% {source.decode(errors='surrogateescape')} %]")


@pytest.mark.parametrize(
    "source", ["[%", "%]", "[%%]", "[%-%]", "[%#", '[% "', "[% ' %]", "[% \\", "[% $ %]", "[% ${ %]"]
)
def test_unfinished_tags(source: str) -> None:
    _survives(source)
