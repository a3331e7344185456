"""
Faults of a Galera cluster lose no message and no callback, and repeat none.

Web and worker run on each of two nodes of a real cluster of three; Koha writes on the third.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any

import pytest
from galera import Node, cluster, is_installed
from insistent_supplier import BACKENDS, STATUSES, Supplier, log_of, make_requests
from library import create_library, empty
from mail_servers import MailServer, running
from sqlalchemy import text

from koha_ill_sidecar.config.settings import DatabaseSettings, IllSite
from koha_ill_sidecar.config.values import Secret
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.transaction import Transaction
from sidecar_process import NAME, PASSWORD, USER, Eventually, Library, SidecarProcess
from supplier import report

pytestmark = pytest.mark.skipif(
    not is_installed(), reason="MariaDB Galera (mariadb-server, galera-4) is not installed"
)

CODE = "ILL_PICKUP_READY"


@pytest.fixture(scope="module")
def nodes(eventually: Eventually) -> Iterator[list[Node]]:
    with cluster(create_library, eventually) as nodes:
        yield nodes


@pytest.fixture
def libraries(nodes: list[Node], tmp_path: Path, eventually: Eventually) -> Iterator[list[Library]]:
    """The same library through each node, with empty queues and no requests."""
    libraries = []
    for number, node in enumerate(nodes):
        directory = tmp_path / str(number)
        directory.mkdir()
        libraries.append(Library(server=node, directory=directory))
    eventually(lambda: is_whole(nodes))
    yield libraries
    eventually(lambda: is_whole(nodes))
    empty(libraries[0])


def is_whole(nodes: list[Node]) -> bool:
    return all(node.is_synced(3) for node in nodes)


def database_on(node: Node) -> Database:
    settings = DatabaseSettings(socket=node.socket, database=NAME, user=USER, password=Secret(PASSWORD))
    return Database(settings, site=IllSite())


def queue_messages(library: Library, number: int) -> None:
    with library.connect() as connection, connection.cursor() as cursor:
        for position in range(number):
            cursor.execute(
                "INSERT INTO message_queue (borrowernumber, subject, content, letter_code,"
                " message_transport_type, status, time_queued, to_address, from_address)"
                " VALUES (5, %s, 'Your book is here.', %s, 'email', 'pending', NOW(),"
                " 'sam.page@example.org', 'ill@ada.example.org')",
                (f"message {position}", CODE),
            )


def times_sent(sink: MailServer) -> Counter[str]:
    parser = BytesHeaderParser()
    return Counter(str(parser.parsebytes(mail.octets)["Subject"]) for mail in list(sink.caught))


def is_settled(library: Library, number: int) -> bool:
    sent = library.sql("SELECT COUNT(*) FROM message_queue WHERE status = 'sent'")
    in_flight = library.sql("SELECT 1 FROM ill_sidecar_deliveries WHERE state = 'in_flight'")
    return sent == ((number,),) and not in_flight


@dataclass(kw_only=True)
class Office:
    """Web and a worker on each of two nodes, and what a supplier sent to both at once."""

    libraries: list[Library]
    requests: list[int]
    sink: MailServer

    def send_callbacks(self) -> None:
        """Send each callback to both nodes at the same time, until both have answered it with 200."""
        streams = [
            threading.Thread(target=self._send_all, args=(Supplier(library),)) for library in self.libraries
        ]
        for stream in streams:
            stream.start()
        for stream in streams:
            stream.join()

    def _send_all(self, supplier: Supplier) -> None:
        for status in STATUSES:
            for number in self.requests:
                supplier.insist(report(number, f"{number}-{status}", status, message=f"{number}-{status}"))


@pytest.fixture
def office(libraries: list[Library]) -> Iterator[Office]:
    sink = MailServer()
    with ExitStack() as stack:
        smtp = stack.enter_context(running(sink))
        processes = []
        for library in libraries[1:]:
            config = library.config(
                backends=BACKENDS,
                delivery={
                    "letter_codes": [CODE],
                    "connections": 2,
                    "batch_size": 5,
                    "lease": "2m",
                    "smtp": {"host": smtp.host, "port": smtp.port, "timeout": "20s"},
                },
                scheduler={"jobs": {"dispatch": "100ms", "watch": "500ms"}},
            )
            process = SidecarProcess("run", config, library.directory)
            process.start(wait=False)
            stack.push(process)
            processes.append(process)
        for process in processes:
            process.wait_for("READY=1")
        yield Office(libraries=libraries[1:], requests=make_requests(libraries[0], 15), sink=sink)


@pytest.mark.parametrize("fault", ["none", "killed"])
def test_everything_is_sent_and_applied_once(
    office: Office, nodes: list[Node], libraries: list[Library], eventually: Eventually, fault: str
) -> None:
    koha, third = libraries[0], nodes[2]
    callbacks = threading.Thread(target=office.send_callbacks)
    messages = threading.Thread(target=queue_messages, args=(koha, 150))
    callbacks.start()
    messages.start()
    eventually(lambda: len(office.sink.caught) >= 20)
    if fault == "killed":
        third.kill()
        eventually(lambda: nodes[0].status("cluster_size") == "2")
        third.start()
    messages.join()
    callbacks.join()
    eventually(lambda: is_settled(koha, 150))

    sent = times_sent(office.sink)
    comments = Counter(
        comment.rpartition(": ")[2] for (comment,) in koha.sql("SELECT comment FROM illcomments")
    )
    expected = [f"{number}-{status}" for number in office.requests for status in STATUSES]
    assert sent == Counter(f"message {position}" for position in range(150))
    assert sorted(comments.elements()) == sorted(expected)
    for number in office.requests:
        assert log_of(koha, number) == [("NEW", "REQ"), ("REQ", "COMP")]


def test_transactions_that_conflict_at_the_commit_run_again(
    nodes: list[Node], libraries: list[Library], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "koha_ill_sidecar.storage.database")
    (number,) = make_requests(libraries[0], 1)

    def add_one(tx: Transaction) -> None:
        tx.connection.execute(
            text("UPDATE illrequests SET notesstaff = COALESCE(notesstaff, 0) + 1 WHERE illrequest_id = :id"),
            {"id": number},
        )

    def add_thirty(database: Database) -> None:
        for _ in range(30):
            database.transact(add_one)

    databases = [database_on(node) for node in nodes[:2]]
    threads = [threading.Thread(target=add_thirty, args=(database,)) for database in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for database in databases:
        database.close()

    reasons: Counter[Any] = Counter(getattr(record, "reason", None) for record in caplog.records)
    assert libraries[0].sql("SELECT notesstaff FROM illrequests") == (("60",),)
    assert reasons["lock error 1213"] > 0
