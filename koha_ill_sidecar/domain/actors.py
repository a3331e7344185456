"""Who does something, as Koha's log asks for it."""

from dataclasses import dataclass
from enum import StrEnum


class Interface(StrEnum):
    """
    Where an action came from, as ``action_logs.interface`` and ``statistics.interface`` hold it.

    Source: Koha, C4/Log.pm logaction.
    """

    INTRANET = "intranet"
    OPAC = "opac"
    API = "api"
    CRON = "cron"
    COMMANDLINE = "commandline"


@dataclass(frozen=True, kw_only=True, slots=True)
class Actor:
    """The person or program behind a change."""

    interface: Interface
    borrowernumber: int = 0  # 0: nobody is logged in
    script: str | None = None  # name of the program, with CRON and COMMANDLINE only
    branchcode: str | None = None  # the library that the person works at
