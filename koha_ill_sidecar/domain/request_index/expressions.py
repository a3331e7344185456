"""
Conditions on the terms of a request, which can be evaluated for one request or for sets of all requests.

A set is anything with ``&``, ``|`` and ``-``: Python's own, or a bitmap.
"""

from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import reduce
from typing import Any, Protocol, Self, TypeAlias, TypeVar


class SetLike(Protocol):
    """The operations on sets of requests."""

    def __and__(self, other: Any, /) -> Self: ...  # noqa: ANN401  (as Python's sets and bitmaps declare it)
    def __or__(self, other: Any, /) -> Self: ...  # noqa: ANN401
    def __sub__(self, other: Any, /) -> Self: ...  # noqa: ANN401


S = TypeVar("S", bound=SetLike)


@dataclass(frozen=True, slots=True)
class Has:
    """True if the request has a term."""

    term: str


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True if at least one part is; false without parts."""

    parts: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class AllOf:
    """True if every part is; true without parts."""

    parts: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Not:
    """True if the part is not."""

    part: "Expression"


Expression: TypeAlias = Has | AnyOf | AllOf | Not


def terms(expression: Expression) -> Iterator[str]:
    """Yield the terms of an expression; some may come twice."""
    match expression:
        case Has(term):
            yield term
        case Not(part):
            yield from terms(part)
        case AnyOf(parts) | AllOf(parts):
            for part in parts:
                yield from terms(part)


def holds(expression: Expression, has: AbstractSet[str]) -> bool:
    """Return whether an expression is true for a request with these terms."""
    match expression:
        case Has(term):
            return term in has
        case Not(part):
            return not holds(part, has)
        case AnyOf(parts):
            return any(holds(part, has) for part in parts)
        case AllOf(parts):
            return all(holds(part, has) for part in parts)


def matching(expression: Expression, ids_of: Callable[[str], S], everything: S) -> S:
    """
    Return the members of *everything* for which an expression is true.

    Args:
        ids_of: Returns the set of those that have a term.
    """
    match expression:
        case Has(term):
            return everything & ids_of(term)
        case Not(part):
            return everything - matching(part, ids_of, everything)
        case AnyOf(parts):
            nothing = everything - everything
            return reduce(lambda found, part: found | matching(part, ids_of, everything), parts, nothing)
        case AllOf(parts):
            return reduce(lambda found, part: matching(part, ids_of, found), parts, everything)
