"""OpenURLs, as databases and reference managers write them."""

import html
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koha_ill_sidecar.domain.attributes import Reference
from koha_ill_sidecar.domain.openurl import read_openurl

WORDS = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=12)

ARTICLE_1_0 = {
    "url_ver": "Z39.88-2004",
    "rft_val_fmt": "info:ofi/fmt:kev:mtx:journal",
    "rfr_id": "info:sid/example.org:base",
    "rft.genre": "article",
    "rft.atitle": "On computable numbers",
    "rft.jtitle": "Proceedings",
    "rft.aulast": "Turing",
    "rft.aufirst": "Alan",
    "rft.date": "1937-01-12",
    "rft.volume": "42",
    "rft.issue": "1",
    "rft.spage": "230",
    "rft.epage": "265",
    "rft.issn": "0024-6115",
    "rft_id": "info:doi/10.1112/plms/s2-42.1.230",
}
AS_FIELDS = {
    "article_title": "On computable numbers",
    "title": "Proceedings",
    "article_author": "Turing, Alan",
    "year": "1937",
    "published_date": "1937-01-12",
    "volume": "42",
    "issue": "1",
    "pages": "230-265",
    "issn": "0024-6115",
    "doi": "10.1112/plms/s2-42.1.230",
}


@pytest.mark.parametrize(
    "text",
    [
        f"https://resolver.example.org/openurl?{urlencode(ARTICLE_1_0)}",
        urlencode(ARTICLE_1_0),
        f"?{urlencode(ARTICLE_1_0)}",
        urlencode(ARTICLE_1_0).replace("&", "&amp;"),
        f"ctx_ver=Z39.88-2004&{urlencode(ARTICLE_1_0)}",
        f'<p><span class="Z3988 x" title="{html.escape(urlencode(ARTICLE_1_0))}"></span></p>',
    ],
)
def test_version_1_0_is_read_in_every_wrapping(text: str) -> None:
    assert read_openurl(text) == Reference(type="article", fields=AS_FIELDS)


def test_version_0_1_is_read() -> None:
    found = read_openurl(
        "http://r.example.org/?sid=A:B&genre=article&aulast=Turing&aufirst=Alan&atitle=On+computable+numbers"
        "&title=Proceedings&volume=42&issue=1&date=1937&spage=230&epage=265&id=doi:10.1/x&id=pmid:17"
    )

    assert found == Reference(
        type="article",
        fields={
            "article_title": "On computable numbers",
            "title": "Proceedings",
            "article_author": "Turing, Alan",
            "year": "1937",
            "volume": "42",
            "issue": "1",
            "pages": "230-265",
            "doi": "10.1/x",
            "pubmedid": "17",
        },
    )


@pytest.mark.parametrize(
    ("query", "kind", "fields"),
    [
        (
            ("rft_val_fmt=info:ofi/fmt:kev:mtx:book&rft.genre=book&rft.btitle=B&rft.au=A&rft.au=C&rft.pub=P"
            "&rft.place=X&rft.edition=2&rft.isbn=1"),
            "book",
            {
                "title": "B", "author": "A; C", "publisher": "P", "published_place": "X",
                "part_edition": "2", "isbn": "1",
            },
        ),
        (
            "rft_val_fmt=info:ofi/fmt:kev:mtx:book&rft.genre=bookitem&rft.btitle=B&rft.atitle=C&rft.au=A&rft.pages=3",
            "chapter",
            {"title": "B", "chapter": "C", "chapter_author": "A", "pages": "3"},
        ),
        (
            "rft_val_fmt=info:ofi/fmt:kev:mtx:book&rft.btitle=B&rft.atitle=C",
            "chapter",
            {"title": "B", "chapter": "C"},
        ),
        (
            "rft_val_fmt=info:ofi/fmt:kev:mtx:dissertation&rft.title=T&rft.au=A&rft.inst=I&rft.date=2001",
            "thesis",
            {"title": "T", "author": "A", "institution": "I", "published_date": "2001"},
        ),
        (
            "genre=proceeding&title=Conf&atitle=Paper&au=A&date=2001-02",
            "conference",
            {
                "title": "Conf", "paper_title": "Paper", "paper_author": "A", "year": "2001",
                "published_date": "2001-02",
            },
        ),
        ("genre=journal&title=J&issn=1&eissn=2", "journal", {"title": "J", "issn": "1", "eissn": "2"}),
        ("genre=unknown&atitle=A&issn=1", "article", {"article_title": "A", "issn": "1"}),
        ("content=fulltext&atitle=A", "article", {"article_title": "A"}),
        ("title=B&isbn=1&ctitle=C&clast=D&author=E", "chapter",
         {"title": "B", "isbn": "1", "chapter": "C", "chapter_author": "D", "author": "E"}),
        ("genre=document&title=T", "resource", {"title": "T"}),
        ("title=T&format=Blu-ray", "", {"title": "T", "format": "Blu-ray"}),
    ],
)  # fmt: skip
def test_each_kind_has_fields_of_its_own(query: str, kind: str, fields: dict[str, str]) -> None:
    assert read_openurl(query) == Reference(type=kind, fields=fields)


