"""What the check of notices has to say."""

from dataclasses import dataclass
from enum import StrEnum

from koha_ill_sidecar.domain.notices import Letter
from koha_ill_sidecar.messages import LazyMessage


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"  # nothing is sent: Koha or the sidecar fails on it
    WARNING = "warning"  # what is sent is hardly what was meant


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that is wrong with a letter."""

    code: str
    transport: str
    lang: str
    branchcode: str  # "": the letter for all libraries
    part: str | None = None  # title or content; None for the letter as a whole
    line: int | None = None
    column: int | None = None
    source: str | None = None  # the line, as it stands in the letter
    severity: Severity
    message: LazyMessage
    advice: LazyMessage  # how to mend it
    address: str | None = None  # of Koha's page where it can be mended


def finding_on(letter: Letter, severity: Severity, message: LazyMessage, advice: LazyMessage) -> Finding:
    """Make a finding on a letter as a whole."""
    return Finding(
        code=letter.code,
        transport=letter.transport,
        lang=letter.lang,
        branchcode=letter.branchcode,
        severity=severity,
        message=message,
        advice=advice,
    )
