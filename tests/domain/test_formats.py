"""Dates, prices and punctuation are formatted as Koha formats them."""

from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koha_ill_sidecar.domain.formats import (
    CurrencySymbol,
    DateStyle,
    add_interval,
    format_price,
    format_time,
    parse_stored_date,
    price_for_editing,
    read_price,
    without_final_punctuation,
)

AFTERNOON = datetime(2026, 3, 9, 14, 5)  # noqa: DTZ001  (Koha's wall-clock)


@pytest.mark.parametrize(
    ("dateformat", "timeformat", "day", "moment"),
    [
        ("us", "24hr", "03/09/2026", "03/09/2026 14:05"),
        ("metric", "24hr", "09/03/2026", "09/03/2026 14:05"),
        ("dmydot", "12hr", "09.03.2026", "09.03.2026 02:05 PM"),
        ("iso", "12hr", "2026-03-09", "2026-03-09 02:05 PM"),
    ],
)
def test_dates_follow_the_preferences(dateformat: str, timeformat: str, day: str, moment: str) -> None:
    style = DateStyle(dateformat, timeformat)

    assert style.date(AFTERNOON) == day
    assert style.date_and_time(AFTERNOON) == moment
    assert style.date_and_exact_time(AFTERNOON) == moment.replace(":05", ":05:00")


def test_a_due_date_at_the_end_of_the_day_shows_no_time() -> None:
    style = DateStyle("iso", "24hr")

    assert style.due_date(AFTERNOON.replace(hour=23, minute=59)) == "2026-03-09"
    assert style.due_date(AFTERNOON) == "2026-03-09 14:05"


@given(st.datetimes())
def test_every_time_in_mariadb_s_form_is_parsed(moment: datetime) -> None:
    moment = moment.replace(microsecond=0)

    assert parse_stored_date(f"{moment:%Y-%m-%d %H:%M:%S}".rjust(19, "0")) == moment


@pytest.mark.parametrize("value", ["", "tomorrow", "2026-13-01", "2026-02-30", "0000-00-00", "9.3.2026"])
def test_an_invalid_date_is_refused(value: str) -> None:
    with pytest.raises(ValueError):
        parse_stored_date(value)


@pytest.mark.parametrize(
    ("value", "currency_format", "written"),
    [
        ("1234.5", "US", "1,234.50"),
        ("7", "US", "7.00"),
        ("1234567.006", "FR", "1 234 567,01"),
        ("1.005", "US", "1.01"),
        ("0.994", "US", "0.99"),
        ("-0.001", "US", "-0.00"),
        ("1234.5", "CH", "1'234.50"),
        ("12 EUR", "US", "12.00"),
        ("free", "US", "0.00"),
        ("-1234.5", "US", "-1,234.50"),
        ("5", "unheard of", "5.00"),
    ],
)
def test_prices_follow_the_preference(value: str, currency_format: str, written: str) -> None:
    assert format_price(value, currency_format) == written


@pytest.mark.parametrize("value", ["1e16", "-1e999999", "9" * 40])
def test_a_price_that_is_too_large_is_not_formatted(value: str) -> None:
    assert format_price(value, "US", CurrencySymbol(symbol="€")) == value
    assert price_for_editing(value) == value


@given(st.decimals(min_value=0, max_value=10**10, places=2))
def test_cents_survive_every_style(amount: Decimal) -> None:
    written = format_price(f"{amount:f}", "FR")

    assert Decimal(written.replace(" ", "").replace(",", ".")) == amount


@given(st.text(max_size=20), st.sampled_from(["US", "FR", "CH"]))
def test_any_text_is_formatted_as_a_price(value: str, currency_format: str) -> None:
    assert format_price(value, currency_format)


@pytest.mark.parametrize(
    ("value", "currency", "written"),
    [
        ("5", CurrencySymbol(symbol="$"), "$5.00"),
        ("5", CurrencySymbol(symbol="€", precedes=False, separated_by_space=True), "5.00 €"),
        ("5", CurrencySymbol(symbol="kr", precedes=True, separated_by_space=True), "kr 5.00"),
        ("-5", CurrencySymbol(symbol="€", precedes=False), "-€ 5.00"),
        ("5", CurrencySymbol(symbol=""), "5.00"),
    ],
)
def test_the_symbol_is_placed_as_the_currency_says(
    value: str, currency: CurrencySymbol, written: str
) -> None:
    assert format_price(value, "US", currency) == written


@pytest.mark.parametrize(
    ("value", "hour"), [("2026-03-09 02:05 PM", 14), ("2026-03-09 12:05 AM", 0), ("2026-03-09 12:05 PM", 12)]
)
def test_half_days_are_read_back(value: str, hour: int) -> None:
    assert parse_stored_date(value).hour == hour


