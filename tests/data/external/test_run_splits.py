import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mlmd.data.external.file_plan import FilePlan
from mlmd.data.external.run_splits import GAP_FRAMES, split_runs
from mlmd.errors import DataError
from mlmd.state import Trajectory


def run(n_frames: int, number: int = 0) -> Trajectory:
    """Every frame says of which run and frame it is."""
    frames = 1000.0 * number + torch.arange(n_frames, dtype=torch.float64)
    values = frames.reshape(1, n_frames, 1, 1).expand(1, n_frames, 2, 3)
    return Trajectory(torch.arange(n_frames), values, 2.0 * values, 3.0 * values)


def labels(split: Trajectory) -> list[float]:
    assert torch.equal(split.velocities, 2.0 * split.positions)
    assert torch.equal(split.kicks, 3.0 * split.positions)
    assert torch.equal(split.steps, torch.arange(len(split)))
    return split.positions[:, :, 0, 0].flatten().tolist()


@given(st.integers(30, 999), st.integers(1, 500), st.floats(0.05, 0.4), st.floats(0.05, 0.4))
def test_one_run_is_split_by_time_and_no_file_frame_is_in_two_splits(n_frames, n_steps, val, test):
    plan = FilePlan("a.traj", n_steps=n_steps, val_fraction=val, test_fraction=test)
    splits = {name: labels(split) for name, split in split_runs([run(n_frames)], plan).items()}
    # A kick at frame n has read the frames n - 1 and n + 1 of the file.
    assert max(splits["train"]) + 1 < min(splits["val"]) - 1
    assert max(splits["val"]) + 1 < min(splits["test"]) - 1
    n_used = 0
    for name, part in (("val", val), ("test", test)):
        n_part, n_stretches = round(part * n_frames), -(-round(part * n_frames) // n_steps)
        assert n_part - n_stretches < len(splits[name]) <= n_part
    for name, frames in splits.items():
        assert frames == sorted(set(frames)), name
        n_used += len(frames)
    n_stretches = sum(split.n_replicas for split in split_runs([run(n_frames)], plan).values())
    assert n_used > n_frames - 2 * GAP_FRAMES - n_stretches


@given(st.lists(st.integers(20, 90), min_size=3, max_size=12), st.floats(0.05, 0.45), st.floats(0.05, 0.45))
def test_three_and_more_runs_are_split_as_wholes(lengths, val, test):
    plan = FilePlan("a.traj", n_steps=30, val_fraction=val, test_fraction=test)
    splits = split_runs([run(length, number) for number, length in enumerate(lengths)], plan)
    runs = {name: sorted({int(label // 1000) for label in labels(split)}) for name, split in splits.items()}
    assert [number for name in ("train", "val", "test") for number in runs[name]] == list(range(len(lengths)))
    assert all(runs.values())
    assert all(len(split) <= 30 for split in splits.values())


def test_two_runs_are_both_split_by_time():
    splits = split_runs([run(100), run(60, 1)], FilePlan("a.traj"))
    assert splits["train"].positions.shape == (2, 44, 2, 3), "60 - 6 - 6 - 2 * 2, once out of each"
    assert splits["val"].n_replicas == splits["test"].n_replicas == 2


def test_fewer_stretches_are_taken_from_all_over_the_run():
    splits = split_runs([run(1000)], FilePlan("a.traj", n_steps=10, n_train=4, n_val=2))
    assert splits["train"].positions.shape[:2] == (4, 9), "796 frames in 80 stretches"
    assert labels(splits["train"])[-1] > 500
    assert (splits["val"].n_replicas, splits["test"].n_replicas) == (2, 10)


@pytest.mark.parametrize("n_frames", [1, 4, 6])
def test_too_few_frames_are_refused(n_frames):
    with pytest.raises(DataError, match=f"{n_frames} usable frames are too few"):
        split_runs([run(n_frames)], FilePlan("a.traj"))
