import pytest

from koha_ill_sidecar.domain import request_ids
from koha_ill_sidecar.domain.request_ids import WrittenID


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("201", WrittenID(201)),
        (" #201 ", WrittenID(201)),
        ("ADA-201", WrittenID(201, "ADA")),
        ("#ada-201", WrittenID(201, "ada")),
        ("NORTH-EAST-201", WrittenID(201, "NORTH-EAST")),
        ("ＡＤＡ－２０１", WrittenID(201, "ADA")),
        ("ADA–201", WrittenID(201, "ADA")),
        ("借-201", WrittenID(201, "借")),
        ("", None),
        ("0", None),
        ("-5", None),
        ("ADA", None),
        ("201 202", None),
        ("9" * 20, None),
    ],
)
def test_an_id_is_read_in_each_form(text: str, expected: WrittenID | None) -> None:
    assert request_ids.parse(text) == expected


def test_the_prefix_must_be_that_of_a_library() -> None:
    assert WrittenID(201, "ada").has_prefix_of({"ADA", "CPL"})
    assert WrittenID(201).has_prefix_of(())
    assert not WrittenID(201, "XYZ").has_prefix_of({"ADA"})
    assert request_ids.unknown_prefix("XYZ", ["CPL", "ADA"]) == (
        "No library here has request IDs that begin with XYZ-. There are: ADA-, CPL-."
    )
