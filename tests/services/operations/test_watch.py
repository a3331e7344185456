"""What Koha changes is noticed, once, and followed."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from factories import make_request
from koha_ill_sidecar.services.operations import watch
from koha_ill_sidecar.services.operations.watch import ChangeOutcome
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.koha import requests
from koha_ill_sidecar.storage.koha.preferences import Preferences
from koha_ill_sidecar.storage.sidecar import history, partner_enquiries
from koha_ill_sidecar.storage.sidecar import requests as sidecar_requests
from koha_ill_sidecar.storage.transaction import Transaction

pytestmark = pytest.mark.all_versions

Make = Callable[..., int]


@pytest.fixture
def watched(tx: Transaction, make: Make) -> Make:
    """Make a request that the sidecar has seen."""

    def with_columns(**columns: Any) -> int:
        illrequest_id = make(**columns)
        sidecar_requests.record_seen(tx, requests.get(tx, illrequest_id))
        return illrequest_id

    return with_columns


def _koha_sets(connection: Connection, illrequest_id: int, **columns: object) -> None:
    assignments = ", ".join(f"{name} = :{name}" for name in columns)
    connection.execute(
        text(f"UPDATE illrequests SET {assignments} WHERE illrequest_id = :illrequest_id"),
        {"illrequest_id": illrequest_id, **columns},
    )


def _koha_logs(connection: Connection, illrequest_id: int, *, module: str = "ILL") -> None:
    connection.execute(
        text(
            "INSERT INTO action_logs (user, module, action, object, info, interface)"
            " VALUES (2, :module, 'STATUS_CHANGE', :object, '{}', 'intranet')"
        ),
        {"module": module, "object": illrequest_id},
    )


def _kinds(tx: Transaction, illrequest_id: int) -> list[str]:
    return [entry.kind for entry in history.find_for_request(tx, illrequest_id)]


def test_a_status_changed_in_koha_is_noticed_once(tx: Transaction, watched: Make) -> None:
    illrequest_id = watched(status="NEW")
    _koha_sets(tx.connection, illrequest_id, status="REQ")

    assert watch.handle_change(tx, illrequest_id) is ChangeOutcome.CHANGED
    assert watch.handle_change(tx, illrequest_id) is ChangeOutcome.NOTHING
    (entry,) = history.find_for_request(tx, illrequest_id)
    assert entry.kind == watch.CHANGED_IN_KOHA
    assert (entry.detail["status_before"], entry.detail["status_after"]) == ("NEW", "REQ")


def test_our_own_change_is_not_taken_for_kohas(tx: Transaction, watched: Make) -> None:
    illrequest_id = watched(status="NEW")
    _koha_sets(tx.connection, illrequest_id, status="REQ")
    sidecar_requests.record_seen(tx, requests.get(tx, illrequest_id))

    assert watch.handle_change(tx, illrequest_id) is ChangeOutcome.NOTHING


def test_partner_enquiries_close_when_the_status_changes(tx: Transaction, watched: Make) -> None:
    illrequest_id = watched(status="GENREQ")
    partner_enquiries.add(
        tx, illrequest_id, borrowernumber=11, address="ill@north.example.org", message_id=None
    )
    _koha_sets(tx.connection, illrequest_id, status="COMP")
    watch.handle_change(tx, illrequest_id)

    (enquiry,) = partner_enquiries.find_for_request(tx, illrequest_id)
    assert enquiry.closed_by_status == "COMP"


def test_the_alias_that_a_return_leaves_behind_is_cleared(tx: Transaction, watched: Make) -> None:
    illrequest_id = watched(status="CHK", status_alias="WAITING")
    _koha_sets(tx.connection, illrequest_id, status="RET")
    watch.handle_change(tx, illrequest_id)

    assert requests.get(tx, illrequest_id).status_alias is None


def test_an_alias_that_staff_give_a_returned_request_stays(tx: Transaction, watched: Make) -> None:
    illrequest_id = watched(status="RET")
    _koha_sets(tx.connection, illrequest_id, status_alias="WAITING")

    assert watch.handle_change(tx, illrequest_id) is ChangeOutcome.CHANGED
    assert requests.get(tx, illrequest_id).status_alias == "WAITING"


def test_the_order_number_is_kept_for_callbacks(tx: Transaction, watched: Make) -> None:
    illrequest_id = watched()
    _koha_sets(tx.connection, illrequest_id, orderid="V-17")

    assert watch.candidates_among_open(tx, limit=10) == [illrequest_id]
    assert watch.handle_change(tx, illrequest_id) is ChangeOutcome.NOTHING
    assert tx.connection.scalar(text("SELECT order_id FROM ill_sidecar_requests")) == "V-17"
    assert watch.candidates_among_open(tx, limit=10) == []


def test_a_suppliers_long_order_id_is_no_change(tx: Transaction, watched: Make) -> None:
    watched(orderid="x" * 50)
    tx.connection.execute(text("UPDATE ill_sidecar_requests SET order_id = :whole"), {"whole": "x" * 80})

    assert watch.candidates_among_open(tx, limit=10) == []


def test_a_request_deleted_in_koha_is_let_go(tx: Transaction, watched: Make) -> None:
    illrequest_id = watched(status="GENREQ")
    partner_enquiries.add(tx, illrequest_id, borrowernumber=11, address="a@b.example", message_id=None)
    tx.connection.execute(text("DELETE FROM illrequests"))

    assert watch.candidates_among_open(tx, limit=10) == [illrequest_id]
    assert watch.handle_change(tx, illrequest_id) is ChangeOutcome.DELETED
    assert watch.handle_change(tx, illrequest_id) is ChangeOutcome.NOTHING
    assert _kinds(tx, illrequest_id) == [watch.DELETED_IN_KOHA]
    assert partner_enquiries.find_for_request(tx, illrequest_id) == []


def test_a_request_known_but_never_seen_is_only_adopted(tx: Transaction, make: Make) -> None:
    illrequest_id = make(status="REQ")
    sidecar_requests.set_supplier_backend(tx, illrequest_id, "FASTDOC")

    assert watch.candidates_among_open(tx, limit=10) == [illrequest_id]
    assert watch.handle_change(tx, illrequest_id) is ChangeOutcome.TRACKED
    assert _kinds(tx, illrequest_id) == []


def test_new_requests_are_adopted_as_they_stand(tx: Transaction, make: Make) -> None:
    make()
    assert watch.track_new(tx) == 0  # the first look only marks where new ones begin
    illrequest_id = make(status="NEW")

    assert watch.track_new(tx) == 1
    assert watch.track_new(tx) == 0
    assert watch.handle_change(tx, illrequest_id) is ChangeOutcome.NOTHING


def test_a_request_that_koha_is_still_making_is_waited_for(tx: Transaction, make: Make) -> None:
    watch.track_new(tx)
    illrequest_id = make(backend=None)
    assert watch.track_new(tx) == 0

    _koha_sets(tx.connection, illrequest_id, backend=tx.koha.generic_backend)
    assert watch.track_new(tx) == 1


def test_a_request_left_half_made_is_adopted_after_a_minute(tx: Transaction, make: Make) -> None:
    watch.track_new(tx)
    illrequest_id = make(backend=None)
    tx.connection.execute(
        text("UPDATE illrequests SET updated = NOW() - INTERVAL 61 SECOND WHERE illrequest_id = :id"),
        {"id": illrequest_id},
    )

    assert watch.track_new(tx) == 1


def test_kohas_log_leads_to_what_changed(tx: Transaction, watched: Make) -> None:
    watch.candidates_by_log(tx)
    closed, same, of_another_module = watched(status="COMP"), watched(), watched()
    _koha_sets(tx.connection, closed, status="RET")
    _koha_sets(tx.connection, of_another_module, status="REQ")
    _koha_logs(tx.connection, closed)
    _koha_logs(tx.connection, closed)
    _koha_logs(tx.connection, same)
    _koha_logs(tx.connection, of_another_module, module="MEMBERS")

    assert watch.candidates_by_log(tx) == [closed]


def test_open_requests_are_looked_at_in_steps(tx: Transaction, watched: Make) -> None:
    ids = [watched() for _ in range(5)]
    for illrequest_id in ids:
        _koha_sets(tx.connection, illrequest_id, status="REQ")

    looks = [watch.candidates_among_open(tx, limit=3) for _ in range(3)]
    assert looks == [ids[:3], ids[3:], ids[:3]]


def test_the_sweep_comes_round_to_every_request(tx: Transaction, make: Make, watched: Make) -> None:
    """Closed requests, unknown ones and deleted ones, without any log."""
    changed, unknown = watched(status="COMP"), make(status="COMP")
    deleted = watched(status="COMP")
    _koha_sets(tx.connection, changed, status="RET")
    tx.connection.execute(text("DELETE FROM illrequests WHERE illrequest_id = :id"), {"id": deleted})
    steps = [watch.sweep(tx, limit=1) for _ in range(3)]

    assert [is_at_end for _, _, is_at_end in steps] == [False, False, True]
    assert sorted(suspect for candidates, _, _ in steps for suspect in candidates) == [changed, deleted]
    assert sum(tracked for _, tracked, _ in steps) == 1
    assert watch.completed_passes(tx) == 1
    assert watch.handle_change(tx, unknown) is ChangeOutcome.NOTHING
    assert watch.sweep(tx, limit=1)[0] == [changed]  # and starts again


def test_case_alone_is_a_change(tx: Transaction, watched: Make) -> None:
    illrequest_id = watched(status="NEW")
    _koha_sets(tx.connection, illrequest_id, status="new")

    assert watch.candidates_among_open(tx, limit=10) == [illrequest_id]


def test_an_upgrade_of_koha_is_noticed(tx: Transaction) -> None:
    assert not watch.koha_was_upgraded(tx)

    newer = Preferences({"Version": f"{tx.koha.version.major + 1}.0500000"})
    assert watch.koha_was_upgraded(replace(tx, preferences=newer))


def test_of_two_hosts_that_notice_at_once_one_handles_it(database: Database, admin: Engine) -> None:
    with admin.begin() as connection:
        illrequest_id = make_request(connection, database.koha(), status="NEW")
    database.transact(lambda tx: sidecar_requests.record_seen(tx, requests.get(tx, illrequest_id)))
    with admin.begin() as connection:
        _koha_sets(connection, illrequest_id, status="REQ")
    results: list[ChangeOutcome] = []
    barrier = threading.Barrier(6)

    def notice() -> None:
        barrier.wait()
        results.append(database.transact(watch.handle_change, illrequest_id))

    threads = [threading.Thread(target=notice) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert results.count(ChangeOutcome.CHANGED) == 1
    assert database.transact(_kinds, illrequest_id) == [watch.CHANGED_IN_KOHA]


def test_a_request_held_by_a_long_transaction_does_not_hold_up_the_watch(
    database: Database, admin: Engine
) -> None:
    with admin.begin() as connection:
        illrequest_id = make_request(connection, database.koha(), status="NEW")
    database.transact(lambda tx: sidecar_requests.record_seen(tx, requests.get(tx, illrequest_id)))
    with admin.begin() as connection:
        _koha_sets(connection, illrequest_id, status="REQ")
    with admin.begin() as foreign:
        foreign.execute(text("SELECT * FROM illrequests FOR UPDATE"))

        assert database.transact(watch.handle_change, illrequest_id) is ChangeOutcome.CHANGED
