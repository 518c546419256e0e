"""Settings of training data from a user's files: ``data=file data.trajectories.path=mine.extxyz``."""

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlmd.errors import ConfigError, DataError


@dataclass(frozen=True)
class FilePlan:
    """Training data from trajectory files, and its split into training, validation and test.

    Attributes:
        path: trajectory file, pattern such as ``"runs/*.traj"``, or a list of both; ``.h5`` is a trajectory of mlmd,
            any other file is read by ASE.
        dt_fs: time between two frames, fs, above 0; None reads it from the file (``time_fs`` in the info of its
            frames).
        verify: true compares the velocities and forces in the file with the motion of its positions.
        val_fraction: part of the frames (of the runs, if there are three or more) for validation, above 0 and below 1.
        test_fraction: part of the frames (of the runs) for the one-step test, above 0 and below 1; the sum of both
            fractions is below 1.
        n_steps: largest number of frames of a stretch, at least 1.
        n_train: largest number of training stretches, at least 1; None uses all.
        n_val: largest number of validation stretches, at least 1; None uses all.
        n_test: largest number of test stretches, at least 1; None uses all.

    Raises:
        ConfigError: the path is missing, or a value is out of range.
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
        """The files of ``path``; those of a pattern are in alphabetical order.

        Raises:
            DataError: a pattern matches no file, or a file is given twice.
        """
        files: list[Path] = []
        for given in [self.path] if isinstance(self.path, str) else list(self.path or ()):
            is_pattern = glob.has_magic(given) and not Path(given).exists()
            found = sorted(glob.glob(given)) if is_pattern else [given]  # noqa: PTH207  # takes absolute patterns too
            if not found:
                raise DataError(f"data.trajectories.path = {given}: no file matches this pattern; check the folder")
            files += map(Path, found)
        for file in files:
            if files.count(file) > 1:
                raise DataError(f"data.trajectories.path names {file} twice; name each file once")
        return files
