import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from recorded import CHUNK, N_CHUNKS, initial, next_frames

from mlmd.errors import DataError
from mlmd.io import trajectory_writer as recorder_module
from mlmd.io.trajectory_file import read_trajectory, write_trajectory
from mlmd.io.trajectory_writer import TrajectoryWriter, finished_metadata
from mlmd.state import Trajectory

METADATA = {"dt_fs": 0.5, "system": "HCl"}
STORED = METADATA | {"identity": "run"}


def _run(path: Path, *, identity: str = "run", n_chunks: int = N_CHUNKS) -> str:
    """Record to the end, going on where a run before left off."""
    recorder = TrajectoryWriter(path, identity=identity, n_frames=n_chunks * CHUNK)
    state = recorder.restart_state() or {"x": initial(), "name": "map", "nested": {"done": [0, None, True]}}
    x = state["x"]
    while recorder.n_frames < n_chunks * CHUNK:
        chunk, x = next_frames(x, recorder.n_frames)
        recorder.append(chunk)
        recorder.commit({**state, "x": x})
    return recorder.finish(METADATA)


def _whole() -> Trajectory:
    chunks, x = [], initial()
    for index in range(N_CHUNKS):
        chunk, x = next_frames(x, index * CHUNK)
        chunks.append(chunk)
    return Trajectory(
        torch.cat([chunk.steps for chunk in chunks]),
        torch.cat([chunk.positions for chunk in chunks], dim=1),
        torch.cat([chunk.velocities for chunk in chunks], dim=1),
        torch.cat([chunk.kicks for chunk in chunks], dim=1),
    )


def _assert_same(a: Trajectory, b: Trajectory) -> None:
    for name in ("steps", "positions", "velocities", "kicks"):
        assert torch.equal(getattr(a, name), getattr(b, name)), name


def _names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "trajectory.h5"


@pytest.fixture
def uninterrupted(tmp_path: Path) -> bytes:
    """The file of the same run written at once."""
    write_trajectory(tmp_path / "whole.h5", _whole(), metadata=STORED)
    return (tmp_path / "whole.h5").read_bytes()


def test_recorded_equals_written_at_once(path: Path, uninterrupted: bytes, tmp_path: Path) -> None:
    digest = _run(path)
    trajectory, metadata = read_trajectory(path)
    _assert_same(trajectory, _whole())
    assert metadata == STORED
    assert digest == write_trajectory(tmp_path / "again.h5", _whole(), metadata=STORED)
    assert path.read_bytes() == uninterrupted
    assert _names(path.parent) == ["trajectory.h5"]


def test_a_new_run_has_no_restart_state(path: Path) -> None:
    recorder = TrajectoryWriter(path, identity="run", n_frames=N_CHUNKS * CHUNK)
    assert recorder.restart_state() is None
    assert recorder.n_frames == 0
    # Also when it was killed before its first commit.
    recorder.append(next_frames(initial(), 0)[0])
    reopened = TrajectoryWriter(path, identity="run", n_frames=N_CHUNKS * CHUNK)
    assert reopened.restart_state() is None
    assert reopened.n_frames == 0
    assert _names(reopened.folder) == ["restart.pt"]


def test_state_comes_back_as_committed(path: Path) -> None:
    recorder = TrajectoryWriter(path, identity="run", n_frames=N_CHUNKS * CHUNK)
    generator = torch.Generator().manual_seed(5)
    state = {"x": initial(), "rng": generator.get_state(), "n": 3, "name": "a", "deep": {"l": [1, None, 2.5, True]}}
    recorder.append(next_frames(initial(), 0)[0])
    recorder.commit(state)
    restored = TrajectoryWriter(path, identity="run", n_frames=N_CHUNKS * CHUNK).restart_state()
    assert restored is not None
    assert restored.keys() == state.keys()
    assert torch.equal(restored["x"], initial())
    assert torch.equal(restored["rng"], generator.get_state())
    assert {key: restored[key] for key in ("n", "name", "deep")} == {key: state[key] for key in ("n", "name", "deep")}


def test_nothing_is_written_for_no_frames(path: Path) -> None:
    recorder = TrajectoryWriter(path, identity="run", n_frames=N_CHUNKS * CHUNK)
    recorder.append(next_frames(initial(), 0)[0].frames(0, 0))
    assert (recorder.n_frames, _names(recorder.folder)) == (0, ["restart.pt"])


def test_frames_beyond_the_last_commit_are_dropped(path: Path, uninterrupted: bytes) -> None:
    recorder = TrajectoryWriter(path, identity="run", n_frames=N_CHUNKS * CHUNK)
    chunk, x = next_frames(initial(), 0)
    recorder.append(chunk)
    recorder.commit({"x": x})
    recorder.append(next_frames(initial(), CHUNK)[0])  # other frames than the run would give
    reopened = TrajectoryWriter(path, identity="run", n_frames=N_CHUNKS * CHUNK)
    assert reopened.n_frames == CHUNK
    assert len(_names(reopened.folder)) == 2
    _run(path)
    assert path.read_bytes() == uninterrupted


