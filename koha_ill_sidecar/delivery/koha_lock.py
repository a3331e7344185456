"""
The lock file of Koha's process_message_queue.pl.

Koha's script holds the lock during its whole run, and reads the list of messages to send when it starts. If we claimed
messages during such a run, both would send them.
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
    Hold the lock, and yield whether Koha's script cannot run now.

    If the file does not exist, Koha's script has never run on this host, and no lock is needed. Hold the lock only for
    milliseconds: Koha's script exits if it starts in the meantime, and runs again at its next scheduled time.
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
        logger.warning("cannot open koha's lock file", extra={"path": str(path), "reason": error.strerror})
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
