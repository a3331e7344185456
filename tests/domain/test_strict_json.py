import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koha_ill_sidecar.domain import strict_json
from koha_ill_sidecar.errors import NotStrictJSON

_TEXT = st.text(st.characters(codec="utf-8"))
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | _TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(_TEXT, inner, max_size=5),
    max_leaves=20,
)


@given(_VALUES)
def test_whatever_json_writes_is_read_back(value: strict_json.JSONValue) -> None:
    assert strict_json.loads(json.dumps(value).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_and_never_crash(data: bytes) -> None:
    try:
        value = strict_json.loads(data)
    except NotStrictJSON:
        return

    assert value == json.loads(data, parse_float=Decimal)


def test_a_price_keeps_its_cents() -> None:
    assert strict_json.loads(b'{"amount": 12.50}') == {"amount": Decimal("12.50")}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not JSON"),
        (b"{", "line 1, column 2"),
        (b"{} {}", "not JSON"),
        (b"\xff", "not UTF-8"),
        ("\ufeff{}".encode(), "not JSON"),
        ("{}".encode("utf-16"), "not UTF-8"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "-Infinity"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "'c' twice"),
        (b'"\\ud800"', "surrogate"),
        (b'{"\\udfff": 1}', "surrogate"),
        (b"1" * 5000, "5000 digits"),
        (b"1e999999999", "number"),
        (b"1e-400", "number"),
        (b"[" * 33 + b"]" * 33, "deeper than 32"),
        (b"[" * 200_000, "deeper than 32"),
        (b'{"a":' * 50_000, "deeper than 32"),
    ],
    ids=range(17),
)
def test_what_json_leaves_to_taste_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(NotStrictJSON, match=message):
        strict_json.loads(body)


def test_thirty_two_levels_are_read() -> None:
    assert strict_json.loads(b"[" * 32 + b"]" * 32) is not None
