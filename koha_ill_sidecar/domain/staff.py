"""People who work with requests, and what they may do."""

import re
from dataclasses import dataclass
from enum import StrEnum

from koha_ill_sidecar.domain.actors import Actor, Interface

_TIMEOUT = re.compile(r"\s*(\d+)\s*([dh]?)\s*", re.IGNORECASE)
_UNITS = {"": 1, "h": 3600, "d": 86400}
_DEFAULT_TIMEOUT = 600


class Permission(StrEnum):
    """Koha's permissions that count here; superlibrarians have all of them."""

    CATALOGUE = "catalogue"  # to sign in to the staff interface
    ILL = "ill"
    CIRCULATE = "circulate_remaining_permissions"  # to check out


@dataclass(frozen=True, kw_only=True, slots=True)
class StaffMember:
    """
    A person who is signed in.

    Attributes:
        branchcode: The library that they work at, which need not be their own.
    """

    borrowernumber: int
    userid: str
    cardnumber: str
    name: str
    branchcode: str
    branchname: str
    is_superlibrarian: bool
    permissions: frozenset[Permission]

    def may(self, permission: Permission) -> bool:
        """Return whether they have a permission."""
        return permission in self.permissions

    @property
    def actor(self) -> Actor:
        """Who Koha's log is told of."""
        return Actor(
            interface=Interface.INTRANET, borrowernumber=self.borrowernumber, branchcode=self.branchcode
        )


def session_seconds(preference: str) -> int:
    """
    Read how long a session lasts without a sign of life, from Koha's preference `timeout`.

    Source: Koha, C4/Auth.pm _timeout_syspref: seconds, or a number of days (`1d`) or hours (`10h`); anything else is
    ten minutes.
    """
    found = _TIMEOUT.fullmatch(preference)
    if found is None:
        return _DEFAULT_TIMEOUT
    return int(found.group(1)) * _UNITS[found.group(2).lower()] or _DEFAULT_TIMEOUT
