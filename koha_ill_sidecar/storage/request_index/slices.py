"""
Rows of ``ill_sidecar_slices``: all requests in the order of each column, in slices.

A slice is the unsorted set of the requests between its lower bound and that of the next slice. To find a page of any
result, one counts the hits slice by slice and sorts only the slice in which the page lies. The first slice has no lower
bound. A slice that has grown too large is split.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pyroaring import BitMap

from koha_ill_sidecar.domain.request_index.documents import Column
from koha_ill_sidecar.storage.direct import execute
from koha_ill_sidecar.storage.request_index import listing
from koha_ill_sidecar.storage.request_index.bitmaps import pack, unpack
from koha_ill_sidecar.storage.transaction import Transaction

Place: TypeAlias = tuple[bytes, int]
"""The place of a request in the order of a column: its key, and its ID among requests with the same key."""

SIZE = 768
"""Requests of a new slice; it may grow."""

_LARGEST = 1024

_BEGINNING: Place = (b"", 0)

_BOUNDS = (
    "SELECT lower_key, lower_id FROM ill_sidecar_slices WHERE column_name = %(column)s"
    " ORDER BY lower_key, lower_id"
)
_SELECT = (
    "SELECT bitmap FROM ill_sidecar_slices"
    " WHERE column_name = %(column)s AND lower_key = %(key)s AND lower_id = %(id)s"
)
_PUT = (
    "INSERT INTO ill_sidecar_slices (column_name, lower_key, lower_id, bitmap) VALUES (%s, %s, %s, %s)"
    " ON DUPLICATE KEY UPDATE bitmap = VALUES(bitmap)"
)
_DELETE = "DELETE FROM ill_sidecar_slices WHERE column_name = %(column)s"
_SORTED = (
    "SELECT MIN(place_key), MIN(IF(place %% %(size)s = 0, id, NULL)), GROUP_CONCAT(id) FROM ("
    "SELECT ROW_NUMBER() OVER (ORDER BY {column}_key, illrequest_id) - 1 AS place, {column}_key AS place_key,"
    " illrequest_id AS id FROM ill_sidecar_listing) places GROUP BY place DIV %(size)s ORDER BY MIN(place)"
)
_BUILT = "SELECT DISTINCT column_name FROM ill_sidecar_slices"


@dataclass(frozen=True, slots=True)
class Slice:
    """Neighbouring requests, with their lower bound and that of the next slice."""

    lower: Place
    upper: Place | None  # None for the last one
    ids: BitMap


def built_columns(tx: Transaction) -> set[Column]:
    """Return the columns whose order is built."""
    return {Column(name) for (name,) in execute(tx, _BUILT, {}).fetchall()}


def build(tx: Transaction, column: Column) -> None:
    """
    Build the order of a column from the listing; three seconds for a million requests.

    The server sorts them and returns one row per slice: to read a million rows would take the driver twice as long as
    everything else.
    """
    execute(tx, _DELETE, {"column": column})
    rows = execute(tx, _SORTED.format(column=column), {"size": SIZE}).fetchall()
    built = {
        (key, illrequest_id) if position else _BEGINNING: BitMap(map(int, ids.split(",")))
        for position, (key, illrequest_id, ids) in enumerate(rows)
    }
    _put(tx, column, built or {_BEGINNING: BitMap()})


def change(tx: Transaction, column: Column, old: Sequence[Place], new: Sequence[Place]) -> None:
    """Move requests from their old to their new places; the listing already has their new keys."""
    bounds: list[Place] = list(execute(tx, _BOUNDS, {"column": column}).fetchall())
    left, taken = _by_slice(bounds, old), _by_slice(bounds, new)
    changed: dict[Place, BitMap] = {}
    for lower in left.keys() | taken.keys():
        ids = (_find(tx, column, lower) - left.get(lower, _NONE)) | taken.get(lower, _NONE)
        if len(ids) <= _LARGEST:
            changed[lower] = ids
        else:
            changed |= _split(listing.in_order(tx, column, list(ids)), lower)
    _put(tx, column, changed)


def delete_all(tx: Transaction) -> None:
    """Delete every column's order."""
    execute(tx, "DELETE FROM ill_sidecar_slices", {})


def walk(tx: Transaction, column: Column, *, descending: bool, expected: int) -> Iterator[Slice]:
    """
    Yield the slices one after the other; two queries at most.

    Args:
        expected: How many the caller will probably need; the first query reads that many, the second all others.
    """
    direction, beyond = ("DESC", "<") if descending else ("ASC", ">")
    statement = (
        "SELECT lower_key, lower_id, bitmap FROM ill_sidecar_slices WHERE column_name = %(column)s{}"
        f" ORDER BY lower_key {direction}, lower_id {direction}"
    )
    first, further = (
        statement.format("") + " LIMIT %(limit)s",
        statement.format(
            f" AND lower_key {beyond}= %(key)s AND (lower_key {beyond} %(key)s OR lower_id {beyond} %(id)s)"
        ),
    )
    # Going up, the upper bound of a slice is known only with the next row, so one row is held back.
    last: Place | None = None
    held: tuple[Place, bytes] | None = None
    for key, illrequest_id, bitmap in _rows(tx, first, further, {"column": column, "limit": expected}):
        place = (key, illrequest_id)
        if descending:
            yield Slice(place, last, unpack(bitmap))
        elif held is not None:
            yield Slice(held[0], place, unpack(held[1]))
        held, last = (place, bitmap), place
    if held is not None and not descending:
        yield Slice(held[0], None, unpack(held[1]))


def _rows(
    tx: Transaction, first: str, further: str, values: Mapping[str, object]
) -> Iterator[tuple[bytes, int, bytes]]:
    rows = execute(tx, first, values).fetchall()
    yield from rows
    if len(rows) == values["limit"]:
        key, illrequest_id, _ = rows[-1]
        yield from execute(tx, further, {**values, "key": key, "id": illrequest_id}).fetchall()


_NONE = BitMap()


def _split(places: Sequence[Place], lower: Place) -> Iterator[tuple[Place, BitMap]]:
    """Split sorted places into slices, the first of which begins at *lower*."""
    for start in range(0, len(places), SIZE):
        chunk = places[start : start + SIZE]
        yield chunk[0] if start else lower, BitMap([illrequest_id for _, illrequest_id in chunk])


def _by_slice(bounds: Sequence[Place], places: Iterable[Place]) -> dict[Place, BitMap]:
    found: dict[Place, BitMap] = defaultdict(BitMap)
    for place in places:
        found[bounds[bisect_right(bounds, place) - 1]].add(place[1])
    return found


def _find(tx: Transaction, column: Column, lower: Place) -> BitMap:
    row = execute(tx, _SELECT, {"column": column, "key": lower[0], "id": lower[1]}).fetchone()
    return BitMap() if row is None else unpack(row[0])


def _put(tx: Transaction, column: Column, slices: Mapping[Place, BitMap]) -> None:
    rows = [(column, *lower, pack(ids)) for lower, ids in sorted(slices.items())]
    if rows:
        tx.connection.exec_driver_sql(_PUT, rows)
