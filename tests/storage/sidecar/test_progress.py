import json

import pytest
from sqlalchemy import text

from factories import make_request
from koha_ill_sidecar.domain.status_reports import MAX_TEXT
from koha_ill_sidecar.storage.koha import requests
from koha_ill_sidecar.storage.sidecar import progress
from koha_ill_sidecar.storage.transaction import Transaction
from koha_ill_sidecar.words import Sentence, sentence

LATE = sentence("It is %(status)s, 100 %% sure: %(why)s", status=sentence("late"), why="[\"雪\", '%(x)s']\n")


def asked(tx: Transaction, *attention: Sentence) -> int:
    number = make_request(tx.connection, tx.koha)
    progress.ask_for_attention(tx, requests.get(tx, number), attention)
    return number


def test_words_to_the_staff_are_read_as_they_were_written(tx: Transaction) -> None:
    words = (sentence("The supplier treats it as lost."), LATE)

    number = asked(tx, *words)

    assert progress.get(tx, number).attention == words
    (note,) = progress.notes(tx, limit=5)
    assert (note.illrequest_id, note.sentences) == (number, words)


@pytest.mark.parametrize("character", ["雪", "🦉", "\x01", '"'])
def test_what_the_supplier_says_is_kept_whole_in_whatever_script(tx: Transaction, character: str) -> None:
    words = sentence("It says: %(message)s", message=character * MAX_TEXT)

    number = asked(tx, words)

    assert progress.get(tx, number).attention == (words,)


def test_numbers_in_a_word_to_the_staff_are_kept_as_texts(tx: Transaction) -> None:
    number = asked(tx, sentence("receipt %(number)s has both", number=7))

    assert json.loads(tx.connection.scalar(text("SELECT attention FROM ill_sidecar_requests"))) == [
        ["receipt %(number)s has both", {"number": "7"}]
    ]
    assert [str(one) for one in progress.get(tx, number).attention] == ["receipt 7 has both"]


def test_a_text_that_an_earlier_version_wrote_is_one_sentence(tx: Transaction) -> None:
    number = asked(tx)
    tx.connection.execute(text("UPDATE ill_sidecar_requests SET attention = 'It is 100 %(sure)s lost.'"))

    assert [str(one) for one in progress.get(tx, number).attention] == ["It is 100 %(sure)s lost."]


def test_where_nobody_is_asked_there_are_no_words(tx: Transaction) -> None:
    number = asked(tx, LATE)
    progress.attend(tx, number)

    assert progress.get(tx, number).attention == ()
    assert progress.notes(tx, limit=5) == []
