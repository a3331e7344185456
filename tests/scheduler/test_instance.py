"""The parts of a daemon work together."""

import time

import pytest
from mail_servers import MailServer, running
from queued import CODE, Queue
from sqlalchemy import Engine

from cast import SAM
from conftest import PASSWORD, USER, KohaDatabase
from koha_ill_sidecar.config.loading import parse_settings
from koha_ill_sidecar.scheduler.instance import Instance
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.message_queue import enqueue
from koha_ill_sidecar.storage.message_queue.enqueue import QueuedMessage
from koha_ill_sidecar.storage.transaction import Transaction


def add(tx: Transaction, *, is_wrong: bool = False) -> None:
    message = QueuedMessage(
        borrowernumber=SAM,
        letter_code=CODE,
        transport="email",
        subject="Ready",
        content="It is ready.",
        from_address="ill@ada.example.org",
    )
    enqueue.enqueue(tx, message)
    if is_wrong:
        raise RuntimeError


def test_new_messages_are_announced_after_the_commit(
    database: Database, admin: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def count() -> None:
        with admin.connect() as connection:
            seen.append(connection.exec_driver_sql("SELECT COUNT(*) FROM message_queue").scalar() or 0)

    monkeypatch.setattr(database, "on_new_messages", count)
    with pytest.raises(RuntimeError):
        database.transact(add, is_wrong=True)
    database.transact(lambda tx: tx.preferences)
    database.transact(add)

    assert seen == [1]


def test_what_the_daemon_queues_is_sent_at_once(koha_database: KohaDatabase, admin: Engine) -> None:
    Queue(admin, koha_database.database)
    server = MailServer()
    with running(server) as smtp:
        connection = {
            "socket": str(koha_database.settings.socket),
            "name": koha_database.settings.database,
            "user": USER,
            "password": PASSWORD,
        }
        settings = parse_settings(
            {
                "koha": {"database": connection, "accept_unsupported_version": True},
                "delivery": {"smtp": {"host": smtp.host, "port": smtp.port}, "letter_codes": [CODE]},
                "scheduler": {"jobs": {"dispatch": "1h"}},
            }
        )
        instance = Instance(settings, with_web=False, with_jobs=True, on_koha_changed=lambda: None)
        instance.start()
        try:
            for number in range(1, 4):
                instance._runtime.database.transact(add)
                deadline = time.monotonic() + 60
                while len(server.caught) < number:
                    assert time.monotonic() < deadline, "it waits for the next run"
                    time.sleep(0.01)
        finally:
            instance.stop()
