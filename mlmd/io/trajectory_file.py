"""Writes and reads trajectories as HDF5 files; `mlmd.io.trajectory_layout` describes the content.

A file is written whole or not at all, and its digest is verified when it is read.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import torch

from mlmd.errors import DataError
from mlmd.files import atomic_path, require_readable_file
from mlmd.io.frame_file import FrameFile
from mlmd.io.migrations import VERSION_KEY, require_known_version
from mlmd.io.trajectory_layout import FORMAT, FORMAT_VERSION, UNITS, Digest, FrameShape, inconsistency, read_text
from mlmd.state import Trajectory


def write_trajectory(path: str | Path, trajectory: Trajectory, *, metadata: Mapping[str, Any]) -> str:
    """Write a trajectory atomically.

    Args:
        path: the file to write.
        trajectory: the frames; NaN, as in replicas that diverged, is kept.
        metadata: values that JSON can hold: units, dt_fs, seed, system, symbols, masses_u, provenance.

    Returns:
        The SHA-256 digest of content and metadata, as stored in the file.

    Raises:
        DataError: the file cannot be written.
    """
    with atomic_path(path) as temporary:
        file = FrameFile(temporary, FrameShape.of(trajectory))
        file.write(trajectory)
        return file.finish(metadata)


class TrajectoryFile:
    """A trajectory on disk that is read in chunks; the whole file is verified when it is opened.

    Use it as a context manager; after the block it can no longer be read.

    Args:
        path: a file written by `write_trajectory`, by `TrajectoryWriter` or by a run.

    Attributes:
        path: the file.
        metadata: values stored beside the frames.
        shape: size of the trajectory.

    Raises:
        DataError: it is missing, of another kind or a newer version, truncated, altered or damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with contextlib.ExitStack() as opened, _any_error_as_damage(self.path):
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
        """The frames start <= i < stop of the selected replicas, on the CPU, time first in memory.

        Raises:
            DataError: they cannot be read.
        """
        with _any_error_as_damage(self.path):
            steps = torch.from_numpy(self._file["steps"][start:stop])
            frames = [torch.from_numpy(self._file[name][start:stop, replicas]) for name in UNITS if name != "steps"]
        return Trajectory(steps, *(values.transpose(0, 1) for values in frames))

    def __enter__(self) -> "TrajectoryFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()


def read_trajectory(path: str | Path) -> tuple[Trajectory, dict[str, Any]]:
    """Read a whole trajectory into memory; `TrajectoryFile` reads a long one in chunks.

    Args:
        path: ``trajectory.h5`` or ``reference.h5`` of a run, or a file written by `write_trajectory`.

    Returns:
        The frames, on the CPU: ``steps`` [time], and ``positions`` (A), on-step ``velocities`` (A/fs) and ``kicks``
        (A/fs), each [replica, time, atom, xyz]. Beside them the metadata: among others ``dt_fs`` (time between two MD
        steps), ``symbols`` and ``masses_u``.

    Raises:
        DataError: the file is missing, of another kind or a newer version, truncated, altered or damaged.

    >>> from tempfile import TemporaryDirectory
    >>> frames = torch.zeros(1, 5, 2, 3, dtype=torch.float64)
    >>> run = Trajectory(torch.arange(5), frames, frames, frames)
    >>> with TemporaryDirectory() as folder:
    ...     digest = write_trajectory(f"{folder}/trajectory.h5", run, metadata={"dt_fs": 0.5, "symbols": ["H", "Cl"]})
    ...     trajectory, metadata = read_trajectory(f"{folder}/trajectory.h5")
    >>> trajectory.positions.shape, (metadata["dt_fs"] * trajectory.steps).tolist()
    (torch.Size([1, 5, 2, 3]), [0.0, 0.5, 1.0, 1.5, 2.0])
    """
    with TrajectoryFile(path) as file:
        return file.frames(0, len(file)), file.metadata


def read_metadata(path: str | Path) -> dict[str, Any]:
    """The metadata of a trajectory file; its frames are not read.

    Raises:
        DataError: the file is missing, of another kind or a newer version, or damaged.
    """
    with _any_error_as_damage(Path(path)), _opened(Path(path)) as file:
        metadata: dict[str, Any] = json.loads(read_text(file, "metadata"))
        return metadata


def _damaged(path: Path) -> str:
    return f"cannot read {path}: it has been altered or is damaged; copy it again or make it again"


@contextlib.contextmanager
def _any_error_as_damage(path: Path) -> Iterator[None]:
    """Turn every exception that HDF5 or h5py raises on a damaged file into one `DataError`."""
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
    """The file, after checks that it is a trajectory whose datasets fit together."""
    require_readable_file(path, kind="mlmd trajectory")
    if not h5py.is_hdf5(path):
        raise DataError(f"cannot read {path}: not an HDF5 file, so not an mlmd trajectory; check the path")
    with h5py.File(path, "r") as file:
        if "format" not in file.attrs or read_text(file, "format") != FORMAT:
            raise DataError(f"cannot read {path}: not an mlmd trajectory; give a file that mlmd wrote")
        require_known_version(int(file.attrs[VERSION_KEY]), FORMAT_VERSION, path)
        problem = inconsistency(file, path.stat().st_size)
        if problem is not None:
            raise DataError(f"{_damaged(path)} ({problem})")
        yield file
