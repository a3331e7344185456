"""The ID of a request as people and suppliers write it: ``201``, ``#201``, or ``ADA-201`` with a library's prefix."""

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass

_FORM = re.compile(r"#?\s*(?:(?P<prefix>[^\s#]+)-)?#?(?P<digits>[0-9]{1,19})", re.ASCII)
_HYPHENS = re.compile("[\u2010-\u2015\u2212]")
_LARGEST_KEY = 2**63 - 1


@dataclass(frozen=True, slots=True)
class WrittenID:
    """An ID, with the prefix that was written in front of it; empty if there was none."""

    illrequest_id: int
    prefix: str = ""

    def has_prefix_of(self, prefixes: Collection[str]) -> bool:
        """
        Return whether the prefix is one of *prefixes*, or absent.

        The prefix of any library will do: a request may move to another library after its ID was sent to somebody.
        """
        return not self.prefix or self.prefix.casefold() in {known.casefold() for known in prefixes}


def parse(text: str) -> WrittenID | None:
    """Return the ID that a text consists of; None if it is anything else."""
    plain = _HYPHENS.sub("-", unicodedata.normalize("NFKC", text)).strip()
    match = _FORM.fullmatch(plain)
    if match is None or not 0 < int(match["digits"]) <= _LARGEST_KEY:
        return None
    return WrittenID(int(match["digits"]), match["prefix"] or "")


def unknown_prefix(prefix: str, prefixes: Collection[str]) -> str:
    """Return what is wrong with a prefix that no library has."""
    known = ", ".join(f"{one}-" for one in sorted(set(prefixes)))
    return f"No library here has request IDs that begin with {prefix}-. " + (
        f"There are: {known}." if known else "Leave out the prefix."
    )
