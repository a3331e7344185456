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
