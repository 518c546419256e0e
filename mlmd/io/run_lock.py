"""A lock on a run folder: only one process writes into it, and the lock ends with that process even if it is killed."""

import errno
import fcntl
import os
import weakref
from pathlib import Path
from typing import Any

from mlmd.errors import DataError
from mlmd.files import writing

LOCK_FILE = ".lock"
"""Empty file of the run folder that carries the lock; it stays there, because removing it would let two runs in."""


def hold(folder: Path, *, owner: Any) -> None:
    """Lock a run folder until ``owner`` is garbage-collected or the process ends.

    The lock is a POSIX record lock on a file that is made where it is missing. It works between the nodes of a cluster
    if the file system supports locks. If locks are not supported, nothing is locked.

    Args:
        folder: folder of a run, before anything is written into it.
        owner: object that writes into it.

    Raises:
        DataError: another process writes into it, or it cannot be written.
    """
    path = folder / LOCK_FILE
    with writing(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    if not _lock(descriptor):
        os.close(descriptor)
        raise DataError(f"{folder} is being written by another process; wait until that has ended")
    weakref.finalize(owner, os.close, descriptor)


def is_held(folder: Path) -> bool:
    """Whether another process has locked a run folder; not valid for a folder that this process itself has locked."""
    try:
        descriptor = os.open(folder / LOCK_FILE, os.O_RDWR)
    except OSError:
        return False
    try:
        return not _lock(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Whether this process got the lock; also true if the file system has no locks."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EACCES, errno.EAGAIN)
    return True
