"""Trajectories in HDF5, written whole or not at all and verified when read; see `layout` for what is in the file."""

import contextlib
import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import torch

from mlmd.errors import DataError
from mlmd.files import as_json, atomic_path, require_readable_file, require_writable_folder
from mlmd.io.frame_file import FrameFile
from mlmd.io.migrations import require_known_version
from mlmd.io.trajectory_layout import FORMAT, FORMAT_VERSION, UNITS, Digest, FrameShape, inconsistency, read_text
from mlmd.state import Trajectory

_log = logging.getLogger(__name__)


def write_trajectory(path: str | Path, trajectory: Trajectory, *, metadata: Mapping[str, Any]) -> str:
    """Write a trajectory atomically.

    Args:
        path: the file to write.
        trajectory: the frames; NaN, as in replicas that diverged, is kept.
        metadata: what JSON can hold: units, dt_fs, seed, system, symbols, masses_u, provenance.

    Returns:
        The SHA-256 digest of content and metadata, as stored in the file.

    Raises:
        DataError: it cannot be written.
    """
    with atomic_path(path) as temporary:
        file = FrameFile(temporary, FrameShape.of(trajectory))
        file.write(trajectory)
        return file.finish(metadata)


class TrajectoryFile:
    """A trajectory on the disk that is read stretch by stretch, verified as a whole when it is opened.

    A context manager; used after it is left, it fails.

    Args:
        path: a file of `write_trajectory` or of a recorder.

    Attributes:
        path: the file.
        metadata: what was stored beside the frames.
        shape: size of the trajectory.

    Raises:
        DataError: it is missing, of another kind or a newer version, truncated, altered or damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with contextlib.ExitStack() as opened, _told_as_damage(self.path):
            self._file = opened.enter_context(_opened(self.path))
            self.shape = FrameShape(*self._file["positions"].shape[:3])
            digest, text = Digest(), read_text(self._file, "metadata")
            for name in UNITS:
                for start, stop in self.shape.ranges():
                    digest.update(name, self._file[name][start:stop])
            if digest.of(self._file, text) != read_text(self._file, "sha256"):
                raise DataError(f"{_damaged(self.path)} (its digest does not match)")
            self.metadata: dict[str, Any] = json.loads(text)
            self._opened = opened.pop_all()

    def __len__(self) -> int:
        """Number of frames."""
        return self.shape.n_frames

    @property
    def n_replicas(self) -> int:
        """Number of replicas."""
        return self.shape.n_replicas

    def frames(self, start: int, stop: int, replicas: slice = slice(None)) -> Trajectory:
        """The frames start <= i < stop of some replicas, on the CPU, as `Propagator.advance` leaves them.

        Raises:
            DataError: they cannot be read.
        """
        with _told_as_damage(self.path):
            steps = torch.from_numpy(self._file["steps"][start:stop])
            frames = [torch.from_numpy(self._file[name][start:stop, replicas]) for name in UNITS if name != "steps"]
        return Trajectory(steps, *(values.transpose(0, 1) for values in frames))

    def __enter__(self) -> "TrajectoryFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()


def read_trajectory(path: str | Path) -> tuple[Trajectory, dict[str, Any]]:
    """Read a whole trajectory and verify that it is what was written.

    Args:
        path: a file of `write_trajectory` or of a recorder.

    Returns:
        The trajectory, on the CPU and with time first in memory as `Propagator.advance` leaves it, and its metadata.

    Raises:
        DataError: it is missing, of another kind or a newer version, truncated, altered or damaged.
    """
    with TrajectoryFile(path) as file:
        return file.frames(0, len(file)), file.metadata


def read_metadata(path: str | Path) -> dict[str, Any]:
    """The metadata of a trajectory file alone; its frames are not looked at.

    Raises:
        DataError: it is missing, of another kind or a newer version, or damaged.
    """
    with _told_as_damage(Path(path)), _opened(Path(path)) as file:
        metadata: dict[str, Any] = json.loads(read_text(file, "metadata"))
        return metadata


def cache_path(folder: str | Path, recipe: Mapping[str, Any]) -> Path:
    """The file of a cache folder that belongs to a recipe.

    The order of keys does not matter:

    >>> cache_path("cache", {"seed": 0, "dt_fs": 0.5}) == cache_path("cache", {"dt_fs": 0.5, "seed": 0})
    True
    """
    return Path(folder) / f"{hashlib.sha256(_canonical(recipe).encode()).hexdigest()[:16]}.h5"


def cached_trajectory(
    folder: str | Path, recipe: Mapping[str, Any], make: Callable[[], Trajectory], *, metadata: Mapping[str, Any]
) -> Trajectory:
    """The trajectory of a recipe, from the cache folder where it is there, else made and kept there.

    A cache file that is damaged or belongs to another recipe is reported as a warning and made again. Two processes
    that make the same file at once both succeed; the later one stays.

    Args:
        folder: the cache folder.
        recipe: all that decides the trajectory, as JSON can hold it.
        make: makes the trajectory.
        metadata: stored beside it, together with the recipe.

    Raises:
        DataError: the folder cannot be written; found out before `make` is called.
    """
    path = cache_path(folder, recipe)
    if path.exists():
        try:
            trajectory, stored = read_trajectory(path)
            if _canonical(stored.get("recipe", {})) == _canonical(recipe):
                return trajectory
            _log.warning("%s was made by another recipe; making it again", path)
        except DataError as error:
            _log.warning("making a cached trajectory again: %s", error)
    require_writable_folder(folder)
    trajectory = make().to("cpu")
    write_trajectory(path, trajectory, metadata={**metadata, "recipe": recipe})
    return trajectory


def _damaged(path: Path) -> str:
    return f"cannot read {path}: it has been altered or is damaged; copy it again or make it again"


@contextlib.contextmanager
def _told_as_damage(path: Path) -> Iterator[None]:
    """A file with damaged structure makes HDF5 and h5py fail in any way they know; say it in one."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        if "truncated file" in str(error):
            raise DataError(f"cannot read {path}: it is truncated; copy it again or make it again") from error
        raise DataError(_damaged(path)) from error


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    """The file, if it is a trajectory whose parts fit together."""
    require_readable_file(path, kind="mlmd trajectory")
    if not h5py.is_hdf5(path):
        raise DataError(f"cannot read {path}: not an HDF5 file, so not an mlmd trajectory; check the path")
    with h5py.File(path, "r") as file:
        if "format" not in file.attrs or read_text(file, "format") != FORMAT:
            raise DataError(f"cannot read {path}: not an mlmd trajectory; give a file that mlmd wrote")
        require_known_version(int(file.attrs["format_version"]), FORMAT_VERSION, path)
        problem = inconsistency(file, path.stat().st_size)
        if problem is not None:
            raise DataError(f"{_damaged(path)} ({problem})")
        yield file


def _canonical(recipe: Mapping[str, Any]) -> str:
    """One text per recipe, whatever the order of its keys."""
    return json.dumps(as_json(recipe), sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
