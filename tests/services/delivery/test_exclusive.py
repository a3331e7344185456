"""Messages that are kept from Koha's own dispatcher on another host."""

import threading

import pytest
from mail_servers import MailServer
from queued import CODE, Queue, dispatching
from sqlalchemy import text

from cast import SAM
from koha_ill_sidecar.config.settings import DeliverySettings, SmtpSettings
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.message_queue import deliveries, enqueue
from koha_ill_sidecar.storage.message_queue.enqueue import QueuedMessage

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def exclusive(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "delivery", DeliverySettings(exclusive=True))


def add(database: Database, transport: str = "email", letter_code: str = CODE) -> int:
    """Queue a message as the sidecar does."""
    message = QueuedMessage(
        borrowernumber=SAM,
        letter_code=letter_code,
        transport=transport,
        subject="Ready",
        content="It is ready.",
        from_address="ill@ada.example.org",
    )
    return database.transact(enqueue.enqueue, message)


def sent_by_koha(queue: Queue) -> list[int]:
    """Do what process_message_queue.pl does with every pending message, and return their IDs."""
    with queue.admin.begin() as connection:
        pending = connection.scalars(
            text("SELECT message_id FROM message_queue WHERE status = 'pending' ORDER BY message_id")
        ).all()
        connection.execute(text("UPDATE message_queue SET status = 'sent' WHERE status = 'pending'"))
    return list(pending)


@pytest.mark.all_versions
def test_koha_never_finds_a_message_pending_that_the_sidecar_queues(
    queue: Queue, server: MailServer, database: Database, smtp: SmtpSettings
) -> None:
    taken_by_koha = [*sent_by_koha(queue)]
    numbers = [add(database) for _ in range(6)]
    taken_by_koha += sent_by_koha(queue)

    def refuse_for_now(*_: object) -> str:
        taken_by_koha.extend(sent_by_koha(queue))
        return "450 later"

    server.answers["RCPT"] = refuse_for_now
    with dispatching(database, smtp=smtp, batch_size=2) as dispatcher:
        assert dict(dispatcher.run_once().counts) == {"waiting": 6}
        taken_by_koha += sent_by_koha(queue)
        assert dispatcher.run_once().handled == 0, "not before its time"

        server.answers.clear()
        queue.make_due()
        assert dict(dispatcher.run_once().counts) == {"sent": 6}

    assert taken_by_koha == []
    assert len(server.caught) == 6
    assert {queue.status(number) for number in numbers} == {("sent", "")}
    assert {queue.delivery(number)["attempts"] for number in numbers} == {2}


def test_a_stopped_worker_leaves_what_it_has_not_begun_held(
    queue: Queue, server: MailServer, database: Database, smtp: SmtpSettings
) -> None:
    for _ in range(5):
        add(database)
    stop = threading.Event()
    server.answers["DATA"] = lambda *_: stop.set()
    with dispatching(database, smtp=smtp, connections=1) as dispatcher:
        dispatcher.run_once(lambda: not stop.is_set())
        assert sent_by_koha(queue) == []
        dispatcher.run_once()

    assert len(server.caught) == 5


def test_a_message_that_koha_queued_is_held_between_attempts(
    queue: Queue, server: MailServer, database: Database, smtp: SmtpSettings
) -> None:
    queue.add()
    server.answers["RCPT"] = lambda *_: "450 later"
    with dispatching(database, smtp=smtp) as dispatcher:
        dispatcher.run_once()

    assert sent_by_koha(queue) == []


def test_a_held_message_is_not_tried_before_its_time(
    server: MailServer, database: Database, smtp: SmtpSettings
) -> None:
    number = add(database)
    server.answers["RCPT"] = lambda *_: "450 later"
    with dispatching(database, smtp=smtp) as one, dispatching(database, smtp=smtp) as two:
        one.run_once()
        assert two._claim([number]) == [], "found before another worker tried it"


@pytest.mark.all_versions
def test_released_messages_are_pending_and_none_is_lost(queue: Queue, database: Database) -> None:
    held, left_by_a_dead_worker, being_sent = (add(database) for _ in range(3))
    with dispatching(database) as dead, dispatching(database) as living:
        dead._claim([left_by_a_dead_worker])
        queue.execute("UPDATE ill_sidecar_deliveries SET lease_until = lease_until - INTERVAL 1 DAY")
        living._claim([being_sent])
        for number in (left_by_a_dead_worker, being_sent):
            dead._in_flight.remove(number)
            living._in_flight.remove(number)

    assert database.transact(deliveries.release) == (2, 1)
    assert {queue.status(number) for number in (held, left_by_a_dead_worker)} == {("pending", "")}

    queue.make_due()
    assert database.transact(deliveries.release) == (1, 0)
    assert sent_by_koha(queue) == [held, left_by_a_dead_worker, being_sent]
    assert database.transact(deliveries.release) == (0, 0)


@pytest.mark.parametrize(("transport", "letter_code"), [("sms", CODE), ("print", CODE), ("email", "ANOTHER")])
def test_what_the_sidecar_does_not_deliver_is_left_to_koha(
    queue: Queue, database: Database, monkeypatch: pytest.MonkeyPatch, transport: str, letter_code: str
) -> None:
    monkeypatch.setattr(database, "delivery", DeliverySettings(exclusive=True, letter_codes=(CODE,)))

    number = add(database, transport, letter_code)

    assert queue.status(number) == ("pending", "")
    assert queue.delivery(number) == {}
