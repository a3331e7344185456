"""What staff paste, from use in the field, and what is filled in."""

import json
from pathlib import Path
from typing import Any

import pytest

from koha_ill_sidecar.services.requests.references import ReadReference, read

CASES = [
    json.loads(line)
    for line in (Path(__file__).parent / "field_cases/references.jsonl").read_text("utf-8").splitlines()
]
SPELLED_OUT = {
    "0521860768 (or as it was written)": "0521860768",
    "the first of the two; the second is kept as a custom value": "0521860768",
}


@pytest.mark.parametrize("case", CASES, ids=[case["input"] for case in CASES])
def test_what_people_paste_is_filled_in(case: dict[str, Any]) -> None:
    found = read(case["input"], ())

    assert isinstance(found, ReadReference)
    values = {"type": found.reference.type, **found.reference.fields}
    for key, expected in case["expect"].items():
        assert values[key] == SPELLED_OUT.get(expected, expected)


def test_a_second_identifier_becomes_a_custom_value() -> None:
    found = read("0521860768 (hbk) 9780521860765 (ebk)", ())

    assert isinstance(found, ReadReference)
    assert found.reference.custom == {"other_isbn": "9780521860765"}
