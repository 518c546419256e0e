"""Runs and their reference, side by side, stretch by stretch."""

from collections.abc import Iterator, Mapping

import torch

from mlmd.errors import DataError
from mlmd.observables.accumulators import SEGMENT_FRAMES
from mlmd.state import FrameSource, Trajectory

CHUNK_BYTES = 16 * 2**20
"""Positions, velocities and kicks of a stretch."""

GROUP_REPLICAS = 32
"""Replicas that are read together at most: fewer replicas at a time leave longer stretches."""

SERIES_BYTES = 32 * 2**20
"""Series of a run that wait for their spectrum: 32 replicas of the longest segment with one rate, fewer with more."""


class ChunkedFrames:
    """Frames of the same steps of several runs.

    Args:
        runs: by name.
        reference: of the same replicas, atoms and steps.
        first: the first frame that is read.
        dt_fs: MD time step.
        n_rates: numbers of a frame that a spectrum is made of.

    Attributes:
        n_frames: frames from ``first`` on.
        frame_dt_fs: time between two frames.
        n_atoms: of a replica.

    Raises:
        DataError: steps or shapes differ, or frames are unevenly spaced; while reading as well.
    """

    def __init__(
        self, runs: Mapping[str, FrameSource], reference: FrameSource, *, first: int = 0, dt_fs: float, n_rates: int = 1
    ) -> None:
        self.runs, self.reference, self.first = runs, reference, first
        self.n_frames = len(reference) - first
        if self.n_frames < 2:
            raise DataError(f"rollout scores need two frames and the run has {self.n_frames}; store more frames")
        for name, run in runs.items():
            if (len(run), run.n_replicas) != (len(reference), reference.n_replicas):
                raise DataError(
                    f"{name} has {run.n_replicas} replicas and {len(run)} frames, the reference "
                    f"{reference.n_replicas} and {len(reference)}; give both the same"
                )
        start = reference.frames(first, first + 2, slice(0, 1))
        self.n_atoms = start.positions.shape[2]
        self._first_step, self._spacing = int(start.steps[0]), int(start.steps[1] - start.steps[0])
        self.frame_dt_fs = dt_fs * self._spacing
        bytes_per_replica = 8 * n_rates * min(self.n_frames, SEGMENT_FRAMES)
        self._group_replicas = max(1, min(GROUP_REPLICAS, SERIES_BYTES // bytes_per_replica))

    def groups(self) -> list[slice]:
        """Replicas that are read together."""
        stop = self.reference.n_replicas
        return [slice(at, min(at + self._group_replicas, stop)) for at in range(0, stop, self._group_replicas)]

    def stretches(self, group: slice) -> Iterator[tuple[Trajectory, dict[str, Trajectory]]]:
        """The reference's frames and those of every run, in order."""
        bytes_per_frame = (group.stop - group.start) * self.n_atoms * 3 * 3 * 8
        size = max(1, CHUNK_BYTES // bytes_per_frame)
        for start in range(self.first, self.first + self.n_frames, size):
            stop = min(start + size, self.first + self.n_frames)
            true = self.reference.frames(start, stop, group)
            expected = self._first_step + self._spacing * torch.arange(start - self.first, stop - self.first)
            if self._spacing <= 0 or not torch.equal(true.steps.cpu(), expected):
                raise DataError(
                    "frames of the rollout are not evenly spaced in steps; store every k-th step, one run per file"
                )
            runs = {name: run.frames(start, stop, group) for name, run in self.runs.items()}
            for run in runs.values():
                if not torch.equal(run.steps, true.steps):
                    raise DataError(
                        "rollout and reference hold frames of different steps; store both every same k-th step"
                    )
            yield true, runs
