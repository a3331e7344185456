"""``koha-ill-sidecar`` with its arguments, run in this process: a process for each command takes a second more."""

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import NamedTuple

import pytest

from koha_ill_sidecar.cli import main


class Completed(NamedTuple):
    """How a command ended and what it printed."""

    returncode: int
    stdout: bytes
    stderr: bytes


def run(*arguments: str, stdin: bytes = b"") -> Completed:
    """Run a command as a shell does."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with (
        pytest.MonkeyPatch.context() as patch,
        _logging_restored(),
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as end,
    ):
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        main(arguments)
    assert isinstance(end.value.code, int)
    printed, complaints = (stream.buffer.getvalue() for stream in (out, err))
    return Completed(end.value.code, printed, complaints)


@contextmanager
def _logging_restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
