from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koha_ill_sidecar.demo.titles import Titles

MATERIALS = ("book", "chapter", "journal", "article", "thesis", "conference", "dvd", "other", "resource")


@given(seed=st.integers(), material=st.sampled_from(MATERIALS))
def test_no_attribute_is_empty_and_the_type_comes_first(seed: int, material: str) -> None:
    attributes = Titles(Random(seed)).attributes(material)

    assert next(iter(attributes.items())) == ("type", material)
    assert all(attributes.values())


@given(seed=st.integers())
def test_numbers_have_valid_check_digits(seed: int) -> None:
    titles = Titles(Random(seed))
    isbn = titles.attributes("book").get("isbn", "9780306406157")
    issn = titles.attributes("journal")["issn"].replace("-", "")

    assert sum(int(digit) * (3 if position % 2 else 1) for position, digit in enumerate(isbn)) % 10 == 0
    assert (
        sum((10 if digit == "X" else int(digit)) * (8 - position) for position, digit in enumerate(issn)) % 11
        == 0
    )


def test_unknown_material_is_a_mistake() -> None:
    with pytest.raises(KeyError, match="papyrus"):
        Titles(Random(0)).attributes("papyrus")
