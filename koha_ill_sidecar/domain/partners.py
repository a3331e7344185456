"""Partner libraries: whom a request can be placed with, and how Koha remembers it."""

from collections.abc import Iterable
from dataclasses import dataclass

SEPARATOR = "; "


@dataclass(frozen=True, kw_only=True, slots=True)
class Partner:
    """A patron that stands for a library."""

    borrowernumber: int
    name: str
    branchcode: str
    email: str  # empty: cannot be asked


def joined_addresses(addresses: Iterable[str]) -> str:
    """
    Return what the attribute ``requested_partners`` holds.

    Source: Koha, Koha/ILL/Request.pm generic_confirm.
    """
    return SEPARATOR.join(addresses)
