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
