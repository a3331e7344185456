"""Koha's preferences that every page for people follows."""

from koha_ill_sidecar.domain.formats import DateStyle
from koha_ill_sidecar.storage.transaction import Transaction


def load(tx: Transaction) -> tuple[DateStyle, str, str]:
    """Return the style of dates, CurrencyFormat, and the URL of Koha's staff interface, without a slash at the end."""
    text = tx.preferences.text
    style = DateStyle(text("dateformat", "us"), text("timeformat", "24hr"))
    return style, text("CurrencyFormat", "US"), text("staffClientBaseURL").rstrip("/")
