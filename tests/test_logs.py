"""A log line contains an event and its values on one line."""

import io
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koha_ill_sidecar import logs


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def written(style: str, *, level: str = "info", **extra: Any) -> str:
    stream = io.StringIO()
    logs.configure(level=level, style=style, stream=stream)
    logging.getLogger("koha_ill_sidecar.services.x").info("callback applied", extra=extra)
    return stream.getvalue()


def test_logfmt() -> None:
    line = written("logfmt", illrequest_id=7, backend="North", late=False, reason='say "no"', nothing=None)

    assert line.endswith(
        ' level=info event="callback applied" logger=koha_ill_sidecar.services.x'
        ' illrequest_id=7 backend=North late=false reason="say \\"no\\"" nothing=\n'
    )
    assert line.startswith("at=20")


def test_json() -> None:
    line = json.loads(written("json", illrequest_id=7, path=Path("/x"), text="林文"))

    assert line["event"] == "callback applied"
    assert (line["illrequest_id"], line["path"], line["text"]) == (7, "/x", "林文")


def test_an_error_stays_on_one_line() -> None:
    stream = io.StringIO()
    logs.configure(level="info", style="logfmt", stream=stream)
    try:
        int("two\nlines")
    except ValueError:
        logging.getLogger("x").exception("job failed")

    assert stream.getvalue().count("\n") == 1
    assert 'error="ValueError: invalid literal' in stream.getvalue()
    assert ' trace="Traceback' in stream.getvalue()


@pytest.mark.parametrize("style", ["logfmt", "json"])
@given(text=st.text())
def test_no_value_can_forge_a_line(style: str, text: str) -> None:
    stream = io.StringIO()
    record = logging.makeLogRecord({"msg": "said", "levelno": logging.INFO, "value": text})
    formatter = logs.JSONFormatter() if style == "json" else logs.LogfmtFormatter()

    stream.write(formatter.format(record))

    assert len(stream.getvalue().splitlines()) == 1 or style == "json"
    assert "\n" not in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_the_level_filters_and_can_be_changed() -> None:
    assert written("logfmt", level="warning") == ""
    assert written("logfmt", level="debug") != ""


def test_chatty_libraries_log_only_at_debug() -> None:
    stream = io.StringIO()
    for level in ("info", "debug"):
        logs.configure(level=level, style="logfmt", stream=stream)
        logging.getLogger("apscheduler.executors").info("connection made at %s", level)

    assert "connection made at debug" in stream.getvalue()
    assert "connection made at info" not in stream.getvalue()


def test_lines_for_the_journal_have_priorities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "journal").open("w+", encoding="utf-8") as stream:
        status = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        logs.configure(level="info", style="logfmt", stream=stream)
        logging.getLogger("x").warning("mail server unreachable")
        logging.getLogger("x").info("started")
        stream.seek(0)
        lines = stream.readlines()

    assert [line[:3] for line in lines] == ["<4>", "<6>"]
