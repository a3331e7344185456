"""
Keeping the index of requests: building it, and following what changes.

Whatever finds that a request looks different only names it; :func:`index` reads its rows again, under a lock that
one writer of the index has at a time, and writes what differs from how it was indexed. So to index a request once
too often does no harm, and a step that was cut short has not happened.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from pyroaring import BitMap

from koha_ill_sidecar.domain.request_index.documents import ALL, KEYED_COLUMNS, Document, document
from koha_ill_sidecar.domain.request_index.terms import PATRON, TEXT, grams, word_terms
from koha_ill_sidecar.domain.statuses import is_open
from koha_ill_sidecar.storage.koha import comments, request_documents, requests
from koha_ill_sidecar.storage.request_index import differences, listing, postings, queue, slices
from koha_ill_sidecar.storage.request_index.slices import Moves
from koha_ill_sidecar.storage.request_index.state import COMPLETE_MARK
from koha_ill_sidecar.storage.sidecar import checkpoints
from koha_ill_sidecar.storage.transaction import Transaction

_WRITER_LOCK = "index.writer"
"""The checkpoint that a writer of the index locks, so that no bitmap is overwritten by an older one."""

_BUILT_CHECKPOINT = "index.built"
_COMMENTS_CHECKPOINT = "index.comments"
_WRITTEN_CHECKPOINT = "index.written"
_OPEN_CHECKPOINT = "index.open"
_SWEEP_CHECKPOINT = "index.sweep"

_QUEUE_STEP = 500  # changes at most; more of them take a second step

_LAG_SECONDS = 600  # longer than any transaction of Koha's that writes a request or a comment

_TIMES_AT_ONCE = 2_000_000
_ROUNDS_OF_TIMES = 2
"""Of how many requests a step reads when they were written, and in how many steps at most it comes round."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexProgress:
    """
    How far the index is.

    Attributes:
        indexed: Requests in it.
        of: Requests in Koha.
        waiting: Changes that are not in it yet.
    """

    indexed: int
    of: int
    waiting: int
    is_complete: bool


def index(tx: Transaction, illrequest_ids: Collection[int], *, thoroughly: bool = False) -> int:
    """
    Index requests as they stand now, or take them out if they are gone; tells how many that were.

    Four queries, and for each bucket of numbers and each column of which something changed a few more.

    Args:
        thoroughly: Write anew what should be there already; else requests that did not change are passed over.
    """
    if not illrequest_ids:
        return 0
    checkpoints.lock(tx, _WRITER_LOCK)
    before = listing.find(tx, illrequest_ids)
    now = {made.illrequest_id: made for made in read_documents(tx, illrequest_ids)}
    if not thoroughly:
        same = {number for number, made in now.items() if before.get(number) == made}
        before, now = _without(before, same), _without(now, same)
    _write(tx, before, now, thoroughly=thoroughly)
    return len(before.keys() | now.keys())


def _without(documents: Mapping[int, Document], numbers: Collection[int]) -> dict[int, Document]:
    return {number: made for number, made in documents.items() if number not in numbers}


def read_documents(tx: Transaction, illrequest_ids: Collection[int]) -> list[Document]:
    """Return requests as they are searched and sorted, by their rows as they stand; one query."""
    found = request_documents.read(tx, list(illrequest_ids))
    return [document(rows, is_open=is_open(rows.columns["status"])) for rows in found]


def index_queue(tx: Transaction, *, limit: int) -> int:
    """Index the requests that have waited longest and tell how many changes that were."""
    changes = queue.first(tx, limit=limit)
    index(tx, {illrequest_id for _, illrequest_id in changes})
    queue.remove(tx, [change_id for change_id, _ in changes])
    return len(changes)


def build(tx: Transaction) -> int | None:
    """
    Take the next step of the first building, and tell how many requests it indexed; None when all is built.

    A step is a bucket of numbers or the order of a column, and takes some seconds.
    """
    if is_complete(tx):
        return None
    checkpoints.lock(tx, _WRITER_LOCK)
    above = checkpoints.get(tx, _BUILT_CHECKPOINT) or 0
    highest = requests.highest_id(tx)
    if above < highest:
        up_to = min((postings.bucket_of(above + 1) + 1) * postings.BUCKET - 1, highest)
        done = index(tx, requests.ids(tx, above=above, up_to=up_to), thoroughly=True)
        checkpoints.save(tx, _BUILT_CHECKPOINT, up_to)
        return done
    missing = [column for column in KEYED_COLUMNS if column not in slices.columns_made(tx)]
    if missing:
        slices.make(tx, missing[0])
        return 0
    checkpoints.save(tx, COMPLETE_MARK, 1)
    return None


def rebuild(tx: Transaction) -> None:
    """Let :func:`build` go through all requests and orders once more; what is there stays in use until then."""
    checkpoints.lock(tx, _WRITER_LOCK)
    checkpoints.save(tx, _BUILT_CHECKPOINT, 0)
    checkpoints.save(tx, COMPLETE_MARK, 0)
    slices.forget(tx)


def is_complete(tx: Transaction) -> bool:
    """Return whether the first building is done."""
    return checkpoints.get(tx, COMPLETE_MARK) == 1


