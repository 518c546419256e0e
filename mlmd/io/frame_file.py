"""A trajectory file in the making: frames go to their places as they come, HDF5's structure around them at the end.

Only the frames are written while a run goes on, each once, and nothing of HDF5 is open that a kill could leave in
pieces. The structure depends on the shape, the metadata and the digest alone; it is made beside the frames in a file
with holes in their place, and copied around them.
"""

import io
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlmd.errors import DataError
from mlmd.files import as_json
from mlmd.io.trajectory_layout import UNITS, Digest, FrameShape, time_first, write_structure
from mlmd.state import Trajectory


class FrameFile:
    """Takes the frames of a trajectory file in order.

    Args:
        path: the file; made if it is missing, else what was written there before is kept.
        shape: size of the whole trajectory.

    Attributes:
        n_written: frames written so far.

    Raises:
        OSError: it cannot be written; so do all methods.
    """

    def __init__(self, path: Path, shape: FrameShape) -> None:
        self.path = path
        self.shape = shape
        self.n_written = 0
        self._digest = Digest()
        self._beside = path.with_name(f"{path.name}.structure.tmp")
        try:
            self._offsets = write_structure(self._beside, shape).offsets
            if path.exists():
                self._beside.unlink()
            else:
                self._beside.replace(path)
        except OSError:
            self._beside.unlink(missing_ok=True)
            raise

    def write(self, chunk: Trajectory) -> None:
        """Write the frames that follow those written so far.

        Raises:
            DataError: they do not fit the announced shape.
        """
        if FrameShape.of(chunk, self.shape.n_frames) != self.shape:
            raise DataError(
                f"cannot write {self.path}: replicas or atoms change at frame {self.n_written}; write one run per file"
            )
        if self.n_written + len(chunk) > self.shape.n_frames:
            raise DataError(f"cannot write {self.path}: more frames came than the {self.shape.n_frames} announced")
        with self._open() as file:
            for name in UNITS:
                file.seek(self._offsets[name] + self.n_written * self.shape.frame_bytes(name))
                for start, stop in self.shape.ranges(len(chunk)):
                    block = time_first(chunk.frames(start, stop), name)
                    self._digest.update(name, block)
                    _write_all(file, block.data)
        self.n_written += len(chunk)

    def sync(self) -> str:
        """Wait until the frames are on the disk; the hashes of what was written so far."""
        with self._open() as file:
            os.fsync(file.fileno())
        return self._digest.so_far()

    def go_on_after(self, n_frames: int, hashes: str) -> None:
        """Take up a file that holds so many frames already.

        Raises:
            DataError: they are not those that `sync` spoke of.
        """
        digest = Digest()
        with self.path.open("rb") as written:
            for name in UNITS:
                written.seek(self._offsets[name])
                for start, stop in self.shape.ranges(n_frames):
                    content = written.read((stop - start) * self.shape.frame_bytes(name))
                    digest.update(name, np.frombuffer(content, np.uint8))
        if digest.so_far() != hashes:
            raise DataError(
                f"cannot read {self.path}: it has been altered or is damaged; delete its folder to start the run over"
            )
        self._digest, self.n_written = digest, n_frames

    def finish(self, metadata: Mapping[str, Any]) -> str:
        """Make it a trajectory file.

        Args:
            metadata: what JSON can hold.

        Returns:
            The digest of content and metadata, as stored in the file.

        Raises:
            DataError: frames are missing.
        """
        if self.n_written != self.shape.n_frames:
            announced = f"{self.n_written} frames came instead of the {self.shape.n_frames} announced"
            raise DataError(f"cannot write {self.path}: {announced}")
        text = json.dumps(as_json(metadata), ensure_ascii=False)
        try:
            offsets, sha256 = write_structure(self._beside, self.shape, metadata_text=text, digest=self._digest)
            if offsets != self._offsets or sha256 is None:
                raise RuntimeError(f"HDF5 moved the frames of {self.path}")
            with self._beside.open("rb") as structure, self._open() as file:
                n_bytes = structure.seek(0, os.SEEK_END)
                for start, stop in self._around_frames(n_bytes):
                    structure.seek(start)
                    file.seek(start)
                    _write_all(file, memoryview(structure.read(stop - start)))
                file.truncate(n_bytes)
        finally:
            self._beside.unlink(missing_ok=True)
        return sha256

    def _open(self) -> io.FileIO:
        # Unbuffered: after a refusal nothing is left that closing would try to write once more.
        return self.path.open("r+b", buffering=0)

    def _around_frames(self, n_bytes: int) -> Iterator[tuple[int, int]]:
        """The stretches of the file that hold no frames."""
        at = 0
        for name, offset in sorted(self._offsets.items(), key=lambda item: item[1]):
            held = self.shape.n_frames * self.shape.frame_bytes(name)
            if held:
                yield at, offset
                at = offset + held
        yield at, n_bytes


def _write_all(file: io.FileIO, content: memoryview) -> None:
    left = content.cast("B")
    while left:
        left = left[file.write(left) :]
