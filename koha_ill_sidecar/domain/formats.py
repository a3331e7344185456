"""How Koha writes dates, prices and bibliographic values in notices."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

_DATES = {
    "us": "{:%m/%d/%Y}",
    "metric": "{:%d/%m/%Y}",
    "dmydot": "{:%d.%m.%Y}",
    "iso": "{:%Y-%m-%d}",
}
_STORED_DATE = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2})(?::(\d{2})(?:\.\d+)?)?(?: ?([AP]M))?)?(?:Z|[+-]\d{2}:?\d{2})?"
)
_PRICE_SEPARATORS = {"US": (",", "."), "FR": (" ", ","), "CH": ("'", ".")}  # thousands, decimal
_LARGEST_AMOUNT = Decimal(10) ** 15
_LEADING_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)")


@dataclass(frozen=True, slots=True)
class DateStyle:
    """The preferences ``dateformat`` and ``timeformat``."""

    dateformat: str = "us"
    timeformat: str = "24hr"

    def date(self, moment: datetime) -> str:
        """Write the day."""
        return _DATES.get(self.dateformat, _DATES["iso"]).format(moment)

    def date_and_time(self, moment: datetime) -> str:
        """Write the day and, to the minute, the time."""
        clock = f"{moment:%I:%M %p}" if self.timeformat == "12hr" else f"{moment:%H:%M}"
        return f"{self.date(moment)} {clock}"

    def due_date(self, moment: datetime) -> str:
        """Write the day, and the time unless it is the end of the day, which stands for "that day"."""
        end_of_day = (moment.hour, moment.minute) == (23, 59)
        return self.date(moment) if end_of_day else self.date_and_time(moment)


def parse_stored_date(value: str) -> datetime:
    """
    Read a date or date with time as MariaDB writes it, such as ``2026-03-09 14:05:00``, as wall-clock.

    Koha's variable ``today`` may have the time as ``02:05 PM``.

    Raises:
        ValueError: It is no such date.
    """
    found = _STORED_DATE.fullmatch(value.strip())
    if found is None:
        raise ValueError(f"{value!r} is not a date such as 2026-03-09 or 2026-03-09 14:05:00")
    day, minutes, seconds, half = found.groups()
    moment = datetime.fromisoformat(f"{day} {minutes or '00:00'}:{seconds or '00'}")
    return moment if half is None else moment.replace(hour=moment.hour % 12 + (12 if half == "PM" else 0))


def format_price(value: str, currency_format: str, *, for_editing: bool = False) -> str:
    """
    Write an amount with two decimals, in the style of the preference ``CurrencyFormat``.

    Text is taken as Perl takes it for a number: its leading digits, or 0.

    Raises:
        ValueError: The amount is too large to be one.

    Source: Koha, Koha/Number/Price.pm.
    """
    thousands, decimal = _PRICE_SEPARATORS.get(currency_format, _PRICE_SEPARATORS["US"])
    found = _LEADING_NUMBER.match(value)
    amount = Decimal(found.group(1)) if found else Decimal(0)
    if abs(amount) > _LARGEST_AMOUNT:
        raise ValueError(f"{value[:30]!r} is too large for a price")
    text = f"{amount.quantize(Decimal('0.01'), ROUND_HALF_UP):,.2f}"
    if for_editing:
        return text.replace(",", "")
    return text.translate(str.maketrans(",.", thousands + decimal))


def without_final_punctuation(value: str) -> str:
    """Drop one punctuation character from the end, where cataloguers put ISBD's."""
    if value and unicodedata.category(value[-1]).startswith("P"):
        return value[:-1]
    return value
