import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recorded import CHUNK, N_CHUNKS, initial, next_frames

from mlmd.errors import DataError
from mlmd.io.trajectory_writer import TrajectoryWriter


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "trajectory.h5"


def _without_restart_file(folder: Path) -> None:
    (folder / "restart.pt").unlink()


def _truncated_restart_file(folder: Path) -> None:
    os.truncate(folder / "restart.pt", 100)


def _other_restart_file(folder: Path) -> None:
    torch.save({"a": 1}, folder / "restart.pt")


def _newer_restart_file(folder: Path) -> None:
    torch.save({"mlmd_restart": 2}, folder / "restart.pt")


def _without_frames(folder: Path) -> None:
    (folder / "frames.h5").unlink()


def _truncated_frames(folder: Path) -> None:
    os.truncate(folder / "frames.h5", 1000)


def _altered_frame(folder: Path) -> None:
    whole = (folder / "frames.h5").read_bytes()
    number = next_frames(initial(), 0)[0].positions[0, 0, 0, 0].numpy().tobytes()
    (folder / "frames.h5").write_bytes(whole.replace(number, bytes(8), 1))
    assert number in whole


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_without_restart_file, "has no restart file; delete the folder"),
        (_truncated_restart_file, "truncated or not an mlmd restart file"),
        (_other_restart_file, "not an mlmd restart file"),
        (_newer_restart_file, "is newer than the 1 that this mlmd reads; update mlmd"),
        (_without_frames, "lacks its 8 frames; delete the folder"),
        (_truncated_frames, r"frames\.h5: it has been altered or is damaged"),
        (_altered_frame, r"frames\.h5: it has been altered or is damaged"),
    ],
)
def test_damaged_parts_are_refused(path: Path, damage: Any, words: str) -> None:
    recorder = TrajectoryWriter(path, identity="run", n_frames=N_CHUNKS * CHUNK)
    for first in (0, CHUNK):
        recorder.append(next_frames(initial(), first)[0])
    recorder.commit({})
    damage(recorder.folder)
    with pytest.raises(DataError, match=words) as error:
        TrajectoryWriter(path, identity="run", n_frames=N_CHUNKS * CHUNK)
    assert "\n" not in str(error.value)


def test_a_state_that_could_not_be_read_again_is_refused_at_once(path: Path) -> None:
    recorder = TrajectoryWriter(path, identity="run", n_frames=N_CHUNKS * CHUNK)
    recorder.commit({"a": 1})
    with pytest.raises(TypeError, match="tensors and plain values only"):
        recorder.commit({"a": np.arange(3)})
    with pytest.raises(TypeError, match="tensors and plain values only"):
        recorder.commit({"a": lambda: None})
    assert TrajectoryWriter(path, identity="run", n_frames=N_CHUNKS * CHUNK).restart_state() == {"a": 1}


def test_nothing_recorded_is_refused(path: Path) -> None:
    with pytest.raises(DataError, match="no frames were recorded"):
        TrajectoryWriter(path, identity="run", n_frames=N_CHUNKS * CHUNK).finish({})


def test_a_folder_that_cannot_be_written_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot write .*: a part of the path is a file"):
        TrajectoryWriter(tmp_path / "file" / "trajectory.h5", identity="run", n_frames=N_CHUNKS * CHUNK)
