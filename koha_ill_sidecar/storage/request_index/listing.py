"""Rows of ``ill_sidecar_listing``: the indexed document of each request, and its sort keys."""

from collections.abc import Collection, Iterable, Sequence

from koha_ill_sidecar.domain.request_index.documents import KEYED_COLUMNS, Column, Document, Facet
from koha_ill_sidecar.storage.direct import execute
from koha_ill_sidecar.storage.transaction import Transaction

_NAMES = (
    "illrequest_id",
    "fingerprint",
    "attributes_fingerprint",
    "is_open",
    "facets",
    "document",
    *(f"{column}_key" for column in KEYED_COLUMNS),
)

_SELECT = f"SELECT {', '.join(_NAMES)} FROM ill_sidecar_listing WHERE illrequest_id IN %(ids)s"
_PUT = (
    f"INSERT INTO ill_sidecar_listing ({', '.join(_NAMES)}) VALUES ({', '.join(['%s'] * len(_NAMES))})"
    f" ON DUPLICATE KEY UPDATE {', '.join(f'{name} = VALUES({name})' for name in _NAMES[1:])}"
)
_REMOVE = "DELETE FROM ill_sidecar_listing WHERE illrequest_id IN %(ids)s"


def find(tx: Transaction, illrequest_ids: Collection[int]) -> dict[int, Document]:
    """Return the indexed documents of requests, by ID; those that are not indexed are left out."""
    if not illrequest_ids:
        return {}
    rows = execute(tx, _SELECT, {"ids": list(illrequest_ids)}).fetchall()
    return {row[0]: _document(row) for row in rows}


def put(tx: Transaction, documents: Iterable[Document]) -> None:
    """Store the documents of requests."""
    rows = [
        (
            document.illrequest_id,
            document.fingerprint,
            document.attributes_fingerprint,
            document.is_open,
            "\n".join(f"{facet}={value}" for facet, value in document.facets),
            document.text,
            *(document.keys[column] for column in KEYED_COLUMNS),
        )
        for document in documents
    ]
    if rows:
        tx.connection.exec_driver_sql(_PUT, rows)


def remove(tx: Transaction, illrequest_ids: Collection[int]) -> None:
    """Delete the documents of requests."""
    if illrequest_ids:
        execute(tx, _REMOVE, {"ids": list(illrequest_ids)})


def in_order(
    tx: Transaction,
    column: Column,
    illrequest_ids: Collection[int],
    *,
    descending: bool = False,
    offset: int = 0,
    limit: int | None = None,
) -> list[tuple[bytes, int]]:
    """Return requests with their keys, sorted by a column; one query, for some thousand requests at most."""
    if not illrequest_ids:
        return []
    direction = "DESC" if descending else "ASC"
    statement = (
        f"SELECT {column}_key, illrequest_id FROM ill_sidecar_listing WHERE illrequest_id IN %(ids)s"
        f" ORDER BY {column}_key {direction}, illrequest_id {direction}"
    )
    if limit is not None:
        statement += f" LIMIT {limit:d} OFFSET {offset:d}"
    return list(execute(tx, statement, {"ids": list(illrequest_ids)}).fetchall())


def without_words(
    tx: Transaction, illrequest_ids: Iterable[int], *, words: Sequence[str], patron_words: Sequence[str]
) -> list[int]:
    """
    Return those of these requests in whose text, or its part about the patron, not all words occur.

    One query, for some ten thousand requests at most. Comparing bytes is quicker than comparing characters and gives
    the same result here; one row with all IDs is quicker than one row each.
    """
    ids = ",".join(map(str, illrequest_ids))
    if not ids:
        return []
    conditions = [f"LOCATE(%(word{n})s, CAST(document AS BINARY)) = 0" for n in range(len(words))]
    conditions += [
        f"LOCATE(%(patron{n})s, CAST(SUBSTRING_INDEX(document, '\\n', 1) AS BINARY)) = 0"
        for n in range(len(patron_words))
    ]
    statement = (
        f"SELECT GROUP_CONCAT(illrequest_id) FROM ill_sidecar_listing WHERE illrequest_id IN ({ids})"
        f" AND ({' OR '.join(conditions)})"
    )
    values = {f"word{n}": word.encode() for n, word in enumerate(words)}
    values |= {f"patron{n}": word.encode() for n, word in enumerate(patron_words)}
    row = execute(tx, statement, values).fetchone()
    return [int(found) for found in row[0].split(",")] if row and row[0] else []


def _document(row: Sequence[object]) -> Document:
    illrequest_id, fingerprint, attributes_fingerprint, is_open, facets, text, *keys = row
    lines = (line.partition("=") for line in str(facets).split("\n") if line)
    return Document(
        illrequest_id=int(str(illrequest_id)),
        fingerprint=int(str(fingerprint)),
        attributes_fingerprint=int(str(attributes_fingerprint)),
        is_open=bool(is_open),
        facets=tuple((Facet(name), value) for name, _, value in lines),
        text=str(text),
        keys={column: bytes(key) for column, key in zip(KEYED_COLUMNS, keys, strict=True)},  # type: ignore[call-overload]
    )
