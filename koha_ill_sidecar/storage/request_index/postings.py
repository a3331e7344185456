"""Rows of ``ill_sidecar_postings``: the requests that have a term, one row for each bucket of their IDs."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain

from pyroaring import BitMap

from koha_ill_sidecar.domain.request_index.documents import ALL, Facet
from koha_ill_sidecar.domain.request_index.filters import SearchWord
from koha_ill_sidecar.domain.request_index.terms import WORD_OF, is_word_term
from koha_ill_sidecar.storage.direct import execute
from koha_ill_sidecar.storage.request_index.bitmaps import pack, union, unpack
from koha_ill_sidecar.storage.transaction import Transaction

BUCKET = 16_384
"""Request IDs per row, so that a change rewrites two kilobytes a term at most."""

_SHARED_BY = 64
"""Requests of a bucket that must share a word for it to get a row; rarer words are searched in the texts."""

_TERMS_AT_ONCE = 2000

_SELECT = "SELECT term, bitmap FROM ill_sidecar_postings WHERE term IN %(terms)s"
_SELECT_FACETS = " UNION ALL SELECT term, bitmap FROM ill_sidecar_postings WHERE term >= %s AND term < %s"
_SELECT_BUCKET = (
    "SELECT term, bitmap FROM ill_sidecar_postings WHERE bucket = %(bucket)s AND term IN %(terms)s"
)
_PUT = (
    "INSERT INTO ill_sidecar_postings (term, bucket, bitmap) VALUES (%s, %s, %s)"
    " ON DUPLICATE KEY UPDATE bitmap = VALUES(bitmap)"
)
_REMOVE = "DELETE FROM ill_sidecar_postings WHERE bucket = %(bucket)s AND term IN %(terms)s"
# MariaDB finds the distinct words by jumping from one term to the next in the index, once for all words searched.
_WITH_SHARED_WORDS = (
    "SELECT searched.number, p.bitmap FROM (SELECT DISTINCT term FROM ill_sidecar_postings"
    " WHERE term >= %s AND term < %s) words STRAIGHT_JOIN ({}) searched ON LOCATE(searched.word, words.term) > 0"
    " STRAIGHT_JOIN ill_sidecar_postings p ON p.term = words.term"
)
_SEARCHED = "SELECT %s AS number, %s AS word"


def bucket_of(illrequest_id: int) -> int:
    """Return the bucket of a request."""
    return illrequest_id // BUCKET


def find(
    tx: Transaction, terms: Iterable[str], *, every_value_of: Collection[Facet] = ()
) -> dict[str, BitMap]:
    """
    Return the requests that have these terms, and those with each value of these facets; one query.

    Terms that no request has are left out.
    """
    wanted = sorted({term.encode() for term in terms} | {ALL.encode()})
    statement = _SELECT % {"terms": f"({', '.join(['%s'] * len(wanted))})"}
    values: list[bytes] = wanted
    for facet in every_value_of:
        first = facet.term("").encode()
        # All terms with this prefix: from it up to the prefix with its last byte plus one.
        statement += _SELECT_FACETS
        values = [*values, first, first[:-1] + bytes([first[-1] + 1])]
    rows = tx.connection.exec_driver_sql(statement, tuple(values))
    columns: dict[bytes, list[bytes]] = defaultdict(list)
    for term, bitmap in rows:
        columns[term].append(bitmap)
    return {term.decode(): union(found) for term, found in columns.items()}


def with_shared_words(tx: Transaction, words: Sequence[SearchWord]) -> list[BitMap]:
    """Return, for each word, the requests that have it inside one of the shared words; one query."""
    statements, values = [], list[object]()
    for of, first in ((of, WORD_OF[of].encode()) for of in dict.fromkeys(word.of for word in words)):
        wanted = [(number, word.word.encode()) for number, word in enumerate(words) if word.of == of]
        statements.append(_WITH_SHARED_WORDS.format(" UNION ALL ".join([_SEARCHED] * len(wanted))))
        values += [first, bytes([first[0] + 1]), *chain.from_iterable(wanted)]
    columns: list[list[bytes]] = [[] for _ in words]
    for number, bitmap in tx.connection.exec_driver_sql(" UNION ALL ".join(statements), tuple(values)):
        columns[number].append(bitmap)
    return [union(found) for found in columns]


def change(tx: Transaction, bucket: int, gained: Mapping[str, BitMap], lost: Mapping[str, BitMap]) -> None:
    """
    Store which requests of a bucket have gained and lost terms.

    A whole word that is new to the bucket gets a row only if many requests gain it at once. So its row may lack some
    requests that have it, which is allowed: such rows only prove that a word occurs.
    """
    terms = sorted(gained.keys() | lost.keys())
    present = _of_bucket(tx, bucket, terms)
    changed, emptied = [], []
    for term in terms:
        before, more = present.get(term), gained.get(term, _NONE)
        if before is None and is_word_term(term) and len(more) < _SHARED_BY:
            continue
        after = ((before or _NONE) | more) - lost.get(term, _NONE)
        if after:
            changed.append((term.encode(), bucket, pack(after)))
        elif before is not None:
            emptied.append(term.encode())
    if changed:
        tx.connection.exec_driver_sql(_PUT, changed)
    for chunk in _chunks(emptied):
        execute(tx, _REMOVE, {"bucket": bucket, "terms": chunk})


_NONE = BitMap()


def _of_bucket(tx: Transaction, bucket: int, terms: list[str]) -> dict[str, BitMap]:
    if not _select_bucket(tx, bucket, [ALL.encode()]):
        return {}  # no request of this bucket is indexed yet: saves looking up a hundred thousand words
    found: dict[str, BitMap] = {}
    for chunk in _chunks([term.encode() for term in terms]):
        found |= _select_bucket(tx, bucket, chunk)
    return found


def _select_bucket(tx: Transaction, bucket: int, terms: list[bytes]) -> dict[str, BitMap]:
    rows = execute(tx, _SELECT_BUCKET, {"bucket": bucket, "terms": terms}).fetchall()
    return {term.decode(): unpack(bitmap) for term, bitmap in rows}


def _chunks(terms: list[bytes]) -> Iterator[list[bytes]]:
    for start in range(0, len(terms), _TERMS_AT_ONCE):
        yield terms[start : start + _TERMS_AT_ONCE]
