"""
Maintenance of the index of requests: building it, and keeping up with changes.

Whatever notices a change only names the request. :func:`index` reads its rows again, under a lock that allows one
writer of the index at a time, and writes the differences. So indexing a request once too often does no harm, and an
interrupted step has no effect.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from pyroaring import BitMap

from koha_ill_sidecar.domain.request_index.documents import ALL, KEYED_COLUMNS, Document, build_document
from koha_ill_sidecar.domain.request_index.terms import PATRON, TEXT, grams, word_terms
from koha_ill_sidecar.domain.statuses import is_open
from koha_ill_sidecar.storage.koha import comments, request_documents, requests
from koha_ill_sidecar.storage.request_index import differences, listing, postings, queue, slices
from koha_ill_sidecar.storage.request_index.queue import COMPLETE_CHECKPOINT
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

# IDs are given out before the commit, so new rows may become visible behind higher ones: longer than any such
# transaction of Koha's.
_LAG_SECONDS = 600

_TIMES_AT_ONCE = 2_000_000
_ROUNDS_OF_TIMES = 2
"""Requests whose time of change one step reads, and the most steps for reading all of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexProgress:
    """
    The progress of the index.

    Attributes:
        indexed: Requests in the index.
        of: Requests in Koha.
        waiting: Changes that are not in the index yet.
    """

    indexed: int
    of: int
    waiting: int
    is_complete: bool


def index(tx: Transaction, illrequest_ids: Collection[int], *, rewrite: bool = False) -> int:
    """
    Index requests as they are now, and remove those that are gone; return how many changed.

    Four queries, and a few more for each bucket of IDs and each column in which something changed.

    Args:
        rewrite: Write even what should be in the index already; else unchanged requests are skipped.
    """
    if not illrequest_ids:
        return 0
    checkpoints.lock(tx, _WRITER_LOCK)
    before = listing.find(tx, illrequest_ids)
    now = {document.illrequest_id: document for document in read_documents(tx, illrequest_ids)}
    if not rewrite:
        same = {key for key, document in now.items() if before.get(key) == document}
        before = {key: document for key, document in before.items() if key not in same}
        now = {key: document for key, document in now.items() if key not in same}
    _write(tx, before, now, rewrite=rewrite)
    return len(before.keys() | now.keys())


def read_documents(tx: Transaction, illrequest_ids: Collection[int]) -> list[Document]:
    """Return the documents of requests, made from their current rows; one query."""
    found = request_documents.read(tx, list(illrequest_ids))
    return [build_document(rows, is_open=is_open(rows.columns["status"])) for rows in found]


def index_queue(tx: Transaction, *, limit: int) -> int:
    """Index the requests that have waited longest; return how many changes that were."""
    changes = queue.oldest(tx, limit=limit)
    index(tx, {illrequest_id for _, illrequest_id in changes})
    queue.remove(tx, [change_id for change_id, _ in changes])
    return len(changes)


def build(tx: Transaction) -> int | None:
    """
    Do the next step of building the index; return how many requests it indexed, None when the index is complete.

    A step is a bucket of IDs or the order of a column, and takes some seconds.
    """
    if is_complete(tx):
        return None
    checkpoints.lock(tx, _WRITER_LOCK)
    above = checkpoints.get(tx, _BUILT_CHECKPOINT) or 0
    highest = requests.highest_id(tx)
    if above < highest:
        up_to = min((postings.bucket_of(above + 1) + 1) * postings.BUCKET - 1, highest)
        done = index(tx, requests.ids(tx, above=above, up_to=up_to), rewrite=True)
        checkpoints.save(tx, _BUILT_CHECKPOINT, up_to)
        return done
    missing = [column for column in KEYED_COLUMNS if column not in slices.built_columns(tx)]
    if missing:
        slices.build(tx, missing[0])
        return 0
    checkpoints.save(tx, COMPLETE_CHECKPOINT, 1)
    return None


def rebuild(tx: Transaction) -> None:
    """Make :func:`build` start again; the present index stays in use in the meantime."""
    checkpoints.lock(tx, _WRITER_LOCK)
    checkpoints.save(tx, _BUILT_CHECKPOINT, 0)
    checkpoints.save(tx, COMPLETE_CHECKPOINT, 0)
    slices.delete_all(tx)


def is_complete(tx: Transaction) -> bool:
    """Return whether all requests are indexed and all orders are built."""
    return checkpoints.get(tx, COMPLETE_CHECKPOINT) == 1


def progress(tx: Transaction) -> IndexProgress:
    """Return the progress of the index; counting Koha's requests takes a moment where there are a million."""
    return IndexProgress(
        indexed=len(postings.find(tx, [ALL]).get(ALL, ())),
        of=requests.count(tx),
        waiting=queue.count(tx),
        is_complete=is_complete(tx),
    )


