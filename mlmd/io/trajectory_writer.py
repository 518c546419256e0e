"""Writes the trajectory of a long run in chunks, so that a run killed at any moment can continue.

Until the run ends, the folder ``<target>.unfinished`` holds the frames so far, at their final offsets, and a restart
file. Frames count only if a restart file written after them contains their hashes. Frames that a killed run wrote after
its last restart file are overwritten.
"""

import io
import pickle
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from mlmd.errors import DataError
from mlmd.files import atomic_path, put_in_place, require_writable_folder, writing
from mlmd.io.checkpoint_file import load_plain_file
from mlmd.io.content_digest import require_digest, with_digest
from mlmd.io.frame_file import FrameFile
from mlmd.io.migrations import require_known_version
from mlmd.io.trajectory_file import TrajectoryFile, read_metadata
from mlmd.io.trajectory_layout import UNITS, FrameShape
from mlmd.state import Trajectory

_VERSION_KEY, _VERSION = "mlmd_restart", 1


class TrajectoryWriter:
    """Writes the frames of a run in chunks; opened again after a crash, it continues at the last commit.

    Every frame is written once and hashed once. Only one process at a time may write a target.

    Args:
        path: the trajectory file that `finish` completes.
        identity: text that is the same for the same run and different for any other, such as a digest of its settings.
        n_frames: number of frames of the complete run.
        keeps_end: whether `finish` leaves the last restart file beside the target, so that `extend` can make it longer.

    Raises:
        DataError: the folder cannot be written, or it holds the frames of another run or damaged frames.
    """

    def __init__(self, path: str | Path, *, identity: str, n_frames: int, keeps_end: bool = False) -> None:
        self.path, self._keeps_end = Path(path), keeps_end
        self.folder = _unfinished(self.path)
        self._frames_file, self._restart_file = self.folder / "frames.h5", self.folder / "restart.pt"
        self._identity = identity
        self._total = n_frames
        self._file: FrameFile | None = None
        require_writable_folder(self.path.parent)
        require_writable_folder(self.folder)
        with writing(self.folder):
            for leftover in self.folder.glob("*.tmp"):
                leftover.unlink()
            if _was_killed_in_finish(self.path):
                _put_away(self._restart_file, self.path, keeps_end=keeps_end)
        if self._restart_file.exists():
            self._open(self._read_restart())
        elif any(self.folder.iterdir()):
            raise DataError(f"{self.folder} has no restart file; delete the folder to start the run over")
        else:
            # The restart file marks the folder as that of this run.
            self._write_restart(None)

    @property
    def n_frames(self) -> int:
        """Number of frames written so far."""
        return 0 if self._file is None else self._file.n_written

    def append(self, chunk: Trajectory) -> None:
        """Write the frames that follow those written so far.

        Raises:
            DataError: they cannot be written, or their shape differs from that of the frames before.
        """
        if len(chunk) == 0:
            return
        with writing(self._frames_file):
            if self._file is None:
                shape = FrameShape.of(chunk, self._total)
                self._require_space(shape)
                self._file = FrameFile(self._frames_file, shape)
            self._file.write(chunk)

    def commit(self, state: Mapping[str, Any]) -> None:
        """Make the present point, frames and state, the one at which a killed run continues.

        Args:
            state: tensors and plain values, also nested.

        Raises:
            DataError: it cannot be written.
            TypeError: the state holds other values, which could not be read again.
        """
        self._write_restart(dict(state))

    def restart_state(self) -> dict[str, Any] | None:
        """The state of the last commit, on the CPU; None if the run starts from the beginning.

        Raises:
            DataError: the restart file is damaged.
        """
        state: dict[str, Any] | None = self._read_restart()["state"]
        return state

    def finish(self, metadata: Mapping[str, Any]) -> str:
        """Complete the target; the time this takes does not depend on the length of the run.

        Args:
            metadata: of the trajectory, see `write_trajectory`; the identity is stored beside it.

        Returns:
            The digest of the target, the same as if all frames had been written at once.

        Raises:
            DataError: frames are missing, or the target cannot be written.
        """
        if self._file is None:
            raise DataError(f"cannot write {self.path}: no frames were recorded; run at least one step")
        with writing(self.path):
            sha256 = self._file.finish({**metadata, "identity": self._identity})
            put_in_place(self._frames_file, self.path)
            _put_away(self._restart_file, self.path, keeps_end=self._keeps_end)
            self.folder.rmdir()
        return sha256

    def _require_space(self, shape: FrameShape) -> None:
        """Refuse a trajectory that is larger than what is left on the disk, before any of it is written."""
        needed, free = shape.n_frames * sum(map(shape.frame_bytes, UNITS)), shutil.disk_usage(self.folder).free
        if needed > free:
            raise DataError(
                f"cannot write {self.path}: its {shape.n_frames} frames take {needed / 1e9:.3g} GB, "
                f"and {free / 1e9:.3g} GB are free; raise every, lower n_steps or choose another folder"
            )

    def _open(self, restart: dict[str, Any]) -> None:
        """Open the frames that the restart file describes."""
        if restart["shape"] is None:
            # The run was killed before its first commit; its frames may have any shape.
            self._frames_file.unlink(missing_ok=True)
            return
        if not self._frames_file.exists():
            raise DataError(
                f"{self.folder} lacks its {restart['n_frames']} frames; delete the folder to start the run over"
            )
        with writing(self._frames_file):
            self._file = FrameFile(self._frames_file, FrameShape(*restart["shape"]))
            self._file.continue_after(restart["n_frames"], restart["hashes"])

    def _read_restart(self) -> dict[str, Any]:
        """The content of the restart file, after a check that it belongs to this run."""
        restart = load_plain_file(self._restart_file, kind="mlmd restart file")
        if not isinstance(restart, dict) or not isinstance(restart.get(_VERSION_KEY), int):
            raise DataError(f"cannot read {self._restart_file}: not an mlmd restart file; check the path")
        require_known_version(restart[_VERSION_KEY], _VERSION, self._restart_file)
        require_digest(restart, self._restart_file)
        if restart["identity"] != self._identity:
            raise _of_another_run(self.folder)
        return restart

    def _write_restart(self, state: dict[str, Any] | None) -> None:
        """Replace the restart file; the frames that it describes are on the disk before."""
        with writing(self._frames_file):
            hashes = "" if self._file is None else self._file.sync()
        content = {
            _VERSION_KEY: _VERSION,
            "identity": self._identity,
            "n_frames": self.n_frames,
            "shape": None if self._file is None else tuple(self._file.shape),
            "hashes": hashes,
            "state": state,
        }
        restart, buffer = with_digest(content), io.BytesIO()
        try:
            torch.save(restart, buffer)
            buffer.seek(0)
            # A state that cannot be read must fail now, not after a crash.
            torch.load(buffer, map_location="cpu", weights_only=True)
        except (pickle.PicklingError, pickle.UnpicklingError, AttributeError) as error:
            raise TypeError("a restart state holds tensors and plain values only") from error
        with atomic_path(self._restart_file) as temporary:
            temporary.write_bytes(buffer.getbuffer())


