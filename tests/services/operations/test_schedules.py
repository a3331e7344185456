"""A crontab line means what crontab(5) says, in Koha's time zone."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from koha_ill_sidecar.config.values import Schedule
from koha_ill_sidecar.services.operations.schedules import next_start, shortest_pause, trigger, was_due_since

TAIPEI = ZoneInfo("Asia/Taipei")
MONDAY = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def _next(text: str, after: datetime = MONDAY, timezone: ZoneInfo = TAIPEI) -> datetime:
    found: datetime | None = trigger(Schedule.parse(text), timezone).get_next_fire_time(None, after)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("line", "day"),
    [
        ("0 3 * * 0", "Sun"),
        ("0 3 * * 7", "Sun"),
        ("0 3 * * 1", "Mon"),
        ("0 3 * * sun", "Sun"),
        ("0 3 * * 6", "Sat"),
        ("0 3 * * 5-7", "Fri"),
        ("0 3 * * 6,0", "Sat"),
        ("0 3 * * 2/4", "Tue"),
        ("0 3 * * */6", "Sat"),
    ],
)
def test_days_of_the_week_are_counted_as_crontab_does(line: str, day: str) -> None:
    assert _next(line).strftime("%a") == day


def test_times_are_those_of_kohas_time_zone() -> None:
    assert _next("17 3 * * *") == datetime(2026, 11, 23, 19, 17, tzinfo=UTC)


def test_either_day_counts_when_both_are_restricted() -> None:
    starts = [_next("0 3 25 * 4")]
    starts.append(_next("0 3 25 * 4", after=starts[0] + timedelta(minutes=1)))

    assert [start.strftime("%a %d") for start in starts] == ["Wed 25", "Thu 26"]


def test_an_hour_that_the_clock_skips_is_made_up_for() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    before = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)

    assert _next("30 2 * * *", before, berlin).astimezone(UTC).strftime("%m-%d") == "03-29"


@pytest.mark.parametrize(
    ("text", "seconds"), [("10s", 10), ("17 3 * * *", 86400), ("*/15 * * * *", 900), ("0 8,9 * * *", 3600)]
)
def test_the_shortest_pause_is_found(text: str, seconds: int) -> None:
    assert shortest_pause(Schedule.parse(text), TAIPEI, MONDAY) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("text", "hours", "due"),
    [
        ("17 3 * * *", 2, False),
        ("17 3 * * *", 20, True),
        ("1h", 2, True),
        ("3h", 2, False),
    ],
)
def test_a_start_that_was_missed_is_found(text: str, hours: int, due: bool) -> None:  # noqa: FBT001
    since = MONDAY - timedelta(hours=hours)

    assert was_due_since(Schedule.parse(text), TAIPEI, since, MONDAY) is due


def test_the_next_start_follows_the_last_one() -> None:
    often, nightly = Schedule.parse("10s"), Schedule.parse("17 3 * * *")

    assert next_start(often, TAIPEI, MONDAY - timedelta(seconds=4), MONDAY) == MONDAY + timedelta(seconds=6)
    assert next_start(nightly, TAIPEI, None, MONDAY) == datetime(2026, 11, 23, 19, 17, tzinfo=UTC)


def test_what_is_due_already_is_due_now() -> None:
    often = Schedule.parse("10s")

    assert next_start(often, TAIPEI, MONDAY - timedelta(hours=1), MONDAY) == MONDAY
    assert next_start(often, TAIPEI, None, MONDAY) == MONDAY
