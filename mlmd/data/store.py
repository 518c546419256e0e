"""Trajectories in HDF5, written whole or not at all and verified when read.

Layout: datasets steps [time] and positions, velocities, kicks [time, replica, atom, xyz] with their unit as attribute;
root attributes format, format_version, metadata (JSON text), sha256. Time comes first in the file, so that a run can be
written, and its digest computed, stretch by stretch.
"""

import contextlib
import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from mlmd.data.files import ErrorKeepingFile, as_json, atomic_path, require_readable_file, require_writable_folder
from mlmd.errors import DataError
from mlmd.state import Trajectory

FORMAT = "mlmd-trajectory"
FORMAT_VERSION = 1
"""Newest layout that this code reads."""

# Byte order is fixed, so that the digest is the same on every machine.
_STEPS_DTYPE, _FRAMES_DTYPE = np.dtype("<i8"), np.dtype("<f8")
_UNITS = {"steps": "MD step", "positions": "angstrom", "velocities": "angstrom/fs", "kicks": "angstrom/fs"}
# HDF5's newer layout has checksums over its structure. With the old one, or with strings of variable length, a damaged
# byte can end the reading process with a segmentation fault.
_LIBVER = ("v110", "v110")
# Frames are transposed and hashed in blocks of about this size, so that memory is needed once, not twice.
_BLOCK_BYTES = 8 * 2**20

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
    return write_chunks(path, [trajectory], n_frames=len(trajectory), metadata=metadata)


def write_chunks(path: str | Path, chunks: Iterable[Trajectory], *, n_frames: int, metadata: Mapping[str, Any]) -> str:
    """Write consecutive stretches of one run as one trajectory, with one stretch in memory at a time.

    Args:
        path: the file to write.
        chunks: at least one stretch, all of the same replicas and atoms.
        n_frames: number of frames of all stretches together.
        metadata: what JSON can hold.

    Returns:
        The digest; it does not depend on where the stretches were cut.

    Raises:
        DataError: it cannot be written, or the stretches do not fit together.
    """
    text = json.dumps(as_json(metadata), ensure_ascii=False)
    with atomic_path(path) as temporary, _hdf5_for_writing(temporary) as (file, below):
        digest, written = _Digest(), 0
        for chunk in chunks:
            if not file.keys():
                _create_datasets(file, chunk, n_frames)
            _require_fit(path, file, chunk, written)
            for name, start, block in _blocks(chunk):
                file[name][written + start : written + start + len(block)] = block
                digest.update(name, block)
                below.raise_kept()
            written += len(chunk)
        if written != n_frames or not file.keys():
            raise DataError(f"cannot write {path}: {written} frames came instead of the {n_frames} announced")
        sha256 = digest.of(file, text)
        file.attrs["format_version"] = FORMAT_VERSION
        for name, value in {"format": FORMAT, "metadata": text, "sha256": sha256}.items():
            _write_text(file, name, value)
    return sha256


def read_trajectory(path: str | Path) -> tuple[Trajectory, dict[str, Any]]:
    """Read a trajectory and verify that it is what was written.

    Args:
        path: a file of `write_trajectory`.

    Returns:
        The trajectory, on the CPU, and its metadata.

    Raises:
        DataError: it is missing, of another kind or a newer version, truncated, altered or damaged.
    """
    path = Path(path)
    damaged = f"cannot read {path}: it has been altered or is damaged; copy it again or make it again"
    require_readable_file(path, kind="mlmd trajectory")
    if not h5py.is_hdf5(path):
        raise DataError(f"cannot read {path}: not an HDF5 file, so not an mlmd trajectory; check the path")
    try:
        with h5py.File(path, "r") as file:
            if "format" not in file.attrs or _read_text(file, "format") != FORMAT:
                raise DataError(f"cannot read {path}: not an mlmd trajectory; give a file that mlmd wrote")
            version = int(file.attrs["format_version"])
            if version > FORMAT_VERSION:
                newer = f"its format version {version} is newer than the {FORMAT_VERSION} that this mlmd reads"
                raise DataError(f"cannot read {path}: {newer}; update mlmd")
            problem = _inconsistency(file, path.stat().st_size)
            if problem is not None:
                raise DataError(f"{damaged} ({problem})")
            trajectory, digest = _read_datasets(file)
            text = _read_text(file, "metadata")
            if digest.of(file, text) != _read_text(file, "sha256"):
                raise DataError(f"{damaged} (its digest does not match)")
            return trajectory, json.loads(text)
    except DataError:
        raise
    except Exception as error:
        # A file with damaged structure makes HDF5 and h5py fail in any way they know.
        if "truncated file" in str(error):
            raise DataError(f"cannot read {path}: it is truncated; copy it again or make it again") from error
        raise DataError(damaged) from error


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


class _Digest:
    """SHA-256 of a trajectory that arrives in stretches: one hash per dataset, joined with layout and metadata."""

    def __init__(self) -> None:
        self._hashes = {name: hashlib.sha256() for name in _UNITS}

    def update(self, name: str, block: "np.ndarray[Any, Any]") -> None:
        """Take the next frames of a dataset."""
        self._hashes[name].update(block.data)

    def of(self, file: h5py.File, metadata_text: str) -> str:
        """The digest, with what the file says about shapes and units."""
        lines = []
        for name, values in self._hashes.items():
            dataset = file[name]
            lines.append(
                f"{name} {dataset.dtype.str} {dataset.shape} {_read_text(dataset, 'unit')} {values.hexdigest()}"
            )
        return hashlib.sha256("\n".join([*lines, metadata_text]).encode()).hexdigest()


