"""The form of a wanted item."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koha_ill_sidecar.backends.standard.forms import FIELD_SETS
from koha_ill_sidecar.domain.attributes import LABELS, MaterialType, Reference
from koha_ill_sidecar.domain.item_form import ItemEntry, RowMistake, entry_of

KINDS = st.sampled_from([*MaterialType, "", "of a plug-in"])
KEYS = st.sampled_from([key for key in LABELS if key != "type"])
ENTRIES = st.builds(
    ItemEntry,
    type=KINDS,
    values=st.dictionaries(KEYS, st.text(max_size=3)),
    custom=st.lists(st.tuples(st.text("ab", max_size=2), st.text(max_size=3)), max_size=3),
    field_sets=st.just(FIELD_SETS),
)


def test_a_value_without_a_field_becomes_custom_and_comes_back() -> None:
    article = ItemEntry(
        type="article", values={"article_title": "Snow", "title": "Nature"}, field_sets=FIELD_SETS
    )

    as_book = replace(article, type="book").arranged()
    again = replace(as_book, type="article").arranged()

    assert as_book.values["title"] == "Nature"
    assert as_book.custom == (("article_title", "Snow"),)
    assert again == article.arranged()


@given(ENTRIES, KINDS)
def test_no_value_is_lost_when_the_type_changes(entry: ItemEntry, kind: str) -> None:
    changed = replace(entry, type=kind).arranged()

    def texts(one: ItemEntry) -> list[str]:
        typed = [*one.values.values(), *(value for _, value in one.custom)]
        return sorted(text for text in typed if text)

    assert texts(changed) == texts(entry)
    form = FIELD_SETS.get(kind)
    assert list(changed.values) == ([field.key for field in form.fields] if form else [])
    assert changed.arranged() == changed


def test_a_reference_fills_in_its_values() -> None:
    entry = ItemEntry(
        type="book",
        values={"title": "old", "isbn": "1"},
        custom=(("colour", "red"),),
        field_sets=FIELD_SETS,
    )

    filled = entry.filled_in(
        Reference(type="article", fields={"title": "new", "pmid": "5"}, custom={"sid": "x"})
    )

    assert filled.type == "article"
    assert filled.values["title"] == "new"
    assert filled.custom == (("colour", "red"), ("sid", "x"), ("isbn", "1"), ("pmid", "5"))


def test_stored_attributes_are_shown_except_those_of_programs() -> None:
    entry = entry_of(
        {"type": "dvd", "title": "T", "colour": "red", "requested_partners": "a@x", "migrated_from": "4"},
        FIELD_SETS,
    )

    assert (entry.type, entry.values["title"], entry.custom) == ("dvd", "T", (("colour", "red"),))


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (("", "value"), "no_key"),
        (("k" * 192, "value"), "too_long"),
        (("Requested_Partners", "a@x"), "reserved"),
        (("type", "book"), "reserved"),
        (("TITLE", "again"), "repeated"),
        (("Colour", "red"), "repeated"),
    ],
)
def test_a_custom_field_that_cannot_be_stored_is_an_error(row: tuple[str, str], code: str) -> None:
    entry = ItemEntry(type="book", values={"title": "T"}, custom=(("colour", "blue"), row))

    assert list(entry.mistakes()) == [RowMistake(1, code)]


def test_a_custom_field_without_a_value_is_ignored() -> None:
    entry = ItemEntry(type="other", custom=(("colour", ""), ("", "")))

    assert list(entry.mistakes()) == []
    assert entry.stored == {}
