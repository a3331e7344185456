"""The query of the list's URL: filter, order and page."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from werkzeug.datastructures import MultiDict

from koha_ill_sidecar.domain.request_index.documents import Column
from koha_ill_sidecar.domain.request_index.filters import RequestFilter, Sort
from koha_ill_sidecar.messages import N_
from koha_ill_sidecar.web.ui.i18n import gettext as _

PAGE_SIZES = (20, 50, 100)
LABELS: Mapping[str, str] = {
    "q": N_("Keyword"),
    "status": N_("Status"),
    "alias": N_("Status"),
    "placed_from": N_("Placed on"),
    "placed_to": N_("Placed on"),
    "updated_from": N_("Updated on"),
    "updated_to": N_("Updated on"),
    "library": N_("Library"),
    "patron": N_("Patron"),
    "borrowernumber": N_("Patron"),
    "backend": N_("Backend"),
    "type": N_("Request type"),
    "batch": N_("Batch"),
    "sort": N_("Sort order"),
    "page": N_("Page"),
    "per_page": N_("Rows"),
}
"""The labels of all query parameters of the list."""

_MAX_TEXT_LENGTH = 200
_MAX_QUOTED_LENGTH = 40
_MAX_VALUES = 50
_LAST_PAGE = 1_000_000
_NUMBER = re.compile(r"\d{1,10}", re.ASCII)

_Value = TypeVar("_Value")


@dataclass(frozen=True, kw_only=True, slots=True)
class ListQuery:
    """
    A view of the list.

    Attributes:
        mistakes: Messages about invalid parameters, by name; these are ignored.
        unread: Names of the parameters that could not be parsed.
    """

    wanted: RequestFilter
    sort: Sort
    page: int
    page_size: int
    mistakes: Mapping[str, str]
    unread: Collection[str]

    @property
    def is_filtered(self) -> bool:
        """Whether the list leaves out some requests."""
        return self.wanted != RequestFilter()


def read(args: "MultiDict[str, str]") -> ListQuery:
    """Parse a query; invalid parameters are ignored and reported in :attr:`ListQuery.mistakes`."""
    reader = _Reader(args)
    placed_from, placed_to = reader.days("placed")
    updated_from, updated_to = reader.days("updated")
    wanted = RequestFilter(
        keyword=reader.text("q"),
        statuses=reader.many("status"),
        aliases=reader.many("alias"),
        placed_from=placed_from,
        placed_to=placed_to,
        updated_from=updated_from,
        updated_to=updated_to,
        branchcodes=reader.many("library"),
        borrowernumber=reader.one("borrowernumber", _number),
        patron=reader.text("patron"),
        backends=reader.many("backend"),
        types=reader.many("type"),
        batch_id=reader.one("batch", _number),
    )
    return ListQuery(
        wanted=wanted,
        sort=reader.one("sort", _sort) or Sort(),
        page=min(max(reader.one("page", _number) or 1, 1), _LAST_PAGE),
        page_size=reader.one("per_page", _page_size) or PAGE_SIZES[0],
        mistakes=reader.mistakes,
        unread=reader.unread,
    )


class _Reader:
    def __init__(self, args: "MultiDict[str, str]") -> None:
        self._args = args
        self.mistakes: dict[str, str] = {}
        self.unread: set[str] = set()

    def text(self, name: str) -> str:
        """Return a text, truncated if it is too long."""
        entry = self._args.get(name, "").strip()
        if len(entry) > _MAX_TEXT_LENGTH:
            self.mistakes[name] = _(
                "This is too long: only the first %(most)s characters are searched for.",
                most=_MAX_TEXT_LENGTH,
            )
        return entry[:_MAX_TEXT_LENGTH]

    def many(self, name: str) -> tuple[str, ...]:
        entries = dict.fromkeys(value.strip() for value in self._args.getlist(name) if value.strip())
        valid = [value for value in entries if len(value) <= _MAX_TEXT_LENGTH][:_MAX_VALUES]
        if len(valid) < len(entries):
            self.mistakes[name] = _("There are too many values: some were ignored.")
        return tuple(valid)

    def one(self, name: str, parse: Callable[[str], _Value], message: str = "") -> _Value | None:
        entry = self._args.get(name, "").strip()
        if not entry:
            return None
        try:
            return parse(entry)
        except ValueError:
            self.unread.add(name)
            quoted = entry if len(entry) <= _MAX_QUOTED_LENGTH else entry[:_MAX_QUOTED_LENGTH] + "…"
            self.mistakes[name] = _(message or N_("“%(given)s” was ignored."), given=quoted)
            return None

    def days(self, name: str) -> tuple[date | None, date | None]:
        """Return the first and the last day; neither if they are in the wrong order."""
        not_a_date = N_("“%(given)s” is not a date and was ignored.")
        first = self.one(f"{name}_from", date.fromisoformat, not_a_date)
        last = self.one(f"{name}_to", date.fromisoformat, not_a_date)
        if first is not None and last is not None and first > last:
            self.mistakes[f"{name}_to"] = _("The start date is after the end date: both were ignored.")
            return None, None
        return first, last


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return int(text)


def _page_size(text: str) -> int:
    size = _number(text)
    if size not in PAGE_SIZES:
        raise ValueError(text)
    return size


def _sort(text: str) -> Sort:
    return Sort(Column(text.removeprefix("-")), descending=text.startswith("-"))
