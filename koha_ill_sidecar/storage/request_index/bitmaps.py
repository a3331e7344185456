"""Sets of request IDs, and their form in a column."""

from collections.abc import Iterable

from pyroaring import BitMap


def pack(ids: BitMap) -> bytes:
    """Return a set as a column holds it; runs of IDs are compressed."""
    ids.run_optimize()
    return ids.serialize()


def unpack(column: bytes) -> BitMap:
    """Read a set from a column."""
    return BitMap.deserialize(column)


def union(columns: Iterable[bytes]) -> BitMap:
    """Return the union of several columns."""
    found = BitMap()
    for column in columns:
        found |= BitMap.deserialize(column)
    return found
