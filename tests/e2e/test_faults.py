"""
Faults lose no message and repeat none without need.

Every test runs the real worker as a process, against a real MariaDB and a real SMTP server.
"""

import asyncio
import fcntl
import random
import signal
import smtplib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP
from mail_servers import MailServer, running

from sidecar_process import Eventually, Library, SidecarProcess

CONNECTIONS = 2
CODE = "ILL_PICKUP_READY"


class Sink(MailServer):
    """Accepts every mail, after a delay in which something may happen."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.answers["DATA"] = self._delay
        self._seconds = seconds

    async def _delay(self, _server: SMTP, _address: str | None) -> None:
        await asyncio.sleep(self._seconds)

    @property
    def is_connected(self) -> bool:
        """Whether a client is connected that may still have a mail on its way."""
        return any(protocol.transport is not None for protocol in list(self.protocols))

    @property
    def taken(self) -> list[tuple[str, str]]:
        """The mails in order: the subject, which is unique, and the Message-ID."""
        headers = [BytesHeaderParser().parsebytes(mail.octets) for mail in list(self.caught)]
        return [(str(header["Subject"]), str(header["Message-ID"])) for header in headers]


@contextmanager
def _delivering(library: Library, sink: Sink, **delivery: Any) -> Iterator[Path]:
    """Yield a configuration that sends mail to the sink."""
    with running(sink) as smtp:
        yield library.config(
            delivery={
                "letter_codes": [CODE],
                "connections": CONNECTIONS,
                # A worker that a busy machine holds up must not be taken for dead.
                "lease": "1m",
                "smtp": {"host": smtp.host, "port": smtp.port, "timeout": "20s"},
                **delivery,
            },
            scheduler={"jobs": {"dispatch": "200ms", "watch": "500ms"}},
        )


def _queue(library: Library, subjects: Sequence[str]) -> None:
    with library.connect() as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO message_queue (borrowernumber, subject, content, letter_code, message_transport_type,"
            " status, time_queued, to_address, from_address) VALUES (5, %s, 'Your book is here.', %s, 'email',"
            " 'pending', NOW(), 'sam.page@example.org', 'ill@ada.example.org')",
            [(subject, CODE) for subject in subjects],
        )


def _subjects(number: int) -> list[str]:
    return [f"message {position}" for position in range(number)]


def _statuses(library: Library) -> Counter[Any]:
    return Counter(library.sql("SELECT status, COALESCE(failure_code, '') FROM message_queue"))


def _all_sent(library: Library, number: int) -> Callable[[], bool]:
    return lambda: _statuses(library) == Counter({("sent", ""): number})


def _has_caught(sink: Sink, number: int) -> Callable[[], bool]:
    return lambda: len(sink.caught) >= number


def _nothing_in_flight(library: Library) -> bool:
    return not library.sql("SELECT message_id FROM ill_sidecar_deliveries WHERE state = 'in_flight'")


def test_kill_9_thirty_times_loses_nothing_and_repeats_only_what_was_in_flight(
    library: Library, eventually: Eventually
) -> None:
    seed = random.randrange(1_000_000)
    random_source = random.Random(seed)
    subjects = _subjects(500)
    _queue(library, subjects)
    sink = Sink(0.01)
    taken_at_kill: list[int] = []
    with _delivering(library, sink, lease="3s") as config:
        for _ in range(30):
            process = SidecarProcess("worker", config, library.directory)
            process.start(wait=False)
            enough = len(sink.caught) + random_source.randint(1, 14)
            eventually(_has_caught(sink, enough))
            time.sleep(random_source.uniform(0, 0.02))
            process.kill()
            process.close()
            eventually(lambda: not sink.is_connected)  # the server may still take what was on its way
            taken_at_kill.append(len(sink.caught))
        with SidecarProcess("worker", config, library.directory):
            eventually(_all_sent(library, 500))
            # What the last one had sent and not yet recorded stays in flight until its lease ends.
            eventually(lambda: _nothing_in_flight(library))

    taken = sink.taken
    assert {subject for subject, _ in taken} == set(subjects), f"seed {seed}"
    assert len({message_id for _, message_id in taken}) == 500, f"seed {seed}"
    assert _repeats_by_kill(taken, taken_at_kill) <= CONNECTIONS, f"seed {seed}"


def _repeats_by_kill(taken: Sequence[tuple[str, str]], taken_at_kill: Sequence[int]) -> int:
    """Return the most messages of one process that a later process sent again."""
    last = {mail: position for position, mail in enumerate(taken)}
    repeated = [position for position, mail in enumerate(taken) if last[mail] != position]
    lives = Counter(sum(position >= at_kill for at_kill in taken_at_kill) for position in repeated)
    return max(lives.values(), default=0)


def test_sigterm_in_the_middle_sends_nothing_twice_and_leaves_nothing_in_flight(
    library: Library, eventually: Eventually
) -> None:
    _queue(library, _subjects(120))
    sink = Sink(0.01)
    with _delivering(library, sink) as config:
        for enough in (20, 60):
            with SidecarProcess("worker", config, library.directory) as process:
                eventually(_has_caught(sink, enough))
                assert process.stop() == 0
            taken = len(sink.caught)
            assert _statuses(library) == Counter({("sent", ""): taken, ("pending", ""): 120 - taken})
            assert _nothing_in_flight(library)
        with SidecarProcess("worker", config, library.directory):
            eventually(_all_sent(library, 120))

    assert sorted(subject for subject, _ in sink.taken) == sorted(_subjects(120))


def test_a_worker_that_was_stopped_beyond_its_lease_repeats_at_most_what_was_in_flight(
    library: Library, eventually: Eventually
) -> None:
    _queue(library, _subjects(120))
    sink = Sink(0.03)
    with (
        _delivering(library, sink, lease="2s", connections=1, batch_size=50) as config,
        SidecarProcess("worker", config, library.directory) as stopped,
    ):
        eventually(_has_caught(sink, 5))
        _stop_between_transactions(library, stopped)
        held = _holders(library)
        with SidecarProcess("worker", config, library.directory):
            # The other worker has begun with what the stopped one holds.
            eventually(lambda: any(_holders(library).get(each) not in {None, held[each]} for each in held))
            stopped.send(signal.SIGCONT)
            eventually(_all_sent(library, 120))
            eventually(lambda: _nothing_in_flight(library))

    assert {subject for subject, _ in sink.taken} == set(_subjects(120))
    assert len(held) > 10
    # One for the connection of each worker: on a busy machine, the other may be held up beyond its lease too.
    assert len(sink.taken) - 120 <= 2


def _stop_between_transactions(library: Library, process: SidecarProcess) -> None:
    """Stop a process that holds no lock of a row, which would keep the others from its messages until it continues."""
    process.send(signal.SIGSTOP)
    time.sleep(0.2)  # the server refreshes its list of transactions at most ten times a second
    while library.sql("SELECT trx_id FROM information_schema.innodb_trx"):
        process.send(signal.SIGCONT)
        time.sleep(0.01)
        process.send(signal.SIGSTOP)
        time.sleep(0.2)


def _holders(library: Library) -> dict[int, str]:
    rows = library.sql(
        "SELECT d.message_id, d.lease_holder FROM ill_sidecar_deliveries d JOIN message_queue USING (message_id)"
        " WHERE state = 'in_flight' AND status <> 'sent'"
    )
    return {int(message_id): str(holder) for message_id, holder in rows}


@pytest.mark.parametrize("refused", ["TRUE", "NEW.status = 'sent'"], ids=["every update", "results"])
def test_updates_refused_for_longer_than_a_lease_repeat_nothing(
    library: Library, eventually: Eventually, refused: str
) -> None:
    _queue(library, _subjects(150))
    sink = Sink(0.01)
    with (
        _delivering(library, sink, lease="2s") as config,
        SidecarProcess("worker", config, library.directory) as first,
        SidecarProcess("worker", config, library.directory) as second,
    ):
        eventually(_has_caught(sink, 40))
        library.sql(
            f"CREATE TRIGGER refuse BEFORE UPDATE ON message_queue FOR EACH ROW IF {refused} THEN"
            " SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1114, MESSAGE_TEXT = 'The table is full'; END IF"
        )
        try:
            time.sleep(4)
        finally:
            library.sql("DROP TRIGGER refuse")
        eventually(_all_sent(library, 150))

    assert sorted(subject for subject, _ in sink.taken) == sorted(_subjects(150))
    assert "Traceback" not in first.log + second.log


def test_a_message_is_sent_within_two_seconds_of_its_commit(library: Library, eventually: Eventually) -> None:
    sink = Sink()
    with running(sink) as smtp:
        config = library.config(
            delivery={"letter_codes": [CODE], "smtp": {"host": smtp.host, "port": smtp.port}}
        )
        with SidecarProcess("worker", config, library.directory):
            waits = []
            for subject in _subjects(4):
                time.sleep(0.7)
                before = len(sink.caught)
                _queue(library, [subject])
                began = time.monotonic()
                eventually(_has_caught(sink, before + 1))
                waits.append(time.monotonic() - began)

    # A busy machine may delay any of them; a worker that looks too seldom would delay all.
    assert min(waits) < 2


def test_mariadb_that_goes_and_comes_back_loses_nothing(library: Library, eventually: Eventually) -> None:
    _queue(library, _subjects(150))
    sink = Sink(0.01)
    with (
        _delivering(library, sink) as config,
        SidecarProcess("run", config, library.directory) as process,
    ):
        eventually(_has_caught(sink, 40))
        library.server.stop()
        eventually(lambda: "database away, jobs wait" in process.log)
        library.server.start()
        eventually(_all_sent(library, 150))

    assert sorted(subject for subject, _ in sink.taken) == sorted(_subjects(150))
    assert _nothing_in_flight(library)
    assert process.repeated_away_lines == []
    assert "Traceback" not in process.log


def test_mariadb_that_is_killed_loses_nothing_that_it_committed(
    library: Library, eventually: Eventually
) -> None:
    _queue(library, _subjects(100))
    sink = Sink(0.01)
    with (
        _delivering(library, sink, lease="5s") as config,
        SidecarProcess("worker", config, library.directory) as process,
    ):
        eventually(_has_caught(sink, 30))
        library.server.kill()
        eventually(lambda: "database away, jobs wait" in process.log)
        library.server.start()
        eventually(_all_sent(library, 100))

    assert {subject for subject, _ in sink.taken} == set(_subjects(100))
    assert len({message_id for _, message_id in sink.taken}) == 100
    assert len(sink.taken) - 100 <= CONNECTIONS


def test_the_worker_waits_for_a_table_that_koha_locks(library: Library, eventually: Eventually) -> None:
    """Koha, C4/Letters.pm SendCirculationAlert, locks the queue while it appends to a message."""
    _queue(library, _subjects(100))
    sink = Sink(0.01)
    with (
        _delivering(library, sink) as config,
        SidecarProcess("worker", config, library.directory),
    ):
        eventually(_has_caught(sink, 20))
        with library.connect() as connection, connection.cursor() as cursor:
            cursor.execute("LOCK TABLES message_queue WRITE, letter READ")
            time.sleep(5)
            cursor.execute("UNLOCK TABLES")
        eventually(_all_sent(library, 100))

    assert sorted(subject for subject, _ in sink.taken) == sorted(_subjects(100))


def test_a_request_locked_for_twenty_seconds_delays_nothing_else(
    library: Library, eventually: Eventually
) -> None:
    insert = "INSERT INTO illrequests (branchcode, status, backend) VALUES ('CPL', 'NEW', 'Standard')"
    library.sql(insert)
    library.sql(insert)
    held, other = (number for (number,) in library.sql("SELECT illrequest_id FROM illrequests ORDER BY 1"))
    sink = Sink()
    with _delivering(library, sink) as config, SidecarProcess("worker", config, library.directory) as process:
        eventually(lambda: len(library.sql("SELECT * FROM ill_sidecar_requests")) == 2)
        with library.connect() as connection, connection.cursor() as cursor:
            connection.begin()
            cursor.execute("UPDATE illrequests SET status = 'REQ' WHERE illrequest_id = %s", (held,))
            began = time.monotonic()
            library.sql("UPDATE illrequests SET status = 'COMP' WHERE illrequest_id = %s", other)
            _queue(library, ["beside it"])
            eventually(lambda: _noticed(library) == {other})
            eventually(_all_sent(library, 1))
            time.sleep(max(0.0, 20 - (time.monotonic() - began)))
            assert _noticed(library) == {other}
            connection.commit()
        eventually(lambda: _noticed(library) == {held, other})
        log = process.log

    assert len(library.sql("SELECT * FROM ill_sidecar_history")) == 2
    assert "job failed" not in log


def _noticed(library: Library) -> set[int]:
    return {number for (number,) in library.sql("SELECT illrequest_id FROM ill_sidecar_history")}


def test_two_workers_and_kohas_own_dispatcher_share_a_queue(library: Library, eventually: Eventually) -> None:
    """Several programs queue messages at the same time, and their transactions end out of order."""
    lock_file = library.directory / "process_message_queue.pl"
    lock_file.touch()
    sink = Sink(0.003)
    subjects = _subjects(240)
    with (
        _delivering(library, sink, koha_lock_file=str(lock_file)) as config,
        running(sink) as smtp,
        SidecarProcess("worker", config, library.directory),
        SidecarProcess("worker", config, library.directory),
    ):
        stop = threading.Event()
        koha = threading.Thread(target=_dispatch_like_koha, args=(library, lock_file, smtp.port, stop))
        koha.start()
        programs = [
            threading.Thread(target=_queue_slowly, args=(library, subjects[at::4])) for at in range(4)
        ]
        for program in programs:
            program.start()
        for program in programs:
            program.join()
        try:
            eventually(_all_sent(library, len(subjects)))
            while not _both_had_a_share(sink):
                subjects.append(f"message {len(subjects)}")
                _queue(library, subjects[-1:])
                eventually(_all_sent(library, len(subjects)))
        finally:
            stop.set()
            koha.join()

    counts = Counter(subject for subject, _ in sink.taken)
    assert set(counts) == set(subjects)
    assert set(counts.values()) == {1}
    assert _nothing_in_flight(library)


def _both_had_a_share(sink: Sink) -> bool:
    by_koha = sum("koha" in message_id for _, message_id in sink.taken)
    return 0 < by_koha < len(sink.caught)


def _queue_slowly(library: Library, subjects: Sequence[str]) -> None:
    with library.connect() as connection, connection.cursor() as cursor:
        for subject in subjects:
            connection.begin()
            cursor.execute(
                "INSERT INTO message_queue (borrowernumber, subject, content, letter_code,"
                " message_transport_type, status, time_queued, to_address, from_address) VALUES"
                " (5, %s, 'Hello', %s, 'email', 'pending', NOW(), 'sam@example.org', 'ill@example.org')",
                (subject, CODE),
            )
            time.sleep(random.uniform(0, 0.1))
            connection.commit()


def _dispatch_like_koha(library: Library, lock_file: Path, port: int, stop: threading.Event) -> None:
    """
    Do what process_message_queue.pl does, again and again.

    Source: Koha, C4/Letters.pm SendQueuedMessages and Koha/Script.pm lock_exec.
    """
    while not stop.wait(0.2):
        with lock_file.open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            _send_all_pending(library, port)


def _send_all_pending(library: Library, port: int) -> None:
    pending = library.sql("SELECT message_id, subject FROM message_queue WHERE status = 'pending'")
    with smtplib.SMTP("127.0.0.1", port) as smtp:
        for message_id, subject in pending:
            smtp.sendmail(
                "ill@example.org",
                ["sam@example.org"],
                f"Subject: {subject}\r\nMessage-ID: <{message_id}.koha@example.org>\r\n\r\nHello\r\n".encode(),
            )
            library.sql(
                "UPDATE message_queue SET status = 'sent', failure_code = '' WHERE message_id = %s",
                message_id,
            )
