"""What a check finds."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from koha_ill_sidecar.errors import SidecarError


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """
    What one check found.

    Attributes:
        name: Which check, the same in every version.
        seen: What was found.
        advice: What to do; empty where there is nothing.
    """

    name: str
    verdict: Verdict
    seen: str
    advice: str = ""


def ok(name: str, seen: str) -> Finding:
    """Say that all is well."""
    return Finding(name=name, verdict=Verdict.OK, seen=seen)


def warn(name: str, seen: str, advice: str) -> Finding:
    """Say that it works, but not as it should."""
    return Finding(name=name, verdict=Verdict.WARN, seen=seen, advice=advice)


def fail(name: str, seen: str, advice: str) -> Finding:
    """Say that it cannot work."""
    return Finding(name=name, verdict=Verdict.FAIL, seen=seen, advice=advice)


def failure(name: str, error: SidecarError) -> Finding:
    """Put one of our errors, which say first what was wrong and then how to mend it, into a finding."""
    seen, _, advice = str(error).partition(". ")
    return fail(name, seen.rstrip("."), advice)


def guarded(name: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Run one check; what hinders it becomes its finding, and the next goes on."""
    try:
        yield from check()
    except SidecarError as error:
        yield failure(name, error)
    except SQLAlchemyError as error:
        yield fail(name, f"could not look: {database_said(error)}", "See the checks above.")


def database_said(error: SQLAlchemyError) -> str:
    """Give the server's own words."""
    arguments: Sequence[object] = getattr(error.orig, "args", ()) if isinstance(error, DBAPIError) else ()
    return f"{arguments[1]} ({arguments[0]})" if len(arguments) > 1 else str(error)


def numbered(count: int, noun: str) -> str:
    """Write ``1 letter`` or ``3 letters``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
