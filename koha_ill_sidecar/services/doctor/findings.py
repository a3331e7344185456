"""What a check finds."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Literal, TypeVar

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from koha_ill_sidecar.errors import SidecarError
from koha_ill_sidecar.messages import LazyMessage, lazy, literal

Said_co = TypeVar("Said_co", bound=LazyMessage | str, covariant=True)
"""How a finding is worded: as a sentence where a page shows it, else as a text."""

_Words = TypeVar("_Words", bound=LazyMessage | str)


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding(Generic[Said_co]):
    """
    What one check found.

    Attributes:
        name: Which check, the same in every version.
        seen: What was found.
        advice: What to do; empty where there is nothing.
    """

    name: str
    verdict: Verdict
    seen: Said_co
    advice: Said_co | Literal[""] = ""


def ok(name: str, seen: _Words) -> Finding[_Words]:
    """Say that all is well."""
    return Finding(name=name, verdict=Verdict.OK, seen=seen)


def warn(name: str, seen: _Words, advice: _Words) -> Finding[_Words]:
    """Say that it works, but not as it should."""
    return Finding(name=name, verdict=Verdict.WARN, seen=seen, advice=advice)


def fail(name: str, seen: _Words, advice: _Words) -> Finding[_Words]:
    """Say that it cannot work."""
    return Finding(name=name, verdict=Verdict.FAIL, seen=seen, advice=advice)


def failure(name: str, error: SidecarError) -> Finding[LazyMessage]:
    """Put one of our errors, which say first what was wrong and then how to mend it, into a finding."""
    seen, _, advice = str(error).partition(". ")
    return Finding(
        name=name,
        verdict=Verdict.FAIL,
        seen=literal(seen.rstrip(".")),
        advice=literal(advice) if advice else "",
    )


def guarded(
    name: str, check: Callable[[], Iterable[Finding[_Words]]]
) -> Iterator[Finding[_Words | LazyMessage]]:
    """Run one check; what hinders it becomes its finding, and the next goes on."""
    try:
        yield from check()
    except SidecarError as error:
        yield failure(name, error)
    except SQLAlchemyError as error:
        yield fail(
            name,
            lazy("could not look: %(error)s", error=database_said(error)),
            lazy("See the checks above."),
        )


def database_said(error: SQLAlchemyError) -> str:
    """Return the server's own words."""
    arguments: Sequence[object] = getattr(error.orig, "args", ()) if isinstance(error, DBAPIError) else ()
    return f"{arguments[1]} ({arguments[0]})" if len(arguments) > 1 else str(error)