def catch_up(tx: Transaction, *, open_limit: int) -> int:
    """
    Index what waits, and changes by Koha that quick checks find; return how many requests changed.

    New comments are found at once, and so are new requests and changes to a request's own row among a million. The
    attributes of the next *open_limit* open requests are compared. Ten queries where nothing changed.
    """
    waiting = index_queue(tx, limit=_QUEUE_STEP)
    return waiting + index_commented(tx) + index_written(tx) + index_open(tx, limit=open_limit)


def index_commented(tx: Transaction) -> int:
    """Index the requests with new comments since the last call; return how many."""
    highest = comments.highest_id(tx)
    above = checkpoints.advance(tx, _COMMENTS_CHECKPOINT, highest, lag_seconds=_LAG_SECONDS)
    return index(tx, differences.commented(tx, above=above)) if highest > above else 0


def index_written(tx: Transaction) -> int:
    """
    Index the requests of the next part of the table whose rows were added or changed recently; return how many.

    Koha's table has no key on the time of change, but reading it for every row is quick.
    """
    highest = requests.highest_id(tx)
    above = checkpoints.get(tx, _WRITTEN_CHECKPOINT) or 0
    up_to = above + max(_TIMES_AT_ONCE, highest // _ROUNDS_OF_TIMES)
    found = differences.recently_updated(tx, above=above, up_to=up_to, seconds=_LAG_SECONDS)
    _continue_from(tx, _WRITTEN_CHECKPOINT, above, up_to if up_to < highest else None)
    return index(tx, found)


def index_open(tx: Transaction, *, limit: int) -> int:
    """
    Index those of the next *limit* open requests whose attributes changed; return how many.

    The next call continues after them, and starts again after the last.
    """
    above = checkpoints.get(tx, _OPEN_CHECKPOINT) or 0
    found, following = differences.among_open(tx, above=above, limit=limit)
    _continue_from(tx, _OPEN_CHECKPOINT, above, following)
    return index(tx, found)


def sweep(tx: Transaction, *, limit: int) -> tuple[int, bool]:
    """
    Continue :func:`index_next` with the next *limit* requests; return how many changed, and whether all are done.

    The safety net for changes that the quicker checks miss.
    """
    above = checkpoints.get(tx, _SWEEP_CHECKPOINT) or 0
    found, following = index_next(tx, above=above, limit=limit)
    _continue_from(tx, _SWEEP_CHECKPOINT, above, following)
    return found, following is None


def index_next(tx: Transaction, *, above: int, limit: int) -> tuple[int, int | None]:
    """
    Index those of the next *limit* requests above an ID that changed, are new or are gone; return how many.

    The second value is the ID to continue above; None at the end.
    """
    found, following = differences.among_all(tx, above=above, limit=limit)
    return index(tx, found), following


def _continue_from(tx: Transaction, checkpoint: str, above: int, following: int | None) -> None:
    if (following or 0) != above:
        checkpoints.save(tx, checkpoint, following or 0)


def _write(
    tx: Transaction, before: Mapping[int, Document], now: Mapping[int, Document], *, rewrite: bool
) -> None:
    listing.remove(tx, before.keys() - now.keys())
    listing.put(tx, now.values())
    for bucket in sorted({postings.bucket_of(number) for number in before.keys() | now.keys()}):
        before_ids, now_ids = (
            _ids_by_term(
                document for number, document in documents.items() if postings.bucket_of(number) == bucket
            )
            for documents in (before, now)
        )
        added = now_ids if rewrite else _minus(now_ids, before_ids)
        postings.change(tx, bucket, added, _minus(before_ids, now_ids))
    _write_order(tx, before, now)


def _minus(these: Mapping[str, BitMap], those: Mapping[str, BitMap]) -> dict[str, BitMap]:
    """Return the IDs that have a term in one mapping and not in the other."""
    left = {term: ids - those[term] if term in those else ids for term, ids in these.items()}
    return {term: ids for term, ids in left.items() if ids}


def _ids_by_term(documents: Iterable[Document]) -> dict[str, BitMap]:
    """Return the request IDs of every term; word by word, because many requests share words."""
    texts, patrons, found = (defaultdict[str, list[int]](list) for _ in range(3))
    for document in documents:
        for words, ids_by_word in ((document.words, texts), (document.patron_text.split(), patrons)):
            for word in words:
                ids_by_word[word].append(document.illrequest_id)
        for term in document.facet_terms():
            found[term].append(document.illrequest_id)
    for of, ids_by_word in ((TEXT, texts), (PATRON, patrons)):
        for word, ids in ids_by_word.items():
            for term in (*(of + gram for gram in grams(word)), *word_terms([word], of)):
                found[term].extend(ids)
    return {term: BitMap(ids) for term, ids in found.items()}


def _write_order(tx: Transaction, before: Mapping[int, Document], now: Mapping[int, Document]) -> None:
    for column in slices.built_columns(tx):
        left = {(document.keys[column], number) for number, document in before.items()}
        taken = {(document.keys[column], number) for number, document in now.items()}
        if left != taken:
            slices.change(tx, column, sorted(left - taken), sorted(taken - left))
