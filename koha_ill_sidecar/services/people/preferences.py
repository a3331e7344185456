"""Koha's preferences that every page for people follows."""

from dataclasses import dataclass

from koha_ill_sidecar.domain.formats import DateStyle
from koha_ill_sidecar.storage.transaction import Transaction


@dataclass(frozen=True, kw_only=True, slots=True)
class PagePreferences:
    """
    How pages show things.

    Attributes:
        staff_url: Where Koha's staff interface is, without a slash at the end; may be empty.
    """

    date_style: DateStyle
    currency_format: str
    staff_url: str


def load(tx: Transaction) -> PagePreferences:
    """Return them, with Koha's own defaults."""
    text = tx.preferences.text
    return PagePreferences(
        date_style=DateStyle(text("dateformat", "us"), text("timeformat", "24hr")),
        currency_format=text("CurrencyFormat", "US"),
        staff_url=text("staffClientBaseURL").rstrip("/"),
    )