def extend(path: Path, *, identity: str, n_frames: int, identity_then: Callable[[Mapping[str, Any]], str]) -> None:
    """Make a finished trajectory the beginning of a longer one, which a writer of that identity then continues.

    The finished file stays until the longer one replaces it. Nothing happens where the file is not finished, or has the
    identity already.

    Args:
        path: the target of the writer, which kept its end.
        identity: of the longer run.
        n_frames: number of frames of the longer run.
        identity_then: the identity that the run had when it was finished, from its last state.

    Raises:
        DataError: the target belongs to another run, or is damaged.
    """
    end = _end_file(path)
    if not (path.exists() and end.exists()):
        return
    stored = load_plain_file(end, kind="mlmd restart file")
    if not isinstance(stored, dict) or not isinstance(stored.get("state"), dict):
        raise DataError(f"cannot read {end}: not the end of a recording; begin a new run")
    require_digest(stored, end)
    if stored.get("identity") == identity:
        return
    if stored.get("identity") != identity_then(stored["state"]):
        raise _of_another_run(path)
    writer = TrajectoryWriter(path, identity=identity, n_frames=n_frames, keeps_end=True)
    if writer.restart_state() is not None:
        return  # an extension that was interrupted
    with TrajectoryFile(path) as finished:
        for start, stop in finished.shape.ranges():
            writer.append(finished.frames(start, stop))
    writer.commit(stored["state"])


def finished_metadata(path: str | Path, *, identity: str, keeps_end: bool = False) -> dict[str, Any] | None:
    """The metadata of a trajectory that is complete; None if there is none or its run has to continue.

    Files that a process killed in `TrajectoryWriter.finish` left are removed.

    Args:
        path: the target of the writer.
        identity: identity of the run.
        keeps_end: as of the writer.

    Raises:
        DataError: the target belongs to another run or is damaged.
    """
    path = Path(path)
    restart_file = _unfinished(path) / "restart.pt"
    if not path.exists() or (restart_file.exists() and not _was_killed_in_finish(path)):
        return None
    metadata = read_metadata(path)
    if metadata.get("identity") != identity:
        raise _of_another_run(path)
    if restart_file.parent.exists():
        with writing(restart_file.parent):
            if restart_file.exists():
                _put_away(restart_file, path, keeps_end=keeps_end)
            restart_file.parent.rmdir()
    return metadata


def _unfinished(target: Path) -> Path:
    """The folder of the files of an unfinished run."""
    return target.with_name(f"{target.name}.unfinished")


def _end_file(target: Path) -> Path:
    """The last restart file of a finished run."""
    return target.with_name(f"{target.name}.end.pt")


def _put_away(restart_file: Path, target: Path, *, keeps_end: bool) -> None:
    if keeps_end:
        restart_file.replace(_end_file(target))
    else:
        restart_file.unlink()


def _was_killed_in_finish(target: Path) -> bool:
    """Whether a process was killed in `finish` after its frames had become the target."""
    folder = _unfinished(target)
    restart = folder / "restart.pt"
    if not target.exists() or not restart.exists() or (folder / "frames.h5").exists():
        return False
    stored = load_plain_file(restart, kind="mlmd restart file")
    return isinstance(stored, dict) and stored.get("shape") is not None


def _of_another_run(path: Path) -> DataError:
    return DataError(f"{path} belongs to another run; choose another output folder, or delete it to discard that run")
