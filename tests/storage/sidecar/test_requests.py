import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, text

from factories import make_request
from koha_ill_sidecar.domain.status_reports import MAX_TEXT
from koha_ill_sidecar.messages import LazyMessage, lazy, literal
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.koha import requests
from koha_ill_sidecar.storage.sidecar import requests as sidecar_requests
from koha_ill_sidecar.storage.transaction import Transaction

LATE = lazy("It is %(status)s, 100 %% sure: %(why)s", status=lazy("late"), why="[\"雪\", '%(x)s']\n")


def alerted_request(tx: Transaction, *messages: LazyMessage) -> int:
    illrequest_id = make_request(tx.connection, tx.koha)
    sidecar_requests.add_alert(tx, requests.get(tx, illrequest_id), messages)
    return illrequest_id


def test_staff_alerts_are_read_as_they_were_written(tx: Transaction) -> None:
    messages = (lazy("The supplier considers the item lost."), LATE)

    illrequest_id = alerted_request(tx, *messages)

    assert sidecar_requests.get(tx, illrequest_id).alerts == messages
    (stored,) = sidecar_requests.find_alerts(tx, limit=5)
    assert (stored.illrequest_id, stored.messages) == (illrequest_id, messages)


@pytest.mark.parametrize("character", ["雪", "🦉", "\x01", '"'])
def test_a_suppliers_message_is_stored_in_full_in_any_script(tx: Transaction, character: str) -> None:
    message = lazy("Supplier's message: %(message)s", message=character * MAX_TEXT)

    illrequest_id = alerted_request(tx, message)

    assert sidecar_requests.get(tx, illrequest_id).alerts == (message,)


def test_numbers_in_a_staff_alert_are_stored_as_text(tx: Transaction) -> None:
    illrequest_id = alerted_request(tx, lazy("receipt %(number)s has both", number=7))

    assert json.loads(tx.connection.scalar(text("SELECT attention FROM ill_sidecar_requests"))) == [
        ["receipt %(number)s has both", {"number": "7"}]
    ]
    assert [str(one) for one in sidecar_requests.get(tx, illrequest_id).alerts] == ["receipt 7 has both"]


def test_a_text_of_an_earlier_version_is_one_message(tx: Transaction) -> None:
    illrequest_id = alerted_request(tx)
    tx.connection.execute(text("UPDATE ill_sidecar_requests SET attention = 'It is 100 %(sure)s lost.'"))

    assert [str(one) for one in sidecar_requests.get(tx, illrequest_id).alerts] == [
        "It is 100 %(sure)s lost."
    ]


def alert(tx: Transaction, illrequest_id: int, *messages: LazyMessage) -> None:
    sidecar_requests.add_alert(tx, requests.get(tx, illrequest_id), messages)


def test_a_new_alert_follows_those_that_are_not_dismissed(tx: Transaction) -> None:
    lost = lazy("The supplier considers the item lost.")
    illrequest_id = alerted_request(tx, LATE)

    alert(tx, illrequest_id, lost)

    assert sidecar_requests.get(tx, illrequest_id).alerts == (LATE, lost)


def test_the_same_alert_is_not_added_twice(tx: Transaction) -> None:
    illrequest_id = alerted_request(tx, LATE, literal("a"))

    alert(tx, illrequest_id, literal("a"), literal("b"))
    alert(tx, illrequest_id, LATE)

    assert sidecar_requests.get(tx, illrequest_id).alerts == (LATE, literal("a"), literal("b"))


def test_a_dismissed_alert_does_not_come_back(tx: Transaction) -> None:
    illrequest_id = alerted_request(tx, LATE)
    sidecar_requests.dismiss_alerts(tx, illrequest_id)

    alert(tx, illrequest_id, literal("b"))

    assert sidecar_requests.get(tx, illrequest_id).alerts == (literal("b"),)


def test_of_too_many_alerts_the_oldest_are_dropped_with_a_note(tx: Transaction) -> None:
    illrequest_id = alerted_request(tx)
    for each in range(30):
        alert(tx, illrequest_id, literal(str(each)))

    first, *others = sidecar_requests.get(tx, illrequest_id).alerts

    assert first == sidecar_requests.LEFT_OUT
    assert [str(one) for one in others] == [
        str(each) for each in range(30 - sidecar_requests.MAX_ALERTS + 1, 30)
    ]


@pytest.mark.parametrize("character", ["雪", "🦉", "\x01"])
def test_long_alerts_fit_into_their_column(tx: Transaction, character: str) -> None:
    illrequest_id = alerted_request(tx)
    for each in range(5):
        alert(
            tx,
            illrequest_id,
            lazy("%(number)s %(message)s", number=each, message=character * MAX_TEXT),
        )

    first, *others = sidecar_requests.get(tx, illrequest_id).alerts

    assert first == sidecar_requests.LEFT_OUT
    assert others[-1].values["number"] == "4"


def test_alerts_of_two_callbacks_at_once_are_both_stored(database: Database, admin: Engine) -> None:
    with admin.begin() as connection:
        illrequest_id = make_request(connection, database.koha())
    has_alerted, may_commit = threading.Event(), threading.Event()

    def alert_and_wait(tx: Transaction) -> None:
        alert(tx, illrequest_id, literal("one"))
        has_alerted.set()
        may_commit.wait(60)

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(database.transact, alert_and_wait)
        assert has_alerted.wait(60)
        other = pool.submit(database.transact, alert, illrequest_id, literal("other"))
        threading.Timer(0.3, may_commit.set).start()
        one.result(10)
        other.result(10)

    stored = database.transact(sidecar_requests.get, illrequest_id).alerts
    assert [str(message) for message in stored] == ["one", "other"]


def test_without_alerts_there_are_none_to_read(tx: Transaction) -> None:
    illrequest_id = alerted_request(tx, LATE)
    sidecar_requests.dismiss_alerts(tx, illrequest_id)

    assert sidecar_requests.get(tx, illrequest_id).alerts == ()
    assert sidecar_requests.find_alerts(tx, limit=5) == []
