"""What a check finds."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from koha_ill_sidecar.errors import SidecarError
from koha_ill_sidecar.messages import LazyMessage, lazy, literal


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
        advice: What to do; empty where there is nothing to do.
    """

    name: str
    verdict: Verdict
    seen: LazyMessage
    advice: LazyMessage | Literal[""] = ""


def ok(name: str, seen: LazyMessage | str) -> Finding:
    """Report that all is well; a text that is not lazy is for the command line alone, and stays English."""
    return Finding(name=name, verdict=Verdict.OK, seen=_message(seen))


def warn(name: str, seen: LazyMessage | str, advice: LazyMessage | str) -> Finding:
    """Report what works, but not as it should."""
    return Finding(name=name, verdict=Verdict.WARN, seen=_message(seen), advice=_message(advice))


def fail(name: str, seen: LazyMessage | str, advice: LazyMessage | str) -> Finding:
    """Report what cannot work."""
    return Finding(name=name, verdict=Verdict.FAIL, seen=_message(seen), advice=_message(advice))


def fail_with(name: str, error: SidecarError) -> Finding:
    """Report one of our errors, whose first sentence is what was wrong and the rest how to fix it."""
    seen, _, advice = str(error).partition(". ")
    return Finding(
        name=name,
        verdict=Verdict.FAIL,
        seen=literal(seen.rstrip(".")),
        advice=literal(advice) if advice else "",
    )


def guarded(name: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Run one check; an error becomes its finding, so that the next check runs all the same."""
    try:
        yield from check()
    except SidecarError as error:
        yield fail_with(name, error)
    except SQLAlchemyError as error:
        yield fail(
            name,
            lazy("the check failed: %(error)s", error=server_message(error)),
            lazy("See the checks above."),
        )


def server_message(error: SQLAlchemyError) -> str:
    """Return MariaDB's own message and error number."""
    arguments: Sequence[object] = getattr(error.orig, "args", ()) if isinstance(error, DBAPIError) else ()
    return f"{arguments[1]} ({arguments[0]})" if len(arguments) > 1 else str(error)


def _message(text: LazyMessage | str) -> LazyMessage:
    return literal(text) if isinstance(text, str) else text
