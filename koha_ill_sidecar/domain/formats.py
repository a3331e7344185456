"""Koha's formats of dates, times, prices and bibliographic values."""

import calendar
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

_DATES = {
    "us": "{:%m/%d/%Y}",
    "metric": "{:%d/%m/%Y}",
    "dmydot": "{:%d.%m.%Y}",
    "iso": "{:%Y-%m-%d}",
}
_STORED_DATE = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[Tt]?\s*(\d{2}:\d{2})(?::(\d{2})(?:\.\d+)?)?(?: ?([AP]M))?)?(?:[Zz]|[+-]\d{2}:?(?:\d{2})?)?"
)
_PRICE_SEPARATORS = {"US": (",", "."), "FR": (" ", ","), "CH": ("'", ".")}  # thousands, decimal
_READ_SEPARATORS = {"US": ("[,]", "[.]"), "FR": ("[ .]", "[,]"), "CH": ("['’]", "[.]")}
_PLAIN_PRICE = re.compile(r"(\d+)(?:\.(\d{1,2}))?", re.ASCII)
_LARGEST_AMOUNT = 2**53 / 100  # Koha does not format larger amounts
_LEADING_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)")
_MONTHS: Mapping[str, int] = {"years": 12, "months": 1}
_INTERVALS: Mapping[str, timedelta] = {
    "weeks": timedelta(weeks=1),
    "days": timedelta(days=1),
    "hours": timedelta(hours=1),
    "minutes": timedelta(minutes=1),
    "seconds": timedelta(seconds=1),
}

INTERVAL_UNITS = (*_MONTHS, *_INTERVALS)
"""Units of the intervals that can be added to a date."""


@dataclass(frozen=True, slots=True)
class DateStyle:
    """The preferences ``dateformat`` and ``timeformat``."""

    dateformat: str = "us"
    timeformat: str = "24hr"

    def date(self, moment: datetime) -> str:
        """Format the day."""
        return _DATES.get(self.dateformat, _DATES["iso"]).format(moment)

    def date_and_time(self, moment: datetime) -> str:
        """Format the day and the time to the minute."""
        clock = f"{moment:%I:%M %p}" if self.timeformat == "12hr" else f"{moment:%H:%M}"
        return f"{self.date(moment)} {clock}"

    def date_and_exact_time(self, moment: datetime) -> str:
        """Format the day and the time to the second."""
        clock = f"{moment:%I:%M:%S %p}" if self.timeformat == "12hr" else f"{moment:%H:%M:%S}"
        return f"{self.date(moment)} {clock}"

    def due_date(self, moment: datetime) -> str:
        """Format the day, and the time unless it is 23:59, which Koha stores for "any time that day"."""
        end_of_day = (moment.hour, moment.minute) == (23, 59)
        return self.date(moment) if end_of_day else self.date_and_time(moment)


@dataclass(frozen=True, kw_only=True, slots=True)
class CurrencySymbol:
    """The symbol of a currency, and its position in an amount."""

    symbol: str
    precedes: bool = True
    separated_by_space: bool = False


def is_null_date(value: str) -> bool:
    """Return whether a value is the date 0000-00-00, which means none (Koha, Koha/DateUtils.pm dt_from_string)."""
    return value.startswith("0000-0")


def parse_stored_date(value: str) -> datetime:
    """
    Parse a date or date and time in MariaDB's form, such as ``2026-03-09 14:05:00``, as wall-clock time.

    Koha's variable ``today`` may have the time as ``02:05 PM``. Day 00 of a month is read as the first.

    Raises:
        ValueError: It is not such a date.

    Source: Koha, Koha/DateUtils.pm dt_from_string.
    """
    found = _STORED_DATE.fullmatch(value.strip())
    if found is None:
        raise ValueError(f"{value!r} is not a date such as 2026-03-09 or 2026-03-09 14:05:00")
    day, minutes, seconds, half = found.groups()
    day = re.sub("-00$", "-01", day)
    moment = datetime.fromisoformat(f"{day} {minutes or '00:00'}:{seconds or '00'}")
    return moment if half is None else moment.replace(hour=moment.hour % 12 + (12 if half == "PM" else 0))


def add_interval(moment: datetime, unit: str, amount: int) -> datetime:
    """
    Add an interval to a wall-clock time; a negative amount subtracts it.

    Months differ in length. Forwards, the 31st of a month with 30 days is the first of the next month. Backwards, a
    day that the month lacks becomes its last day, and the last day of a month stays the last.

    Args:
        unit: One of ``INTERVAL_UNITS``.

    Raises:
        ValueError: The result is beyond the years 1 to 9999.

    Source: Perl's DateTime, "Adding a Duration to a DateTime", which Koha's KohaDates uses.
    """
    try:
        if unit in _MONTHS:
            return _add_months(moment, amount * _MONTHS[unit])
        return moment + amount * _INTERVALS[unit]
    except OverflowError as error:
        raise ValueError(f"{amount} {unit} from {moment:%Y-%m-%d} is beyond all calendars") from error


