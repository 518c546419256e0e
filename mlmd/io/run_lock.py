"""A lock on a run folder: only one process writes into it, and the lock ends with that process even if it is killed."""

import errno
import fcntl
import os
import weakref
from pathlib import Path
from typing import Any

from mlmd.errors import DataError

LOCKED_FILE = "provenance.json"
"""File of the run folder that carries the lock: it is written once, at the start, and not replaced during the run."""


def hold(folder: Path, *, owner: Any) -> None:
    """Lock a run folder until ``owner`` is garbage-collected or the process ends.

    The lock is a POSIX record lock. It needs no file of its own, works between the nodes of a cluster if the file
    system supports locks, and leaves no file. If locks are not supported, nothing is locked.

    Args:
        folder: folder of a run that has started.
        owner: object that writes into it.

    Raises:
        DataError: another process writes into it.
    """
    descriptor = _open(folder)
    if descriptor is None:
        return
    if not _lock(descriptor):
        os.close(descriptor)
        raise _taken(folder)
    weakref.finalize(owner, os.close, descriptor)


def is_held(folder: Path) -> bool:
    """Whether another process has locked a run folder; not valid for a folder that this process itself has locked."""
    descriptor = _open(folder)
    if descriptor is None:
        return False
    try:
        return not _lock(descriptor)
    finally:
        os.close(descriptor)


def require_free(folder: Path) -> None:
    """Raise an error if another process writes into the folder, before anything in it is overwritten.

    Raises:
        DataError: another process writes into it.
    """
    if is_held(folder):
        raise _taken(folder)


def _open(folder: Path) -> int | None:
    try:
        return os.open(folder / LOCKED_FILE, os.O_RDWR)
    except OSError:
        return None


def _lock(descriptor: int) -> bool:
    """Whether this process got the lock; also true if the file system has no locks."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EACCES, errno.EAGAIN)
    return True


def _taken(folder: Path) -> DataError:
    return DataError(f"{folder} is being written by another process; wait until that has ended")
