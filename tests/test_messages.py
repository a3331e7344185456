"""Messages, which pages translate, as English texts."""

import pytest

from koha_ill_sidecar.errors import RequestRefused
from koha_ill_sidecar.messages import LazyMessage, from_stored, in_english, lazy, literal, to_stored


@pytest.mark.parametrize(
    ("said", "english"),
    [
        (lazy("No problems were found."), "No problems were found."),
        (lazy("There is no %(thing)s.", thing="100 %(x)s %"), "There is no 100 %(x)s %."),
        (lazy("%(share)s %% of them", share=5), "5 % of them"),
        (lazy("all of [%% them %%]"), "all of [% them %]"),
        (lazy("no: %(why)s.", why=lazy("it was %(status)s", status="lost")), "no: it was lost."),
        (literal("100 % of %(them)s"), "100 % of %(them)s"),
        (literal(""), ""),
    ],
)
def test_a_message_is_its_english_text_with_its_values(said: LazyMessage, english: str) -> None:
    assert str(said) == english


def test_an_error_has_the_same_text_for_programs_and_pages() -> None:
    error = RequestRefused("invalid_branch", "There is no library “%(library)s”.", library="%s")

    assert str(error) == str(error.message) == "There is no library “%s”."


MESSAGE = lazy("%(share)s %% refused: %(why)s.", share="5", why=lazy("“%(word)s” is spam", word="賞"))


def test_stored_messages_are_decoded() -> None:
    text = (MESSAGE, '550 "no" [such] \\ user', lazy("Given up by hand."))

    assert from_stored(to_stored(text)) == text


@pytest.mark.parametrize(
    "stored",
    ["Given up after 3 attempts.", "[Errno 111] Connection refused", '["x", 1]', "[[1, 2]]", "{}x", "7"],
)
def test_plain_text_of_an_earlier_version_is_unchanged(stored: str) -> None:
    assert from_stored(stored) == (stored,)


def test_in_english_joins_messages_and_other_texts() -> None:
    assert in_english([lazy("Refused:"), "550 no"]) == "Refused: 550 no"
    assert from_stored(None) == ()
    assert in_english(()) == ""
