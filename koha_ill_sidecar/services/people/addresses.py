"""The email addresses of libraries and patrons, chosen as Koha chooses them."""

from collections.abc import Mapping
from dataclasses import dataclass

from koha_ill_sidecar.delivery.addresses import is_address
from koha_ill_sidecar.storage.koha import notice_tables
from koha_ill_sidecar.storage.koha.preferences import Preferences
from koha_ill_sidecar.storage.transaction import Transaction

ADDRESS_COLUMNS = ("email", "emailpro", "B_email")
"""The columns of ``borrowers`` that hold email addresses, in Koha's order of preference."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LibraryAddresses:
    """The sender of a library's mail and the addresses for replies; None where nothing is configured."""

    sender: str | None  # Koha's from_email_address
    inbound: str | None  # Koha's inbound_email_address
    inbound_ill: str | None  # Koha's inbound_ill_address


def library_addresses(tx: Transaction, branchcode: str) -> LibraryAddresses:
    """Return the addresses of a library; one query."""
    return addresses_of(notice_tables.row(tx, "branches", branchcode) or {}, tx.preferences)


def addresses_of(library: Mapping[str, str | None], preferences: Preferences) -> LibraryAddresses:
    """
    Return the addresses of a library from its row.

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


def notice_email_address(patron: Mapping[str, str | None], preferences: Preferences) -> str | None:
    """
    Return the patron's address for notices; several, joined by commas, if the preferences say so.

    Source: Koha, Koha/Patron.pm notice_email_address.
    """
    # AutoEmailPrimaryAddress is the name up to 22.05.
    chosen = preferences.text("EmailFieldPrimary") or preferences.text("AutoEmailPrimaryAddress") or "OFF"
    match chosen:
        case "OFF":
            return first_valid_email_address(patron, preferences)
        case "MULTI":
            selected = (_address(patron, column) for column in preferences.words("EmailFieldSelection"))
            return ",".join(address for address in selected if address) or None
    return _address(patron, chosen) or None


def first_valid_email_address(patron: Mapping[str, str | None], preferences: Preferences) -> str | None:
    """
    Return the patron's first valid address, in the order of the preferences.

    Source: Koha, Koha/Patron.pm first_valid_email_address.
    """
    order = preferences.words("EmailFieldPrecedence") or ADDRESS_COLUMNS
    addresses = (_address(patron, column) for column in order)
    return next((address for address in addresses if is_address(address)), None)


def _address(patron: Mapping[str, str | None], column: str) -> str:
    return (patron.get(column) or "") if column in ADDRESS_COLUMNS else ""
