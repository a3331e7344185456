"""A library's addresses fall back as Koha's do."""

import pytest

from cast import ADA, RIVERSIDE
from koha_ill_sidecar.services.people.addresses import addresses_of, library_addresses
from koha_ill_sidecar.storage.koha.preferences import Preferences
from koha_ill_sidecar.storage.transaction import Transaction

LIBRARY = {"branchillemail": "ill@x", "branchreplyto": "reply@x", "branchemail": "desk@x"}
PREFERENCES = {
    "ILLDefaultStaffEmail": "staff@x",
    "ReplytoDefault": "replies@x",
    "KohaAdminEmailAddress": "admin@x",
}


@pytest.mark.parametrize(
    ("unset", "sender", "inbound", "inbound_ill"),
    [
        ("", "desk@x", "reply@x", "ill@x"),
        ("branchillemail", "desk@x", "reply@x", "staff@x"),
        ("branchillemail ILLDefaultStaffEmail", "desk@x", "reply@x", "reply@x"),
        ("branchillemail ILLDefaultStaffEmail branchreplyto", "desk@x", "desk@x", "desk@x"),
        (
            "branchillemail ILLDefaultStaffEmail branchreplyto branchemail",
            "admin@x",
            "replies@x",
            "replies@x",
        ),
        (
            "branchillemail ILLDefaultStaffEmail branchreplyto branchemail ReplytoDefault",
            "admin@x",
            "admin@x",
            "admin@x",
        ),
    ],
)
def test_addresses_fall_back(unset: str, sender: str, inbound: str, inbound_ill: str) -> None:
    library = {name: None if name in unset.split() else value for name, value in LIBRARY.items()}
    preferences = {name: None if name in unset.split() else value for name, value in PREFERENCES.items()}

    found = addresses_of(library, Preferences(preferences))

    assert (found.sender, found.inbound, found.inbound_ill) == (sender, inbound, inbound_ill)


def test_without_any_setting_there_is_no_address() -> None:
    found = addresses_of({}, Preferences({}))

    assert (found.sender, found.inbound, found.inbound_ill) == (None, None, None)


@pytest.mark.all_versions
def test_addresses_of_a_library_are_read_from_koha(tx: Transaction) -> None:
    has_own = tx.koha.has("branches", "branchillemail")

    ada, riverside = library_addresses(tx, ADA), library_addresses(tx, RIVERSIDE)

    assert ada.inbound_ill == ("ill@ada.example.org" if has_own else "desk@ada.example.org")
    assert riverside.inbound_ill == "desk@riverside.example.org"
