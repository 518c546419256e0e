"""Recording of long runs in bounded memory, such that a run killed at any moment goes on as if it never stopped.

Beside the target lies a folder ``<target>.unfinished`` with the frames so far, at their places in the file to be, and a
restart file. Frames count only once a restart file written after them says so, and vouches for them with their hashes:
what a killed run wrote beyond is written over.
"""

import contextlib
import io
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from mlmd.errors import DataError
from mlmd.files import atomic_path, put_in_place, require_writable_folder, unwritable
from mlmd.io.checkpoint_file import load_plain_file
from mlmd.io.frame_file import FrameFile
from mlmd.io.migrations import require_known_version
from mlmd.io.trajectory_file import read_metadata
from mlmd.io.trajectory_layout import FrameShape
from mlmd.state import Trajectory

_FORMAT_VERSION = 1


class FrameRecorder:
    """Takes the frames of a run stretch by stretch; opening it again after a crash goes on at the last commit.

    Every frame is written once and hashed once. One process at a time may record into a target.

    Args:
        path: the trajectory file that `finish` is to leave.
        identity: text that is the same exactly for the same run, such as a digest of its configuration.
        n_frames: frames of the whole run.

    Raises:
        DataError: the folder cannot be written, or holds the frames of another run or damaged ones.
    """

    def __init__(self, path: str | Path, *, identity: str, n_frames: int) -> None:
        self.path = Path(path)
        self.folder = _folder_of(self.path)
        self._frames_file, self._restart_file = self.folder / "frames.h5", self.folder / "restart.pt"
        self._identity = identity
        self._total = n_frames
        self._file: FrameFile | None = None
        require_writable_folder(self.path.parent)
        require_writable_folder(self.folder)
        with _writing(self.folder):
            for left_behind in self.folder.glob("*.tmp"):
                left_behind.unlink()
            if _is_left_behind(self.folder, self.path):
                self._restart_file.unlink()
        if self._restart_file.exists():
            self._open(self._read_restart())
        elif any(self.folder.iterdir()):
            raise DataError(f"{self.folder} has no restart file; delete the folder to start the run over")
        else:
            # From here on the folder belongs to this run.
            self._write_restart(None)

    @property
    def n_frames(self) -> int:
        """Number of frames recorded so far."""
        return 0 if self._file is None else self._file.n_written

    def append(self, chunk: Trajectory) -> None:
        """Write the frames that follow the ones recorded so far.

        Raises:
            DataError: they cannot be written, or do not fit those before them.
        """
        if len(chunk) == 0:
            return
        with _writing(self._frames_file):
            if self._file is None:
                self._file = FrameFile(self._frames_file, FrameShape.of(chunk, self._total))
            self._file.write(chunk)

    def commit(self, state: Mapping[str, Any]) -> None:
        """Make the frames recorded so far, and the state to go on from, the point to restart at.

        Args:
            state: tensors and plain values, also nested.

        Raises:
            DataError: it cannot be written.
            TypeError: the state holds something else, which could not be read again.
        """
        self._write_restart(dict(state))

    def restart_state(self) -> dict[str, Any] | None:
        """The state last committed, on the CPU; None where the run starts afresh.

        Raises:
            DataError: the restart file is damaged.
        """
        state: dict[str, Any] | None = self._read_restart()["state"]
        return state

    def finish(self, metadata: Mapping[str, Any]) -> str:
        """Make what was recorded the target, in a time that does not depend on its length.

        Args:
            metadata: of the trajectory, see `write_trajectory`; the identity is stored beside it.

        Returns:
            The digest of the target: the one that writing all frames at once would give.

        Raises:
            DataError: frames are missing, or the target cannot be written.
        """
        if self._file is None:
            raise DataError(f"cannot write {self.path}: no frames were recorded; run at least one step")
        with _writing(self.path):
            sha256 = self._file.finish({**metadata, "identity": self._identity})
            put_in_place(self._frames_file, self.path)
            self._restart_file.unlink()
            self.folder.rmdir()
        return sha256

    def _open(self, restart: dict[str, Any]) -> None:
        """Take up the frames that the restart file vouches for."""
        if restart["shape"] is None:
            # Killed before its first commit: what it wrote may be of any shape.
            self._frames_file.unlink(missing_ok=True)
            return
        if not self._frames_file.exists():
            raise DataError(
                f"{self.folder} lacks its {restart['n_frames']} frames; delete the folder to start the run over"
            )
        with _writing(self._frames_file):
            self._file = FrameFile(self._frames_file, FrameShape(*restart["shape"]))
            self._file.go_on_after(restart["n_frames"], restart["hashes"])

    def _read_restart(self) -> dict[str, Any]:
        """The restart file, if it is of this run."""
        restart = load_plain_file(self._restart_file, kind="mlmd restart file")
        if not isinstance(restart, dict) or restart.get("mlmd_restart") is None:
            raise DataError(f"cannot read {self._restart_file}: not an mlmd restart file; check the path")
        require_known_version(restart["mlmd_restart"], _FORMAT_VERSION, self._restart_file)
        if restart["identity"] != self._identity:
            raise _of_another_run(self.folder)
        return restart

    def _write_restart(self, state: dict[str, Any] | None) -> None:
        """Replace the restart file, with the frames that it vouches for on the disk before."""
        with _writing(self._frames_file):
            hashes = "" if self._file is None else self._file.sync()
        restart = {
            "mlmd_restart": _FORMAT_VERSION,
            "identity": self._identity,
            "n_frames": self.n_frames,
            "shape": None if self._file is None else tuple(self._file.shape),
            "hashes": hashes,
            "state": state,
        }
        buffer = io.BytesIO()
        try:
            torch.save(restart, buffer)
            buffer.seek(0)
            # Found out now, not after the crash.
            torch.load(buffer, map_location="cpu", weights_only=True)
        except (pickle.PicklingError, pickle.UnpicklingError, AttributeError) as error:
            raise TypeError("a restart state holds tensors and plain values only") from error
        with atomic_path(self._restart_file) as temporary:
            temporary.write_bytes(buffer.getbuffer())


def finished_recording(path: str | Path, *, identity: str) -> dict[str, Any] | None:
    """The metadata of a recording that came to its end, None where there is none or one that has to go on.

    What a process killed in `FrameRecorder.finish` left behind is removed.

    Args:
        path: the target of the recorder.
        identity: of the run.

    Raises:
        DataError: the target belongs to another run or is damaged.
    """
    path, folder = Path(path), _folder_of(Path(path))
    if not path.exists() or (any(folder.glob("restart.pt")) and not _is_left_behind(folder, path)):
        return None
    metadata = read_metadata(path)
    if metadata.get("identity") != identity:
        raise _of_another_run(path)
    if folder.exists():
        with _writing(folder):
            (folder / "restart.pt").unlink(missing_ok=True)
            folder.rmdir()
    return metadata


def _folder_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.unfinished")


def _is_left_behind(folder: Path, target: Path) -> bool:
    """Whether a process was killed in `finish`, after its frames had become the target."""
    restart = folder / "restart.pt"
    if not target.exists() or not restart.exists() or (folder / "frames.h5").exists():
        return False
    stored = load_plain_file(restart, kind="mlmd restart file")
    return isinstance(stored, dict) and stored.get("shape") is not None


def _of_another_run(path: Path) -> DataError:
    return DataError(f"{path} belongs to another run; choose another output folder, or delete it to discard that run")


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn the system's refusals into one line."""
    try:
        yield
    except OSError as error:
        raise unwritable(path, error) from error
