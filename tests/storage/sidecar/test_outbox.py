from koha_ill_sidecar.storage.sidecar import outbox
from koha_ill_sidecar.storage.sidecar.outbox import OutboxKind
from koha_ill_sidecar.storage.transaction import Transaction

KINDS = [OutboxKind.INDEX_JOB]


def test_the_oldest_message_is_due_first(tx: Transaction) -> None:
    for number in (1, 2, 3):
        outbox.add(tx, OutboxKind.INDEX_JOB, {"number": number, "title": "圖書館"})

    found = outbox.find_due(tx, KINDS, limit=2)

    assert [row.payload["number"] for row in found] == [1, 2]
    assert found[0].payload["title"] == "圖書館"
    assert (found[0].kind, found[0].attempts) == ("index_job", 0)
    assert 0 <= found[0].age_seconds < 60


def test_a_postponed_message_waits_and_counts_the_attempt(tx: Transaction) -> None:
    outbox.add(tx, OutboxKind.INDEX_JOB, {})
    (row,) = outbox.find_due(tx, KINDS, limit=10)

    outbox.postpone(tx, row.outbox_id, seconds=60, error="away")
    assert outbox.find_due(tx, KINDS, limit=10) == []

    outbox.postpone(tx, row.outbox_id, seconds=-1, error="away again")
    assert [again.attempts for again in outbox.find_due(tx, KINDS, limit=10)] == [2]


def test_a_delivered_message_is_removed(tx: Transaction) -> None:
    for _ in range(2):
        outbox.add(tx, OutboxKind.INDEX_JOB, {})
    first, second = outbox.find_due(tx, KINDS, limit=10)

    outbox.remove(tx, [first.outbox_id])

    assert [row.outbox_id for row in outbox.find_due(tx, KINDS, limit=10)] == [second.outbox_id]


def test_kinds_of_a_newer_program_are_ignored(tx: Transaction) -> None:
    outbox.add(tx, OutboxKind.INDEX_JOB, {})

    assert outbox.find_due(tx, [], limit=10) == []
