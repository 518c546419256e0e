"""What a command leaves behind: a closed pipe loses no run, and a command that is refused leaves no folder."""

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from mlmd.cli.launch import in_sweep
from mlmd.errors import MlmdError
from mlmd.io.run_lock import LOCK_FILE

WRITTEN_FIRST = frozenset({"config.yaml", "provenance.json", LOCK_FILE})
"""Files with which every run begins; alone they hold no result."""


class _Unbreakable:
    """A text stream that goes on into nothing once its reader is gone, as with ``| head -1``."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text; the number of its letters is returned in any case."""
        with self._unread():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Pass on what is buffered."""
        with self._unread():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextlib.contextmanager
    def _unread(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            # The buffer keeps the text that was not read, and Python would write it once more at exit.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


@contextlib.contextmanager
def unbroken_output() -> Iterator[None]:
    """Inside, a command goes on where the reader of its output has ended."""
    out, err = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _Unbreakable(out), _Unbreakable(err)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = out, err


@contextlib.contextmanager
def kept_if_used(folder: Path) -> Iterator[None]:
    """Remove the folder of a run that is refused before anything beside `WRITTEN_FIRST` is written into it.

    Args:
        folder: of the run; one that held files before is left alone, and so is that of a job of a sweep.
    """
    is_new = not in_sweep() and (not folder.exists() or not any(folder.iterdir()))
    try:
        yield
    except MlmdError:
        if is_new and folder.is_dir() and {path.name for path in folder.iterdir()} <= WRITTEN_FIRST:
            shutil.rmtree(folder, ignore_errors=True)
            _remove_empty(folder.parent)
        raise


def _remove_empty(folder: Path) -> None:
    """Remove a folder and those above it, as long as they are empty and inside the working directory."""
    here = Path.cwd()
    while here in folder.parents and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
