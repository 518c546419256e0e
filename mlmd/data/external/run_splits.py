"""Runs into train, val and test.

A run is one replica. One or two runs are split by time, in the order train, val, test; three and more are split as
wholes. Within a split all runs are cut into stretches of one length. Kicks need the frame before and the frame after,
so a gap of two frames lies between splits of one run: no frame of a file has a part in two splits.
"""

from collections.abc import Sequence

import torch

from mlmd.data.external.file_plan import FilePlan
from mlmd.data.generation import SPLITS
from mlmd.errors import DataError
from mlmd.state import Trajectory

GAP_FRAMES = 2
"""Between splits of one run."""


def split_runs(runs: Sequence[Trajectory], plan: FilePlan) -> dict[str, Trajectory]:
    """Runs into splits of stretches.

    Args:
        runs: one replica each, of any lengths.
        plan: fractions, lengths and limits.

    Returns:
        By "train", "val" and "test": [stretch, time, atom, xyz], steps counted from a stretch's start.

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
    """Equal stretches of at most ``n_steps`` frames; the shortest part loses fewer frames than it has stretches."""
    shortest = min(len(part) for part in parts)
    length = shortest // -(-shortest // n_steps)
    cut = [part.frames(start, start + length) for part in parts for start in range(0, len(part) - length + 1, length)]
    if limit is not None and limit < len(cut):
        # From all over the runs, not from their beginnings alone.
        cut = [cut[index * len(cut) // limit] for index in range(limit)]
    fields = ([getattr(part, name) for part in cut] for name in ("positions", "velocities", "kicks"))
    return Trajectory(torch.arange(length), *(torch.cat(field) for field in fields))
