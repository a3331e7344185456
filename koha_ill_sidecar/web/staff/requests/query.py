"""What the address of the list says: filter, order and page."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from werkzeug.datastructures import MultiDict

from koha_ill_sidecar.domain.request_documents import Column
from koha_ill_sidecar.domain.request_filters import RequestFilter, Sort
from koha_ill_sidecar.words import N_

PAGE_SIZES = (20, 50, 100)
NAMES = (
    *("q", "status", "alias", "placed_from", "placed_to", "updated_from", "updated_to", "library", "patron"),
    *("borrowernumber", "backend", "type", "batch", "sort", "page", "per_page"),
)
"""Everything that an address of the list may say."""

LABELS: Mapping[str, str] = {
    "placed_from": N_("Placed on, from"),
    "placed_to": N_("Placed on, to"),
    "updated_from": N_("Updated on, from"),
    "updated_to": N_("Updated on, to"),
    "borrowernumber": N_("Patron ID"),
    "batch": N_("Batch"),
    "sort": N_("Sort order"),
    "page": N_("Page"),
    "per_page": N_("Rows"),
}
"""What pages call the parts of an address that can be mistaken."""

_LONGEST_TEXT = 200
_MOST_VALUES = 50
_LAST_PAGE = 1_000_000
_NUMBER = re.compile(r"\d{1,10}", re.ASCII)

_Value = TypeVar("_Value")


@dataclass(frozen=True, kw_only=True, slots=True)
class ListQuery:
    """
    A view of the list.

    Attributes:
        mistakes: Parts of the address that cannot be meant, by name; they do not count.
    """

    wanted: RequestFilter
    sort: Sort
    page: int
    page_size: int
    mistakes: Mapping[str, str]

    @property
    def is_filtered(self) -> bool:
        """Whether some requests are left out."""
        return self.wanted != RequestFilter()


def read(args: "MultiDict[str, str]") -> ListQuery:
    """Read an address; what cannot be meant is passed over and told."""
    reader = _Reader(args)
    wanted = RequestFilter(
        keyword=reader.text("q"),
        statuses=reader.many("status"),
        aliases=reader.many("alias"),
        placed_from=reader.one("placed_from", date.fromisoformat),
        placed_to=reader.one("placed_to", date.fromisoformat),
        updated_from=reader.one("updated_from", date.fromisoformat),
        updated_to=reader.one("updated_to", date.fromisoformat),
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
    )


def sort_value(sort: Sort) -> str:
    """Write an order as an address has it: ``title``, or ``-title`` from the end."""
    return f"-{sort.column.value}" if sort.descending else sort.column.value


class _Reader:
    def __init__(self, args: "MultiDict[str, str]") -> None:
        self._args = args
        self.mistakes: dict[str, str] = {}

    def text(self, name: str) -> str:
        return self._args.get(name, "").strip()[:_LONGEST_TEXT]

    def many(self, name: str) -> tuple[str, ...]:
        given = (value.strip()[:_LONGEST_TEXT] for value in self._args.getlist(name)[:_MOST_VALUES])
        return tuple(dict.fromkeys(value for value in given if value))

    def one(self, name: str, parse: Callable[[str], _Value]) -> _Value | None:
        given = self.text(name)
        if not given:
            return None
        try:
            return parse(given)
        except ValueError:
            self.mistakes[name] = given
            return None


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
