"""What the check of notices finds."""

from dataclasses import dataclass
from enum import StrEnum

from koha_ill_sidecar.domain.notices import Letter
from koha_ill_sidecar.messages import LazyMessage


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"  # Koha or the sidecar fails on it, so nothing is sent
    WARNING = "warning"  # a message is sent, but probably not as intended


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that is wrong with a letter."""

    code: str
    transport: str
    lang: str
    branchcode: str  # "": the letter for all libraries
    part: str | None = None  # title or content; None for the whole letter
    line: int | None = None
    column: int | None = None
    source: str | None = None  # the line of the letter
    severity: Severity
    message: LazyMessage
    advice: LazyMessage  # how to fix it
    address: str | None = None  # URL of Koha's page where the letter is edited


def finding_on(letter: Letter, severity: Severity, message: LazyMessage, advice: LazyMessage) -> Finding:
    """Return a finding on a whole letter."""
    return Finding(
        code=letter.code,
        transport=letter.transport,
        lang=letter.lang,
        branchcode=letter.branchcode,
        severity=severity,
        message=message,
        advice=advice,
    )
