"""Addresses as people type them into Koha."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.provisional import domains

from koha_ill_sidecar.delivery.addresses import Address, AddressRole, is_address, read_address, read_addresses
from koha_ill_sidecar.errors import InvalidAddress


@pytest.mark.parametrize(
    ("text", "spec", "name"),
    [
        ("sam.page@example.org", "sam.page@example.org", ""),
        ("  sam.page@example.org ", "sam.page@example.org", ""),
        ("<sam@example.org>", "sam@example.org", ""),
        ("Ada Library <desk@ada.example.org>", "desk@ada.example.org", "Ada Library"),
        ('"Library, Ada; (main)" <desk@ada.example.org>', "desk@ada.example.org", "Library, Ada; (main)"),
        (r'"Ada \"A\" L" <desk@ada.example.org>', "desk@ada.example.org", 'Ada "A" L'),
        ("林文 <wen@example.org>", "wen@example.org", "林文"),
        ("sam@bücher.example", "sam@xn--bcher-kva.example", ""),
        ("o'neil+ill@sub.example.co.uk", "o'neil+ill@sub.example.co.uk", ""),
        ("root@localhost", "root@localhost", ""),
        ("ill@mail.local", "ill@mail.local", ""),
        ('"sam page"@example.org', '"sam page"@example.org', ""),
        ("sam@[192.0.2.1]", "sam@[192.0.2.1]", ""),
    ],
)
def test_address_is_parsed(text: str, spec: str, name: str) -> None:
    assert read_address(text, AddressRole.TO) == Address(spec, name)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "sam", "sam@", "@example.org", "sam@@example.org", "sam page@example.org", "sam@exa mple.org",
        ".sam@example.org", "sam..page@example.org", "sam@-example.org", "sam@example..org", "sam@example.org>",
        "sam@example.org\r\nBcc: all@example.org", "sam@exam\nple.org", "Sam <>", "sam@" + "a" * 64 + ".org",
        "a" * 65 + "@example.org", "sam@" + "a.aaaaaaaaa" * 30, "sam@example.org\x00",
    ],
)  # fmt: skip
def test_invalid_address_is_rejected(text: str) -> None:
    assert not is_address(text)
    with pytest.raises(InvalidAddress) as caught:
        read_address(text, AddressRole.REPLY_TO)
    assert caught.value.role == "reply_to"


@pytest.mark.parametrize(
    "text",
    [
        '"Lovelace Library, Main" <desk@ada.example.org>',
        '"North, Partner" <ill@north.example.org>',
        '"North; Partner" <ill@north.example.org>',
        '"\u9928\u969b\u4e92\u501f, \u53f0\u5317" <ill@taipei.example.org>',
        '"North <ill> Partner" <ill@north.example.org>',
        r'"The \"North\" \\ Partner" <ill@north.example.org>',
        '"ill@north" <ill@north.example.org>',
    ],
)
def test_a_stored_address_reads_as_the_same_address(text: str) -> None:
    assert str(read_address(text, AddressRole.TO)) == text


@given(names=st.lists(st.text(), min_size=1, max_size=3))
def test_stored_addresses_read_as_the_same_addresses(names: list[str]) -> None:
    """Whatever the names are, once they were read."""
    quoted = [name.replace("\\", "\\\\").replace('"', '\\"') for name in names]
    found = read_addresses(", ".join(f'"{name}" <ill@north.example.org>' for name in quoted), AddressRole.CC)

    for separator in (",", ", "):
        assert read_addresses(separator.join(map(str, found)), AddressRole.CC) == found


@pytest.mark.parametrize("separator", [",", ";", ", ", "; ", " ;, "])
def test_list_is_separated_by_commas_or_semicolons(separator: str) -> None:
    text = separator.join(["a@example.org", '"B, C; D" <b@example.org>', "c@example.org"])

    assert [address.spec for address in read_addresses(text, AddressRole.TO)] == [
        "a@example.org",
        "b@example.org",
        "c@example.org",
    ]


def test_one_invalid_address_invalidates_the_list() -> None:
    with pytest.raises(InvalidAddress):
        read_addresses("a@example.org, b", AddressRole.TO)


@given(st.text(max_size=60))
def test_accepted_addresses_are_safe_in_a_command(text: str) -> None:
    try:
        addresses = read_addresses(text, AddressRole.TO)
    except InvalidAddress:
        return
    for address in addresses:
        assert address.spec.isprintable()
        assert address.name.isprintable() or not any(ord(character) < 32 for character in address.name)
        assert not {"<", ">"} & set(address.spec) or address.spec.startswith('"')


@given(st.from_regex(r"[a-z0-9+_-]{1,20}", fullmatch=True), domains())
def test_ordinary_addresses_are_accepted(local: str, domain: str) -> None:
    assert read_address(f"{local}@{domain}", AddressRole.TO).spec == f"{local}@{domain}"
