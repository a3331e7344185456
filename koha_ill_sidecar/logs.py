"""
Log one line per event: a fixed phrase and its values as ``key=value`` or JSON.

Call sites use the standard library: ``logger.info("callback applied", extra={"illrequest_id": 7})``. Lines go to
standard error; systemd's journal also reads their priority.
"""

import json
import logging
import os
import re
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TextIO

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""The attributes of every record; all others come from ``extra``."""

_BARE = re.compile(r"[^\s\"=\\\x00-\x1f\x7f-\x9f\u2028\u2029]+")
"""A value that needs no quotes in logfmt."""

_BREAKING = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""Characters that could end a line or control a terminal."""

_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
"""Priorities of syslog(3) for the journal; lower levels have 7, debug."""

_CHATTY = ("apscheduler", "mail.log", "werkzeug")
"""Libraries whose INFO messages are only about themselves."""

_REVEALING = ("sqlalchemy", "pymysql", "stomp.py")
"""Libraries whose DEBUG messages contain rows and frames: patrons, password hashes, letters, passwords of servers."""


class LogfmtFormatter(logging.Formatter):
    """Formats a record as ``at=… level=info event="callback applied" illrequest_id=7``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for a record."""
        return " ".join(f"{key}={_logfmt_value(value)}" for key, value in fields(record).items())


class JSONFormatter(logging.Formatter):
    """Formats a record as a JSON object on one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for a record."""
        return json.dumps(fields(record), default=str, ensure_ascii=False)


class JournalFormatter(logging.Formatter):
    """Prefixes another formatter's line with the priority for systemd's journal (sd-daemon(3))."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self._formatter = formatter

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for a record."""
        return f"{_priority(record.levelno)}{self._formatter.format(record)}"


def configure(*, level: str, style: str, stream: TextIO | None = None) -> None:
    """
    Send all log lines of this process to one stream; call it again to change level or style.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``.
        style: ``logfmt`` or ``json``.
        stream: Standard error by default.
    """
    target = stream or sys.stderr
    formatter = JSONFormatter() if style == "json" else LogfmtFormatter()
    handler = logging.StreamHandler(target)
    handler.setFormatter(JournalFormatter(formatter) if _is_journal(target, os.environ) else formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]  # also removes those of an earlier call
    root.setLevel(level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING if level != "debug" else logging.NOTSET)
    for name in _REVEALING:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    # Our formatters do not use these, and looking them up costs time for each line (logging HOWTO, "Optimization").
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def journal_prefix(stream: TextIO, level: int) -> str:
    """Return what a line that is no log record begins with: its priority if the stream is the journal, else nothing."""
    return _priority(level) if _is_journal(stream, os.environ) else ""


def fields(record: logging.LogRecord) -> dict[str, object]:
    """Return the fields of a record in their order on the line."""
    found: dict[str, object] = {
        "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "event": record.getMessage(),
        "logger": record.name,
    }
    found |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
    if record.exc_info and record.exc_info[1]:
        error = record.exc_info[1]
        found["error"] = f"{type(error).__name__}: {error}"
        found["trace"] = "".join(traceback.format_exception(error))
    return found


def _priority(level: int) -> str:
    return f"<{next((number for least, number in _PRIORITIES if level >= least), 7)}>"


def _logfmt_value(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
    text = str(value)
    if _BARE.fullmatch(text):
        return text
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{_BREAKING.sub(_escaped, quoted)}"'


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _is_journal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Return whether a stream is connected to the journal (systemd.exec(5), ``$JOURNAL_STREAM``)."""
    device, _, inode = environment.get("JOURNAL_STREAM", "").partition(":")
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return (device, inode) == (str(status.st_dev), str(status.st_ino))
