"""Why messages did not go out: our sentences are found again in what was kept."""

import pytest

from koha_ill_sidecar.domain import delivery_reasons
from koha_ill_sidecar.domain.delivery_reasons import take_apart


@pytest.mark.parametrize(
    ("stored", "ours", "theirs"),
    [
        ("Given up by hand.", ["Given up by hand."], ""),
        (
            "Given up after 7 attempts. No connection to the mail server mx.example.org:25: Connection refused",
            ["Given up after 7 attempts.", "No connection to the mail server mx.example.org:25:"],
            "Connection refused",
        ),
        ("Given up after 7 attempts. ", ["Given up after 7 attempts."], ""),
        (
            "The mail server [::1]:2525 refused the mail: 554 5.7.1 spam",
            ["The mail server [::1]:2525 refused the mail:"],
            "554 5.7.1 spam",
        ),
        ("Refused: a@b.example: 550 no such user", ["Refused:"], "a@b.example: 550 no such user"),
        ("Set to deleted in Koha meanwhile.", ["Set to deleted in Koha meanwhile."], ""),
        ("Given up by handful.", [], "Given up by handful."),
        ("550 what a server says", [], "550 what a server says"),
        ("", [], ""),
    ],
)
def test_our_sentences_stand_before_what_others_said(stored: str, ours: list[str], theirs: str) -> None:
    reason = take_apart(stored)

    assert [str(one) for one in reason.ours] == ours
    assert reason.theirs == theirs


def test_a_value_is_said_in_every_language() -> None:
    (sentence,) = take_apart("Given up after 3 attempts.").ours

    assert (sentence.text, sentence.values) == (delivery_reasons.TRIED_FOR_LONG_ENOUGH, {"attempts": "3"})
