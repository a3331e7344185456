"""The types of settings, and how they are written in the configuration file."""

import re
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Self

IPNetwork = IPv4Network | IPv6Network

_DURATION = re.compile(r"(?:\s*\d+(?:\.\d+)?\s*(?:ms|s|m|h|d|w))+\s*")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}

_CRON_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))  # 0 and 7 are both Sunday
_CRON_NAMES = {
    3: ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    4: ("sun", "mon", "tue", "wed", "thu", "fri", "sat"),
}
_CRON_PART = re.compile(r"(?:\*|(\w+)(?:-(\w+))?)(?:/([1-9]\d*))?")


class Secret:
    """A text that does not appear in a log, a traceback or a repr; :meth:`reveal` returns it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    # Comparable and hashable, because settings with secrets are keys of caches.
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __repr__(self) -> str:
        return "Secret(***)" if self._text else "Secret()"


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """The address of the web server: a host and port, or the path of a Unix socket."""

    host: str = ""
    port: int = 0
    path: Path | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        Parse ``HOST:PORT``, ``[IPV6]:PORT`` or ``unix:/PATH``.

        Raises:
            ValueError: The text has another form.
        """
        if text.startswith("unix:"):
            path = Path(text.removeprefix("unix:"))
            if not path.is_absolute():
                raise ValueError("the socket's path must be absolute: unix:/run/koha-ill-sidecar/web.sock")
            return cls(path=path)
        found = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^\s:\[\]/]+)):(\d{1,5})", text)
        if not found or int(found[3]) > 65535:
            raise ValueError("write it as 127.0.0.1:8085, [::1]:8085 or unix:/run/koha-ill-sidecar/web.sock")
        return cls(host=found[1] or found[2], port=int(found[3]))

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Schedule:
    """
    When a job runs: at a fixed interval, or at the times of a crontab line.

    Attributes:
        every: The interval between two starts.
        cron: Minute, hour, day of month, month and day of week as crontab(5) writes them (0 and 7 are
            Sunday), in Koha's time zone.
    """

    every: timedelta | None = None
    cron: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        Parse a duration like ``10s`` or the five fields of a crontab line.

        Raises:
            ValueError: The text is neither.
        """
        if len(text.split()) == 5 and not _DURATION.fullmatch(text):
            _check_cron(text)
            return cls(cron=" ".join(text.split()))
        every = parse_duration(text)
        if every < timedelta(milliseconds=100):
            raise ValueError("a job cannot start more often than every 100ms")
        return cls(every=every)

    def __str__(self) -> str:
        return self.cron or f"every {self.every}"


def parse_duration(value: object) -> timedelta:
    """
    Parse ``30s``, ``10m``, ``1h30m`` or ``7d``; a bare number is seconds.

    Raises:
        ValueError: It is not a duration.
    """
    if isinstance(value, str) and re.fullmatch(r"\d+(?:\.\d+)?", value.strip()):
        value = float(value)
    try:
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
            return timedelta(seconds=value)
        if isinstance(value, str) and _DURATION.fullmatch(value):
            parts = _DURATION_PART.findall(value)
            return timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in parts))
    except (OverflowError, ValueError):
        raise ValueError("is longer than any duration can be") from None
    raise ValueError("write a duration like 30s, 10m, 1h30m or 7d")


def _check_cron(text: str) -> None:
    for position, cron_field in enumerate(text.split()):
        for part in cron_field.split(","):
            _check_cron_part(part, position)


def _check_cron_part(part: str, position: int) -> None:
    found = _CRON_PART.fullmatch(part.lower())
    if not found:
        raise ValueError(f"{part!r} is not a field of a crontab line (minute hour day month weekday)")
    lowest, highest = _CRON_RANGES[position]
    ends = [_cron_number(end, position) for end in found.groups()[:2] if end is not None]
    if any(not lowest <= end <= highest for end in ends) or ends != sorted(ends):
        raise ValueError(f"{part!r} is outside {lowest} to {highest}")


def _cron_number(text: str, position: int) -> int:
    names = _CRON_NAMES.get(position, ())
    if text in names:
        return names.index(text) + _CRON_RANGES[position][0]
    return int(text) if text.isascii() and text.isdigit() else -1
