import contextlib
import hashlib
import itertools
import json
import resource
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from stored import METADATA, assert_same, make_trajectory, names

from mlmd.errors import DataError
from mlmd.io import frame_file
from mlmd.io import trajectory_layout as layout
from mlmd.io.frame_file import FrameFile
from mlmd.io.trajectory_file import TrajectoryFile, read_metadata, read_trajectory, write_trajectory
from mlmd.io.trajectory_layout import FrameShape
from mlmd.state import Trajectory


def _refusal(path: Path) -> str:
    with pytest.raises(DataError) as error:
        read_trajectory(path)
    message = str(error.value)
    assert "\n" not in message
    assert str(path) in message
    return message


@pytest.fixture
def path(tmp_path: Path) -> Path:
    target = tmp_path / "trajectory.h5"
    write_trajectory(target, make_trajectory(), metadata=METADATA)
    return target


def test_what_is_written_is_read(path: Path) -> None:
    trajectory, metadata = read_trajectory(path)
    assert_same(trajectory, make_trajectory())
    # Time comes first in memory, as a propagator leaves its frames.
    assert trajectory.positions.transpose(0, 1).is_contiguous()
    assert metadata == METADATA
    assert names(path.parent) == ["trajectory.h5"]


def test_layout_for_other_readers(path: Path) -> None:
    with h5py.File(path) as file:
        assert file.attrs["format"] == b"mlmd-trajectory"
        assert file.attrs["format_version"] == 1
        units = {name: file[name].attrs["unit"].decode() for name in file}
        assert units == {
            "steps": "MD step",
            "positions": "angstrom",
            "velocities": "angstrom/fs",
            "kicks": "angstrom/fs",
        }
        np.testing.assert_array_equal(file["kicks"][3, 1], make_trajectory().kicks[1, 3].numpy())


def test_digest_is_the_documented_one(path: Path) -> None:
    trajectory = make_trajectory()
    lines = []
    for name, unit in [("steps", "MD step"), ("positions", "angstrom")] + [
        (name, "angstrom/fs") for name in ("velocities", "kicks")
    ]:
        values = getattr(trajectory, name).numpy()
        stored = values if name == "steps" else np.ascontiguousarray(values.swapaxes(0, 1))
        lines.append(f"{name} {stored.dtype.str} {stored.shape} {unit} {hashlib.sha256(stored.tobytes()).hexdigest()}")
    text = json.dumps(METADATA, ensure_ascii=False)
    expected = hashlib.sha256("\n".join([*lines, text]).encode()).hexdigest()
    with h5py.File(path) as file:
        assert file.attrs["sha256"].decode() == expected
    assert write_trajectory(path, trajectory, metadata=METADATA) == expected


@pytest.mark.parametrize("n_frames", [0, 1])
def test_short_trajectories(path: Path, n_frames: int) -> None:
    write_trajectory(path, make_trajectory(n_frames), metadata={})
    trajectory, metadata = read_trajectory(path)
    assert_same(trajectory, make_trajectory(n_frames))
    assert metadata == {}


def test_diverged_replicas_keep_their_nan(path: Path) -> None:
    trajectory = make_trajectory()
    trajectory.positions[1, 4:] = torch.nan
    trajectory.kicks[1, 4:] = torch.inf
    write_trajectory(path, trajectory, metadata={})
    assert_same(read_trajectory(path)[0], trajectory)


def test_metadata_may_be_larger_than_an_hdf5_attribute(path: Path) -> None:
    metadata = {"masses_u": [1.00782503223] * 20_000}
    write_trajectory(path, make_trajectory(), metadata=metadata)
    assert read_trajectory(path)[1] == metadata


def test_non_finite_metadata_becomes_null(path: Path) -> None:
    write_trajectory(path, make_trajectory(), metadata={"mae": float("nan")})
    assert read_trajectory(path)[1] == {"mae": None}


def test_blocks_do_not_change_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = path.read_bytes()
    # Two frames of 2 replicas, 2 atoms, 3 components.
    monkeypatch.setattr(layout, "_BLOCK_BYTES", 2 * 96)
    write_trajectory(path, make_trajectory(), metadata=METADATA)
    assert path.read_bytes() == whole
    assert_same(read_trajectory(path)[0], make_trajectory())


