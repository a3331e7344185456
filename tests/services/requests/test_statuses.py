import itertools
import json
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace

import pytest
import recordings
from sqlalchemy import Engine, text

from cast import CLARA
from factories import make_request
from koha_ill_sidecar.domain.actors import Actor, Interface
from koha_ill_sidecar.domain.statuses import Status
from koha_ill_sidecar.errors import RequestNotFound, RequestRefused, StatusConflict
from koha_ill_sidecar.services.requests.statuses import available_actions, set_status, set_status_alias
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.koha import requests
from koha_ill_sidecar.storage.koha.preferences import Preferences
from koha_ill_sidecar.storage.sidecar import partner_enquiries
from koha_ill_sidecar.storage.transaction import Transaction

STAFF = Actor(interface=Interface.INTRANET, borrowernumber=CLARA)
CRON = Actor(interface=Interface.CRON, script="sidecar")


def log_rows(tx: Transaction) -> list[dict[str, object]]:
    rows = tx.connection.execute(text("SELECT * FROM action_logs ORDER BY action_id")).mappings()
    return [dict(row) for row in rows]


def changes(tx: Transaction) -> list[tuple[object, object]]:
    infos = [json.loads(str(row["info"])) for row in log_rows(tx)]
    return [(info["status_before"], info["status_after"]) for info in infos]


@pytest.mark.all_versions
@pytest.mark.parametrize("step", ["status change", "status alias set"])
def test_a_change_is_logged_as_a_running_koha_logged_it(tx: Transaction, step: str) -> None:
    """Reports compare ``info`` with LIKE, so its bytes count; the order of its keys is random in Koha."""
    recorded = recordings.changes(step, "action_logs")
    info = json.loads(recorded["info"])
    number = make_request(tx.connection, tx.koha, status=info["status_before"])
    change = set_status_alias if step == "status alias set" else set_status

    change(tx, requests.get_for_update(tx, number), info["status_after"], STAFF)

    (row,) = log_rows(tx)
    assert {name for name, value in row.items() if value is not None} == recorded.keys()
    assert sorted(str(row["info"])[1:-1].split(",")) == sorted(recorded["info"][1:-1].split(","))
    assert [row[name] for name in ("module", "action", "interface")] == [
        recorded[name] for name in ("module", "action", "interface")
    ]
    assert (row["object"], row["user"]) == (number, CLARA)


def test_a_program_names_itself_in_the_log(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha)

    set_status(tx, requests.get_for_update(tx, number), "REQ", CRON)

    (row,) = log_rows(tx)
    assert (row["user"], row["interface"], row["script"]) == (0, "cron", "sidecar")


def test_a_change_clears_the_alias_and_logs_it(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha, status="REQ")
    ill_request = set_status_alias(tx, requests.get_for_update(tx, number), "WAITING", STAFF)

    set_status(tx, ill_request, "COMP", STAFF)

    found = requests.get(tx, number)
    assert (found.status, found.status_alias) == ("COMP", None)
    assert changes(tx) == [("REQ", "WAITING"), ("WAITING", "COMP")]


def test_removing_an_alias_is_logged_with_the_status(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha, status="REQ", status_alias="CHASED")

    set_status_alias(tx, requests.get_for_update(tx, number), None, STAFF)

    assert requests.get(tx, number).status_alias is None
    assert changes(tx) == [("CHASED", "REQ")]


def test_nothing_is_logged_with_illlog_off(tx: Transaction) -> None:
    quiet = replace(tx, preferences=Preferences({"IllLog": "0"}))
    number = make_request(tx.connection, tx.koha)

    set_status(quiet, requests.get_for_update(tx, number), "REQ", STAFF)

    assert log_rows(tx) == []
    assert requests.get(tx, number).status == "REQ"


def test_a_decision_on_an_old_status_changes_nothing(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha, status="REQ")
    stale = replace(requests.get(tx, number), status="NEW")

    with pytest.raises(StatusConflict, match="its status is REQ, not NEW"):
        set_status(tx, stale, "COMP", STAFF)

    assert requests.get(tx, number).status == "REQ"
    assert log_rows(tx) == []


def test_an_unknown_status_is_refused(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha)

    with pytest.raises(RequestRefused, match="“SHIPPED” is not a status") as error:
        set_status(tx, requests.get(tx, number), "SHIPPED", STAFF)

    assert error.value.code == "unknown_status"


def test_an_alias_that_the_site_lacks_is_refused(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha)

    with pytest.raises(RequestRefused, match="not an authorised value of ILL") as error:
        set_status_alias(tx, requests.get(tx, number), "NOPE", STAFF)

    assert error.value.code == "unknown_status_alias"


