"""
Search of requests by the index: which match, how many, and in what order.

Requests that wait to be indexed are read from Koha's tables and filtered by the same rules, so that people see their
own changes at once. The code calls such documents live.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pyroaring import BitMap

from koha_ill_sidecar.domain import request_ids
from koha_ill_sidecar.domain.request_index.documents import ALL, Column, Document, Facet
from koha_ill_sidecar.domain.request_index.expressions import matching, terms
from koha_ill_sidecar.domain.request_index.filters import (
    RequestFilter,
    SearchWord,
    Sort,
    has_status,
    matches_except_status,
    other_expression,
    search_words,
    status_expression,
)
from koha_ill_sidecar.domain.request_index.terms import PATRON, TEXT
from koha_ill_sidecar.services.request_index import indexing
from koha_ill_sidecar.storage.request_index import listing, postings, queue, slices
from koha_ill_sidecar.storage.request_index.slices import Place
from koha_ill_sidecar.storage.transaction import Transaction

_MOST_WAITING = 500
"""Changes that a search reads live at most; with a longer queue, a search lags behind until the job has run."""

_NEWEST_FIRST = Sort()
_NONE = BitMap()

_FEW = 1000  # requests that are sorted by their own keys, without reading slices
_QUICKLY_COMPARED = 2000  # texts that are read before asking which words are known to occur
_MOST_COMPARED = 20_000


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundRequests:
    """
    A page of a list.

    Attributes:
        illrequest_ids: The requests of the page, in order.
        total: How many there are on all pages.
        is_exact: Whether all of them are known to match the words; else *total* may be too high, and a page may be
            short of those that turn out not to match.
        of_any_status: How many there would be without a condition on the status.
        statuses: The same for each status.
        aliases: The same for each status alias.
        backends: Of all requests, whatever the filter.
        is_complete: Whether all requests are indexed; else the others are missing here, and the order may be by ID.
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
    Return a page of the requests that match a filter; the first page is 1.

    A request whose ID is all that was typed comes first, in any order. Nine queries at most, seldom more than five.
    """
    is_complete, waiting = queue.read_state(tx, limit=_MOST_WAITING)
    named = _named_request(tx, wanted)
    if named is not None:
        waiting = [number for number in waiting if number != named.illrequest_id]
    live = [
        document
        for document in indexing.read_documents(tx, waiting)
        if matches_except_status(wanted, document)
    ]
    of_any_status, ids_by_term = _matching_ids(tx, wanted, _read_live(waiting, named))
    if named is not None:
        live.append(named)
    matches = _compare(tx, of_any_status, search_words(wanted))
    indexed = matching(status_expression(wanted), lambda term: ids_by_term.get(term, _NONE), matches.ids)
    hits = _Hits(
        indexed,
        [document for document in live if document is not named and has_status(wanted, document)],
        in_index=len(ids_by_term.get(ALL, _NONE)),
    )
    if not is_complete and len(indexed) > _FEW:
        sort = Sort(Column.ID, sort.descending)  # orders by other columns are built last
    first = [named.illrequest_id] if named is not None and has_status(wanted, named) else []
    start, end = (page - 1) * page_size, page * page_size
    following = _page(tx, hits, sort, max(start - len(first), 0), min(end - len(first), len(hits)))
    found = [*first[start:], *following]
    return FoundRequests(
        illrequest_ids=_without_false_hits(tx, found, matches, live),
        total=len(first) + len(hits),
        is_exact=matches.is_exact,
        of_any_status=len(matches.ids) + len(live),
        statuses=_counts(Facet.STATUS, ids_by_term, matches.ids, live),
        aliases=_counts(Facet.ALIAS, ids_by_term, matches.ids, live),
        backends=_values(Facet.BACKEND, ids_by_term),
        is_complete=is_complete,
    )


def _named_request(tx: Transaction, wanted: RequestFilter) -> Document | None:
    """Return the request whose ID is all that was typed, if it meets the other conditions; it comes first."""
    written = request_ids.parse(wanted.keyword)
    if written is None or not written.has_prefix_of(tx.site.prefixes.values()):
        return None
    documents = indexing.read_documents(tx, [written.illrequest_id])
    others = replace(wanted, keyword="")
    return next((document for document in documents if matches_except_status(others, document)), None)


def _read_live(waiting: Iterable[int], named: Document | None) -> BitMap:
    return BitMap([*waiting, *([] if named is None else [named.illrequest_id])])


@dataclass(frozen=True, slots=True)
class _Hits:
    """The requests that match: indexed and live ones, and how many requests the index holds."""

    indexed: BitMap
    live: Sequence[Document]
    in_index: int

    def __len__(self) -> int:
        return len(self.indexed) + len(self.live)


@dataclass(frozen=True, slots=True)
class _Matches:
    """Requests that have the terms of the words, and those of them in which the words may not occur after all."""

    ids: BitMap
    is_exact: bool = True
    unproven: BitMap = field(default_factory=BitMap)
    words: Sequence[SearchWord] = ()


def _matching_ids(
    tx: Transaction, wanted: RequestFilter, waiting: BitMap
) -> tuple[BitMap, dict[str, BitMap]]:
    """Return the indexed requests that match by their terms, whatever their status, and the IDs by term."""
    others = other_expression(wanted)
    asked = {*terms(others), *terms(status_expression(wanted))}
    ids_by_term = postings.find(tx, asked, every_value_of=(Facet.STATUS, Facet.ALIAS, Facet.BACKEND))
    everything = ids_by_term.get(ALL, _NONE) - waiting
    return matching(others, lambda term: ids_by_term.get(term, _NONE), everything), ids_by_term


def _compare(tx: Transaction, ids: BitMap, words: Sequence[SearchWord]) -> _Matches:
    """Leave out the requests that have the pieces of a word, but not the word itself."""
    long_words = [word for word in words if not word.is_proven_by_terms]
    if not long_words or not ids:
        return _Matches(ids)
    # Few requests share an identifier, so the index hardly ever has a term for the whole of it.
    are_identifiers = all(word.is_identifier for word in long_words)
    unproven = ids
    if len(ids) > (_MOST_COMPARED if are_identifiers else _QUICKLY_COMPARED):
        unproven = ids - BitMap.intersection(*postings.with_shared_words(tx, long_words))
    if len(unproven) > _MOST_COMPARED:
        return _Matches(ids, is_exact=False, unproven=unproven, words=long_words)
    return _Matches(ids - BitMap(_ids_without_words(tx, unproven, long_words)))


def _ids_without_words(tx: Transaction, ids: Iterable[int], words: Sequence[SearchWord]) -> list[int]:
    return listing.without_words(
        tx,
        ids,
        words=[word.word for word in words if word.of == TEXT],
        patron_words=[word.word for word in words if word.of == PATRON],
    )


def _without_false_hits(
    tx: Transaction, found: Sequence[int], matches: _Matches, live: Sequence[Document]
) -> Sequence[int]:
    read = {document.illrequest_id for document in live}
    doubtful = [hit for hit in found if hit in matches.unproven and hit not in read]
    false_hits = set(_ids_without_words(tx, doubtful, matches.words))
    return [hit for hit in found if hit not in false_hits]


def _values(facet: Facet, ids_by_term: Mapping[str, BitMap]) -> list[str]:
    prefix = facet.term("")
    return sorted(term.removeprefix(prefix) for term in ids_by_term if term.startswith(prefix))


def _counts(
    facet: Facet, ids_by_term: Mapping[str, BitMap], ids: BitMap, live: Sequence[Document]
) -> dict[str, int]:
    counts = {
        value: ids.intersection_cardinality(ids_by_term[facet.term(value)])
        for value in _values(facet, ids_by_term)
    }
    for document in live:
        for name, value in document.facets:
            if name is facet:
                counts[value] = counts.get(value, 0) + 1
    return {value: count for value, count in sorted(counts.items()) if count}


def _page(tx: Transaction, hits: _Hits, sort: Sort, start: int, end: int) -> list[int]:
    """Return the IDs from position *start* up to, not including, *end*."""
    if start >= end:
        return []
    if sort.column is Column.ID:
        return _by_id(hits, sort, start, end)
    if start > len(hits) - end:  # nearer to the end: count from there
        reversed_sort = Sort(sort.column, not sort.descending)
        return _in_order(tx, hits, reversed_sort, len(hits) - end, len(hits) - start)[::-1]
    return _in_order(tx, hits, sort, start, end)


def _by_id(hits: _Hits, sort: Sort, start: int, end: int) -> list[int]:
    ids = hits.indexed | BitMap(document.illrequest_id for document in hits.live)
    if sort.descending:
        return list(ids[len(ids) - end : len(ids) - start])[::-1]
    return list(ids[start:end])


def _in_order(tx: Transaction, hits: _Hits, sort: Sort, start: int, end: int) -> list[int]:
    """Return the IDs in a range of positions: find the slices that cover it, and sort those alone."""
    indexed, live = BitMap(), list[Place]()
    for part, places in _parts(tx, hits, sort, end):
        size = len(part) + len(places)
        if not indexed and not live and start >= size:
            start, end = start - size, end - size
            continue
        indexed |= part
        live += places
        if end <= len(indexed) + len(live):
            break
    return [illrequest_id for _, illrequest_id in _ordered(tx, sort, indexed, live, start, end)]


def _parts(tx: Transaction, hits: _Hits, sort: Sort, end: int) -> Iterator[tuple[BitMap, Sequence[Place]]]:
    """Yield the hits slice by slice in the sort order: the indexed and the live ones of each slice."""
    live = [(document.keys[sort.column], document.illrequest_id) for document in hits.live]
    if len(hits.indexed) <= _FEW:
        yield hits.indexed, live
        return
    expecting = 4 + 2 * end * hits.in_index // (slices.SIZE * len(hits.indexed))
    for part in slices.walk(tx, sort.column, descending=sort.descending, expected=expecting):
        here = [place for place in live if part.lower <= place and (part.upper is None or place < part.upper)]
        yield hits.indexed & part.ids, here


def _ordered(
    tx: Transaction, sort: Sort, part: BitMap, live: Sequence[Place], start: int, end: int
) -> Sequence[Place]:
    ids, descending = list(part), sort.descending
    if not live:
        return listing.in_order(tx, sort.column, ids, descending=descending, offset=start, limit=end - start)
    # Live requests are not in the table, so MariaDB cannot sort them among the others.
    both = [*listing.in_order(tx, sort.column, ids), *live]
    return sorted(both, reverse=descending)[start:end]
