"""Koha's workers are notified of the jobs that wait for them, whatever happens on the way."""

import json
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Row
from stomp import Connection12, ConnectionListener

from koha_ill_sidecar.config.settings import BrokerSettings
from koha_ill_sidecar.domain.actors import Actor, Interface
from koha_ill_sidecar.services.outbox import relay as outbox_service
from koha_ill_sidecar.services.outbox.relay import notify_workers
from koha_ill_sidecar.services.requests.records import add_record
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.sidecar import outbox
from koha_ill_sidecar.storage.sidecar.outbox import OutboxKind
from koha_ill_sidecar.storage.transaction import Transaction
from messaging import with_preferences

STAFF = Actor(interface=Interface.INTRANET)


def _add_record(tx: Transaction) -> int:
    return add_record(with_preferences(tx, SearchEngine="Elasticsearch"), {"title": "Night Train"}, STAFF)


def _waiting(database: Database) -> Sequence[Row[Any]]:
    return database.transact(outbox.find_due, [OutboxKind.INDEX_JOB], limit=100)


def _all_rows(database: Database) -> int:
    def count(tx: Transaction) -> int:
        return int(tx.connection.exec_driver_sql("SELECT COUNT(*) FROM ill_sidecar_outbox").scalar() or 0)

    return database.transact(count)


class _Worker(ConnectionListener):  # type: ignore[misc]
    def __init__(self) -> None:
        self.heard: list[dict[str, object]] = []
        self.woken = threading.Event()

    def on_message(self, frame: object) -> None:
        self.heard.append(json.loads(frame.body))  # type: ignore[attr-defined]
        self.woken.set()


def test_a_worker_is_notified_of_a_new_record(database: Database, message_broker: BrokerSettings) -> None:
    worker = _Worker()
    connection = Connection12([(message_broker.host, message_broker.port)], vhost="/")
    connection.set_listener("worker", worker)
    connection.connect("guest", "guest", wait=True)
    connection.subscribe("/queue/koha_test-elastic_index", id="1")
    biblionumber = database.transact(_add_record)

    counts = notify_workers(database, message_broker, lambda: True)
    assert worker.woken.wait(60)
    connection.disconnect()

    def job_id(tx: Transaction) -> int:
        return int(tx.connection.exec_driver_sql("SELECT MAX(id) FROM background_jobs").scalar() or 0)

    assert counts == {"notified": 1}
    assert worker.heard == [
        {
            "record_server": "biblioserver",
            "record_ids": [biblionumber],
            "job_id": database.transact(job_id),
        }
    ]
    assert _all_rows(database) == 0


def test_while_the_broker_is_away_nothing_is_lost(database: Database) -> None:
    nobody = BrokerSettings(host="127.0.0.1", port=1, namespace="koha_test")
    database.transact(_add_record)
    database.transact(_add_record)

    counts = notify_workers(database, nobody, lambda: True)

    assert counts == {"postponed": 2}
    assert _all_rows(database) == 2
    assert _waiting(database) == []  # until the pause is over


def test_however_often_it_failed_the_pause_is_bounded(database: Database) -> None:
    database.transact(_add_record)
    database.transact(
        lambda tx: tx.connection.exec_driver_sql("UPDATE ill_sidecar_outbox SET attempts = 5000")
    )

    counts = notify_workers(database, BrokerSettings(host="127.0.0.1", port=1, namespace="x"), lambda: True)

    def seconds(tx: Transaction) -> float:
        wait = "SELECT TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(6), next_attempt_at) FROM ill_sidecar_outbox"
        return float(tx.connection.exec_driver_sql(wait).scalar() or 0)

    assert counts == {"postponed": 1}
    assert 0 < database.transact(seconds) <= 300


def test_after_days_without_a_broker_it_is_given_up(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(outbox_service, "_GIVE_UP_SECONDS", -1)
    database.transact(_add_record)

    counts = notify_workers(database, BrokerSettings(host="127.0.0.1", port=1, namespace="x"), lambda: True)

    assert counts == {"dropped": 1}
    assert "koha's workers not notified of job" in caplog.text


def test_without_koha_conf_rows_are_dropped(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    database.transact(_add_record)

    assert notify_workers(database, None, lambda: True) == {"dropped": 1}
    assert "koha.conf is not set" in caplog.text


def test_polling_workers_need_no_message(tx: Transaction) -> None:
    polling = with_preferences(tx, SearchEngine="Elasticsearch", JobsNotificationMethod="polling")

    add_record(polling, {"title": "Night Train"}, STAFF)

    assert outbox.find_due(tx, [OutboxKind.INDEX_JOB], limit=1) == []


def test_zebra_needs_no_worker(tx: Transaction) -> None:
    add_record(tx, {"title": "Night Train"}, STAFF)

    assert outbox.find_due(tx, [OutboxKind.INDEX_JOB], limit=1) == []
