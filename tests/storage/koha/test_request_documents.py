"""What the index reads of Koha's tables, and whether it folds letters as Koha's collation compares them."""

from itertools import pairwise

import pytest
from sqlalchemy import text

from factories import make_request
from koha_ill_sidecar.domain.request_index.terms import fold
from koha_ill_sidecar.storage.koha import request_documents
from koha_ill_sidecar.storage.transaction import Transaction

pytestmark = pytest.mark.all_versions

_LETTERS = [
    chr(code)
    for first, end in ((0xA0, 0x250), (0x370, 0x530), (0x1E00, 0x2000), (0x3041, 0x3100), (0xFF01, 0xFF9E))
    for code in range(first, end)
    if chr(code).isalnum()
]


def test_dates_and_numbers_are_read_as_text_together_with_names(tx: Transaction) -> None:
    illrequest_id = make_request(tx.connection, tx.koha, placed="2026-02-03", updated="2026-02-04 05:06:07")

    (rows,) = request_documents.read(tx, [illrequest_id, illrequest_id + 1])

    assert (rows.columns["placed"], rows.columns["updated"]) == ("2026-02-03", "2026-02-04 05:06:07")
    assert (rows.columns["borrowernumber"], rows.columns["replied"]) == ("5", None)
    assert (rows.patron["surname"], rows.library_name) == ("Page", "Ada Lovelace Library")
    assert dict(rows.attributes)["title"] == "A journal"


def test_a_fingerprint_stays_the_same_until_something_changes(tx: Transaction) -> None:
    illrequest_id = make_request(tx.connection, tx.koha)

    seen = [_fingerprint(tx, illrequest_id)]
    assert _fingerprint(tx, illrequest_id) == seen[0]
    for statement in (
        "UPDATE illrequests SET notesstaff = ''",
        "UPDATE illrequests SET notesstaff = REPEAT('x', 1000000)",
        "UPDATE illrequestattributes SET value = CONCAT(value, ' ') WHERE type = 'title'",
        "INSERT INTO illcomments (illrequest_id, comment) SELECT illrequest_id, 'x' FROM illrequests",
        "DELETE FROM illrequestattributes",
    ):
        tx.connection.execute(text(statement))
        seen.append(_fingerprint(tx, illrequest_id))

    assert len(set(seen)) == len(seen) == 6


def test_letters_that_are_equal_to_koha_are_equal_when_folded(tx: Transaction) -> None:
    """Each is compared with what it is folded to, and with its neighbours."""
    different = [
        (letter, other)
        for letter, other in pairwise(_LETTERS)
        if fold(letter) != fold(other) and _are_same_to_koha(tx, letter, other)
    ]

    assert different == []


def _fingerprint(tx: Transaction, illrequest_id: int) -> int:
    return request_documents.read(tx, [illrequest_id])[0].fingerprint


def _are_same_to_koha(tx: Transaction, letter: str, other: str) -> bool:
    return bool(tx.connection.scalar(text("SELECT :letter = :other"), {"letter": letter, "other": other}))
