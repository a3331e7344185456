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

_PARAGRAPH = "Some words about the thing that you asked for, as a library would write them to you.\n"
_CONTENT = (
    "Dear reader,\n\nyour request has come in and waits for you.\n\n" + _PARAGRAPH * 10 + "\nYour library\n"
)


def delivery(*, quick: bool) -> Result:
    """Messages delivered in a second, against smtplib with one commit a message: the same bytes, the same sink."""
    count = 200 if quick else 1000
    with _library() as library:
        ours, theirs = [], []
        for _ in range(2 if quick else _ROUNDS):
            # In turns, so that what else happens on the machine falls on both.
            theirs.append(count / _seconds_of_smtplib(library, count))
            ours.append(count / library.seconds_to_deliver(count))
    return at_least(
        "delivery",
        statistics.median(ours),
        "messages/s",
        reference="smtplib on one kept-open connection, one commit a message",
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
    """A Koha database with a dispatcher at work and a sink to send to."""

    server: PrivateMariaDB
    database: Database
    dispatcher: Dispatcher
    sink_port: int

    def queue(self, count: int) -> range:
        """Queue messages as Koha would and give their numbers."""
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
        """Deliver so many messages and give the time; fails if not all were sent."""
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
            dispatcher.run_once()  # what others left waiting
            library.seconds_to_deliver(20)
            yield library
        finally:
            dispatcher.close()
            mailer.close()
            database.close()


def _seconds_of_smtplib(library: _Library, count: int) -> float:
    """Send the bytes that the sidecar would send; everything but sending and committing is done beforehand."""
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
