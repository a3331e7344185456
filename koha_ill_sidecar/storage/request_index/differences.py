"""
Requests that look different from what they were indexed as, are not indexed at all, or are gone from Koha.

As in :mod:`koha_ill_sidecar.storage.sidecar.change_watch`, every look is by primary key, of a range or of the
requests that were open when they were indexed.
"""

import functools
from dataclasses import dataclass

from koha_ill_sidecar.storage.direct import execute
from koha_ill_sidecar.storage.koha.installed import InstalledKoha
from koha_ill_sidecar.storage.koha.request_documents import ATTRIBUTES_FINGERPRINT, fingerprint
from koha_ill_sidecar.storage.transaction import Transaction

_OPEN_EDGE = (
    "SELECT MAX(illrequest_id), COUNT(*) FROM (SELECT illrequest_id FROM ill_sidecar_listing"
    " WHERE is_open = 1 AND illrequest_id > %(above)s ORDER BY illrequest_id LIMIT %(limit)s) chunk"
)
_OPEN = (
    "SELECT r.illrequest_id FROM ill_sidecar_listing r FORCE INDEX (ill_sidecar_listing_open)"  # noqa: S608
    " WHERE r.is_open = 1 AND r.illrequest_id > %(above)s AND r.illrequest_id <= %(up_to)s"
    f" AND r.attributes_fingerprint <> {ATTRIBUTES_FINGERPRINT}"
)
_EDGE = (
    "SELECT MAX(illrequest_id), COUNT(*) FROM (SELECT illrequest_id FROM illrequests"
    " WHERE illrequest_id > %(above)s ORDER BY illrequest_id LIMIT %(limit)s) chunk"
)
_GONE = (
    "SELECT l.illrequest_id FROM ill_sidecar_listing l LEFT JOIN illrequests r ON r.illrequest_id = l.illrequest_id"
    " WHERE l.illrequest_id > %(above)s AND l.illrequest_id <= %(up_to)s AND r.illrequest_id IS NULL"
)
_HIGHEST = "SELECT COALESCE(MAX(illrequest_id), 0) FROM ill_sidecar_listing"
_NUMBERS = (
    "SELECT illrequest_id FROM illrequests WHERE illrequest_id > %(above)s AND illrequest_id <= %(up_to)s"
)
_HIGHEST_COMMENT = "SELECT COALESCE(MAX(illcomment_id), 0) FROM illcomments"
_COUNT = "SELECT COUNT(*) FROM illrequests"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Statements:
    of_range: str
    written: str
    commented: str


def among_open(tx: Transaction, *, above: int, limit: int) -> tuple[list[int], int | None]:
    """
    Find whose attributes became different among the next *limit* open requests above a number.

    Two queries; three microseconds of the server's a request. The second value is where to go on, nothing at the end.
    """
    edge, looked_at = _edge(tx, _OPEN_EDGE, above, limit)
    if edge is None:
        return [], None
    found = _numbers(tx, _OPEN, above=above, up_to=edge)
    return found, edge if looked_at == limit else None


def among_all(tx: Transaction, *, above: int, limit: int) -> tuple[list[int], int | None]:
    """
    Find what became different, is not indexed or is gone among the next *limit* requests above a number.

    Four queries at most. The second value is where to go on, nothing at the end.
    """
    edge, looked_at = _edge(tx, _EDGE, above, limit)
    found = [] if edge is None else _numbers(tx, _statements(tx.koha).of_range, above=above, up_to=edge)
    is_at_end = edge is None or looked_at < limit
    up_to = max(edge or 0, _one(tx, _HIGHEST)) if is_at_end else edge
    found += _numbers(tx, _GONE, above=above, up_to=up_to)
    return found, None if is_at_end else edge


def lately_written(tx: Transaction, *, above: int, up_to: int, seconds: int) -> list[int]:
    """
    Find what became different or is not indexed in a range of numbers, of what was written in the last *seconds*.

    One query, which looks at nothing but the time of all the others: seven million of them in a second.
    """
    return _numbers(tx, _statements(tx.koha).written, above=above, up_to=up_to, seconds=seconds)


def commented(tx: Transaction, *, above: int) -> list[int]:
    """Find the requests that look different among those with a comment above a number; one query."""
    return _numbers(tx, _statements(tx.koha).commented, above=above)


def numbers(tx: Transaction, *, above: int, up_to: int) -> list[int]:
    """Name the requests of a range of numbers."""
    return _numbers(tx, _NUMBERS, above=above, up_to=up_to)


def highest_comment(tx: Transaction) -> int:
    """Return the newest comment's number, 0 where there is none."""
    return _one(tx, _HIGHEST_COMMENT)


def count(tx: Transaction) -> int:
    """Count the requests; reads a whole key of Koha's table."""
    return _one(tx, _COUNT)


@functools.cache
def _statements(koha: InstalledKoha) -> _Statements:
    sql = fingerprint(koha)
    return _Statements(
        of_range=(
            f"SELECT r.illrequest_id FROM illrequests r{sql.joins}"  # noqa: S608
            " LEFT JOIN ill_sidecar_listing l ON l.illrequest_id = r.illrequest_id"
            " WHERE r.illrequest_id > %(above)s AND r.illrequest_id <= %(up_to)s"
            f" AND (l.illrequest_id IS NULL OR l.fingerprint <> {sql.expression})"
        ),
        written=(
            f"SELECT r.illrequest_id FROM illrequests r{sql.joins}"  # noqa: S608
            " LEFT JOIN ill_sidecar_listing l ON l.illrequest_id = r.illrequest_id"
            " WHERE r.illrequest_id > %(above)s AND r.illrequest_id <= %(up_to)s"
            " AND r.updated >= NOW() - INTERVAL %(seconds)s SECOND"
            f" AND (l.illrequest_id IS NULL OR l.fingerprint <> {sql.expression})"
        ),
        commented=(
            "SELECT DISTINCT r.illrequest_id FROM illcomments n JOIN illrequests r"  # noqa: S608
            f" ON r.illrequest_id = n.illrequest_id{sql.joins}"
            " JOIN ill_sidecar_listing l ON l.illrequest_id = r.illrequest_id"
            f" WHERE n.illcomment_id > %(above)s AND l.fingerprint <> {sql.expression}"
        ),
    )


def _edge(tx: Transaction, statement: str, above: int, limit: int) -> tuple[int | None, int]:
    row = execute(tx, statement, {"above": above, "limit": limit}).fetchone()
    return row or (None, 0)


def _numbers(tx: Transaction, statement: str, **values: int | None) -> list[int]:
    return [number for (number,) in execute(tx, statement, values).fetchall()]


def _one(tx: Transaction, statement: str) -> int:
    row = execute(tx, statement, {}).fetchone()
    return int(row[0]) if row else 0
