"""The index follows Koha's tables, no matter who changes them, and survives an interruption."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from pyroaring import BitMap
from sqlalchemy import Connection, Engine, text

from cast import CLARA, SAM
from factories import make_attribute, make_request
from koha_ill_sidecar.domain.actors import Actor, Interface
from koha_ill_sidecar.domain.request_index.documents import ALL, KEYED_COLUMNS
from koha_ill_sidecar.domain.request_index.filters import RequestFilter, Sort
from koha_ill_sidecar.services.operations import watch
from koha_ill_sidecar.services.request_index import indexing, search
from koha_ill_sidecar.services.requests import comments, creation, editing, patron_actions
from koha_ill_sidecar.services.requests import lifecycle as requests_service
from koha_ill_sidecar.services.requests.creation import NewRequest
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.koha import requests
from koha_ill_sidecar.storage.request_index import listing, postings, queue, slices
from koha_ill_sidecar.storage.sidecar import checkpoints
from koha_ill_sidecar.storage.sidecar import requests as sidecar_requests
from koha_ill_sidecar.storage.transaction import Transaction

Make = Callable[..., int]

STAFF = Actor(interface=Interface.INTRANET, borrowernumber=CLARA)


@pytest.fixture
def indexed(tx: Transaction, make: Make) -> Make:
    """Make a request that is indexed."""

    def with_columns(**columns: Any) -> int:
        illrequest_id = make(**columns)
        indexing.index(tx, [illrequest_id])
        return illrequest_id

    return with_columns


def _execute_as_koha(connection: Connection, statement: str, **values: object) -> None:
    connection.execute(text(statement), values)


def _build(tx: Transaction) -> int:
    total = 0
    while (done := indexing.build(tx)) is not None:
        total += done
    return total


def _hits(tx: Transaction, keyword: str) -> list[int]:
    return list(search.find(tx, RequestFilter(keyword=keyword)).illrequest_ids)


def _terms_of(tx: Transaction, illrequest_id: int) -> set[str]:
    rows = tx.connection.execute(text("SELECT term, bitmap FROM ill_sidecar_postings"))
    return {term.decode() for term, bitmap in rows if illrequest_id in BitMap.deserialize(bitmap)}


# Indexing


@pytest.mark.all_versions
def test_indexing_again_changes_nothing(tx: Transaction, indexed: Make) -> None:
    illrequest_id = indexed()

    assert indexing.index(tx, [illrequest_id]) == 0


def test_a_request_has_the_terms_of_its_document_and_no_others(tx: Transaction, indexed: Make) -> None:
    """Also after a change: what it had before is gone."""
    illrequest_id = indexed(notesstaff="first thing", attributes={"title": "Old", "type": "book"})
    requests.update(tx, illrequest_id, notesstaff="another", status="REQ")
    indexing.index(tx, [illrequest_id])
    (document,) = indexing.read_documents(tx, [illrequest_id])

    assert _terms_of(tx, illrequest_id) == {term for term in document.terms() if term[0] not in "wq"}


def test_a_request_that_is_gone_leaves_nothing(tx: Transaction, indexed: Make) -> None:
    _build(tx)
    illrequest_id = indexed()
    tx.connection.execute(text("DELETE FROM illrequests"))

    assert indexing.index(tx, [illrequest_id]) == 1
    assert tx.connection.scalar(text("SELECT COUNT(*) FROM ill_sidecar_postings")) == 0
    assert listing.find(tx, [illrequest_id]) == {}
    assert all(not part.ids for part in slices.walk(tx, KEYED_COLUMNS[0], descending=False, expected=9))


def test_a_word_that_many_share_is_a_term_and_stays_right(
    tx: Transaction, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postings, "_SHARED_BY", 2)
    ids = [make(attributes={"title": "Astronomy"}) for _ in range(3)]
    indexing.index(tx, ids)
    requests.delete(tx, ids[0])
    tx.connection.execute(text("UPDATE illrequestattributes SET value = 'Botany'"))
    indexing.index(tx, ids[:2])

    assert postings.find(tx, ["wastronomy"])["wastronomy"] == BitMap(ids[2:])


# Building


def test_building_takes_in_all_and_can_be_resumed(tx: Transaction, make: Make) -> None:
    high = 3 * postings.BUCKET
    ids = [make(), make(), make(illrequest_id=high), make(illrequest_id=high + 1)]

    assert indexing.build(tx) == 2
    assert search.find(tx, RequestFilter()).total == 2
    assert not search.find(tx, RequestFilter()).is_complete
    assert _build(tx) == 2
    found = search.find(tx, RequestFilter(), Sort(descending=False))
    assert (found.illrequest_ids, found.is_complete) == (ids, True)
    assert indexing.build(tx) is None


def test_progress_counts_indexed_and_waiting_requests(tx: Transaction, indexed: Make, make: Make) -> None:
    indexed()
    requests.update(tx, make(), notesstaff="x")
    queue.enqueue(tx)
    found = indexing.progress(tx)

    assert (found.indexed, found.of, found.waiting, found.is_complete) == (1, 2, 1, False)


def test_a_rebuild_restores_what_was_lost(tx: Transaction, indexed: Make) -> None:
    illrequest_id = indexed()
    _build(tx)
    tx.connection.execute(text("DELETE FROM ill_sidecar_postings"))
    assert search.find(tx, RequestFilter()).total == 0
    indexing.rebuild(tx)

    assert _build(tx) == 1
    assert search.find(tx, RequestFilter()).illrequest_ids == [illrequest_id]


def test_slices_that_grow_are_split(tx: Transaction, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "_LARGEST", 4)
    monkeypatch.setattr(slices, "SIZE", 2)
    _build(tx)
    ids = [make(notesstaff=f"note {number % 5}") for number in range(30)]
    for illrequest_id in ids:
        indexing.index(tx, [illrequest_id])

    parts = [part.ids for part in slices.walk(tx, KEYED_COLUMNS[0], descending=True, expected=3)]
    assert max(map(len, parts)) <= 4
    assert BitMap.union(*parts) == BitMap(ids)


# Our own changes


@pytest.mark.all_versions
def test_every_change_of_ours_is_queued_for_indexing(database: Database) -> None:
    """Making, editing, commenting, moving, deleting: all in the transaction of the change, once."""
    new = NewRequest(type="article", branchcode="CPL", borrowernumber=SAM, fields={"title": "Nature"})
    illrequest_id = database.transact(creation.create, new, STAFF).illrequest_id
    changes: list[Callable[[Transaction], object]] = [
        lambda tx: editing.edit(tx, illrequest_id, STAFF, notesstaff="x"),
        lambda tx: editing.edit_item(tx, illrequest_id, {"title": "y", "type": "article"}, STAFF),
        lambda tx: comments.add_comment(tx, illrequest_id, "z", STAFF),
        lambda tx: patron_actions.edit_note(tx, illrequest_id, "w", STAFF),
        lambda tx: requests_service.delete(tx, illrequest_id, STAFF),
    ]
    assert database.transact(queue.read_state, limit=9)[1] == [illrequest_id]

    for change in changes:
        database.transact(indexing.index_queue, limit=100)
        database.transact(change)
        assert [number for _, number in database.transact(queue.oldest, limit=9)] == [illrequest_id]
    database.transact(indexing.index_queue, limit=100)
    assert database.transact(queue.count) == 0
    assert database.transact(search.find, RequestFilter()).total == 0


def test_a_change_that_is_rolled_back_is_not_queued(database: Database) -> None:
    def fail(tx: Transaction) -> None:
        creation.create(tx, NewRequest(type="article", branchcode="CPL", borrowernumber=SAM), STAFF)
        raise KeyError

    with pytest.raises(KeyError):
        database.transact(fail)

    assert database.transact(queue.count) == 0


def test_a_change_while_its_request_is_indexed_is_indexed_next(database: Database, admin: Engine) -> None:
    """Neither waits for the other, and the later change is not mistaken for the earlier one."""
    with admin.begin() as connection:
        illrequest_id = make_request(connection, database.koha())
    edit = editing.edit

    def index_slowly(tx: Transaction) -> None:
        indexing.index_queue(tx, limit=100)
        other = threading.Thread(
            target=lambda: database.transact(edit, illrequest_id, STAFF, notesstaff="second"), daemon=True
        )
        other.start()
        other.join(60)
        assert not other.is_alive()

    database.transact(edit, illrequest_id, STAFF, notesstaff="first")
    database.transact(index_slowly)

    assert database.transact(queue.read_state, limit=9)[1] == [illrequest_id]
    assert database.transact(_hits, "second") == [illrequest_id]
    database.transact(indexing.index_queue, limit=100)
    assert database.transact(_hits, "second") == [illrequest_id]
    assert database.transact(_hits, "first") == []


def test_two_threads_that_index_at_once_lose_nothing(database: Database, admin: Engine) -> None:
    with admin.begin() as connection:
        ids = [make_request(connection, database.koha()) for _ in range(12)]
    barrier = threading.Barrier(4)

    def index(some: list[int]) -> None:
        barrier.wait()
        for illrequest_id in some:
            database.transact(indexing.index, [illrequest_id])

    threads = [threading.Thread(target=index, args=(ids[number::4],)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert database.transact(postings.find, [ALL])[ALL] == BitMap(ids)
    assert sorted(database.transact(_hits, "article")) == ids


# Koha's changes


@pytest.mark.all_versions
@pytest.mark.parametrize(
    ("statement", "keyword"),
    [
        ("UPDATE illrequests SET notesopac = 'urgently'", "urgently"),
        ("UPDATE illrequests SET status_alias = 'WAITING'", "waiting"),
        ("UPDATE illrequestattributes SET value = 'Botany' WHERE type = 'title'", "botany"),
        ("UPDATE borrowers SET surname = 'Pagett' WHERE borrowernumber = 5", "pagett"),
        ("UPDATE branches SET branchname = 'Babbage' WHERE branchcode = 'CPL'", "babbage"),
    ],
)
def test_every_change_that_koha_makes_to_a_request_is_found(
    database: Database, admin: Engine, statement: str, keyword: str
) -> None:
    with admin.begin() as connection:
        illrequest_id = make_request(connection, database.koha())
    database.transact(indexing.index, [illrequest_id])
    assert database.transact(indexing.sweep, limit=10) == (0, True)
    with admin.begin() as connection:
        _execute_as_koha(connection, statement)

    assert database.transact(indexing.sweep, limit=10) == (1, True)
    assert database.transact(_hits, keyword) == [illrequest_id]
    assert database.transact(indexing.sweep, limit=10) == (0, True)


def test_a_new_attribute_of_an_open_request_is_found(tx: Transaction, indexed: Make) -> None:
    illrequest_id = indexed()
    make_attribute(tx.connection, tx.koha, illrequest_id, "doi", "10.1000/xyz")

    assert indexing.index_open(tx, limit=10) == 1
    assert _hits(tx, "/xyz") == [illrequest_id]


def test_open_requests_are_checked_in_steps(tx: Transaction, indexed: Make) -> None:
    for _ in range(5):
        indexed()
    tx.connection.execute(text("UPDATE illrequestattributes SET value = 'Botany' WHERE type = 'title'"))

    assert [indexing.index_open(tx, limit=3) for _ in range(3)] == [3, 2, 0]


def test_rows_that_koha_updates_are_found_even_if_closed(
    tx: Transaction, indexed: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In steps through the whole table."""
    monkeypatch.setattr(indexing, "_TIMES_AT_ONCE", 1)
    monkeypatch.setattr(indexing, "_ROUNDS_OF_TIMES", 10**9)
    closed, same, last = indexed(status="COMP"), indexed(status="COMP"), indexed(status="COMP")
    requests.update(tx, closed, notesstaff="late")
    requests.update(tx, last, notesstaff="later")
    # Tests that are rolled back still raise AUTO_INCREMENT: a walk from 0 would take thousands of steps.
    checkpoints.save(tx, indexing._WRITTEN_CHECKPOINT, closed - 1)
    written = [indexing.index_written(tx) for _ in (closed, same, last)]

    assert written == [1, 0, 1]
    assert _hits(tx, "late") == [last, closed]
    assert same not in _hits(tx, "late")
    assert checkpoints.get(tx, indexing._WRITTEN_CHECKPOINT) == 0, "the next step starts over"