def progress(tx: Transaction) -> IndexProgress:
    """Return how far the index is; counts Koha's requests, which takes a moment where there are a million."""
    return IndexProgress(
        indexed=len(postings.find(tx, [ALL]).get(ALL, ())),
        of=requests.count(tx),
        waiting=queue.count(tx),
        is_complete=is_complete(tx),
    )


def follow(tx: Transaction, *, open_limit: int) -> int:
    """
    Index what waits, and what the quick looks find of what Koha wrote; tells how many requests that were.

    New comments at once; new requests and what wrote a request's own row too, in a million of them. Of the next
    *open_limit* open requests the attributes are compared. Ten queries where nothing changed.
    """
    waiting = index_queue(tx, limit=_QUEUE_STEP)
    return waiting + index_commented(tx) + index_written(tx) + index_open(tx, limit=open_limit)


def index_commented(tx: Transaction) -> int:
    """Index the requests that were commented on since the last time; tells how many."""
    highest = comments.highest_id(tx)
    above = checkpoints.advance(tx, _COMMENTS_CHECKPOINT, highest, lag_seconds=_LAG_SECONDS)
    return index(tx, differences.commented(tx, above=above)) if highest > above else 0


def index_written(tx: Transaction) -> int:
    """
    Index the requests of the next part of the table whose rows were made or written lately; tells how many.

    Koha's table has no index on when that was, but to read it of every row is quick.
    """
    highest = requests.highest_id(tx)
    above = checkpoints.get(tx, _WRITTEN_CHECKPOINT) or 0
    up_to = above + max(_TIMES_AT_ONCE, highest // _ROUNDS_OF_TIMES)
    found = differences.recently_updated(tx, above=above, up_to=up_to, seconds=_LAG_SECONDS)
    _continue_from(tx, _WRITTEN_CHECKPOINT, above, up_to if up_to < highest else None)
    return index(tx, found)


def index_open(tx: Transaction, *, limit: int) -> int:
    """
    Index those of the next *limit* open requests whose attributes are different; tells how many.

    The next call goes on behind them, and begins anew at the end.
    """
    above = checkpoints.get(tx, _OPEN_CHECKPOINT) or 0
    found, following = differences.among_open(tx, above=above, limit=limit)
    _continue_from(tx, _OPEN_CHECKPOINT, above, following)
    return index(tx, found)


def sweep(tx: Transaction, *, limit: int) -> tuple[int, bool]:
    """
    Look at the next *limit* requests of all (:func:`look_at`), where the last call left off.

    Tells how many were indexed, and whether that was the end. The safety net under the quicker ways.
    """
    above = checkpoints.get(tx, _SWEEP_CHECKPOINT) or 0
    found, following = look_at(tx, above=above, limit=limit)
    _continue_from(tx, _SWEEP_CHECKPOINT, above, following)
    return found, following is None


def look_at(tx: Transaction, *, above: int, limit: int) -> tuple[int, int | None]:
    """
    Index those of the next *limit* requests above a number that look different, are new or gone; tells how many.

    The second value is where to go on, nothing at the end.
    """
    found, following = differences.among_all(tx, above=above, limit=limit)
    return index(tx, found), following


def _continue_from(tx: Transaction, mark: str, above: int, following: int | None) -> None:
    if (following or 0) != above:
        checkpoints.save(tx, mark, following or 0)


def _write(
    tx: Transaction, before: Mapping[int, Document], now: Mapping[int, Document], *, thoroughly: bool
) -> None:
    listing.remove(tx, before.keys() - now.keys())
    listing.put(tx, now.values())
    for bucket in sorted({postings.bucket_of(number) for number in before.keys() | now.keys()}):
        had, has = (
            _who_has(made for number, made in documents.items() if postings.bucket_of(number) == bucket)
            for documents in (before, now)
        )
        lost = _less(had, has)
        postings.change(tx, bucket, has if thoroughly else _less(has, had), lost)
    _write_order(tx, before, now)


def _less(having: Mapping[str, BitMap], others: Mapping[str, BitMap]) -> dict[str, BitMap]:
    """Return who has a term here and not there."""
    left = {term: numbers - others[term] if term in others else numbers for term, numbers in having.items()}
    return {term: numbers for term, numbers in left.items() if numbers}


def _who_has(documents: Iterable[Document]) -> dict[str, BitMap]:
    """Return every term with the requests that have it; word by word, for many requests share their words."""
    texts, patrons, having = (defaultdict[str, list[int]](list) for _ in range(3))
    for made in documents:
        for words, who in ((made.words, texts), (made.patron_text.split(), patrons)):
            for word in words:
                who[word].append(made.illrequest_id)
        for term in made.facet_terms():
            having[term].append(made.illrequest_id)
    for of, who in ((TEXT, texts), (PATRON, patrons)):
        for word, numbers in who.items():
            for term in (*(of + gram for gram in grams(word)), *word_terms([word], of)):
                having[term].extend(numbers)
    return {term: BitMap(numbers) for term, numbers in having.items()}


def _write_order(tx: Transaction, before: Mapping[int, Document], now: Mapping[int, Document]) -> None:
    for column in slices.columns_made(tx):
        left = {(was.keys[column], number) for number, was in before.items()}
        taken = {(made.keys[column], number) for number, made in now.items()}
        if left != taken:
            slices.change(tx, column, Moves(left=sorted(left - taken), taken=sorted(taken - left)))
