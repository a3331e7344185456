"""
Picking requests: what a list is filtered and sorted by, and which terms that asks for.

Source: Koha, koha-tmpl/intranet-tmpl/prog/js/ill-list-table.js; Koha/ILL/Requests.pm filter_by_visible.
"""

import calendar
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

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
    Conditions of a list, all of which must hold; what is empty or None does not count.

    Attributes:
        keyword: Words, each of which must occur somewhere in the request, inside another word too.
        statuses: Codes of statuses, whether or not the request has an alias.
        plain_statuses: Codes of statuses of requests without an alias.
        aliases: Codes of status aliases; a request needs one of these or one of the statuses.
        placed_from, placed_to, updated_from, updated_to: Days, both included.
        patron: Words, each of which must occur in the names, card number or login of who asks.
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
    """The order of a list; requests that are the same in it stand by number, in the same direction."""

    column: Column = Column.NUMBER
    descending: bool = True


@dataclass(frozen=True, slots=True)
class TypedWord:
    """A folded word that must occur in the text, or in what the text says of the patron."""

    word: str
    of: str = TEXT

    @property
    def necessary(self) -> Expression:
        """What a request must have for the word to occur; enough for a short word only."""
        return AllOf(tuple(Has(self.of + gram) for gram in necessary_grams(self.word)))

    @property
    def is_proven_by_terms(self) -> bool:
        """Whether to have them is to have the word."""
        return is_proven_by_grams(self.word)

    @property
    def is_identifier(self) -> bool:
        """Whether it looks like (a part of) a number that one thing has: an ISBN, a card, an order; not like a year."""
        return len(self.word) > _YEAR_LENGTH and any(character.isdigit() for character in self.word)

    def occurs_in(self, document: Document) -> bool:
        """Return whether the word is in a request."""
        text = document.patron_text if self.of == PATRON else document.text
        return self.word in text


def typed_words(wanted: RequestFilter) -> list[TypedWord]:
    """Return what must occur of what was typed."""
    return [
        *(TypedWord(word) for word in dict.fromkeys(words(wanted.keyword))),
        *(TypedWord(word, PATRON) for word in dict.fromkeys(words(wanted.patron))),
    ]


def status_expression(wanted: RequestFilter) -> Expression:
    """Return the condition on the status."""
    parts = [
        *_any_value(Facet.STATUS, wanted.statuses),
        *_any_value(Facet.PLAIN_STATUS, wanted.plain_statuses),
        *_any_value(Facet.ALIAS, wanted.aliases),
    ]
    return AnyOf(tuple(parts)) if parts else AllOf(())


def other_expression(wanted: RequestFilter) -> Expression:
    """Return all other conditions, as far as terms can tell: of a long word only what is necessary for it."""
    groups = {
        Facet.LIBRARY: wanted.branchcodes,
        Facet.BACKEND: wanted.backends,
        Facet.TYPE: wanted.types,
        Facet.PATRON: [] if wanted.borrowernumber is None else [str(wanted.borrowernumber)],
        Facet.BATCH: [] if wanted.batch_id is None else [str(wanted.batch_id)],
    }
    parts: list[Expression] = [
        AnyOf(tuple(_any_value(facet, group))) for facet, group in groups.items() if group
    ]
    parts += _days(Facet.PLACED, wanted.placed_from, wanted.placed_to)
    parts += _days(Facet.UPDATED, wanted.updated_from, wanted.updated_to)
    parts += [word.necessary for word in typed_words(wanted)]
    for code in wanted.hidden:
        parts += [Not(Has(Facet.STATUS.term(code))), Not(Has(Facet.ALIAS.term(code)))]
    return AllOf(tuple(parts))


def matches_apart_from_status(wanted: RequestFilter, document: Document) -> bool:
    """Return whether a request is one of those that are looked for, whatever its status."""
    return holds(other_expression(wanted), document.terms()) and all(
        word.occurs_in(document) for word in typed_words(wanted)
    )


def has_status(wanted: RequestFilter, document: Document) -> bool:
    """Return whether a request has a status that is looked for."""
    return holds(status_expression(wanted), document.facet_terms())


def _any_value(facet: Facet, values: Iterable[str]) -> list[Expression]:
    return [Has(facet.term(value)) for value in values]


def _days(facet: Facet, first: date | None, last: date | None) -> list[Expression]:
    if first is None and last is None:
        return []
    periods = _periods(max(first or _EARLIEST, _EARLIEST), min(last or _LATEST, _LATEST))
    return [AnyOf(tuple(_any_value(facet, periods)))]


def _periods(first: date, last: date) -> Iterator[str]:
    """Yield the years, months and days that make up a time, as few as do."""
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
