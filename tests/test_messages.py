"""Sentences that pages say in their language, as English texts."""

import pytest

from koha_ill_sidecar.errors import RequestRefused
from koha_ill_sidecar.messages import Sentence, sentence, verbatim


@pytest.mark.parametrize(
    ("said", "english"),
    [
        (sentence("Nothing was found."), "Nothing was found."),
        (sentence("There is no %(thing)s.", thing="100 %(x)s %"), "There is no 100 %(x)s %."),
        (sentence("%(share)s %% of them", share=5), "5 % of them"),
        (sentence("all of [%% them %%]"), "all of [% them %]"),
        (sentence("no: %(why)s.", why=sentence("it was %(status)s", status="lost")), "no: it was lost."),
        (verbatim("100 % of %(them)s"), "100 % of %(them)s"),
        (verbatim(""), ""),
    ],
)
def test_a_sentence_is_its_english_text_with_what_stands_in_it(said: Sentence, english: str) -> None:
    assert str(said) == english


def test_a_refusal_says_the_same_to_programs_and_people() -> None:
    error = RequestRefused("invalid_branch", "There is no library “%(library)s”.", library="%s")

    assert str(error) == str(error.sentence) == "There is no library “%s”."