def _killed_at(event_number: int, path: Path) -> bool:
    """Run in a child that kills itself at its n-th operation on the run's folder; whether it came that far."""
    child = os.fork()
    if child == 0:
        seen = 0

        def audit(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal seen
            if event in {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir"} and (
                "trajectory.h5" in str(arguments[0]) or event in {"os.remove", "os.rmdir"}
            ):
                seen += 1
                if seen == event_number:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(audit)
        try:
            _run(path)
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def test_killed_at_every_file_operation(tmp_path: Path, uninterrupted: bytes) -> None:
    event_number = 1
    while _killed_at(event_number, tmp_path / f"{event_number}" / "trajectory.h5"):
        path = tmp_path / f"{event_number}" / "trajectory.h5"
        if path.exists():
            assert path.read_bytes() == uninterrupted
        _run(path)
        assert path.read_bytes() == uninterrupted, event_number
        assert _names(path.parent) == ["trajectory.h5"], event_number
        event_number += 1
    # Opening, two stretches with a commit each, finishing, cleaning up.
    assert event_number > 20


def test_killed_again_and_again(path: Path, uninterrupted: bytes) -> None:
    generator = np.random.default_rng(0)
    n_kills = 0
    while _killed_at(int(generator.integers(5, 32)), path):
        n_kills += 1
        assert n_kills < 100
    assert n_kills > 1
    assert path.read_bytes() == uninterrupted


def test_killed_in_its_last_moments(path: Path, uninterrupted: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The frames have become the target, and the folder beside it is left."""

    def put_in_place(source: Path, target: Path) -> None:
        source.replace(target)
        raise KeyboardInterrupt

    for left in (["restart.pt"], []):
        with monkeypatch.context() as patch:
            if left:
                patch.setattr(recorder_module, "put_in_place", put_in_place)
            else:
                patch.setattr(Path, "rmdir", Mock(side_effect=KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                _run(path)
        assert _names(path.parent) == ["trajectory.h5", "trajectory.h5.unfinished"]
        assert _names(path.with_name("trajectory.h5.unfinished")) == left
        assert finished_metadata(path, identity="run") == STORED
        assert _names(path.parent) == ["trajectory.h5"]
        assert path.read_bytes() == uninterrupted


def test_a_finished_metadata_is_known_by_its_identity(path: Path) -> None:
    assert finished_metadata(path, identity="run") is None
    recorder = TrajectoryWriter(path, identity="run", n_frames=CHUNK)
    recorder.append(next_frames(initial(), 0)[0])
    recorder.commit({})
    assert finished_metadata(path, identity="run") is None
    recorder.finish(METADATA)
    assert finished_metadata(path, identity="run") == STORED
    with pytest.raises(DataError, match=r"trajectory\.h5 belongs to another run; choose another"):
        finished_metadata(path, identity="other")
    # A new run has begun over it.
    TrajectoryWriter(path, identity="other", n_frames=CHUNK)
    assert finished_metadata(path, identity="other") is None


def test_a_run_is_begun_again_over_what_a_finished_one_left(path: Path, uninterrupted: bytes) -> None:
    _run(path)
    assert finished_metadata(path, identity="run") is not None
    _run(path)
    assert path.read_bytes() == uninterrupted


def test_another_run_is_refused(path: Path) -> None:
    TrajectoryWriter(path, identity="run", n_frames=N_CHUNKS * CHUNK).append(next_frames(initial(), 0)[0])
    with pytest.raises(DataError, match=r"trajectory\.h5\.unfinished belongs to another run; choose another") as error:
        TrajectoryWriter(path, identity="other", n_frames=N_CHUNKS * CHUNK)
    assert "\n" not in str(error.value)
    # It lost nothing by that.
    assert len(_names(path.with_name("trajectory.h5.unfinished"))) == 2


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    # Threads do not survive a fork.
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_a_trajectory_larger_than_the_disk_is_refused_before_it_is_written(tmp_path):
    frames = torch.zeros(2, 3, 2, 3, dtype=torch.float64)
    chunk = Trajectory(torch.arange(3), frames, frames, frames)
    writer = TrajectoryWriter(tmp_path / "long.h5", identity="a", n_frames=10**13)
    with pytest.raises(DataError, match=r"its 10000000000000 frames take \S+ GB, and \S+ GB are free; raise every"):
        writer.append(chunk)
    assert not (writer.folder / "frames.h5").exists()
