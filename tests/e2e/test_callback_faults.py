"""Callbacks while the program is killed, the database is stopped, or another holds the rows."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from typing import Any

from insistent_supplier import BACKENDS, STATUSES, Connection, Supplier, log_of, make_requests

from sidecar_process import Eventually, Library, SidecarProcess
from supplier import TOKEN, report


@contextmanager
def killed_at_random(library: Library, process: SidecarProcess, times: int) -> Iterator[threading.Event]:
    """Kill and restart the process at random moments; the event is set after the last time."""
    random_source = random.Random(4)
    over = threading.Event()

    def kill() -> None:
        for _ in range(times):
            time.sleep(random_source.uniform(0.05, 0.5))
            process.kill()
            (library.directory / "web.sock").unlink(missing_ok=True)
            process.start()
        over.set()

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield over
    finally:
        thread.join()


def test_what_was_answered_is_applied_exactly_once_however_often_it_is_killed(library: Library) -> None:
    numbers = make_requests(library, 60)
    config = library.config(backends=BACKENDS)
    answered: list[tuple[str, dict[str, Any]]] = []

    def send_stream(mine: list[int], over: threading.Event) -> None:
        supplier = Supplier(library)
        for turn in cycle(range(10_000)):
            if over.is_set() and turn >= len(STATUSES):
                return
            for number in mine:
                status = STATUSES[turn] if turn < len(STATUSES) else "note"
                event_id = f"{number}-{turn}"
                document = report(number, event_id, status, message=event_id)
                answered.append((event_id, supplier.insist(document)[1]))

    with (
        SidecarProcess("web", config, library.directory) as process,
        killed_at_random(library, process, 30) as over,
    ):
        streams = [threading.Thread(target=send_stream, args=(numbers[at::4], over)) for at in range(4)]
        for stream in streams:
            stream.start()
        for stream in streams:
            stream.join()

    applied: dict[str, str] = dict(library.sql("SELECT event_id, verdict FROM ill_sidecar_receipts"))
    comments = [comment for (comment,) in library.sql("SELECT comment FROM illcomments")]
    assert {event_id: applied[event_id] for event_id, _ in answered} == dict.fromkeys(
        (event_id for event_id, _ in answered), "applied"
    )
    assert len(comments) == len(set(comments)) == len(answered)
    assert {answer["outcome"] for _, answer in answered} == {"applied"}
    for number in numbers:
        assert log_of(library, number) == [("NEW", "REQ"), ("REQ", "COMP")]


def test_a_database_that_stops_is_503_and_the_supplier_succeeds_when_it_is_back(library: Library) -> None:
    (number,) = make_requests(library, 1)
    config = library.config(backends=BACKENDS)

    with SidecarProcess("web", config, library.directory):
        supplier = Supplier(library)
        first, _ = supplier.send(report(number, "e1", "received"))
        library.server.stop()
        away, problem = supplier.send(report(number, "e2", "delivered"))
        library.server.start()
        back, _ = supplier.insist(report(number, "e2", "delivered"))

    assert (first, away, back) == (200, 503, 200)
    assert problem["type"] == "urn:koha-ill-sidecar:problem:database-away"
    assert log_of(library, number) == [("NEW", "REQ"), ("REQ", "COMP")]


def test_a_request_locked_for_20_seconds_only_delays_its_callback(library: Library) -> None:
    number, other = make_requests(library, 2)
    config = library.config(backends=BACKENDS)

    with SidecarProcess("web", config, library.directory), library.connect() as colleague:
        with colleague.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("UPDATE illrequests SET notesstaff = 'mine' WHERE illrequest_id = %s", (number,))
        threading.Timer(20, colleague.commit).start()
        answers: list[int] = []
        waiting = threading.Thread(
            target=lambda: answers.append(Supplier(library).send(report(number, "e1", "received"))[0])
        )
        waiting.start()
        beside, _ = Supplier(library).send(report(other, "e2", "received"))
        is_waiting = waiting.is_alive()
        waiting.join()

    assert (beside, is_waiting, answers) == (200, True, [200])
    assert library.sql("SELECT status, notesstaff FROM illrequests WHERE illrequest_id = %s", number) == (
        ("REQ", "mine"),
    )


def test_sigterm_answers_the_callback_in_flight(library: Library, eventually: Eventually) -> None:
    (number,) = make_requests(library, 1)
    config = library.config(backends=BACKENDS)

    with SidecarProcess("web", config, library.directory) as process, library.connect() as colleague:
        with colleague.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT 1 FROM illrequests WHERE illrequest_id = %s FOR UPDATE", (number,))
        answers: list[int] = []
        waiting = threading.Thread(
            target=lambda: answers.append(Supplier(library).send(report(number, "e1", "received"))[0])
        )
        waiting.start()
        eventually(lambda: bool(library.sql("SELECT 1 FROM information_schema.innodb_lock_waits")))
        threading.Timer(1, colleague.commit).start()
        code = process.stop()
        waiting.join()

    assert (code, answers) == (0, [200])
    assert log_of(library, number) == [("NEW", "REQ")]


def test_a_body_of_unknown_length_is_read_no_further_than_the_limit(library: Library) -> None:
    config = library.config(backends=BACKENDS, callbacks={"max_body_bytes": 2048})

    with SidecarProcess("web", config, library.directory):
        connection = Connection(library.directory / "web.sock")
        headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
        body = iter([b"x" * 1024] * 4)
        connection.request("POST", "/callbacks/plain", body, headers, encode_chunked=True)
        response = connection.getresponse()

    assert (response.status, response.headers["content-type"]) == (413, "application/problem+json")
