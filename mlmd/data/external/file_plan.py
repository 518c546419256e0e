"""Which files of a user's are learned from: ``data=file data.trajectories.path=mine.extxyz``."""

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlmd.errors import ConfigError, DataError


@dataclass(frozen=True)
class FilePlan:
    """Which files are learned from, and how they are split.

    Attributes:
        path: a file, a pattern such as ``"runs/*.traj"``, or a list of both; ``.h5`` is a trajectory of mlmd.
        dt_fs: time between two frames, fs; None takes what the file says of itself (``time_fs`` in the info).
        verify: compare velocities and forces in the file with the motion of its positions.
        val_fraction: part of the frames, or of three and more runs, that validates.
        test_fraction: part of them for the one-step test.
        n_steps: frames of a stretch, at most.
        n_train: stretches for training, at most; None takes all there are.
        n_val: the same of validation.
        n_test: the same of the test.

    Raises:
        ConfigError: no path, a fraction that leaves no split, or a number below 1.
    """

    path: str | Sequence[str] | None
    dt_fs: float | None = None
    verify: bool = True
    val_fraction: float = 0.1
    test_fraction: float = 0.1
    n_steps: int = 400
    n_train: int | None = None
    n_val: int | None = None
    n_test: int | None = None

    def __post_init__(self) -> None:
        if not self.path:
            raise ConfigError(
                "data.trajectories.path is missing: give a trajectory file, e.g. data.trajectories.path=mine.extxyz"
            )
        for name in ("val_fraction", "test_fraction"):
            if not 0 < getattr(self, name) < 1:
                raise ConfigError(f"data.trajectories.{name} = {getattr(self, name)} must lie between 0 and 1")
        if not self.val_fraction + self.test_fraction < 1:
            raise ConfigError("data.trajectories: val_fraction and test_fraction leave nothing to train on; lower them")
        for name in ("n_steps", "n_train", "n_val", "n_test"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"data.trajectories.{name} = {value} must be at least 1")

    @property
    def files(self) -> list[Path]:
        """The files that ``path`` stands for, patterns in alphabetical order.

        Raises:
            DataError: a pattern fits no file, or a file is named twice.
        """
        files: list[Path] = []
        for given in [self.path] if isinstance(self.path, str) else list(self.path or ()):
            is_pattern = glob.has_magic(given) and not Path(given).exists()
            found = sorted(glob.glob(given)) if is_pattern else [given]  # noqa: PTH207  # takes absolute patterns too
            if not found:
                raise DataError(f"data.trajectories.path = {given}: no file fits this pattern; check the folder")
            files += map(Path, found)
        for file in files:
            if files.count(file) > 1:
                raise DataError(f"data.trajectories.path names {file} twice; name each file once")
        return files
