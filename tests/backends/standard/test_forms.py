from koha_ill_sidecar.backends.standard.forms import FIELD_SETS
from koha_ill_sidecar.domain.attributes import LABELS, MaterialType


def test_every_type_has_a_form_and_every_field_a_label() -> None:
    assert set(FIELD_SETS) == set(MaterialType)
    assert all(field.key in LABELS for form in FIELD_SETS.values() for field in form.fields)
    assert [form.label for form in FIELD_SETS.values()] == [
        "Book", "Chapter", "Journal", "Journal article", "Thesis", "Conference", "DVD", "Other", "Generic resource",
    ]  # fmt: skip


def test_a_conference_calls_its_title_that_of_the_conference() -> None:
    labels = {field.key: field.label for field in FIELD_SETS[MaterialType.CONFERENCE].fields}

    assert labels["title"] == "Conference title"
    assert labels["part_edition"] == "Part"
    assert labels["venue"] == "Venue"
