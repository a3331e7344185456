"""The email addresses of a library, as Koha falls back from one to the next."""

from collections.abc import Mapping
from dataclasses import dataclass

from koha_ill_sidecar.storage.koha import notice_tables
from koha_ill_sidecar.storage.koha.preferences import Preferences
from koha_ill_sidecar.storage.transaction import Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class LibraryAddresses:
    """Where a library's mail comes from and where answers go to; None where nothing is set anywhere."""

    sender: str | None  # Koha's from_email_address
    inbound: str | None  # Koha's inbound_email_address
    inbound_ill: str | None  # Koha's inbound_ill_address


def library_addresses(tx: Transaction, branchcode: str) -> LibraryAddresses:
    """Return the addresses of a library; one query."""
    return addresses_of(notice_tables.row(tx, "branches", branchcode) or {}, tx.preferences)


def addresses_of(library: Mapping[str, str | None], preferences: Preferences) -> LibraryAddresses:
    """
    Return the addresses of a library whose row is known already.

    Source: Koha, Koha/Library.pm from_email_address, inbound_email_address, inbound_ill_address.
    """
    admin = preferences.text("KohaAdminEmailAddress")
    inbound = (
        library.get("branchreplyto")
        or library.get("branchemail")
        or preferences.text("ReplytoDefault")
        or admin
        or None
    )
    return LibraryAddresses(
        sender=library.get("branchemail") or admin or None,
        inbound=inbound,
        inbound_ill=library.get("branchillemail") or preferences.text("ILLDefaultStaffEmail") or inbound,
    )
