"""Who writes into a run's folder: a lock that a process holds while it lives and that dies with it, however it dies."""

import errno
import fcntl
import os
import weakref
from pathlib import Path
from typing import Any

from mlmd.errors import DataError

LOCKED_FILE = "provenance.json"
"""Of a run's folder: written once at the start and not replaced while the run goes on."""


def hold(folder: Path, *, owner: Any) -> None:
    """Hold a run's folder until ``owner`` is collected or the process ends, killed or not.

    A POSIX record lock: it needs no file of its own, works between the nodes of a cluster where the file system
    supports locks, and leaves nothing behind. Where locks are not supported, nothing is held.

    Args:
        folder: of a run that has begun.
        owner: who writes into it.

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
    """Whether another process writes into a run's folder now; not for a folder that this process itself holds."""
    descriptor = _open(folder)
    if descriptor is None:
        return False
    try:
        return not _lock(descriptor)
    finally:
        os.close(descriptor)


def require_free(folder: Path) -> None:
    """Refuse a folder that another process writes into, before anything in it is overwritten.

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
    """Whether the lock is ours; also where there are no locks."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EACCES, errno.EAGAIN)
    return True


def _taken(folder: Path) -> DataError:
    return DataError(f"{folder} is being written by another process; wait until that has ended")
