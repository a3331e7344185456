"""The older notice syntax: what each token becomes, and what it costs."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koha_ill_sidecar.domain.formats import DateStyle
from koha_ill_sidecar.domain.letter_syntax import (
    LetterValues,
    Row,
    each_punctuation_filter,
    substitute_content,
    substitute_title,
    tokens_in,
    with_punctuation_filters,
)

PATRON: Row = {
    "borrowernumber": "5",
    "firstname": "Renée",
    "surname": "O'Brien",
    "dateexpiry": "2030-12-31",
    "dateofbirth": "1981-02-03",
    "updated_on": "2026-03-09 14:05:00",
    "date_renewed": "9999-12-31",
    "streettype": "RD",
    "password": "$2a$08$hash",
    "othernames": None,
    "sort1": "2026-02-30",
}
BIBLIO: Row = {"biblionumber": "3", "title": "Crime and punishment /", "datecreated": "2026-11-23"}


def values(**tables: Row | None) -> LetterValues:
    tables = tables or {"borrowers": PATRON, "biblio": BIBLIO}
    return LetterValues(
        substitutes={"ill_bib_title": "The 館際 story", "additional_text": ""},
        rows={name: row_of(row) for name, row in tables.items()},
        opac_base_url="http://opac.example.org",
        dates=DateStyle("us", "24hr"),
        now=lambda: "2026-11-23 21:05:40",
        street_type={"RD": "Road"}.__getitem__,
        patron_attribute={"DEPT": "History,Law"}.get,
    )


def row_of(row: Row | None) -> Callable[[], Row | None]:
    return lambda: row


@pytest.mark.parametrize(
    ("content", "filled"),
    [
        ("<<borrowers.firstname>> <<surname>>", "Renée O'Brien"),
        ("<<ill_bib_title>>", "The 館際 story"),
        ("[<<additional_text>>]", "[]"),
        ("[<<borrowers.othernames>>]", "[]"),
        ("<<OPACBaseURL>>/cgi-bin", "http://opac.example.org/cgi-bin"),
        ("<<today>>", "11/23/2026 21:05"),
        ("<<borrowers.dateexpiry>>", "12/31/2030"),
        ("<<dateofbirth>>", "02/03/1981"),
        ("<<borrowers.updated_on>>", "03/09/2026 14:05"),
        ("<<borrowers.updated_on | dateonly>>", "03/09/2026"),
        ("<<updated_on|dateonly>>", "03/09/2026"),
        ("<<borrowers.date_renewed>>", "9999-12-31"),
        ("[<<borrowers.sort1>>]", "[]"),
        ("<<borrowers.streettype>>", "Road"),
        ("<<biblio.title>>|", "Crime and punishment |"),
        ("<<biblio.datecreated>>", "11/23/2026"),
        ("<<borrower-attribute:DEPT>>", "History,Law"),
        ("[<<borrower-attribute:NONE>>]", "[]"),
        ("Before <<nosuch.field>> <<gone>> <<two words>> after", "Before   <<two words>> after"),
        ("<<gone>>,<<away>>", ""),
        ("<<items.content>> <<biblioitems.isbn>> <<isbn>>", "  "),
        ("<<ill_bib_title | dateonly>>", "<<ill_bib_title | dateonly>>"),
        ("<<today | dateonly>> <<today|dateonly>>", "<<today | dateonly>> "),
        ("<<borrowers.surname | dateonly>>", "<<borrowers.surname | dateonly>>"),
        ("<< surname >>", "<< surname >>"),
        ("a < b << c", "a < b << c"),
    ],
)
def test_a_token_becomes_what_koha_makes_of_it(content: str, filled: str) -> None:
    assert substitute_content(content, values()) == filled


def test_a_null_date_is_empty() -> None:
    without = {**PATRON, "dateexpiry": "0000-00-00", "dateofbirth": "0000-00-00"}

    assert substitute_content("[<<dateexpiry>>][<<dateofbirth>>]", values(borrowers=without)) == "[][]"


def test_a_title_keeps_unknown_tokens() -> None:
    title = "<<borrowers.firstname>> <<today>> <<OPACBaseURL>> <<gone>>"

    assert substitute_title(title, values()) == "Renée <<today>> <<OPACBaseURL>> <<gone>>"


def test_text_by_a_patron_is_not_taken_for_a_token() -> None:
    sly = {**PATRON, "firstname": "<<borrowers.surname>>", "surname": "Hawkins"}

    assert substitute_title("<<firstname>>", values(borrowers=sly)) == "<<borrowers.surname>>"


def test_secrets_of_a_patron_are_never_shown() -> None:
    assert substitute_content("[<<borrowers.password>>][<<password>>]", values()) == "[][]"


def test_a_token_of_a_row_that_does_not_exist_is_removed() -> None:
    assert substitute_content("[<<borrowers.surname>>]", values(borrowers=None)) == "[]"


def test_a_row_is_read_only_when_a_token_names_it() -> None:
    read: list[str] = []

    def reading(name: str, row: Row) -> Callable[[], Row]:
        def load() -> Row:
            read.append(name)
            return row

        return load

    rows = {"borrowers": reading("borrowers", PATRON), "biblio": reading("biblio", BIBLIO)}
    plain = values()
    lazy = LetterValues(
        substitutes=plain.substitutes,
        rows=rows,
        opac_base_url="",
        dates=plain.dates,
        now=plain.now,
        street_type=plain.street_type,
        patron_attribute=plain.patron_attribute,
    )

    substitute_content("No token, <<ill_bib_title>>, <<biblio.title>>", lazy)

    assert read == ["biblio"]


@given(st.text(alphabet="<>| abdt.-:", max_size=60))
def test_any_text_is_substituted(content: str) -> None:
    filled = substitute_content(content, values())

    assert "<<" in content or filled == content


@pytest.mark.parametrize(
    ("source", "filtered"),
    [
        ("[% biblio.title %]", "[% biblio.title | $Remove_MARC_punctuation %]"),
        ("[%biblioitem.isbn%]", "[% biblioitem.isbn | $Remove_MARC_punctuation %]"),
        ("[% borrower.surname %]", "[% borrower.surname %]"),
        ("[% biblio.title | html %]", "[% biblio.title | html | $Remove_MARC_punctuation %]"),
        ("[%- biblio.title -%]", "[%- biblio.title -%]"),
    ],
)
def test_tags_of_records_lose_isbd_punctuation(source: str, filtered: str) -> None:
    assert with_punctuation_filters(source) == filtered


def test_everything_that_looks_like_a_token_is_found_with_its_offset() -> None:
    found = tokens_in("Dear <<firstname>>, <<placed | dateonly>>\n<<two words>> <<x | upper>> <b>>")

    assert [(token.name, token.date_only, token.offset) for token in found] == [
        ("firstname", False, 5),
        ("placed", True, 20),
        ("two words", False, 42),
        ("x | upper", False, 56),
    ]


def test_tags_of_the_record_get_their_filters_one_by_one() -> None:
    source = "[% biblio.title %] [% x %] [% biblioitem.isbn %]"

    assert list(each_punctuation_filter(source)) == [
        (0, "[% biblio.title | $Remove_MARC_punctuation %] [% x %] [% biblioitem.isbn %]"),
        (27, "[% biblio.title %] [% x %] [% biblioitem.isbn | $Remove_MARC_punctuation %]"),
    ]
