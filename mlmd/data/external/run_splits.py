"""Splits a user's runs into training, validation and test data.

A run is one replica. One or two runs are each split by time, in the order train, val, test. If there are three or more
runs, each belongs to one split as a whole. Within a split all runs are cut into stretches of one length. A kick depends
on the frame before and the frame after, so there is a gap of two frames between the splits of a run: no frame of a file
affects two splits.
"""

from collections.abc import Sequence

import torch

from mlmd.data.external.file_plan import FilePlan
from mlmd.data.generation import SPLITS
from mlmd.errors import DataError
from mlmd.state import Trajectory

GAP_FRAMES = 2
"""Frames between two splits of one run."""


def split_runs(runs: Sequence[Trajectory], plan: FilePlan) -> dict[str, Trajectory]:
    """Split runs into "train", "val" and "test", and cut them into stretches.

    Args:
        runs: runs of one replica each, of any lengths.
        plan: fractions, lengths and limits.

    Returns:
        Trajectories by split, [stretch, time, atom, xyz]; steps count from the start of a stretch.

    Raises:
        DataError: there are too few frames for three splits.
    """
    parts: dict[str, list[Trajectory]] = {split: [] for split in SPLITS}
    if len(runs) < len(SPLITS):
        for run in runs:
            for split, part in _by_time(run, plan).items():
                parts[split].append(part)
    else:
        n_val, n_test = (max(1, round(part * len(runs))) for part in (plan.val_fraction, plan.test_fraction))
        n_train = max(1, len(runs) - n_val - n_test)
        test = min(n_train + n_val, len(runs) - 1)
        parts = {"train": [*runs[:n_train]], "val": [*runs[n_train:test]], "test": [*runs[test:]]}
    limits = {"train": plan.n_train, "val": plan.n_val, "test": plan.n_test}
    return {split: _stretches(parts[split], plan.n_steps, limits[split]) for split in SPLITS}


def _by_time(run: Trajectory, plan: FilePlan) -> dict[str, Trajectory]:
    n_frames = len(run)
    n_val, n_test = round(plan.val_fraction * n_frames), round(plan.test_fraction * n_frames)
    n_train = n_frames - n_val - n_test - 2 * GAP_FRAMES
    if min(n_train, n_val, n_test) < 1:
        raise DataError(
            f"{n_frames} usable frames are too few for train, val and test with a gap of {GAP_FRAMES} frames between "
            "them; give a longer trajectory (data.trajectories.path)"
        )
    val = n_train + GAP_FRAMES
    test = val + n_val + GAP_FRAMES
    return {
        "train": run.frames(0, n_train),
        "val": run.frames(val, val + n_val),
        "test": run.frames(test, test + n_test),
    }


def _stretches(parts: list[Trajectory], n_steps: int, limit: int | None) -> Trajectory:
    """Stretches of one length, at most ``n_steps`` frames; the length loses the fewest frames of the shortest part."""
    shortest = min(len(part) for part in parts)
    length = shortest // -(-shortest // n_steps)
    cut = [part.frames(start, start + length) for part in parts for start in range(0, len(part) - length + 1, length)]
    if limit is not None and limit < len(cut):
        # The kept stretches are spread over all runs.
        cut = [cut[index * len(cut) // limit] for index in range(limit)]
    fields = ([getattr(part, name) for part in cut] for name in ("positions", "velocities", "kicks"))
    return Trajectory(torch.arange(length), *(torch.cat(field) for field in fields))
