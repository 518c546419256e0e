"""The state that an MD step advances, and the trajectory that a run produces.

The integrator is velocity Verlet in its leapfrog form. At step n the state holds the positions r_n and the half-step
velocities v_{n-1/2}. The kick u_n gives v_{n+1/2} = v_{n-1/2} + u_n, and the drift gives r_{n+1} = r_n + dt v_{n+1/2}.
Energies use the on-step velocity v_n = v_{n-1/2} + u_n / 2.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True)
class MDState:
    """A batch of replicas at one MD step.

    Attributes:
        step: MD step n, counted from the initial state.
        positions: r_n, float64 [replica, atom, xyz], A.
        velocities: v_{n-1/2}, float64 [replica, atom, xyz], A/fs.
    """

    step: int
    positions: Tensor
    velocities: Tensor

    @property
    def n_replicas(self) -> int:
        """Number of replicas in the batch."""
        return self.positions.shape[0]

    def to(self, device: torch.device | str) -> "MDState":
        """The same state on another device."""
        return MDState(self.step, self.positions.to(device), self.velocities.to(device))


@dataclass(frozen=True)
class Trajectory:
    """Frames of a run, replica first.

    Attributes:
        steps: MD step of every frame, int64 [time].
        positions: r_n, float64 [replica, time, atom, xyz], A.
        velocities: on-step velocities v_n, same shape, A/fs.
        kicks: velocity updates u_n = v_{n+1/2} - v_{n-1/2}, same shape, A/fs.
    """

    steps: Tensor
    positions: Tensor
    velocities: Tensor
    kicks: Tensor

    def __len__(self) -> int:
        """Number of frames."""
        return self.steps.shape[0]

    @property
    def n_replicas(self) -> int:
        """Number of replicas."""
        return self.positions.shape[0]

    @property
    def velocities_before(self) -> Tensor:
        """v_{n-1/2} of every frame, the velocities that a predictor receives, A/fs."""
        return self.velocities - 0.5 * self.kicks

    @property
    def velocities_after(self) -> Tensor:
        """v_{n+1/2} of every frame, the velocities that a predictor should predict, A/fs."""
        return self.velocities + 0.5 * self.kicks

    def frames(self, start: int, stop: int, replicas: slice = slice(None)) -> "Trajectory":
        """The frames start <= i < stop of the selected replicas, as views."""
        return Trajectory(
            self.steps[start:stop],
            self.positions[replicas, start:stop],
            self.velocities[replicas, start:stop],
            self.kicks[replicas, start:stop],
        )

    def thinned(self, every: int) -> "Trajectory":
        """The frames whose step is divisible by ``every``."""
        if every == 1:
            return self
        kept = self.steps % every == 0
        return Trajectory(self.steps[kept], self.positions[:, kept], self.velocities[:, kept], self.kicks[:, kept])

    def to(self, device: torch.device | str) -> "Trajectory":
        """The same trajectory on another device."""
        return Trajectory(
            self.steps.to(device), self.positions.to(device), self.velocities.to(device), self.kicks.to(device)
        )


class FrameSource(Protocol):
    """Frames that are read in chunks: a `Trajectory` in memory, or a trajectory file of any size."""

    def __len__(self) -> int:
        """Number of frames."""
        ...

    @property
    def n_replicas(self) -> int:
        """Number of replicas."""
        ...

    def frames(self, start: int, stop: int, replicas: slice = ...) -> Trajectory:
        """The frames start <= i < stop of the selected replicas."""
        ...