@pytest.mark.parametrize("cuts", [[0, 3, 7], [0, 0, 1, 6, 7]])
def test_stretches_do_not_change_the_file(path: Path, cuts: list[int]) -> None:
    stretched = path.with_name("stretched.h5")
    file = FrameFile(stretched, FrameShape(7, 2, 2))
    for start, stop in itertools.pairwise(cuts):
        file.write(make_trajectory().frames(start, stop))
    file.finish(METADATA)
    assert stretched.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("memory", ["replica first", "time first", "strided"])
def test_memory_order_does_not_change_the_file(path: Path, memory: str) -> None:
    whole, trajectory = path.read_bytes(), make_trajectory()
    fields = [trajectory.positions, trajectory.velocities, trajectory.kicks]
    if memory == "time first":
        fields = [values.transpose(0, 1).contiguous().transpose(0, 1) for values in fields]
    elif memory == "strided":
        fields = [values.repeat_interleave(2, dim=1)[:, ::2] for values in fields]
    write_trajectory(path, Trajectory(trajectory.steps, *fields), metadata=METADATA)
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("chunks", "words"),
    [
        ([], "it has 0 frames instead of the 7 announced"),
        ([make_trajectory(6)], "it has 6 frames instead of the 7 announced"),
        ([make_trajectory(6), make_trajectory(2)], "there are more frames than the 7 announced"),
        ([make_trajectory(6), make_trajectory(1, n_replicas=1)], "replicas or atoms change at frame 6"),
    ],
)
def test_stretches_that_do_not_fit_are_refused(tmp_path: Path, chunks: list[Trajectory], words: str) -> None:
    file = FrameFile(tmp_path / "a.h5", FrameShape(7, 2, 2))

    def write_all() -> None:
        for chunk in chunks:
            file.write(chunk)
        file.finish({})

    with pytest.raises(DataError, match=words):
        write_all()
    assert "not an mlmd trajectory" in _refusal(tmp_path / "a.h5")


def test_what_is_killed_while_it_finishes_can_be_finished_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    again = path.with_name("again.h5")
    file = FrameFile(again, FrameShape(7, 2, 2))
    file.write(make_trajectory())
    hashes = file.sync()
    n_writes = 0

    def write(*arguments: object) -> None:
        nonlocal n_writes
        n_writes += 1
        if n_writes == 4:
            raise KeyboardInterrupt
        plain_write(*arguments)

    plain_write = frame_file._write_all
    with monkeypatch.context() as patch:
        patch.setattr(frame_file, "_write_all", write)
        with pytest.raises(KeyboardInterrupt):
            file.finish({"other": "x" * 1000})
    reopened = FrameFile(again, FrameShape(7, 2, 2))
    reopened.continue_after(7, hashes)
    reopened.finish(METADATA)
    assert again.read_bytes() == path.read_bytes()


def test_frames_are_read_by_stretches_and_replicas(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "_BLOCK_BYTES", 2 * 96)
    with TrajectoryFile(path) as file:
        assert (len(file), file.n_replicas, file.metadata) == (7, 2, METADATA)
        for start, stop, replicas in [
            (0, 7, slice(None)),
            (2, 5, slice(1, 2)),
            (6, 9, slice(0, 1)),
            (3, 3, slice(None)),
        ]:
            assert_same(file.frames(start, stop, replicas), make_trajectory().frames(start, stop, replicas))
    with pytest.raises(DataError):
        file.frames(0, 1)
    assert read_metadata(path) == METADATA


@contextlib.contextmanager
def _files_limited_to(n_bytes: int) -> Iterator[None]:
    """The system refuses writes beyond a size, as it does on a full disk, to root as well."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("limit", [1, 3000, 100_000])
def test_a_refused_write_is_one_line_and_leaves_the_old_file(path: Path, limit: int) -> None:
    whole = path.read_bytes()
    with _files_limited_to(limit), pytest.raises(DataError, match=r"cannot write .*\.h5: the file grew") as error:
        write_trajectory(path, make_trajectory(5000), metadata={})
    assert "\n" not in str(error.value)
    assert path.read_bytes() == whole
    assert names(path.parent) == ["trajectory.h5"]
    # The library is fit for use afterwards.
    write_trajectory(path, make_trajectory(), metadata=METADATA)
    assert_same(read_trajectory(path)[0], make_trajectory())
