"""Old rows are removed a step at a time, and no others."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from factories import make_request
from koha_ill_sidecar.domain.actors import Actor, Interface
from koha_ill_sidecar.services.operations import retention
from koha_ill_sidecar.storage.sidecar import history, receipts
from koha_ill_sidecar.storage.transaction import Transaction

MONTH = timedelta(days=30)


def _receipt(tx: Transaction, event_id: str, *, days_ago: int) -> None:
    tx.connection.execute(
        text(
            "INSERT INTO ill_sidecar_receipts (backend, event_id, received_at, authentication, remote_address,"
            " headers, body, body_sha256, verdict, answer_status, answer)"
            " VALUES ('FASTDOC', :event_id, UTC_TIMESTAMP(6) - INTERVAL :days DAY, 'bearer', '', '{}', '{}', '',"
            " 'applied', 200, '{}')"
        ),
        {"event_id": event_id, "days": days_ago},
    )


def _delivery(tx: Transaction, message_id: int, *, settled_days_ago: int | None) -> None:
    tx.connection.execute(
        text(
            "INSERT INTO ill_sidecar_deliveries (message_id, mail_message_id, state, first_attempt_at,"
            " last_attempt_at, settled_at) VALUES (:message_id, '<x@y>', 'sent', UTC_TIMESTAMP(6),"
            " UTC_TIMESTAMP(6), UTC_TIMESTAMP(6) - INTERVAL :days DAY)"
        ),
        {"message_id": message_id, "days": settled_days_ago},
    )


def _event(tx: Transaction, illrequest_id: int, *, days_ago: int) -> None:
    history.add(tx, illrequest_id, "test", actor=Actor(interface=Interface.CRON))
    tx.connection.execute(
        text(
            "UPDATE ill_sidecar_history SET happened_at = UTC_TIMESTAMP(6) - INTERVAL :days DAY"
            " ORDER BY history_id DESC LIMIT 1"
        ),
        {"days": days_ago},
    )


def _left(tx: Transaction, column: str, table: str) -> list[object]:
    return list(tx.connection.scalars(text(f"SELECT {column} FROM {table} ORDER BY 1")))


def test_old_receipts_are_removed_and_young_ones_stay(tx: Transaction) -> None:
    for event_id, days in (("old", 40), ("older", 50), ("young", 20)):
        _receipt(tx, event_id, days_ago=days)

    assert receipts.remove_old(tx, older_than=MONTH, limit=1) == 1
    assert _left(tx, "event_id", "ill_sidecar_receipts") == ["old", "young"]
    assert receipts.remove_old(tx, older_than=MONTH, limit=10) == 1
    assert _left(tx, "event_id", "ill_sidecar_receipts") == ["young"]


@pytest.mark.parametrize(("days", "stays"), [(None, True), (89, True), (91, False)])
def test_deliveries_stay_for_ninety_days_after_they_are_settled(
    tx: Transaction,
    days: int | None,
    stays: bool,  # noqa: FBT001
) -> None:
    _delivery(tx, 7, settled_days_ago=days)
    retention.remove_old_deliveries(tx)

    assert bool(_left(tx, "message_id", "ill_sidecar_deliveries")) is stays


def test_history_is_removed_only_if_it_is_old_and_its_request_is_deleted(tx: Transaction) -> None:
    there = make_request(tx.connection, tx.koha)
    gone = there + 1000
    for illrequest_id, days in ((there, 40), (gone, 40), (gone, 20)):
        _event(tx, illrequest_id, days_ago=days)

    assert _clean(tx) == 1
    assert _left(tx, "illrequest_id", "ill_sidecar_history") == [there, gone]


def _clean(tx: Transaction) -> int:
    removed, above = 0, 0
    while True:
        number, following = history.remove_for_deleted_requests(tx, above=above, older_than=MONTH, limit=2)
        removed += number
        if following is None:
            return removed
        above = following
