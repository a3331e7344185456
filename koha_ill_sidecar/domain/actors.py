"""Who acts on a request, and what they may do."""

import re
from dataclasses import dataclass
from enum import StrEnum

_TIMEOUT = re.compile(r"\s*(\d+)\s*([dh]?)\s*", re.IGNORECASE)
_SECONDS_PER_UNIT = {"": 1, "h": 3600, "d": 86400}
_DEFAULT_TIMEOUT = 600


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


class Permission(StrEnum):
    """Koha's permissions that count here; superlibrarians have all of them."""

    CATALOGUE = "catalogue"  # to sign in to the staff interface
    ILL = "ill"
    CIRCULATE = "circulate_remaining_permissions"  # to check out


@dataclass(frozen=True, kw_only=True, slots=True)
class Actor:
    """
    Who is behind a change: a staff member, a patron, an API client, a backend, a partner with a token, or a job.

    Every use case takes one. It says what Koha's log and statistics are to show, and what the actor may do.

    Attributes:
        borrowernumber: The person's; 0 where nobody is logged in.
        script: Name of the program, with CRON and COMMANDLINE only.
        branchcode: The library that the person works at, which need not be their own.
        permissions: What the person may do in Koha; empty for programs, which need none for what they do.
    """

    interface: Interface
    borrowernumber: int = 0
    script: str | None = None
    branchcode: str | None = None
    permissions: frozenset[Permission] = frozenset()

    def may(self, permission: Permission) -> bool:
        """Return whether the actor has a permission."""
        return permission in self.permissions


@dataclass(frozen=True, kw_only=True, slots=True)
class StaffMember(Actor):
    """A person who is signed in to the staff interface."""

    interface: Interface = Interface.INTRANET
    borrowernumber: int
    branchcode: str
    branchname: str
    userid: str
    cardnumber: str
    name: str
    is_superlibrarian: bool


def session_seconds(preference: str) -> int:
    """
    Return how many seconds a session lasts without activity, from Koha's preference `timeout`.

    Source: Koha, C4/Auth.pm _timeout_syspref: seconds, or a number of days (`1d`) or hours (`10h`); anything else is
    ten minutes.
    """
    found = _TIMEOUT.fullmatch(preference)
    if found is None:
        return _DEFAULT_TIMEOUT
    return int(found.group(1)) * _SECONDS_PER_UNIT[found.group(2).lower()] or _DEFAULT_TIMEOUT
