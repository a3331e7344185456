"""Two people who edit the same request: what the second one sees before anything of the first is overwritten."""

from collections.abc import Mapping
from dataclasses import dataclass

from koha_ill_sidecar.errors import RequestError


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """A value that somebody else changed while a form was open."""

    name: str
    was: str  # when the form was opened
    now: str
    yours: str

    @property
    def is_yours_untouched(self) -> bool:
        """Whether the form still has the old value, so that taking over the new one loses nothing."""
        return self.yours == self.was


@dataclass(frozen=True, kw_only=True, slots=True)
class ConcurrentChange:
    """
    What somebody else changed while a form was open.

    Attributes:
        now: All values as they are now.
    """

    differences: tuple[Difference, ...]
    now: Mapping[str, str]

    @property
    def taken(self) -> dict[str, str]:
        """The new values of what was not edited in the form."""
        return {one.name: one.now for one in self.differences if one.is_yours_untouched}


class RequestChanged(RequestError):
    """The request is no longer as it was shown to the person who acts; nothing was written."""

    def __init__(self, illrequest_id: int, change: ConcurrentChange) -> None:
        self.change = change
        super().__init__(f"Request {illrequest_id} has changed since it was shown. Look at it again.")


def compare(
    *, seen: Mapping[str, str], now: Mapping[str, str], yours: Mapping[str, str]
) -> ConcurrentChange | None:
    """
    Compare what a form showed with what there is now; None if it is the same.

    A missing value counts as an empty one. How lines end does not matter, since browsers send both CR and LF.
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