def test_a_change_of_ours_counts_as_seen(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha, status="REQ", orderid="A-1")
    set_status_alias(tx, requests.get(tx, number), "WAITING", STAFF)

    set_status(tx, requests.get(tx, number), "COMP", STAFF)

    row = tx.connection.execute(
        text("SELECT seen_status, seen_alias, order_id, is_open FROM ill_sidecar_requests")
    ).one()
    assert tuple(row) == ("COMP", None, "A-1", 0)


def test_a_long_order_id_of_ours_stays_whole(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha, orderid="x" * 50)
    tx.connection.execute(
        text(
            "INSERT INTO ill_sidecar_requests (illrequest_id, order_id, seen_at) VALUES (:id, :order, NOW())"
        ),
        {"id": number, "order": "x" * 60},
    )

    set_status(tx, requests.get(tx, number), "REQ", STAFF)

    assert tx.connection.scalar(text("SELECT order_id FROM ill_sidecar_requests")) == "x" * 60


def test_leaving_the_partners_closes_their_enquiries(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha, status="GENREQ")
    partner_enquiries.add(tx, number, borrowernumber=11, address="a@example.org", message_id=None)

    set_status(tx, requests.get(tx, number), "REQREV", STAFF)

    (enquiry,) = partner_enquiries.find_for_request(tx, number)
    assert enquiry.closed_by_status == "REQREV"
    assert enquiry.closed_at is not None


def test_a_change_takes_six_statements(
    tx: Transaction, queries: Callable[[], AbstractContextManager[list[str]]]
) -> None:
    number = make_request(tx.connection, tx.koha)
    ill_request = requests.get_for_update(tx, number)

    with queries() as seen:
        set_status(tx, ill_request, "REQ", STAFF)

    assert len(seen) == 6


@pytest.mark.all_versions
def test_unauthenticated_requests_have_actions_where_koha_has_them(tx: Transaction) -> None:
    ill_request = replace(requests.get(tx, make_request(tx.connection, tx.koha)), status="UNAUTH")

    methods = {node.method for node in available_actions(tx, ill_request)}

    since = tx.koha.version.release >= "25.05"
    assert methods == ({"confirm", "generic_confirm", "delete"} if since else set())


def test_a_request_of_a_foreign_backend_offers_the_core_graph(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha, backend="BLDSS")

    methods = [node.method for node in available_actions(tx, requests.get(tx, number))]

    assert methods == ["confirm", "generic_confirm", "delete"]


def test_a_request_that_koha_is_still_creating_can_be_read(tx: Transaction) -> None:
    number = make_request(tx.connection, tx.koha, backend=None, attributes={})

    ill_request = requests.get(tx, number)

    assert ill_request.is_in_progress
    assert {node.method for node in available_actions(tx, ill_request)} == {
        "confirm",
        "generic_confirm",
        "delete",
    }


def test_a_request_that_is_gone_is_not_found(tx: Transaction) -> None:
    with pytest.raises(RequestNotFound, match="no request 4711"):
        requests.get_for_update(tx, 4711)


def test_a_hundred_threads_leave_a_chain_of_statuses(database: Database, admin: Engine) -> None:
    with admin.begin() as connection:
        number = make_request(connection, database.koha())
    start = threading.Barrier(100, timeout=60)
    # As many as there are connections: on a busy machine the others would wait for one too long.
    turn = threading.Semaphore(12)
    failures: list[BaseException] = []

    def change(tx: Transaction, position: int) -> None:
        ill_request = requests.get_for_update(tx, number)
        statuses = [status for status in Status if status != ill_request.status]
        set_status(tx, ill_request, statuses[position % len(statuses)], STAFF)

    def work(position: int) -> None:
        try:
            start.wait()
            with turn:
                database.transact(change, position)
        except BaseException as error:  # noqa: BLE001  (told by the assertion)
            failures.append(error)

    threads = [threading.Thread(target=work, args=(position,)) for position in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    with admin.connect() as connection:
        infos = connection.scalars(
            text("SELECT info FROM action_logs WHERE module = 'ILL' ORDER BY action_id")
        ).all()
        last = connection.scalar(
            text("SELECT status FROM illrequests WHERE illrequest_id = :id"), {"id": number}
        )
    steps = [json.loads(info) for info in infos]
    assert len(steps) == 100
    assert steps[0]["status_before"] == "NEW"
    assert all(
        former["status_after"] == later["status_before"] for former, later in itertools.pairwise(steps)
    )
    assert steps[-1]["status_after"] == last
