"""Reads several runs and their reference side by side, a chunk of frames at a time."""

from collections.abc import Iterator, Mapping

import torch

from mlmd.errors import DataError
from mlmd.observables.accumulators import SEGMENT_FRAMES
from mlmd.state import FrameSource, Trajectory

CHUNK_BYTES = 16 * 2**20
"""Size of the positions, velocities and kicks in one chunk of one run."""

GROUP_REPLICAS = 32
"""Most replicas that are read together. With fewer replicas at a time a chunk holds more frames."""

SERIES_BYTES = 32 * 2**20
"""Size of the rates of one run that wait for their spectrum: 32 replicas of the longest segment with one rate each, or
fewer replicas with more rates."""


class ChunkedFrames:
    """Frames of several runs at the same steps.

    Args:
        runs: rollouts by name.
        reference: trajectory of the same replicas, atoms and steps.
        first: index of the first frame to read.
        dt_fs: MD time step, fs.
        n_rates: number of rates per frame from which spectra are computed.

    Attributes:
        n_frames: number of frames from ``first`` on.
        frame_dt_fs: time between two frames, fs.
        n_atoms: number of atoms of one replica.

    Raises:
        DataError: the runs differ in shape, or hold fewer than two frames.
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
        """Groups of replicas that are read together."""
        stop = self.reference.n_replicas
        return [slice(at, min(at + self._group_replicas, stop)) for at in range(0, stop, self._group_replicas)]

    def chunks(self, group: slice) -> Iterator[tuple[Trajectory, dict[str, Trajectory]]]:
        """Yields consecutive frames of the reference and the same frames of every run.

        Args:
            group: replicas to read.

        Raises:
            DataError: the frames are unevenly spaced, or a run holds other steps than the reference.
        """
        bytes_per_frame = (group.stop - group.start) * self.n_atoms * 3 * 3 * 8
        size = max(1, CHUNK_BYTES // bytes_per_frame)
        for start in range(self.first, self.first + self.n_frames, size):
            stop = min(start + size, self.first + self.n_frames)
            reference = self.reference.frames(start, stop, group)
            expected = self._first_step + self._spacing * torch.arange(start - self.first, stop - self.first)
            if self._spacing <= 0 or not torch.equal(reference.steps.cpu(), expected):
                raise DataError(
                    "frames of the rollout are not evenly spaced in steps; store every k-th step, one run per file"
                )
            runs = {name: run.frames(start, stop, group) for name, run in self.runs.items()}
            for run in runs.values():
                if not torch.equal(run.steps, reference.steps):
                    raise DataError(
                        "rollout and reference hold frames of different steps; store the same steps of both, "
                        "for instance every k-th"
                    )
            yield reference, runs