def test_a_value_without_a_field_becomes_a_custom_one() -> None:
    found = read_openurl(
        "rft.genre=book&rft.btitle=B&rft.series=S&rft_id=info:oclcnum/1&rft_id=https://a.example/"
    )

    assert found is not None
    assert found.custom == {"series": "S", "oclcnum": "1", "url": "https://a.example/"}


def test_text_that_is_not_utf_8_is_read_as_latin_1() -> None:
    found = read_openurl("genre=book&title=Gr%FC%DFe")

    assert found is not None
    assert found.fields["title"] == "Grüße"


@pytest.mark.parametrize(
    "text",
    [
        "", "Nature", "10.1000/182", "https://example.org/?page=2&q=x", "<b>bold</b>", "https://[bad",
        "&".join(f"title={number}" for number in range(501)),
    ],
)  # fmt: skip
def test_other_texts_are_not_openurls(text: str) -> None:
    assert read_openurl(text) is None


@given(st.text())
def test_any_text_is_accepted(text: str) -> None:
    read_openurl(text)
    read_openurl(f"genre=article&{text}")
    read_openurl(f'<span class="Z3988" title="{text}">')


@given(
    st.dictionaries(st.sampled_from(["atitle", "jtitle", "au", "volume", "issue", "issn", "pages"]), WORDS)
)
def test_both_versions_say_the_same(values: dict[str, str]) -> None:
    older = read_openurl(urlencode({"genre": "article", **values}))
    newer = read_openurl(
        urlencode({"rft.genre": "article", **{f"rft.{key}": value for key, value in values.items()}})
    )

    assert older == newer
    assert newer is not None
    assert newer.type == "article"


@given(
    st.dictionaries(
        st.sampled_from(
            ["atitle", "ctitle", "title", "jtitle", "btitle", "stitle", "au", "author", "aulast", "aufirst", "date",
             "year", "spage", "epage", "pages", "issn", "isbn", "pub", "edition", "colour", "rft.ssn", "type"]
        ),
        WORDS,
    ),
    st.sampled_from(["article", "book", "bookitem", "proceeding", "dissertation", "journal", "unknown"]),
)  # fmt: skip
def test_authors_aside_no_value_is_lost(values: dict[str, str], genre: str) -> None:
    found = read_openurl(urlencode({**values, "genre": genre}))

    assert found is not None
    said = " ".join([found.type, *found.fields.values(), *found.custom.values()])
    for key, value in values.items():
        if key not in ("au", "author", "aulast", "aufirst", "pages", "spage", "epage", "date", "year"):
            assert value in said, key


@pytest.mark.parametrize(
    ("query", "fields", "custom"),
    [
        ("genre=book&title=%93Z%94+%80&au=Z%C3%BC", {"title": "“Z” €", "author": "Zü"}, {}),
        ("genre=book&title=A%0CB%00", {"title": "A B"}, {}),
        ("genre=book&title=A+%26amp%3B+B", {"title": "A & B"}, {}),
        (
            "genre=article&volume=1&volume=2&issn=0302-0797&issn=0028-0836",
            {"volume": "1", "issn": "0302-0797"},
            {"other_volume": "2", "other_issn": "0028-0836"},
        ),
    ],
)
def test_each_value_is_decoded_by_itself_and_none_is_lost(
    query: str, fields: dict[str, str], custom: dict[str, str]
) -> None:
    found = read_openurl(query)

    assert found is not None
    assert (found.fields, found.custom) == (fields, custom)


def test_an_openurl_with_only_an_identifier_has_its_type() -> None:
    kinds = {
        query: found.type
        for query in ("doi=10.5555/x", "isbn=9780521860765", "issn=0028-0836")
        if (found := read_openurl(query))
    }

    assert kinds == {"doi=10.5555/x": "article", "isbn=9780521860765": "book", "issn=0028-0836": "journal"}


@pytest.mark.parametrize(
    ("end", "title"),
    [("#top", "Snow"), ("#/results", "Snow"), ("#", "Snow#"), ("%20in%20C#", "Snow in C#"), ("#5", "Snow#5")],
)
def test_a_place_in_the_page_is_no_part_of_the_last_value(end: str, title: str) -> None:
    found = read_openurl(f"https://r.example.org/?genre=book&title=Snow{end}")

    assert found is not None
    assert found.fields["title"] == title


def test_every_value_of_a_repeated_key_is_kept() -> None:
    found = read_openurl(
        "genre=book&title=A&title=B&isbn=0521860768&isbn=9780140449136&series=S&series=T&series=S"
    )

    assert found is not None
    assert (found.fields["title"], found.custom["other_title"]) == ("A", "B")
    assert (found.fields["isbn"], found.custom["other_isbn"]) == ("0521860768", "9780140449136")
    assert (found.custom["series"], found.custom["other_series"]) == ("S", "T")
