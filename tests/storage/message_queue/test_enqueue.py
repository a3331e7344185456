"""Messages are queued exactly as Koha queues its own."""

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.engine import RowMapping

from cast import SAM
from koha_ill_sidecar.errors import NoticeEmpty
from koha_ill_sidecar.storage.message_queue import enqueue
from koha_ill_sidecar.storage.message_queue.enqueue import QueuedMessage
from koha_ill_sidecar.storage.transaction import Transaction

pytestmark = pytest.mark.all_versions


def message(**more: Any) -> QueuedMessage:
    values: dict[str, Any] = {
        "borrowernumber": SAM,
        "letter_code": "ILL_PICKUP_READY",
        "transport": "email",
        "subject": "Ready 館際",
        "content": "It is here 🎉",
        **more,
    }
    return QueuedMessage(**values)


def stored(tx: Transaction, message_id: int) -> RowMapping:
    table = tx.koha.table("message_queue")
    return tx.connection.execute(select(table).where(table.c.message_id == message_id)).mappings().one()


def test_a_message_has_every_column_as_koha_fills_it(tx: Transaction) -> None:
    now: datetime = tx.connection.scalar(text("SELECT NOW()"))

    row = stored(tx, enqueue.enqueue(tx, message(from_address="ill@ada.example.org")))

    expected = {
        "borrowernumber": SAM,
        "subject": "Ready 館際",
        "content": "It is here 🎉",
        "metadata": "",
        "letter_code": "ILL_PICKUP_READY",
        "message_transport_type": "email",
        "status": "pending",
        "to_address": None,
        "from_address": "ill@ada.example.org",
        "reply_address": None,
        "content_type": None,
        "letter_id": None,
        "failure_code": "",
        "cc_address": None,
    }
    assert {name: row[name] for name in expected if name in row} == {
        name: value for name, value in expected.items() if name in row
    }
    assert abs((row["time_queued"] - now).total_seconds()) < 60


def test_addresses_and_content_type_are_stored(tx: Transaction) -> None:
    html = message(to_address="a@example.org", reply_address="b@example.org", content_type="text/html")

    row = stored(tx, enqueue.enqueue(tx, html))

    assert (row["to_address"], row["content_type"]) == ("a@example.org", "text/html")
    assert row.get("reply_address", "b@example.org") == "b@example.org"


@pytest.mark.parametrize("content", ["", " \n\t"])
def test_a_blank_message_is_refused(tx: Transaction, content: str) -> None:
    with pytest.raises(NoticeEmpty):
        enqueue.enqueue(tx, message(content=content))
