"""
Filters and sort orders of a list of requests, and the terms that they require.

Source: Koha, koha-tmpl/intranet-tmpl/prog/js/ill-list-table.js; Koha/ILL/Requests.pm filter_by_visible.
"""

import calendar
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from koha_ill_sidecar.domain.identifiers import searched
from koha_ill_sidecar.domain.request_index.documents import Column, Document, Facet
from koha_ill_sidecar.domain.request_index.expressions import AllOf, AnyOf, Expression, Has, Not, holds
from koha_ill_sidecar.domain.request_index.terms import (
    PATRON,
    TEXT,
    is_proven_by_grams,
    necessary_grams,
    words,
)

_YEAR_LENGTH = 4
_EARLIEST, _LATEST = date(1900, 1, 1), date(2199, 12, 31)


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestFilter:
    """
    Conditions of a list, all of which must hold; empty ones and None do not count.

    Attributes:
        keyword: Words, each of which must occur somewhere in the request, even inside another word.
            Identifiers may have any form.
        statuses: Codes of statuses, whether or not the request has an alias.
        plain_statuses: Codes of statuses of requests without an alias.
        aliases: Codes of status aliases; a request needs one of these or one of the statuses.
        placed_from, placed_to, updated_from, updated_to: Days, both included.
        patron: Words, each of which must occur in the patron's names, card number or login.
        hidden: Codes of statuses and aliases whose requests are left out (ILLHiddenRequestStatuses).
    """

    keyword: str = ""
    statuses: Sequence[str] = ()
    plain_statuses: Sequence[str] = ()
    aliases: Sequence[str] = ()
    placed_from: date | None = None
    placed_to: date | None = None
    updated_from: date | None = None
    updated_to: date | None = None
    branchcodes: Sequence[str] = ()
    borrowernumber: int | None = None
    patron: str = ""
    backends: Sequence[str] = ()
    types: Sequence[str] = ()
    batch_id: int | None = None
    hidden: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Sort:
    """The order of a list; requests with the same key are sorted by ID, in the same direction."""

    column: Column = Column.ID
    descending: bool = True


@dataclass(frozen=True, slots=True)
class SearchWord:
    """A folded word that must occur in the text, or in the part of it that describes the patron."""

    word: str
    of: str = TEXT  # or PATRON

    @property
    def necessary(self) -> Expression:
        """The terms without which the word cannot occur; they prove a short word only."""
        return AllOf(tuple(Has(self.of + gram) for gram in necessary_grams(self.word)))

    @property
    def is_proven_by_terms(self) -> bool:
        """Whether a request with these terms certainly has the word."""
        return is_proven_by_grams(self.word)

    @property
    def is_identifier(self) -> bool:
        """Whether it looks like (a part of) an identifier, such as an ISBN or a card number; not like a year."""
        return len(self.word) > _YEAR_LENGTH and any(character.isdigit() for character in self.word)

    def occurs_in(self, document: Document) -> bool:
        """Return whether the word occurs in a request."""
        text = document.patron_text if self.of == PATRON else document.text
        return self.word in text


def search_words(wanted: RequestFilter) -> list[SearchWord]:
    """Return the words that must occur."""
    return [
        *(SearchWord(word) for word in dict.fromkeys(words(searched(wanted.keyword)))),
        *(SearchWord(word, PATRON) for word in dict.fromkeys(words(wanted.patron))),
    ]


def status_expression(wanted: RequestFilter) -> Expression:
    """Return the condition on the status."""
    parts = [
        *_has_each(Facet.STATUS, wanted.statuses),
        *_has_each(Facet.PLAIN_STATUS, wanted.plain_statuses),
        *_has_each(Facet.ALIAS, wanted.aliases),
    ]
    return AnyOf(tuple(parts)) if parts else AllOf(())


def other_expression(wanted: RequestFilter) -> Expression:
    """Return all other conditions, as far as terms can express them: for a long word only its necessary terms."""
    groups = {
        Facet.LIBRARY: wanted.branchcodes,
        Facet.BACKEND: wanted.backends,
        Facet.TYPE: wanted.types,
        Facet.PATRON: [] if wanted.borrowernumber is None else [str(wanted.borrowernumber)],
        Facet.BATCH: [] if wanted.batch_id is None else [str(wanted.batch_id)],
    }
    parts: list[Expression] = [
        AnyOf(tuple(_has_each(facet, group))) for facet, group in groups.items() if group
    ]
    parts += _days(Facet.PLACED, wanted.placed_from, wanted.placed_to)
    parts += _days(Facet.UPDATED, wanted.updated_from, wanted.updated_to)
    parts += [word.necessary for word in search_words(wanted)]
    for code in wanted.hidden:
        parts += [Not(Has(Facet.STATUS.term(code))), Not(Has(Facet.ALIAS.term(code)))]
    return AllOf(tuple(parts))


def matches_except_status(wanted: RequestFilter, document: Document) -> bool:
    """Return whether a request matches all conditions except those on the status."""
    return holds(other_expression(wanted), document.terms()) and all(
        word.occurs_in(document) for word in search_words(wanted)
    )


def has_status(wanted: RequestFilter, document: Document) -> bool:
    """Return whether a request matches the conditions on the status."""
    return holds(status_expression(wanted), document.facet_terms())


def _has_each(facet: Facet, values: Iterable[str]) -> list[Expression]:
    return [Has(facet.term(value)) for value in values]


def _days(facet: Facet, first: date | None, last: date | None) -> list[Expression]:
    if first is None and last is None:
        return []
    periods = _periods(max(first or _EARLIEST, _EARLIEST), min(last or _LATEST, _LATEST))
    return [AnyOf(tuple(_has_each(facet, periods)))]


def _periods(first: date, last: date) -> Iterator[str]:
    """Yield the fewest years, months and days that cover a period."""
    day = first
    while day <= last:
        year_end, month_end = date(day.year, 12, 31), _month_end(day)
        if (day.month, day.day) == (1, 1) and year_end <= last:
            end, period = year_end, f"{day:%Y}"
        elif day.day == 1 and month_end <= last:
            end, period = month_end, f"{day:%Y-%m}"
        else:
            end, period = day, f"{day:%Y-%m-%d}"
        yield period
        day = end + timedelta(days=1)


def _month_end(day: date) -> date:
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])
