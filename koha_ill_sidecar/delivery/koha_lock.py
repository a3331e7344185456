"""
The lock file of Koha's process_message_queue.pl.

Koha's script holds it for its whole run, and reads at its beginning which messages it will send. Whatever we took from
the queue during such a run would be sent by both.
"""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

logger = logging.getLogger(__name__)

FILE_NAME = "process_message_queue.pl"
"""Name of the file in koha-conf.xml's lockdir (Koha, Koha/Script.pm _initialize_locking)."""


@contextmanager
def hold_koha_lock(path: Path | None) -> Iterator[bool]:
    """
    Hold the lock for a moment; yields whether Koha is kept out.

    Where there is no such file, Koha's script has never run on this host, and nothing needs to be kept out. Hold it
    for milliseconds only: a run of Koha's that begins meanwhile ends at once and comes again at its next time.
    """
    if path is None:
        yield True
        return
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield True
        return
    except OSError as error:
        logger.warning(
            "koha's lock file cannot be opened", extra={"path": str(path), "reason": error.strerror}
        )
        yield True
        return
    try:
        yield _locked(file)
    finally:
        os.close(file)


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
