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


def asked(tx: Transaction, *attention: LazyMessage) -> int:
    number = make_request(tx.connection, tx.koha)
    sidecar_requests.add_alert(tx, requests.get(tx, number), attention)
    return number


def test_staff_alerts_are_read_as_they_were_written(tx: Transaction) -> None:
    words = (lazy("The supplier considers the item lost."), LATE)

    number = asked(tx, *words)

    assert sidecar_requests.get(tx, number).alerts == words
    (note,) = sidecar_requests.find_alerts(tx, limit=5)
    assert (note.illrequest_id, note.messages) == (number, words)


@pytest.mark.parametrize("character", ["雪", "🦉", "\x01", '"'])
def test_what_the_supplier_says_is_kept_whole_in_whatever_script(tx: Transaction, character: str) -> None:
    words = lazy("Supplier's message: %(message)s", message=character * MAX_TEXT)

    number = asked(tx, words)

    assert sidecar_requests.get(tx, number).alerts == (words,)


def test_numbers_in_a_staff_alert_are_stored_as_text(tx: Transaction) -> None:
    number = asked(tx, lazy("receipt %(number)s has both", number=7))

    assert json.loads(tx.connection.scalar(text("SELECT attention FROM ill_sidecar_requests"))) == [
        ["receipt %(number)s has both", {"number": "7"}]
    ]
    assert [str(one) for one in sidecar_requests.get(tx, number).alerts] == ["receipt 7 has both"]


def test_a_text_that_an_earlier_version_wrote_is_one_sentence(tx: Transaction) -> None:
    number = asked(tx)
    tx.connection.execute(text("UPDATE ill_sidecar_requests SET attention = 'It is 100 %(sure)s lost.'"))

    assert [str(one) for one in sidecar_requests.get(tx, number).alerts] == ["It is 100 %(sure)s lost."]


def ask(tx: Transaction, number: int, *attention: LazyMessage) -> None:
    sidecar_requests.add_alert(tx, requests.get(tx, number), attention)


def test_a_new_word_stands_behind_those_that_nobody_attended_to(tx: Transaction) -> None:
    lost = lazy("The supplier considers the item lost.")
    number = asked(tx, LATE)

    ask(tx, number, lost)

    assert sidecar_requests.get(tx, number).alerts == (LATE, lost)


def test_the_same_is_not_said_twice(tx: Transaction) -> None:
    number = asked(tx, LATE, literal("a"))

    ask(tx, number, literal("a"), literal("b"))
    ask(tx, number, LATE)

    assert sidecar_requests.get(tx, number).alerts == (LATE, literal("a"), literal("b"))


def test_what_was_attended_to_does_not_come_back(tx: Transaction) -> None:
    number = asked(tx, LATE)
    sidecar_requests.dismiss_alerts(tx, number)

    ask(tx, number, literal("b"))

    assert sidecar_requests.get(tx, number).alerts == (literal("b"),)


def test_of_very_many_words_the_oldest_give_way_and_that_is_said(tx: Transaction) -> None:
    number = asked(tx)
    for each in range(30):
        ask(tx, number, literal(str(each)))

    first, *others = sidecar_requests.get(tx, number).alerts

    assert first == sidecar_requests.LEFT_OUT
    assert [str(one) for one in others] == [
        str(each) for each in range(30 - sidecar_requests.MAX_ALERTS + 1, 30)
    ]


@pytest.mark.parametrize("character", ["雪", "🦉", "\x01"])
def test_long_words_fit_into_their_column(tx: Transaction, character: str) -> None:
    number = asked(tx)
    for each in range(5):
        ask(tx, number, lazy("%(number)s %(message)s", number=each, message=character * MAX_TEXT))

    first, *others = sidecar_requests.get(tx, number).alerts

    assert first == sidecar_requests.LEFT_OUT
    assert others[-1].values["number"] == "4"


def test_words_of_two_callbacks_at_once_are_both_kept(database: Database, admin: Engine) -> None:
    with admin.begin() as connection:
        number = make_request(connection, database.koha())
    has_asked, may_commit = threading.Event(), threading.Event()

    def ask_and_wait(tx: Transaction) -> None:
        ask(tx, number, literal("one"))
        has_asked.set()
        may_commit.wait(10)

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(database.transact, ask_and_wait)
        assert has_asked.wait(10)
        other = pool.submit(database.transact, ask, number, literal("other"))
        threading.Timer(0.3, may_commit.set).start()
        one.result(10)
        other.result(10)

    kept = database.transact(sidecar_requests.get, number).alerts
    assert [str(word) for word in kept] == ["one", "other"]


def test_where_nobody_is_asked_there_are_no_words(tx: Transaction) -> None:
    number = asked(tx, LATE)
    sidecar_requests.dismiss_alerts(tx, number)

    assert sidecar_requests.get(tx, number).alerts == ()
    assert sidecar_requests.find_alerts(tx, limit=5) == []
