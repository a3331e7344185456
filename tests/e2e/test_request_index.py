"""
The index of requests while it is built, Koha writes and the worker is killed, all at once.

The real worker runs as a process; the index is then compared with Koha's tables.
"""

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from koha_ill_sidecar.config.settings import DatabaseSettings, IllSite
from koha_ill_sidecar.config.values import Secret
from koha_ill_sidecar.domain.request_index.documents import Column, Document
from koha_ill_sidecar.domain.request_index.filters import RequestFilter, Sort
from koha_ill_sidecar.services.request_index import indexing, search
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.koha import requests
from koha_ill_sidecar.storage.request_index import listing
from sidecar_process import NAME, PASSWORD, USER, Eventually, Library, SidecarProcess

REQUESTS = 3000
BUCKETS = 6


@pytest.fixture
def config(library: Library) -> Path:
    return library.config(scheduler={"lease": "5s", "jobs": {"index": "200ms", "watch": "500ms"}})


@pytest.fixture
def database(library: Library) -> Iterator[Database]:
    settings = DatabaseSettings(
        socket=library.server.socket, user=USER, password=Secret(PASSWORD), database=NAME
    )
    database = Database(settings, site=IllSite())
    yield database
    database.close()


def _insert(library: Library, count: int) -> None:
    """Insert requests whose IDs spread over some buckets."""
    step = 16_384 * BUCKETS // count
    library.sql(
        "INSERT INTO illrequests (illrequest_id, borrowernumber, branchcode, status, backend, placed, notesstaff)"
        " SELECT seq * %s, 5, 'CPL', IF(seq %% 3, 'NEW', 'COMP'), 'Standard', CURDATE() - INTERVAL seq %% 99 DAY,"
        f" CONCAT('note ', seq %% 50) FROM seq_1_to_{count}",
        step,
    )
    library.sql(
        "INSERT INTO illrequestattributes (illrequest_id, backend, type, value)"
        " SELECT illrequest_id, 'Standard', 'title', CONCAT('Title ', CRC32(illrequest_id)) FROM illrequests"
    )


def _is_right(database: Database) -> bool:
    """Return whether the index agrees with Koha's tables on every request, and has no other."""
    ids = database.transact(requests.ids, above=0, up_to=10**9)
    indexed: dict[int, Document] = database.transact(listing.find, ids)
    now = {made.illrequest_id: made for made in database.transact(indexing.read_documents, ids)}
    by_title = sorted((made.keys[Column.TITLE], number) for number, made in now.items())
    found = database.transact(
        search.find, RequestFilter(), Sort(Column.TITLE, descending=False), page_size=len(ids) + 1
    )
    words = {f"note {number}" for number in range(3)} | {"changed"}
    return (
        indexed == now
        and found.illrequest_ids == [number for _, number in by_title]
        and all(
            database.transact(search.find, RequestFilter(keyword=word)).total
            == sum(all(part in made.text for part in word.split()) for made in now.values())
            for word in words
        )
    )


def _is_up_to_date(database: Database) -> bool:
    progress = database.transact(indexing.progress)
    return progress.is_complete and not progress.waiting and _is_right(database)


def test_a_worker_that_is_killed_again_and_again_leaves_an_index_that_can_be_repaired(
    library: Library, config: Path, database: Database, eventually: Eventually, tmp_path: Path
) -> None:
    _insert(library, REQUESTS)
    random_source = random.Random(3)
    with SidecarProcess("worker", config, tmp_path) as worker:
        for _ in range(8):
            time.sleep(random_source.uniform(0.1, 0.8))
            library.sql(
                "UPDATE illrequests SET notesstaff = 'changed' WHERE illrequest_id %% 7 = %s",
                random_source.randrange(7),
            )
            worker.kill()
            worker.start()

        eventually(lambda: _is_up_to_date(database))


def test_what_koha_writes_all_the_time_is_followed(
    library: Library, config: Path, database: Database, eventually: Eventually, tmp_path: Path
) -> None:
    """Two workers share the work, while requests are made, changed and deleted."""
    _insert(library, 300)
    stopping = threading.Event()
    random_source = random.Random(4)

    def write() -> None:
        while not stopping.is_set():
            number = random_source.randrange(1, 300) * (16_384 * BUCKETS // 300)
            library.sql(
                "UPDATE illrequests SET status = %s WHERE illrequest_id = %s",
                random_source.choice(["REQ", "COMP"]),
                number,
            )
            library.sql("UPDATE illrequestattributes SET value = 'changed' WHERE illrequest_id = %s", number)
            library.sql("DELETE FROM illrequests WHERE illrequest_id = %s", number + 1)
            library.sql(
                "INSERT INTO illrequests (illrequest_id, branchcode, status, backend)"
                " VALUES (%s, 'CPL', 'NEW', 'Standard')",
                number + 1,
            )

    with SidecarProcess("worker", config, tmp_path), SidecarProcess("worker", config, tmp_path):
        writer = threading.Thread(target=write)
        writer.start()
        time.sleep(4)
        stopping.set()
        writer.join()

        eventually(lambda: _is_up_to_date(database))
