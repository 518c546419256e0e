"""Finds earlier runs of a job from the folders of runs; there is no separate index."""

import itertools
import os
import re
from pathlib import Path

from mlmd.io.run_folder import EXTENDED
from mlmd.io.run_lock import is_held
from mlmd.sweeps.digest import KEY

CONFIG, METRICS = "config.yaml", "metrics.json"

_RESUMABLE = ("last.ckpt", "trajectory.h5.unfinished", "trajectory.h5")
"""Files of a killed training or simulation from which it can be resumed."""

_DIGEST_LINE = re.compile(rf"^{KEY}: '?([0-9a-f]+)'?$", re.MULTILINE)

_EXTENDED_LINE = re.compile(rf"^{EXTENDED}: true$", re.MULTILINE)


class RunFolders:
    """The folders of runs below a root, by the digest of their configuration.

    A run is finished when it has its ``metrics.json``, which is written last, whole or not at all.

    Args:
        root: searched once, at the start; missing is empty.
    """

    def __init__(self, root: Path) -> None:
        self._by_digest: dict[str, list[Path]] = {}
        for path, inner, files in os.walk(root):
            inner.sort()
            if CONFIG in files:
                inner.clear()
                self.add(Path(path))

    def add(self, folder: Path) -> None:
        """Add a run's folder; its digest is read from it."""
        digest = _digest_of(folder)
        if digest is not None:
            self._by_digest.setdefault(digest, []).append(folder)

    def finished(self, digest: str) -> Path | None:
        """The latest folder of a finished run."""
        return next((folder for folder in self._latest_first(digest) if (folder / METRICS).is_file()), None)

    def running(self, digest: str) -> Path | None:
        """A folder that another process writes into now."""
        return next((folder for folder in self._latest_first(digest) if is_held(folder)), None)

    def resumable(self, digest: str) -> Path | None:
        """The latest folder of an interrupted run that can be resumed."""
        return next(
            (
                folder
                for folder in self._latest_first(digest)
                if not (folder / METRICS).exists() and any((folder / name).exists() for name in _RESUMABLE)
            ),
            None,
        )

    def _latest_first(self, digest: str) -> list[Path]:
        return self._by_digest.get(digest, [])[::-1]


def free_folder(wanted: Path, digest: str) -> Path:
    """The folder a job may begin in: the one wanted, or with a number where that holds another run.

    >>> free_folder(Path("outputs/train/HCl/none"), "0123")
    PosixPath('outputs/train/HCl/none')
    """
    for number in itertools.count(1):
        holds_none = not (wanted / CONFIG).exists() or _digest_of(wanted) == digest
        if holds_none and not (wanted / METRICS).exists() and not is_held(wanted):
            break
        wanted = wanted.with_name(f"{wanted.name.split('+')[0]}+{number}")
    return wanted


def _digest_of(folder: Path) -> str | None:
    try:
        text = (folder / CONFIG).read_text(encoding="utf-8")
        found = None if _EXTENDED_LINE.search(text) else _DIGEST_LINE.search(text)
    except (OSError, UnicodeDecodeError):
        return None
    return found[1] if found else None