def test_requests_that_koha_makes_are_found(tx: Transaction, make: Make) -> None:
    assert indexing.index_written(tx) == 0
    illrequest_id = make()

    assert indexing.index_written(tx) == 1
    assert indexing.index_written(tx) == 0
    assert _hits(tx, "journal") == [illrequest_id]


def test_a_comment_of_koha_on_a_closed_request_is_indexed(tx: Transaction, indexed: Make) -> None:
    illrequest_id = indexed(status="COMP")
    indexing.index_commented(tx)
    _execute_as_koha(
        tx.connection,
        "INSERT INTO illcomments (illrequest_id, borrowernumber, comment) VALUES (:id, 2, 'hm')",
        id=illrequest_id,
    )

    assert indexing.index_commented(tx) == 1
    assert indexing.index_commented(tx) == 0


def test_the_sweep_finds_closed_unknown_and_deleted_requests(
    tx: Transaction, make: Make, indexed: Make
) -> None:
    changed, deleted, unknown = indexed(status="COMP"), indexed(status="COMP"), make(status="COMP")
    _execute_as_koha(
        tx.connection, "UPDATE illrequests SET notesstaff = 'late' WHERE illrequest_id = :id", id=changed
    )
    _execute_as_koha(tx.connection, "DELETE FROM illrequests WHERE illrequest_id = :id", id=deleted)
    steps = [indexing.sweep(tx, limit=1) for _ in range(3)]

    assert sum(found for found, _ in steps) == 3
    assert [is_end for _, is_end in steps] == [False, False, True]
    assert _hits(tx, "late") == [changed]
    assert sorted(search.find(tx, RequestFilter()).illrequest_ids) == [changed, unknown]


def test_a_change_that_the_watch_finds_is_queued_for_indexing(database: Database, admin: Engine) -> None:
    with admin.begin() as connection:
        illrequest_id = make_request(connection, database.koha())
    database.transact(lambda tx: sidecar_requests.record_seen(tx, requests.get(tx, illrequest_id)))
    database.transact(indexing.index, [illrequest_id])
    with admin.begin() as connection:
        _execute_as_koha(connection, "UPDATE illrequests SET status = 'REQ'")
    database.transact(watch.handle_change, illrequest_id)

    assert database.transact(queue.read_state, limit=9)[1] == [illrequest_id]
