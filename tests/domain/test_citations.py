"""Citations as reference managers export them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koha_ill_sidecar.domain.attributes import Reference
from koha_ill_sidecar.domain.citations import read_citation

RIS = """TY  - JOUR
AU  - Turing, Alan
AU  - Church, Alonzo
TI  - On computable numbers
JO  - Proceedings
PY  - 1937/01/12
VL  - 42
SP  - 230
EP  - 265
SN  - 0024-6115
DO  - https://doi.org/10.1112/plms/s2-42.1.230
ER  -
"""
ARTICLE = Reference(
    type="article",
    fields={
        "title": "Proceedings",
        "article_title": "On computable numbers",
        "article_author": "Turing, Alan; Church, Alonzo",
        "year": "1937",
        "published_date": "1937/01/12",
        "volume": "42",
        "pages": "230-265",
        "doi": "10.1112/plms/s2-42.1.230",
        "issn": "0024-6115",
    },
)


@pytest.mark.parametrize("text", [RIS, RIS.replace("\n", "\r\n"), RIS.replace("\n", "")])
def test_ris_is_read_also_when_its_line_breaks_are_lost(text: str) -> None:
    assert read_citation(text) == ARTICLE


def test_csl_json_is_read() -> None:
    item = {
        "type": "chapter",
        "title": "Snow",
        "container-title": "Country",
        "author": [{"family": "Lee", "given": "Ann"}, {"literal": "The Club"}],
        "issued": {"date-parts": [[2001]]},
        "page": "3-9",
        "ISBN": "978-0-521-86076-5",
    }

    assert read_citation(json.dumps([item])) == Reference(
        type="chapter",
        fields={
            "title": "Country",
            "chapter": "Snow",
            "chapter_author": "Lee, Ann; The Club",
            "year": "2001",
            "pages": "3-9",
            "isbn": "9780521860765",
        },
    )


@pytest.mark.parametrize("text", ["", "TY", "{}", "[", "[1]", '{"type": "book"}', "[" * 10_000])
def test_other_texts_are_not_citations(text: str) -> None:
    assert read_citation(text) is None


@given(st.text())
def test_any_text_is_accepted(text: str) -> None:
    read_citation(f"TY  - {text}")
    read_citation(f'{{"title": "a", "author": "{text}"')


BIBTEX = r"""@article{knuth1984,
  author = {Knuth, Donald E. and Erd{\H{o}}s, P{\'a}l and G{\"o}del, Kurt},
  title = "Literate {Programming} \& more",
  journal = {The Computer Journal}, volume = 27, number = {2},
  pages = {97--111}, year = 1984, month = may,
  doi = {https://doi.org/10.1093/comjnl/27.2.97}, issn = {0010-4620},
}
@book{other, title = {Other}}"""


def test_an_article_in_bibtex_is_read_in_full() -> None:
    expected = {
        "article_title": "Literate Programming & more",
        "article_author": "Knuth, Donald E.; Erdős, Pál; Gödel, Kurt",
        "title": "The Computer Journal",
        "volume": "27",
        "issue": "2",
        "pages": "97-111",
        "year": "1984",
        "published_date": "1984-may",
        "doi": "10.1093/comjnl/27.2.97",
        "issn": "0010-4620",
    }

    for text in (BIBTEX, BIBTEX.replace("\n", " ")):
        assert read_citation(text) == Reference(type="article", fields=expected, custom={})


@pytest.mark.parametrize(
    ("text", "kind", "fields"),
    [
        (
            "@BOOK{a, title={Snow country}, isbn={978-0-521-86076-5}",
            "book",
            {"title": "Snow country", "isbn": "9780521860765"},
        ),
        (
            "@incollection(a, title={Part}, booktitle={Whole}, author={A})",
            "chapter",
            {"chapter": "Part", "title": "Whole", "chapter_author": "A"},
        ),
        (
            "@phdthesis{a, title={T}, school={MIT}, year={2001}}",
            "thesis",
            {"title": "T", "institution": "MIT", "published_date": "2001"},
        ),
        ("@misc{a, title={T}, note={cut off", "resource", {"title": "T"}),
    ],
)
def test_other_kinds_of_bibtex_entries_are_read(text: str, kind: str, fields: dict[str, str]) -> None:
    found = read_citation(text)

    assert found is not None
    assert (found.type, found.fields) == (kind, fields)


@given(st.text(alphabet='@{}()=,"\\ab ', max_size=200))
def test_any_bibtex_is_read_or_refused_without_an_error(text: str) -> None:
    assert read_citation("@book{a, title=" + text) is not None
