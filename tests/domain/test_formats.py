"""Dates, prices and punctuation come out as Koha writes them."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koha_ill_sidecar.domain.formats import (
    DateStyle,
    format_price,
    parse_stored_date,
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


def test_a_due_date_at_the_end_of_the_day_shows_no_time() -> None:
    style = DateStyle("iso", "24hr")

    assert style.due_date(AFTERNOON.replace(hour=23, minute=59)) == "2026-03-09"
    assert style.due_date(AFTERNOON) == "2026-03-09 14:05"


@given(st.datetimes())
def test_every_moment_that_mariadb_writes_is_read_back(moment: datetime) -> None:
    moment = moment.replace(microsecond=0)

    assert parse_stored_date(f"{moment:%Y-%m-%d %H:%M:%S}".rjust(19, "0")) == moment


@pytest.mark.parametrize("value", ["", "tomorrow", "2026-13-01", "2026-02-30", "0000-00-00", "9.3.2026"])
def test_what_is_no_date_is_refused(value: str) -> None:
    with pytest.raises(ValueError):
        parse_stored_date(value)


@pytest.mark.parametrize(
    ("value", "currency_format", "written"),
    [
        ("1234.5", "US", "1,234.50"),
        ("7", "US", "7.00"),
        ("1234567.005", "FR", "1 234 567,01"),
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
def test_a_price_beyond_all_money_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="too large"):
        format_price(value, "US")


@pytest.mark.parametrize(
    ("value", "hour"), [("2026-03-09 02:05 PM", 14), ("2026-03-09 12:05 AM", 0), ("2026-03-09 12:05 PM", 12)]
)
def test_half_days_are_read_back(value: str, hour: int) -> None:
    assert parse_stored_date(value).hour == hour


def test_a_price_for_editing_has_no_thousands() -> None:
    assert format_price("1234.5", "FR", for_editing=True) == "1234.50"


@pytest.mark.parametrize(
    ("value", "bare"),
    [
        ("Crime and punishment /", "Crime and punishment "),
        ("A,", "A"),
        ("書：", "書"),
        ("C++", "C++"),
        ("", ""),
    ],
)
def test_one_final_punctuation_character_goes(value: str, bare: str) -> None:
    assert without_final_punctuation(value) == bare
