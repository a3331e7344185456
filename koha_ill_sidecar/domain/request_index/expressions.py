"""
Conditions on what terms a request has, which can be asked of one request or of the sets of all.

A set is whatever knows ``&``, ``|`` and ``-``: Python's own, or a bitmap.
"""

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import reduce
from typing import Any, Protocol, Self, TypeAlias, TypeVar


class SetLike(Protocol):
    """What sets of requests must be able to do."""

    def __and__(self, other: Any, /) -> Self: ...  # noqa: ANN401  (as the sets at hand declare it)
    def __or__(self, other: Any, /) -> Self: ...  # noqa: ANN401
    def __sub__(self, other: Any, /) -> Self: ...  # noqa: ANN401


S = TypeVar("S", bound=SetLike)


@dataclass(frozen=True, slots=True)
class Has:
    """The request has a term."""

    term: str


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one holds; without any, nothing does."""

    parts: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every one holds; without any, everything does."""

    parts: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Not:
    """It does not hold."""

    part: "Expression"


Expression: TypeAlias = Has | AnyOf | AllOf | Not

EVERYTHING = AllOf(())


def terms(expression: Expression) -> Iterator[str]:
    """Name the terms that an expression asks for; some perhaps twice."""
    match expression:
        case Has(term):
            yield term
        case Not(part):
            yield from terms(part)
        case AnyOf(parts) | AllOf(parts):
            for part in parts:
                yield from terms(part)


def holds(expression: Expression, has: AbstractSet[str]) -> bool:
    """Return whether an expression holds for what has these terms."""
    match expression:
        case Has(term):
            return term in has
        case Not(part):
            return not holds(part, has)
        case AnyOf(parts):
            return any(holds(part, has) for part in parts)
        case AllOf(parts):
            return all(holds(part, has) for part in parts)


def matching(expression: Expression, having: Callable[[str], S], everything: S) -> S:
    """
    Return the members of *everything* for which an expression holds.

    Args:
        having: Gives the set of those that have a term.
    """
    match expression:
        case Has(term):
            return everything & having(term)
        case Not(part):
            return everything - matching(part, having, everything)
        case AnyOf(parts):
            nothing = everything - everything
            return reduce(lambda found, part: found | matching(part, having, everything), parts, nothing)
        case AllOf(parts):
            return reduce(lambda found, part: matching(part, having, found), parts, everything)
