"""Sentences that pages say in their language, as English texts."""

import pytest

from koha_ill_sidecar.errors import RequestRefused
from koha_ill_sidecar.messages import LazyMessage, lazy, literal


@pytest.mark.parametrize(
    ("said", "english"),
    [
        (lazy("Nothing was found."), "Nothing was found."),
        (lazy("There is no %(thing)s.", thing="100 %(x)s %"), "There is no 100 %(x)s %."),
        (lazy("%(share)s %% of them", share=5), "5 % of them"),
        (lazy("all of [%% them %%]"), "all of [% them %]"),
        (lazy("no: %(why)s.", why=lazy("it was %(status)s", status="lost")), "no: it was lost."),
        (literal("100 % of %(them)s"), "100 % of %(them)s"),
        (literal(""), ""),
    ],
)
def test_a_sentence_is_its_english_text_with_what_stands_in_it(said: LazyMessage, english: str) -> None:
    assert str(said) == english


def test_a_refusal_says_the_same_to_programs_and_people() -> None:
    error = RequestRefused("invalid_branch", "There is no library “%(library)s”.", library="%s")

    assert str(error) == str(error.message) == "There is no library “%s”."
