import pytest

from koha_ill_sidecar.domain.attributes import (
    from_openurl,
    label,
    metadata,
)
from koha_ill_sidecar.domain.requests import Attribute, values_by_type


def test_a_custom_key_gets_a_capital() -> None:
    assert label("shelf_mark") == "Shelf_mark"
    assert label("eissn") == "eISSN"


def test_metadata_leaves_out_empty_attributes_and_those_that_do_not_describe_the_item() -> None:
    attributes = [
        Attribute(type="type", value="book"),
        Attribute(type="title", value="Crime"),
        Attribute(type="isbn", value=""),
        Attribute(type="requested_partners", value="a@example.org"),
        Attribute(type="unauthenticated_email", value="sam@example.org"),
        Attribute(type="copyrightclearance_confirmed", value="1"),
        Attribute(type="migrated_from", value="3"),
    ]

    assert metadata(attributes) == {"Title": "Crime", "Migrated_from": "3"}
    assert "isbn" not in values_by_type(attributes)


@pytest.mark.parametrize(
    ("parameters", "fields"),
    [
        (
            [("genre", "article"), ("atitle", "Bees"), ("aulast", "Lee"), ("title", "Nature"), ("date", "1999")],
            {"type": "article", "article_title": "Bees", "article_author": "Lee", "title": "Nature", "year": "1999"},
        ),
        ([("content", "fulltext")], {"type": "article"}),
        ([("format", "ebook"), ("genre", "journal")], {"type": "book"}),
        ([("rft_id", "PMID:123"), ("id", "doi:10.1/x:y")], {"pmid": "123", "doi": "10.1/x:y"}),
        ([("id", "10.1/x")], {"doi": "10.1/x"}),
        ([("ctitle", "II"), ("clast", "Ng"), ("eissn", "1")], {"chapter": "II", "chapter_author": "Ng", "eissn": "1"}),
        ([("sid", "Primo"), ("issn", "")], {"sid": "Primo"}),
        ([("backend", "X"), ("branchcode", "CPL"), ("password", "x"), ("stage", "form")], {}),
    ],
)  # fmt: skip
def test_openurl_becomes_fields(parameters: list[tuple[str, str]], fields: dict[str, str]) -> None:
    assert from_openurl(parameters) == fields


def test_before_25_11_every_openurl_id_is_a_doi() -> None:
    assert from_openurl([("rft_id", "pmid:123")], splits_ids=False) == {"doi": "pmid:123"}
