"""Durations, listen addresses and schedules are parsed or rejected."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koha_ill_sidecar.config.values import ListenAddress, Schedule, Secret, parse_duration


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("30s", timedelta(seconds=30)),
        ("500ms", timedelta(milliseconds=500)),
        ("1h30m", timedelta(minutes=90)),
        ("1.5h", timedelta(minutes=90)),
        ("2 d 3 h", timedelta(days=2, hours=3)),
        ("1w", timedelta(weeks=1)),
        ("45", timedelta(seconds=45)),
        (45, timedelta(seconds=45)),
        (0.5, timedelta(milliseconds=500)),
    ],
)
def test_durations(text: object, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "s", "10x", "-5s", -5, True, None, "1e9", "5 minutes", "9" * 400 + "d"])
def test_invalid_durations_are_rejected(text: object) -> None:
    with pytest.raises(ValueError, match=r"write a duration|longer than"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["127.0.0.1:8085", "[::1]:8085", "unix:/run/web.sock", "ill.example.org:80"])
def test_a_listen_address_is_formatted_as_it_was_parsed(text: str) -> None:
    assert str(ListenAddress.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["8085", "localhost", "::1:8085", "127.0.0.1:99999", "unix:run/web.sock", "http://x:80", ""]
)
def test_invalid_listen_addresses_are_rejected(text: str) -> None:
    with pytest.raises(ValueError, match=r"write it as|must be absolute"):
        ListenAddress.parse(text)


@pytest.mark.parametrize("line", ["* * * * *", "*/5 0-6 1,15 jan-mar MON-FRI", "17  3 * * 7", "0 0 29 2 sun"])
def test_a_crontab_line_is_a_schedule(line: str) -> None:
    assert Schedule.parse(line) == Schedule(cron=" ".join(line.split()))


@pytest.mark.parametrize(
    "line",
    [
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "5-1 * * * *",
        "*/0 * * * *",
        "a * * * *",
    ],
)
def test_invalid_crontab_lines_are_rejected(line: str) -> None:
    with pytest.raises(ValueError, match=r"is outside|is not a field"):
        Schedule.parse(line)


def test_a_job_cannot_run_without_pauses() -> None:
    with pytest.raises(ValueError, match="more often than"):
        Schedule.parse("0")


@given(st.text())
def test_any_text_is_a_schedule_or_is_refused(text: str) -> None:
    try:
        schedule = Schedule.parse(text)
    except ValueError:
        return
    assert (schedule.every is None) != (schedule.cron is None)


@given(st.text(min_size=4))
def test_a_secret_is_not_shown(text: str) -> None:
    secret = Secret(text)

    assert repr(secret) == str(secret) == f"{secret}" == "Secret(***)"
    assert secret.reveal() == text
    assert secret == Secret(text)
