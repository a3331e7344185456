"""Sets of request numbers, and how they stand in a column."""

from collections.abc import Iterable

from pyroaring import BitMap


def pack(numbers: BitMap) -> bytes:
    """Return a set as a column holds it; runs of numbers become short."""
    numbers.run_optimize()
    return numbers.serialize()


def unpack(column: bytes) -> BitMap:
    """Read a set from a column."""
    return BitMap.deserialize(column)


def union(columns: Iterable[bytes]) -> BitMap:
    """Read several and give what is in any."""
    found = BitMap()
    for column in columns:
        found |= BitMap.deserialize(column)
    return found
