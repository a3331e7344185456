"""Two people who edit the same thing: what the second is told before anything of the first is overwritten."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """A value that somebody else changed while a form was open."""

    name: str
    was: str  # when the form was opened
    now: str
    yours: str

    @property
    def is_yours_untouched(self) -> bool:
        """Whoever has the form has not changed this value, so that nothing of theirs is lost with the new one."""
        return self.yours == self.was


@dataclass(frozen=True, kw_only=True, slots=True)
class ConcurrentChange:
    """
    Nothing was written.

    Attributes:
        now: The values as they are.
    """

    differences: tuple[Difference, ...]
    now: Mapping[str, str]

    @property
    def taken(self) -> dict[str, str]:
        """The new values of what the form's owner has not touched."""
        return {one.name: one.now for one in self.differences if one.is_yours_untouched}


def compare(
    *, seen: Mapping[str, str], now: Mapping[str, str], yours: Mapping[str, str]
) -> ConcurrentChange | None:
    """
    Compare what a form showed with what there is; None if it is the same.

    An absent value is an empty one, and how lines end does not matter (browsers send both CR and LF).
    """
    differences = tuple(
        Difference(name=name, was=_of(seen, name), now=_of(now, name), yours=_of(yours, name))
        for name in dict.fromkeys([*now, *seen])
        if _of(seen, name) != _of(now, name)
    )
    return ConcurrentChange(differences=differences, now=now) if differences else None


def one_line_ends(text: str) -> str:
    """Return a text with LF at the end of its lines."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _of(values: Mapping[str, str], name: str) -> str:
    return one_line_ends(values.get(name, ""))
