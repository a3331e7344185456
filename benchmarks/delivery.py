"""Delivery of mail, against bare smtplib and against the size of the database."""

import smtplib
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pymysql

from benchmarks.harness import DATABASE, Result, at_least, at_most, library_server, settings_for
from benchmarks.mail_sink import mail_sink
from koha_ill_sidecar.config.settings import DeliverySettings, KohaSettings, Settings, SmtpSettings
from koha_ill_sidecar.delivery.mail import as_bytes
from koha_ill_sidecar.delivery.smtp import Mailer
from koha_ill_sidecar.demo.mariadb import PrivateMariaDB
from koha_ill_sidecar.services.delivery.compose import Undeliverable, compose
from koha_ill_sidecar.services.delivery.dispatcher import Dispatcher
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.message_queue import outgoing
from koha_ill_sidecar.storage.transaction import Transaction

_ROUNDS = 5

_PARAGRAPH = "Some words about the item that you requested, as a library writes them.\n"
_CONTENT = "Dear reader,\n\nyour request has arrived.\n\n" + _PARAGRAPH * 10 + "\nYour library\n"


def delivery(*, quick: bool) -> Result:
    """Messages delivered in a second, against smtplib with one commit for each message: same bytes, same sink."""
    count = 200 if quick else 1000
    with _library() as library:
        ours, theirs = [], []
        for _ in range(2 if quick else _ROUNDS):
            # Alternating, so that other load on the machine affects both.
            theirs.append(count / _seconds_of_smtplib(library, count))
            ours.append(count / library.seconds_to_deliver(count))
    return at_least(
        "delivery",
        statistics.median(ours),
        "messages/s",
        reference="smtplib on one persistent connection, one commit for each message",
        reference_value=statistics.median(theirs),
        goal=0.7,
    )


def growth_delivery(*, quick: bool) -> Result:
    """Seconds for 100 messages in a large database, against the same in a small one."""
    sizes = ((10_000, 50_000), (50_000, 250_000)) if quick else ((10_000, 50_000), (1_000_000, 5_000_000))
    small, large = (_seconds_at(requests, messages) for requests, messages in sizes)
    return at_most(
        "growth_delivery",
        large,
        "s",
        reference=f"100 messages at {sizes[0][0]:,} requests; measured at {sizes[1][0]:,}",
        reference_value=small,
        goal=1.5,
    )


def _seconds_at(requests: int, messages: int) -> float:
    with _library(requests, messages) as library:
        library.seconds_to_deliver(100)
        return statistics.median(library.seconds_to_deliver(100) for _ in range(11))


@dataclass(frozen=True, kw_only=True)
class _Library:
    """A Koha database, a dispatcher, and a mail sink."""

    server: PrivateMariaDB
    database: Database
    dispatcher: Dispatcher
    sink_port: int

    def queue(self, count: int) -> range:
        """Queue messages as Koha does and return their IDs."""
        with self.server.connect(DATABASE) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT borrowernumber FROM borrowers WHERE email > '' LIMIT 1")
            ((patron,),) = cursor.fetchall()
            cursor.execute("SELECT COALESCE(MAX(message_id), 0) + 1 FROM message_queue")
            ((first,),) = cursor.fetchall()
            cursor.executemany(
                "INSERT INTO message_queue (message_id, borrowernumber, subject, content, letter_code,"
                " message_transport_type, status, time_queued, from_address)"
                " VALUES (%s, %s, 'Your request', %s, 'ILL_PICKUP_READY', 'email', 'pending', NOW(), 'ill@ada.org')",
                [(number, patron, _CONTENT) for number in range(first, first + count)],
            )
            connection.commit()
        return range(first, first + count)

    def seconds_to_deliver(self, count: int) -> float:
        """Return the time to deliver *count* messages; fails if some were not sent."""
        self.queue(count)
        started = time.perf_counter()
        report = self.dispatcher.run_once()
        taken = time.perf_counter() - started
        if report.counts != {"sent": count}:
            raise RuntimeError(f"not all were sent: {report}")
        return taken


@contextmanager
def _library(requests: int = 0, messages: int = 0) -> Iterator[_Library]:
    server = library_server(requests, messages)
    with mail_sink() as port:
        koha = settings_for(server, DATABASE)
        settings = Settings(
            koha=KohaSettings(database=koha),
            delivery=DeliverySettings(smtp=SmtpSettings(host="127.0.0.1", port=port, ehlo_name="bench.test")),
        )
        database = Database(koha, site=settings.koha.site)
        mailer = Mailer()
        dispatcher = Dispatcher(database, mailer, settings)
        library = _Library(server=server, database=database, dispatcher=dispatcher, sink_port=port)
        try:
            dispatcher.run_once()  # sends what other benchmarks have queued
            library.seconds_to_deliver(20)
            yield library
        finally:
            dispatcher.close()
            mailer.close()
            database.close()


def _seconds_of_smtplib(library: _Library, count: int) -> float:
    """Return the time to send the same bytes with smtplib; only sending and committing is measured."""
    numbers = library.queue(count)
    mails = library.database.transact(_composed, list(numbers))
    with (
        library.server.connect(DATABASE) as connection,
        connection.cursor() as cursor,
        smtplib.SMTP("127.0.0.1", library.sink_port, "bench.test") as smtp,
    ):
        smtp.ehlo()
        started = time.perf_counter()
        for number, octets in mails:
            smtp.sendmail("ill@example.org", ["reader@example.org"], octets)
            _mark_as_sent(connection, cursor, number)
        return time.perf_counter() - started


def _mark_as_sent(
    connection: "pymysql.connections.Connection[pymysql.cursors.Cursor]",
    cursor: pymysql.cursors.Cursor,
    number: int,
) -> None:
    cursor.execute("UPDATE message_queue SET status = 'sent' WHERE message_id = %s", (number,))
    connection.commit()


def _composed(tx: Transaction, numbers: list[int]) -> list[tuple[int, bytes]]:
    found = []
    date = datetime.now(UTC)
    for number, message in outgoing.load(tx, numbers).items():
        mail = compose(
            message, tx.preferences, mail_message_id=f"<{'0' * 32}.{number}@bench.test>", date=date
        )
        if isinstance(mail, Undeliverable):
            raise TypeError(mail.reason)
        found.append((number, as_bytes(mail)))
    return found
