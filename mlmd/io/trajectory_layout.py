"""The layout of a trajectory in an HDF5 file, and the digest that verifies it.

The file holds the datasets steps [time] and positions, velocities, kicks [time, replica, atom, xyz]. Each is contiguous
and has its unit as an attribute. The root attributes are format, format_version, metadata (JSON text) and sha256. Time
is the first axis, so a run can be written, and its digest computed, in chunks.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from mlmd.files import ErrorKeepingFile
from mlmd.state import Trajectory

FORMAT = "mlmd-trajectory"
FORMAT_VERSION = 1
"""Newest layout that this mlmd reads."""

UNITS = {"steps": "MD step", "positions": "angstrom", "velocities": "angstrom/fs", "kicks": "angstrom/fs"}

# The byte order is fixed, so that the digest is the same on every machine.
_STEPS_DTYPE, _FRAMES_DTYPE = np.dtype("<i8"), np.dtype("<f8")
# The newer layout of HDF5 has checksums over its structure. With the old layout, or with strings of variable length, a
# damaged byte can end the reading process with a segmentation fault.
_LIBVER = ("v110", "v110")
# Frames are hashed, written and read in blocks of about this size.
_BLOCK_BYTES = 8 * 2**20

Array = np.ndarray[Any, Any]


class FrameShape(NamedTuple):
    """The size of a trajectory."""

    n_frames: int
    n_replicas: int
    n_atoms: int

    @classmethod
    def of(cls, trajectory: Trajectory, n_frames: int | None = None) -> "FrameShape":
        """The size of a trajectory, with ``n_frames`` frames instead of its own if given."""
        n_replicas, length, n_atoms, _ = trajectory.positions.shape
        return cls(length if n_frames is None else n_frames, n_replicas, n_atoms)

    def dataset(self, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Shape and data type of a dataset."""
        if name == "steps":
            return (self.n_frames,), _STEPS_DTYPE
        return (self.n_frames, self.n_replicas, self.n_atoms, 3), _FRAMES_DTYPE

    def frame_bytes(self, name: str) -> int:
        """Bytes of one frame of a dataset."""
        return _STEPS_DTYPE.itemsize if name == "steps" else 3 * self.n_replicas * self.n_atoms * _FRAMES_DTYPE.itemsize

    def ranges(self, stop: int | None = None) -> Iterator[tuple[int, int]]:
        """Ranges of frames that cover all frames below ``stop`` (or all frames), in blocks of about 8 MiB."""
        stop = self.n_frames if stop is None else stop
        size = max(1, _BLOCK_BYTES // max(1, self.frame_bytes("positions")))
        for start in range(0, stop, size):
            yield start, min(start + size, stop)


def time_first(chunk: Trajectory, name: str) -> Array:
    """Frames in the order of the file, time first; a view if they are stored in that order already."""
    values = getattr(chunk, name).detach()
    if name == "steps":
        return np.ascontiguousarray(values.cpu().numpy(), _STEPS_DTYPE)
    return np.ascontiguousarray(values.transpose(0, 1).cpu().numpy(), _FRAMES_DTYPE)


class Digest:
    """SHA-256 of a trajectory that is received in chunks: one hash per dataset, combined with layout and metadata."""

    def __init__(self) -> None:
        self._hashes = {name: hashlib.sha256() for name in UNITS}

    def update(self, name: str, block: Array) -> None:
        """Add the next frames of a dataset."""
        self._hashes[name].update(block.data)

    def so_far(self) -> str:
        """The hashes of all frames received so far, joined to one text."""
        return " ".join(values.hexdigest() for values in self._hashes.values())

    def of(self, file: h5py.File, metadata_text: str) -> str:
        """The digest of the frames received, of the shapes and units in the file, and of the metadata."""
        lines = []
        for name, values in self._hashes.items():
            dataset = file[name]
            lines.append(
                f"{name} {dataset.dtype.str} {dataset.shape} {read_text(dataset, 'unit')} {values.hexdigest()}"
            )
        return hashlib.sha256("\n".join([*lines, metadata_text]).encode()).hexdigest()


class Structure(NamedTuple):
    """A trajectory file without frames: the offset of each dataset, and the digest if there is one."""

    offsets: dict[str, int]
    sha256: str | None


def write_structure(
    path: Path, shape: FrameShape, *, metadata_text: str = "", digest: Digest | None = None
) -> Structure:
    """Write a trajectory file with holes in place of the frames.

    The offsets of the frames depend on the shape alone, so the structure around them can be written again later.

    Args:
        path: the file to write. It has the size of the complete file, but its holes take no space on the disk.
        shape: size of the trajectory.
        metadata_text: JSON.
        digest: digest of all frames; without it the file gets no metadata and is not a trajectory yet.

    Raises:
        OSError: the file cannot be written.
    """
    sha256 = None
    with _hdf5_for_writing(path) as file:
        offsets = {name: _create_dataset(file, name, shape) for name in UNITS}
        if digest is not None:
            sha256 = digest.of(file, metadata_text)
            file.attrs["format_version"] = FORMAT_VERSION
            for name, value in {"format": FORMAT, "metadata": metadata_text, "sha256": sha256}.items():
                _write_text(file, name, value)
    return Structure(offsets, sha256)


def inconsistency(file: h5py.File, file_bytes: int) -> str | None:
    """A description of what is wrong with the datasets' names, types or shapes; None if they fit together."""
    for name in UNITS:
        # Links and datasets of other files are not followed: they could be anything, also a pipe without an end.
        if not isinstance(file.get(name, getlink=True), h5py.HardLink) or not isinstance(file.get(name), h5py.Dataset):
            return f"dataset '{name}' is missing"
        if file[name].is_virtual or file[name].external:
            return f"dataset '{name}' lies in another file"
    shape = file["positions"].shape
    if len(shape) != 4 or shape[-1] != 3:
        return f"positions have the shape {shape} instead of [time, replica, atom, 3]"
    for name in UNITS:
        if (file[name].shape, file[name].dtype) != FrameShape(*shape[:3]).dataset(name):
            return f"dataset '{name}' does not have the shape and type of the others"
        # A damaged shape must not cause an allocation that is larger than the file.
        if file[name].nbytes > file_bytes:
            return f"dataset '{name}' claims to be larger than the file"
    return None


def read_text(source: h5py.HLObject, name: str) -> str:
    """The value of a text attribute."""
    value = source.attrs[name]
    return value.decode() if isinstance(value, bytes) else str(value)


@contextlib.contextmanager
def _hdf5_for_writing(path: Path) -> Iterator[h5py.File]:
    """A new HDF5 file that survives a full disk."""
    with ErrorKeepingFile(path, "w+b") as below:
        try:
            with h5py.File(below, "w", libver=_LIBVER) as file:
                yield file
        finally:
            # Raised here, the error takes precedence over those of HDF5 that follow from it.
            below.raise_kept()


def _create_dataset(file: h5py.File, name: str, shape: FrameShape) -> int:
    """Create a dataset whose space is reserved but not written; returns its offset in the file."""
    extent, dtype = shape.dataset(name)
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    # Without time stamps the same trajectory always gives the same file.
    plan.set_obj_track_times(False)
    dataset = h5py.h5d.create(file.id, name.encode(), h5py.h5t.py_create(dtype), h5py.h5s.create_simple(extent), plan)
    _write_text(h5py.Dataset(dataset), "unit", UNITS[name])
    # A dataset without frames has no offset.
    return int(dataset.get_offset() or 0)


def _write_text(target: h5py.HLObject, name: str, text: str) -> None:
    """Set a text attribute, of fixed length."""
    encoded = text.encode()
    target.attrs.create(name, encoded, dtype=h5py.string_dtype("utf-8", length=len(encoded)))