def _add_months(moment: datetime, months: int) -> datetime:
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    first = moment.replace(year=year, month=month + 1, day=1)
    if months >= 0:
        return first + timedelta(days=moment.day - 1)
    last_day = calendar.monthrange(first.year, first.month)[1]
    was_last = moment.day == calendar.monthrange(moment.year, moment.month)[1]
    return first.replace(day=last_day if was_last else min(moment.day, last_day))


def format_time(value: str, timeformat: str) -> str:
    """
    Format a time of day such as ``14:05:00`` to the minute, in the style of the preference ``TimeFormat``.

    Source: Koha, Koha/Template/Plugin/KohaTimes.pm.
    """
    hours, _, rest = value.partition(":")
    minutes = rest.partition(":")[0]
    if timeformat != "12hr":
        return f"{hours}:{minutes}"
    hour = int(_amount(hours))
    return f"{(hour - 12 if hour > 12 else hour or 12):02d}:{minutes} {'pm' if hour >= 12 else 'am'}"


def format_price(value: str, currency_format: str, currency: CurrencySymbol | None = None) -> str:
    """
    Format an amount with two decimals, in the style of the preference ``CurrencyFormat``.

    A text counts as a number as it does in Perl: its leading digits, or 0. An amount that is too large is returned
    unchanged. A negative amount begins with minus, symbol and space, wherever the currency otherwise has its symbol.

    Source: Koha, Koha/Number/Price.pm format; Number::Format, format_price, in the locale C.
    """
    amount = _amount(value)
    if abs(amount) > _LARGEST_AMOUNT:
        return value
    thousands, decimal = _PRICE_SEPARATORS.get(currency_format, _PRICE_SEPARATORS["US"])
    text = _two_decimals(amount, thousands, decimal)
    symbol = currency.symbol if currency else ""
    if amount < 0:
        return f"-{symbol} {text}" if symbol else f"-{text}"
    if currency is None or not symbol:
        return text
    space = " " if currency.separated_by_space else ""
    return f"{symbol}{space}{text}" if currency.precedes else f"{text}{space}{symbol}"


def price_for_editing(value: str) -> str:
    """
    Format an amount with two decimals for a form: with a point, and without thousands separators.

    Source: Koha, Koha/Number/Price.pm format_for_editing.
    """
    amount = _amount(value)
    if abs(amount) > _LARGEST_AMOUNT:
        return value
    return ("-" if amount < 0 else "") + _two_decimals(amount, "", ".")


def read_price(typed: str, currency_format: str, symbol: str = "") -> str:
    """
    Parse an amount that people typed in the style of the preference ``CurrencyFormat``, or plainly, as ``1234.56``.

    Args:
        symbol: The symbol of the active currency, which may come before or after the amount.

    Returns:
        The amount as Koha stores it: with a point, and without thousands separators.

    Raises:
        ValueError: It is not an amount, or has more than two decimals.
    """
    thousands, decimal = _READ_SEPARATORS.get(currency_format, _READ_SEPARATORS["US"])
    styled = re.compile(rf"(\d{{1,3}}(?:{thousands}\d{{3}})+|\d+)(?:{decimal}(\d{{1,2}}))?", re.ASCII)
    text = unicodedata.normalize("NFKC", typed).strip()
    sign = unicodedata.normalize("NFKC", symbol).strip()
    text = text.removeprefix(sign).removesuffix(sign).strip()
    found = _PLAIN_PRICE.fullmatch(text) or styled.fullmatch(text)
    if found is None:
        raise ValueError(f"{typed[:50]!r} is not an amount")
    whole = re.sub(thousands, "", found[1]).lstrip("0") or "0"
    return f"{whole}.{found[2]}" if found[2] else whole


def _amount(value: str) -> float:
    found = _LEADING_NUMBER.match(value)
    return float(found.group(1)) if found else 0.0


def _two_decimals(amount: float, thousands: str, decimal: str) -> str:
    """Format an amount without its sign, rounded half up from its binary value, as Number::Format does."""
    rounded = int(abs(amount) * 100 + 0.5 + 1e-14) / 100
    whole, _, fraction = f"{rounded:.15g}".partition(".")
    return f"{int(whole):,}".replace(",", thousands) + decimal + fraction.ljust(2, "0")


def without_final_punctuation(value: str) -> str:
    """
    Remove one punctuation character from the end, where ISBD's is in catalogue records.

    A line break at the end stays, because Perl's ``$`` matches before it. Source: Koha,
    Koha/Template/Plugin/Remove_MARC_punctuation.pm.
    """
    text, end = (value[:-1], "\n") if value.endswith("\n") else (value, "")
    if text and unicodedata.category(text[-1]).startswith("P"):
        return text[:-1] + end
    return value
