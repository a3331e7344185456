"""
Rows of ``ill_sidecar_slices``: the order of all requests by each column, in slices.

A slice holds the requests whose place is at or behind its beginning and before that of the next one, in no order. So
whatever was picked, a page is found by counting the picked ones slice by slice, and only the slice that it lies in is
put in order. The first slice begins before everything. One that has grown is cut in two.
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
"""Where a request stands in the order of a column: its key, and its number among those with the same key."""

SIZE = 768
"""Requests of a slice when it is made with others; it may grow."""

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
_FORGET = "DELETE FROM ill_sidecar_slices WHERE column_name = %(column)s"
_IN_ORDER = (
    "SELECT MIN(place_key), MIN(IF(place %% %(size)s = 0, id, NULL)), GROUP_CONCAT(id) FROM ("
    "SELECT ROW_NUMBER() OVER (ORDER BY {column}_key, illrequest_id) - 1 AS place, {column}_key AS place_key,"
    " illrequest_id AS id FROM ill_sidecar_listing) places GROUP BY place DIV %(size)s ORDER BY MIN(place)"
)
_MADE = "SELECT DISTINCT column_name FROM ill_sidecar_slices"


@dataclass(frozen=True, slots=True)
class Slice:
    """Some requests that stand together, where they begin and where the next slice does."""

    lower: Place
    upper: Place | None  # None: it is the last one
    numbers: BitMap


@dataclass(slots=True)
class Moves:
    """Which requests left their places in a column's order, and which took new ones."""

    left: list[Place]
    taken: list[Place]


def built_columns(tx: Transaction) -> set[Column]:
    """Tell whose order is there."""
    return {Column(name) for (name,) in execute(tx, _MADE, {}).fetchall()}


def build(tx: Transaction, column: Column) -> None:
    """
    Put all requests in the order of a column, anew; three seconds for a million of them.

    The server sorts them and gives a row a slice: a million rows would take the driver twice as long as all else.
    """
    execute(tx, _FORGET, {"column": column})
    rows = execute(tx, _IN_ORDER.format(column=column), {"size": SIZE}).fetchall()
    made = {
        (key, number) if position else _BEGINNING: BitMap(int(one) for one in numbers.split(","))
        for position, (key, number, numbers) in enumerate(rows)
    }
    _put(tx, column, made or {_BEGINNING: BitMap()})


def change(tx: Transaction, column: Column, moves: Moves) -> None:
    """Take requests from where they stood and put them where they stand now; the listing has their new keys."""
    bounds: list[Place] = list(execute(tx, _BOUNDS, {"column": column}).fetchall())
    left, taken = _by_slice(bounds, moves.left), _by_slice(bounds, moves.taken)
    changed: dict[Place, BitMap] = {}
    for lower in left.keys() | taken.keys():
        numbers = (_find(tx, column, lower) - left.get(lower, _NOBODY)) | taken.get(lower, _NOBODY)
        if len(numbers) <= _LARGEST:
            changed[lower] = numbers
        else:
            changed |= _cut(listing.in_order(tx, column, list(numbers)), lower)
    _put(tx, column, changed)


def delete_all(tx: Transaction) -> None:
    """Delete every column's order."""
    execute(tx, "DELETE FROM ill_sidecar_slices", {})


def walk(tx: Transaction, column: Column, *, descending: bool, expected: int) -> Iterator[Slice]:
    """
    Yield the slices one after the other; two queries at most.

    Args:
        expecting: How many will probably be asked for; the first query reads so many, the second all others.
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
    last: Place | None = None
    held: tuple[Place, bytes] | None = None
    for key, number, bitmap in _rows(tx, first, further, {"column": column, "limit": expected}):
        place = (key, number)
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
        key, number, _ = rows[-1]
        yield from execute(tx, further, {**values, "key": key, "id": number}).fetchall()


_NOBODY = BitMap()


def _cut(places: Sequence[Place], lower: Place) -> Iterator[tuple[Place, BitMap]]:
    """Cut what is in order into slices, the first of which begins at *lower*."""
    for start in range(0, len(places), SIZE):
        some = places[start : start + SIZE]
        yield some[0] if start else lower, BitMap([number for _, number in some])


def _by_slice(bounds: Sequence[Place], places: Iterable[Place]) -> dict[Place, BitMap]:
    found: dict[Place, BitMap] = defaultdict(BitMap)
    for place in places:
        found[bounds[bisect_right(bounds, place) - 1]].add(place[1])
    return found


def _find(tx: Transaction, column: Column, lower: Place) -> BitMap:
    row = execute(tx, _SELECT, {"column": column, "key": lower[0], "id": lower[1]}).fetchone()
    return BitMap() if row is None else unpack(row[0])


def _put(tx: Transaction, column: Column, slices: Mapping[Place, BitMap]) -> None:
    rows = [(column, *lower, pack(numbers)) for lower, numbers in sorted(slices.items())]
    if rows:
        tx.connection.exec_driver_sql(_PUT, rows)