def test_day_zero_is_the_first_of_its_month() -> None:
    assert parse_stored_date("2026-03-00") == datetime(2026, 3, 1)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("day", "unit", "amount", "then"),
    [
        ("2026-03-09", "days", 14, "2026-03-23"),
        ("2026-03-09", "weeks", -1, "2026-03-02"),
        ("2026-01-31", "months", 1, "2026-03-03"),
        ("2026-01-15", "months", 12, "2027-01-15"),
        ("2024-02-29", "years", 1, "2025-03-01"),
        ("2026-03-31", "months", -1, "2026-02-28"),
        ("2026-03-30", "months", -1, "2026-02-28"),
        ("2026-02-28", "months", -1, "2026-01-31"),
        ("2026-01-10", "months", -1, "2025-12-10"),
        ("2024-02-29", "years", -1, "2023-02-28"),
    ],
)
def test_intervals_are_added_as_in_perl(day: str, unit: str, amount: int, then: str) -> None:
    assert add_interval(datetime.fromisoformat(day), unit, amount) == datetime.fromisoformat(then)


def test_hours_are_added_past_midnight() -> None:
    assert add_interval(AFTERNOON, "hours", 10) == datetime(2026, 3, 10, 0, 5)  # noqa: DTZ001


@given(
    st.datetimes(),
    st.sampled_from(["years", "months", "weeks", "days", "hours", "minutes", "seconds"]),
    st.integers(),
)
def test_any_interval_is_added_or_refused(moment: datetime, unit: str, amount: int) -> None:
    try:
        then = add_interval(moment, unit, amount)
    except ValueError:
        return

    assert (then > moment) - (then < moment) == (amount > 0) - (amount < 0)


@pytest.mark.parametrize(
    ("value", "timeformat", "written"),
    [
        ("14:05:00", "24hr", "14:05"),
        ("14:05:00", "12hr", "02:05 pm"),
        ("00:05", "12hr", "12:05 am"),
        ("12:05:00", "12hr", "12:05 pm"),
        ("9:30", "24hr", "9:30"),
    ],
)
def test_times_of_day_follow_the_preference(value: str, timeformat: str, written: str) -> None:
    assert format_time(value, timeformat) == written


def test_a_price_for_editing_has_no_thousands() -> None:
    assert price_for_editing("1234.5") == "1234.50"


@pytest.mark.parametrize(
    ("value", "bare"),
    [
        ("Crime and punishment /", "Crime and punishment "),
        ("A,", "A"),
        ("書：", "書"),
        ("C++", "C++"),
        ("", ""),
        (".", ""),
        ("Last line.\n", "Last line\n"),
    ],
)
def test_one_final_punctuation_character_is_removed(value: str, bare: str) -> None:
    assert without_final_punctuation(value) == bare


@pytest.mark.parametrize(
    ("typed", "currency_format", "amount"),
    [
        ("12", "US", "12"),
        ("1,234.56", "US", "1234.56"),
        ("1234.5", "US", "1234.5"),
        ("$ 0012.50", "US", "12.50"),
        ("12.50 $", "US", "12.50"),
        ("１２．５０", "US", "12.50"),
        ("1.234,56", "FR", "1234.56"),
        ("1 234,56", "FR", "1234.56"),
        ("1\N{NARROW NO-BREAK SPACE}234,56", "FR", "1234.56"),
        ("1.234", "FR", "1234"),
        ("12.50", "FR", "12.50"),
        ("1'234.56", "CH", "1234.56"),
        ("1’234.56", "CH", "1234.56"),
        ("0", "unheard of", "0"),
    ],
)
def test_an_amount_is_parsed_in_the_style_of_the_preference(
    typed: str, currency_format: str, amount: str
) -> None:
    assert read_price(typed, currency_format, "$") == amount


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "much",
        "-1",
        "1,23",
        "1.234",
        "12,34.5",
        "1.2.3",
        "1e3",
        "1 2",
        "12 EUR",
        "$",
        "٣",
        "9" * 5000 + "x",
    ],
)
def test_an_invalid_amount_is_refused(typed: str) -> None:
    with pytest.raises(ValueError):
        read_price(typed, "US", "$")


@given(st.integers(0, 10**12), st.integers(0, 99), st.sampled_from(["US", "FR", "CH"]))
def test_a_formatted_amount_is_parsed_again(whole: int, cents: int, currency_format: str) -> None:
    amount = f"{whole}.{cents:02d}"

    assert read_price(format_price(amount, currency_format), currency_format) == amount
