"""A trajectory file under construction: frames are written at their final offsets, the HDF5 structure at the end.

During a run only frames are written, each once, and no HDF5 file is open that a kill could leave incomplete. The HDF5
structure depends on the shape, the metadata and the digest alone. It is made in a separate file with holes in place of
the frames, and copied around them.
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
    """Writes the frames of a trajectory file in order.

    Args:
        path: the file; created if it is missing, otherwise its content is kept.
        shape: size of the complete trajectory.

    Attributes:
        n_written: frames written so far.

    Raises:
        OSError: the file cannot be written; all methods raise it as well.
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
            DataError: they do not fit the shape of the file.
        """
        if FrameShape.of(chunk, self.shape.n_frames) != self.shape:
            raise DataError(
                f"cannot write {self.path}: replicas or atoms change at frame {self.n_written}; write one run per file"
            )
        if self.n_written + len(chunk) > self.shape.n_frames:
            raise DataError(f"cannot write {self.path}: there are more frames than the {self.shape.n_frames} announced")
        with self._open() as file:
            for name in UNITS:
                file.seek(self._offsets[name] + self.n_written * self.shape.frame_bytes(name))
                for start, stop in self.shape.ranges(len(chunk)):
                    block = time_first(chunk.frames(start, stop), name)
                    self._digest.update(name, block)
                    _write_all(file, block.data)
        self.n_written += len(chunk)

    def sync(self) -> str:
        """Wait until the frames are on the disk; returns the hashes of all frames written so far."""
        with self._open() as file:
            os.fsync(file.fileno())
        return self._digest.so_far()

    def continue_after(self, n_frames: int, hashes: str) -> None:
        """Continue a file that holds ``n_frames`` frames already.

        Args:
            n_frames: number of frames in the file.
            hashes: of these frames, as `sync` returned them.

        Raises:
            DataError: the frames in the file have other hashes.
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
        """Complete the trajectory file.

        Args:
            metadata: values that JSON can hold.

        Returns:
            The digest of content and metadata, as stored in the file.

        Raises:
            DataError: frames are missing.
        """
        if self.n_written != self.shape.n_frames:
            found = f"it has {self.n_written} frames instead of the {self.shape.n_frames} announced"
            raise DataError(f"cannot write {self.path}: {found}")
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
        # Unbuffered, so that closing after a failed write does not try to write the rest again.
        return self.path.open("r+b", buffering=0)

    def _around_frames(self, n_bytes: int) -> Iterator[tuple[int, int]]:
        """The byte ranges of the file that hold no frames."""
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
