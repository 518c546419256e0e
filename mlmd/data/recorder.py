"""Recording of long runs in bounded memory, such that a run killed at any moment goes on as if it never stopped.

Beside the target lies a folder ``<target>.parts`` with one trajectory file per appended stretch and one restart file. A
stretch counts only once a restart file written after it says so: what a killed run left beyond its last restart file is
deleted and simulated again.
"""

import contextlib
import io
import pickle
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from mlmd.data.checkpoint_file import load_plain_file
from mlmd.data.files import atomic_path, remove_temporaries, require_writable_folder, unwritable
from mlmd.data.store import read_trajectory, write_chunks, write_trajectory
from mlmd.errors import DataError
from mlmd.state import Trajectory

_FORMAT_VERSION = 1


class FrameRecorder:
    """Takes the frames of a run stretch by stretch; opening it again after a crash goes on at the last commit.

    One process at a time may record into a target.

    Args:
        path: the trajectory file that `finish` is to leave.
        identity: text that is the same exactly for the same run, such as a digest of its configuration.

    Raises:
        DataError: the folder cannot be written, or holds the parts of another run or damaged ones.
    """

    def __init__(self, path: str | Path, *, identity: str) -> None:
        self.path = Path(path)
        self.parts_folder = self.path.with_name(f"{self.path.name}.parts")
        self._discarded_folder = self.path.with_name(f".{self.path.name}.parts.discarded")
        self._restart_file = self.parts_folder / "restart.pt"
        self._identity = identity
        self._n_frames = 0
        require_writable_folder(self.path.parent)
        require_writable_folder(self.parts_folder)
        with _writing(self.parts_folder):
            remove_temporaries(self.path)
            _remove_folder(self._discarded_folder)
            for left_behind in self.parts_folder.glob(".*"):
                left_behind.unlink()
        if self._restart_file.exists():
            self._n_frames = self._read_restart()["n_frames"]
            self._drop_uncommitted()
        elif any(self.parts_folder.iterdir()):
            raise DataError(f"{self.parts_folder} has no restart file; delete the folder to start the run over")
        else:
            # From here on the folder belongs to this run.
            self._write_restart(None)

    @property
    def n_frames(self) -> int:
        """Number of frames recorded so far."""
        return self._n_frames

    def append(self, chunk: Trajectory) -> None:
        """Write the frames that follow the ones recorded so far.

        Raises:
            DataError: they cannot be written.
        """
        if len(chunk) == 0:
            return
        stop = self._n_frames + len(chunk)
        write_trajectory(self.parts_folder / f"{self._n_frames:012d}-{stop:012d}.h5", chunk, metadata={})
        self._n_frames = stop

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
        """Merge all parts into the target, one in memory at a time, and remove them.

        Args:
            metadata: of the trajectory, see `write_trajectory`.

        Returns:
            The digest of the target: the one that writing all frames at once would give.

        Raises:
            DataError: nothing was recorded, a part is damaged, or the target cannot be written.
        """
        if self._n_frames == 0:
            raise DataError(f"cannot write {self.path}: no frames were recorded; run at least one step")
        sha256 = write_chunks(self.path, self._chunks(), n_frames=self._n_frames, metadata=metadata)
        with _writing(self.parts_folder):
            # Renamed first: a folder half deleted would look like a damaged run.
            self.parts_folder.rename(self._discarded_folder)
            _remove_folder(self._discarded_folder)
        return sha256

    def _chunks(self) -> Iterator[Trajectory]:
        """The parts in order; a generator, so that none is kept."""
        for _, _, part in self._parts():
            yield read_trajectory(part)[0]

    def _parts(self) -> list[tuple[int, int, Path]]:
        """First frame, end and path of every part, in order."""
        parts = []
        for path in sorted(self.parts_folder.glob("*.h5")):
            start, _, stop = path.stem.partition("-")
            if not (start.isdecimal() and stop.isdecimal()):
                raise DataError(f"{path} is not a part of a recorded run; move it elsewhere")
            parts.append((int(start), int(stop), path))
        return parts

    def _drop_uncommitted(self) -> None:
        """Delete the parts that no restart file vouches for, and make sure that no committed one is missing."""
        expected = 0
        for start, stop, path in self._parts():
            if start >= self._n_frames:
                with _writing(self.parts_folder):
                    path.unlink()
            elif start == expected:
                expected = stop
        if expected != self._n_frames:
            raise DataError(
                f"{self.parts_folder} lacks frame {expected} of the {self._n_frames} recorded ones; delete the folder "
                "to start the run over"
            )

    def _read_restart(self) -> dict[str, Any]:
        """The restart file, if it is of this run."""
        restart = load_plain_file(self._restart_file, kind="mlmd restart file")
        if not isinstance(restart, dict) or restart.get("mlmd_restart") is None:
            raise DataError(f"cannot read {self._restart_file}: not an mlmd restart file; check the path")
        if restart["mlmd_restart"] > _FORMAT_VERSION:
            raise DataError(f"cannot read {self._restart_file}: it was written by a newer mlmd; update mlmd")
        if restart["identity"] != self._identity:
            raise DataError(
                f"{self.parts_folder} belongs to another run; choose another output folder, or delete it to discard "
                "that run"
            )
        return restart

    def _write_restart(self, state: dict[str, Any] | None) -> None:
        """Replace the restart file."""
        restart = {
            "mlmd_restart": _FORMAT_VERSION,
            "identity": self._identity,
            "n_frames": self._n_frames,
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


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn the system's refusals into one line."""
    try:
        yield
    except OSError as error:
        raise unwritable(path, error) from error


def _remove_folder(folder: Path) -> None:
    """Remove a folder and what is in it, where it exists."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)
