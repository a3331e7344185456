"""The email address of a patron, as Koha chooses among those that it has."""

from collections.abc import Mapping

from koha_ill_sidecar.delivery.addresses import is_address
from koha_ill_sidecar.storage.koha.preferences import Preferences

ADDRESS_COLUMNS = ("email", "emailpro", "B_email")
"""The columns of ``borrowers`` that hold addresses, in the order in which Koha prefers them."""


def notice_email_address(patron: Mapping[str, str | None], preferences: Preferences) -> str | None:
    """
    Return the patron's address for notices, several joined by commas, as the preferences say.

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
    Return the patron's first address that is one, in the order of the preferences.

    Source: Koha, Koha/Patron.pm first_valid_email_address.
    """
    order = preferences.words("EmailFieldPrecedence") or ADDRESS_COLUMNS
    addresses = (_address(patron, column) for column in order)
    return next((address for address in addresses if is_address(address)), None)


def _address(patron: Mapping[str, str | None], column: str) -> str:
    return (patron.get(column) or "") if column in ADDRESS_COLUMNS else ""
