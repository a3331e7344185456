"""When a schedule of the settings is due, by triggers of APScheduler."""

import re
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from koha_ill_sidecar.config.values import Schedule

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_DAY_PART = re.compile(r"(?:\*|(\w+)(?:-(\w+))?)(?:/(\d+))?")
_LAST_DAY = 6
_LOOKED_AHEAD = 50


def trigger(schedule: Schedule, timezone: tzinfo) -> BaseTrigger:
    """Make the trigger of a schedule; *timezone* is that of the times in a crontab line."""
    if schedule.every is not None:
        return IntervalTrigger(seconds=schedule.every.total_seconds(), timezone=timezone)
    minute, hour, day, month, weekday = (schedule.cron or "").lower().split()
    common = {"minute": minute, "hour": hour, "month": month, "timezone": timezone}
    weekdays = _weekdays(weekday)
    # crontab(5): if both days are restricted, either may match; APScheduler would require both.
    if not day.startswith("*") and not weekday.startswith("*"):
        return OrTrigger([CronTrigger(day=day, **common), CronTrigger(day_of_week=weekdays, **common)])
    return CronTrigger(day=day, day_of_week=weekdays, **common)


def next_start(schedule: Schedule, timezone: tzinfo, last: datetime | None, now: datetime) -> datetime | None:
    """Return when a job that was last started at *last* is due; *now*, if it is already."""
    if schedule.every is not None:
        return now if last is None else max(last + schedule.every, now)
    following: datetime | None = trigger(schedule, timezone).get_next_fire_time(None, now)
    return following


def shortest_pause(schedule: Schedule, timezone: tzinfo, now: datetime) -> timedelta:
    """Return the shortest pause between two of the next fifty starts of a schedule."""
    if schedule.every is not None:
        return schedule.every
    starts = _starts(trigger(schedule, timezone), now)
    return min((later - earlier for earlier, later in pairwise(starts)), default=timedelta(days=1))


def was_due_since(schedule: Schedule, timezone: tzinfo, since: datetime, now: datetime) -> bool:
    """Return whether a start fell between *since* and *now*."""
    if schedule.every is not None:
        return since + schedule.every <= now
    due = trigger(schedule, timezone).get_next_fire_time(None, since + timedelta(seconds=1))
    return due is not None and due <= now


def _starts(of: BaseTrigger, now: datetime) -> list[datetime]:
    found: list[datetime] = []
    while len(found) < _LOOKED_AHEAD:
        after = found[-1] + timedelta(seconds=1) if found else now
        following = of.get_next_fire_time(None, after)
        if following is None:
            break
        found.append(following)
    return found


def _weekdays(field: str) -> str:
    # By name: in crontab(5) 0 and 7 are Sunday, in APScheduler 0 is Monday.
    chosen: set[int] = set()
    for part in field.split(","):
        chosen.update(_days_of(part))
    return ",".join(_DAYS[day] for day in sorted(chosen))


def _days_of(part: str) -> set[int]:
    found = _DAY_PART.fullmatch(part)
    if found is None:
        raise ValueError(f"{part!r} is no day of the week in a crontab line")
    first, last, step = found.groups()
    start = 0 if first is None else _day(first)
    end = _LAST_DAY if first is None or step else start
    if last is not None:
        end = _day(last)
    return {day % 7 for day in range(start, end + 1, int(step or 1))}


def _day(text: str) -> int:
    return _DAYS.index(text) if text in _DAYS else int(text)
