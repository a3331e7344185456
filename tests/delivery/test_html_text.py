"""The plain text of HTML notices."""

import pytest

from koha_ill_sidecar.delivery.html_text import text_of


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>a</p><!-- b --><p>c", "a\n\nc\n"),
        ("<p>a <!-- without an end", "a\n"),
        ('<?xml version="1.0"?><!doctype html><p>a', "a\n"),
        ("<p>a <![x[ b ]]> c", "a c\n"),
        ("<p>1 < 2 &lt; 3", "1 < 2 < 3\n"),
        ("<p>a <b", "a <b\n"),
    ],
)
def test_what_is_no_element_and_what_has_no_end(html: str, text: str) -> None:
    assert text_of(html) == text


@pytest.mark.timeout(60)  # seconds are enough, if no beginning makes the rest be searched again
@pytest.mark.parametrize("end", ["", ">", "'>", "-->"])
@pytest.mark.parametrize("beginning", ["<!--", "<!", "<?", "<![CDATA[", "<![x[", "<a ", "<a x='", "</a "])
def test_many_beginnings_without_an_end_are_read_once(beginning: str, end: str) -> None:
    text_of(beginning * 400_000 + end)
