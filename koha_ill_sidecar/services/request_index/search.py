"""
Finding requests by the index: which, how many, and in what order.

What waits to be indexed is read from Koha's tables and judged by the same rules, so that everybody sees their own
change at once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pyroaring import BitMap

from koha_ill_sidecar.domain.request_index.documents import ALL, Column, Document, Facet
from koha_ill_sidecar.domain.request_index.expressions import matching, terms
from koha_ill_sidecar.domain.request_index.filters import (
    RequestFilter,
    Sort,
    TypedWord,
    has_status,
    matches_apart_from_status,
    other_expression,
    status_expression,
    typed_words,
)
from koha_ill_sidecar.domain.request_index.terms import PATRON, TEXT
from koha_ill_sidecar.services.request_index import indexing
from koha_ill_sidecar.storage.request_index import listing, postings, slices, state
from koha_ill_sidecar.storage.request_index.slices import Place
from koha_ill_sidecar.storage.transaction import Transaction

_MOST_WAITING = 500
"""So many of the changes that wait are read live at most; a longer queue is caught up with by the job."""

_NEWEST_FIRST = Sort()

_FEW = 1000  # requests that are put in order by their own keys, without looking at slices
_QUICKLY_COMPARED = 2000  # texts that are compared before asking which words are known to occur
_MOST_COMPARED = 20_000


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundRequests:
    """
    A page of a list.

    Attributes:
        illrequest_ids: The requests of the page, in order.
        total: How many there are on all pages.
        is_exact: Whether all of them are known to have what was typed; else some of *total* may not, and those of
            the page that do not are left out of it.
        of_any_status: How many there would be, were there no condition on the status.
        statuses: The same with each status.
        aliases: The same of status aliases.
        backends: Of all requests, whatever was picked.
        is_complete: Whether all requests are indexed; else (``request_index.progress`` tells how many) the others
            are missing here, and the order may be by number.
    """

    illrequest_ids: Sequence[int]
    total: int
    is_exact: bool
    of_any_status: int
    statuses: Mapping[str, int]
    aliases: Mapping[str, int]
    backends: Sequence[str]
    is_complete: bool


def find(
    tx: Transaction, wanted: RequestFilter, sort: Sort = _NEWEST_FIRST, *, page: int = 1, page_size: int = 20
) -> FoundRequests:
    """
    Return a page of the requests that a filter picks; the first page is 1.

    Eight queries at most, seldom more than five.
    """
    index = state.read(tx, limit=_MOST_WAITING)
    live = [
        made for made in indexing.read_documents(tx, index.waiting) if matches_apart_from_status(wanted, made)
    ]
    of_any_status, has = _picked(tx, wanted, BitMap(index.waiting))
    compared = _compare(tx, of_any_status, typed_words(wanted))
    hits = matching(status_expression(wanted), lambda term: has.get(term, _NOBODY), compared.numbers)
    picked = _Picked(hits, [made for made in live if has_status(wanted, made)], of=len(has.get(ALL, _NOBODY)))
    if not index.is_complete and len(hits) > _FEW:
        sort = Sort(Column.NUMBER, sort.descending)  # the order by other columns is made at the end
    start = (page - 1) * page_size
    found = _page(tx, picked, sort, start, min(start + page_size, len(picked)))
    return FoundRequests(
        illrequest_ids=_without_false(tx, found, compared, live),
        total=len(picked),
        is_exact=compared.is_exact,
        of_any_status=len(compared.numbers) + len(live),
        statuses=_counts(Facet.STATUS, has, compared.numbers, live),
        aliases=_counts(Facet.ALIAS, has, compared.numbers, live),
        backends=_values(Facet.BACKEND, has),
        is_complete=index.is_complete,
    )


_NOBODY = BitMap()


@dataclass(frozen=True, slots=True)
class _Picked:
    """The requests that are looked for, as indexed and those whose rows were read; and of how many indexed ones."""

    indexed: BitMap
    live: Sequence[Document]
    of: int

    def __len__(self) -> int:
        return len(self.indexed) + len(self.live)


@dataclass(frozen=True, slots=True)
class _Compared:
    """Requests that have the terms for what was typed, and whether that was found to be all of it."""

    numbers: BitMap
    is_exact: bool = True
    unproven: BitMap = field(default_factory=BitMap)
    words: Sequence[TypedWord] = ()


def _picked(tx: Transaction, wanted: RequestFilter, waiting: BitMap) -> tuple[BitMap, dict[str, BitMap]]:
    """Return the indexed requests that terms speak for, whatever their status, and who has which term."""
    others = other_expression(wanted)
    asked = {*terms(others), *terms(status_expression(wanted))}
    has = postings.find(tx, asked, every_value_of=(Facet.STATUS, Facet.ALIAS, Facet.BACKEND))
    everything = has.get(ALL, _NOBODY) - waiting
    return matching(others, lambda term: has.get(term, _NOBODY), everything), has


def _compare(tx: Transaction, numbers: BitMap, words: Sequence[TypedWord]) -> _Compared:
    """Leave out the requests that have the pieces of a word, but not the word."""
    long_words = [word for word in words if not word.is_proven_by_terms]
    if not long_words or not numbers:
        return _Compared(numbers)
    unproven = numbers
    # Identifiers are hardly ever shared: it would be in vain to ask.
    if len(unproven) > (
        _MOST_COMPARED if all(word.is_identifier for word in long_words) else _QUICKLY_COMPARED
    ):
        unproven = numbers - _proven(tx, long_words)
    if len(unproven) > _MOST_COMPARED:
        return _Compared(numbers, is_exact=False, unproven=unproven, words=long_words)
    return _Compared(numbers - BitMap(_lacking(tx, unproven, long_words)))


def _proven(tx: Transaction, words: Sequence[TypedWord]) -> BitMap:
    """Return those in which every word is known to occur, because it occurs in words that many requests have."""
    return BitMap.intersection(*postings.with_shared_words(tx, words))


def _lacking(tx: Transaction, numbers: Iterable[int], words: Sequence[TypedWord]) -> list[int]:
    return listing.lacking(
        tx,
        numbers,
        words=[word.word for word in words if word.of == TEXT],
        patron_words=[word.word for word in words if word.of == PATRON],
    )


def _without_false(
    tx: Transaction, found: Sequence[int], compared: _Compared, live: Sequence[Document]
) -> Sequence[int]:
    read = {made.illrequest_id for made in live}
    doubtful = [number for number in found if number in compared.unproven and number not in read]
    if not doubtful:
        return found
    false = set(_lacking(tx, doubtful, compared.words))
    return [number for number in found if number not in false]


def _values(facet: Facet, has: Mapping[str, BitMap]) -> list[str]:
    prefix = facet.term("")
    return sorted(term.removeprefix(prefix) for term in has if term.startswith(prefix))


def _counts(
    facet: Facet, has: Mapping[str, BitMap], numbers: BitMap, live: Sequence[Document]
) -> dict[str, int]:
    counts = {
        value: numbers.intersection_cardinality(has[facet.term(value)]) for value in _values(facet, has)
    }
    for made in live:
        for name, value in made.facets:
            if name is facet:
                counts[value] = counts.get(value, 0) + 1
    return {value: count for value, count in sorted(counts.items()) if count}


def _page(tx: Transaction, picked: _Picked, sort: Sort, start: int, end: int) -> list[int]:
    """Return the numbers from place *start* up to before *end*."""
    if start >= end:
        return []
    if sort.column is Column.NUMBER:
        return _by_number(picked, sort, start, end)
    if start > len(picked) - end:  # nearer to the other end
        turned = Sort(sort.column, not sort.descending)
        return _in_order(tx, picked, turned, len(picked) - end, len(picked) - start)[::-1]
    return _in_order(tx, picked, sort, start, end)


def _by_number(picked: _Picked, sort: Sort, start: int, end: int) -> list[int]:
    numbers = picked.indexed | BitMap(made.illrequest_id for made in picked.live)
    if sort.descending:
        return list(numbers[len(numbers) - end : len(numbers) - start])[::-1]
    return list(numbers[start:end])


def _in_order(tx: Transaction, picked: _Picked, sort: Sort, start: int, end: int) -> list[int]:
    """Find the parts that the page lies in, and put them in order."""
    indexed, live = BitMap(), list[Place]()
    for part, places in _parts(tx, picked, sort, end):
        size = len(part) + len(places)
        if not indexed and not live and start >= size:
            start, end = start - size, end - size
            continue
        indexed |= part
        live += places
        if end <= len(indexed) + len(live):
            break
    return [number for _, number in _ordered(tx, sort, indexed, live, start, end)]


def _parts(
    tx: Transaction, picked: _Picked, sort: Sort, end: int
) -> Iterator[tuple[BitMap, Sequence[Place]]]:
    """Yield those that were picked in parts, one behind the other in the order: as indexed, and as read."""
    live = [(made.keys[sort.column], made.illrequest_id) for made in picked.live]
    if len(picked.indexed) <= _FEW:
        yield picked.indexed, live
        return
    expecting = 4 + 2 * end * picked.of // (slices.SIZE * len(picked.indexed))
    for part in slices.walk(tx, sort.column, descending=sort.descending, expecting=expecting):
        here = [place for place in live if part.lower <= place and (part.upper is None or place < part.upper)]
        yield picked.indexed & part.numbers, here


def _ordered(
    tx: Transaction, sort: Sort, part: BitMap, live: Sequence[Place], start: int, end: int
) -> Sequence[Place]:
    numbers, descending = list(part), sort.descending
    if not live:
        return listing.in_order(
            tx, sort.column, numbers, descending=descending, offset=start, limit=end - start
        )
    both = [*listing.in_order(tx, sort.column, numbers), *live]
    return sorted(both, reverse=descending)[start:end]