@contextlib.contextmanager
def _hdf5_for_writing(path: Path) -> Iterator[tuple[h5py.File, ErrorKeepingFile]]:
    """A new HDF5 file, and the file below it that knows of refused writes."""
    with ErrorKeepingFile(path, "w+b") as below:
        try:
            with h5py.File(below, "w", libver=_LIBVER) as file:
                yield file, below
        finally:
            # Ahead of what HDF5 makes of it.
            below.raise_kept()


def _require_fit(path: str | Path, file: h5py.File, chunk: Trajectory, written: int) -> None:
    """Refuse a stretch of other replicas or atoms than those before it, or of too many frames."""
    n_frames, *expected = file["positions"].shape
    if list(chunk.positions[:, :1].transpose(0, 1).shape[1:]) != expected:
        raise DataError(f"cannot write {path}: replicas or atoms change at frame {written}; write one run per file")
    if written + len(chunk) > n_frames:
        raise DataError(f"cannot write {path}: more frames came than the {n_frames} announced")


def _create_datasets(file: h5py.File, chunk: Trajectory, n_frames: int) -> None:
    """Make the datasets, contiguous and empty."""
    n_replicas, _, n_atoms, n_xyz = chunk.positions.shape
    for name, unit in _UNITS.items():
        if name == "steps":
            dataset = file.create_dataset(name, (n_frames,), _STEPS_DTYPE)
        else:
            dataset = file.create_dataset(name, (n_frames, n_replicas, n_atoms, n_xyz), _FRAMES_DTYPE)
        _write_text(dataset, "unit", unit)


def _write_text(target: h5py.HLObject, name: str, text: str) -> None:
    """Set a text attribute, of fixed length."""
    encoded = text.encode()
    target.attrs.create(name, encoded, dtype=h5py.string_dtype("utf-8", length=len(encoded)))


def _read_text(source: h5py.HLObject, name: str) -> str:
    """A text attribute."""
    value = source.attrs[name]
    return value.decode() if isinstance(value, bytes) else str(value)


def _blocks(chunk: Trajectory) -> "Iterator[tuple[str, int, np.ndarray[Any, Any]]]":
    """Name, first frame and values, time first, of every dataset in blocks of frames."""
    for start, stop in _ranges(len(chunk), chunk.positions[:, :1].numel()):
        part = chunk.frames(start, stop)
        yield "steps", start, np.ascontiguousarray(part.steps.detach().cpu().numpy(), _STEPS_DTYPE)
        for name in ("positions", "velocities", "kicks"):
            values = getattr(part, name).detach().transpose(0, 1).cpu().numpy()
            yield name, start, np.ascontiguousarray(values, _FRAMES_DTYPE)


def _read_datasets(file: h5py.File) -> tuple[Trajectory, _Digest]:
    """All frames, replica first, and their digest."""
    digest = _Digest()
    n_frames, n_replicas, n_atoms, n_xyz = file["positions"].shape
    steps = np.empty(n_frames, _STEPS_DTYPE)
    frames = {
        name: np.empty((n_replicas, n_frames, n_atoms, n_xyz), _FRAMES_DTYPE) for name in _UNITS if name != "steps"
    }
    for start, stop in _ranges(n_frames, n_replicas * n_atoms * n_xyz):
        for name in _UNITS:
            block = file[name][start:stop]
            digest.update(name, np.ascontiguousarray(block))
            if name == "steps":
                steps[start:stop] = block
            else:
                frames[name][:, start:stop] = block.swapaxes(0, 1)
    return Trajectory(torch.from_numpy(steps), **{name: torch.from_numpy(a) for name, a in frames.items()}), digest


def _ranges(n_frames: int, numbers_per_frame: int) -> Iterator[tuple[int, int]]:
    """Stretches of frames of about `_BLOCK_BYTES` each."""
    size = max(1, _BLOCK_BYTES // (_FRAMES_DTYPE.itemsize * max(1, numbers_per_frame)))
    for start in range(0, n_frames, size):
        yield start, min(start + size, n_frames)


def _inconsistency(file: h5py.File, file_bytes: int) -> str | None:
    """What is wrong with the datasets' names, types or shapes, None where they fit together."""
    for name in _UNITS:
        if not isinstance(file.get(name), h5py.Dataset):
            return f"dataset '{name}' is missing"
    shape = file["positions"].shape
    if len(shape) != 4 or shape[-1] != 3:
        return f"positions have the shape {shape} instead of [time, replica, atom, 3]"
    for name in _UNITS:
        expected = ((shape[0],), _STEPS_DTYPE) if name == "steps" else (shape, _FRAMES_DTYPE)
        if (file[name].shape, file[name].dtype) != expected:
            return f"dataset '{name}' does not have the shape and type of the others"
        # A damaged shape must not ask for more memory than the file can fill.
        if file[name].nbytes > file_bytes:
            return f"dataset '{name}' claims to be larger than the file"
    return None


def _canonical(recipe: Mapping[str, Any]) -> str:
    """One text per recipe, whatever the order of its keys."""
    return json.dumps(as_json(recipe), sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
