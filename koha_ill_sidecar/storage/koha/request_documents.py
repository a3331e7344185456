"""
Reads what the index stores about requests: the rows of many at once, and a fingerprint of each.

MariaDB computes the fingerprint from everything that a document consists of, always by the same expression. So a change
is found without transferring the rows.
"""

import functools
import json
from collections import defaultdict
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from koha_ill_sidecar.domain.request_index.documents import RequestRows
from koha_ill_sidecar.storage.direct import execute
from koha_ill_sidecar.storage.koha.installed import InstalledKoha
from koha_ill_sidecar.storage.koha.requests import SOURCE
from koha_ill_sidecar.storage.transaction import Transaction

_COLUMNS = (
    "borrowernumber", "biblio_id", "due_date", "branchcode", "status", "status_alias", "placed", "replied", "updated",
    "completed", "medium", "accessurl", "cost", "price_paid", "notesopac", "notesstaff", "orderid", "backend",
    "batch_id",
)  # fmt: skip
_PATRON = ("surname", "firstname", "preferred_name", "middle_name", "othernames", "cardnumber", "userid")

# The columns of a row come as one JSON list, the attributes as rows of their own: hundreds of thousands of wide rows
# would cost the driver more than everything else.
_ATTRIBUTES = (
    "SELECT illrequest_id, NULL, NULL, type, value FROM illrequestattributes WHERE illrequest_id IN %(ids)s"
)


def read(tx: Transaction, illrequest_ids: Sequence[int]) -> list[RequestRows]:
    """Return the rows of requests, without those that are deleted; one query."""
    if not illrequest_ids:
        return []
    statement, columns, patron = _select(tx.koha)
    attributes: dict[int, list[tuple[str, str]]] = defaultdict(list)
    found = []
    for row in execute(tx, statement, {"ids": list(illrequest_ids)}).fetchall():
        if row[3] is None:
            found.append(row)
        else:
            attributes[row[0]].append(row[3:])
    return [
        _rows(row, columns, patron, sorted(attributes[row[0]])) for row in sorted(found, key=itemgetter(0))
    ]


def _rows(
    row: Sequence[Any], columns: Sequence[str], patron: Sequence[str], attributes: Sequence[tuple[str, str]]
) -> RequestRows:
    illrequest_id, request_fingerprint, attributes_fingerprint, _, listed = row
    library_name, batch_name, comments, *values = json.loads(listed)
    return RequestRows(
        illrequest_id=illrequest_id,
        fingerprint=request_fingerprint,
        attributes_fingerprint=int(attributes_fingerprint),
        library_name=library_name,
        batch_name=batch_name,
        comments=comments,
        columns=dict(zip(columns, values[: len(columns)], strict=True)),
        patron=dict(zip(patron, values[len(columns) :], strict=True)),
        attributes=attributes,
    )


@functools.cache
def fingerprint(koha: InstalledKoha) -> tuple[str, str]:
    """
    Return the fingerprint of a request ``r`` as SQL, and what goes behind FROM or JOIN for it.

    It is the checksum of a list of checksums, one for each column: the texts themselves, concatenated, might exceed
    max_allowed_packet.
    """
    parts = [f"IFNULL(CRC32({column}), -1)" for column in (*_columns(koha), *_patron(koha), *_names(koha))]
    parts += [ATTRIBUTES_FINGERPRINT, f"({_COMMENTS})"]
    return f"CRC32(CONCAT_WS(',', {', '.join(parts)}))", f"{SOURCE}{_joins(koha)}"


ATTRIBUTES_FINGERPRINT = (
    "IFNULL((SELECT SUM(CRC32(CONCAT(a.type, '=', CRC32(a.value)))) FROM illrequestattributes a"
    " WHERE a.illrequest_id = r.illrequest_id), 0)"
)
"""The fingerprint of only the attributes of a request ``r``."""

_COMMENTS = "SELECT COUNT(*) FROM illcomments c WHERE c.illrequest_id = r.illrequest_id"


@functools.cache
def _select(koha: InstalledKoha) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Return the statement, and the columns of the request and of the patron at the end of its lists."""
    expression, source = fingerprint(koha)
    batch_name = "ib.name" if koha.features.batches else "NULL"
    wanted = ", ".join(f"CAST({column} AS CHAR)" for column in (*_columns(koha), *_patron(koha)))
    statement = (
        f"SELECT r.illrequest_id, {expression}, {ATTRIBUTES_FINGERPRINT}, NULL,"
        f" JSON_ARRAY(b.branchname, {batch_name}, ({_COMMENTS}), {wanted})"
        f" FROM {source} WHERE r.illrequest_id IN %(ids)s UNION ALL {_ATTRIBUTES}"
    )
    columns, patron = (
        tuple(name.partition(".")[2] for name in names) for names in (_columns(koha), _patron(koha))
    )
    return statement, columns, patron


def _joins(koha: InstalledKoha) -> str:
    joins = (
        " LEFT JOIN borrowers p ON p.borrowernumber = r.borrowernumber"
        " LEFT JOIN branches b ON b.branchcode = r.branchcode"
    )
    return (
        f"{joins} LEFT JOIN illbatches ib ON ib.ill_batch_id = r.batch_id" if koha.features.batches else joins
    )


def _columns(koha: InstalledKoha) -> list[str]:
    return [f"r.{name}" for name in _COLUMNS if koha.has("illrequests", name)]


def _patron(koha: InstalledKoha) -> list[str]:
    return [f"p.{name}" for name in _PATRON if koha.has("borrowers", name)]


def _names(koha: InstalledKoha) -> list[str]:
    return ["b.branchname", "ib.name"] if koha.features.batches else ["b.branchname"]
