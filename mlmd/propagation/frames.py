"""Buffers of fixed size into which every engine writes the frames of a propagation."""

import torch
from torch import Tensor

from mlmd.state import MDState, Trajectory


class FrameBuffer:
    """The frames of the steps divisible by ``every`` among ``n_steps`` steps from ``first_step`` on.

    Attributes:
        every: steps between two frames.
        steps: the steps covered.
        first_frame: step of frame 0.
        positions: r_n, float64 [frame, replica, atom, xyz], A.
        velocities: half-step velocities v_{n-1/2}, same shape, A/fs.
        kicks: velocity changes u_n, same shape, A/fs.
    """

    def __init__(self, like: MDState, *, first_step: int, n_steps: int, every: int = 1) -> None:
        self.every = every
        self.steps = range(first_step, first_step + n_steps)
        self.first_frame = -(-first_step // every) * every
        n_frames = max(0, -(-(first_step + n_steps - self.first_frame) // every))
        shape = (n_frames, *like.positions.shape)
        self.positions = like.positions.new_empty(shape)
        self.velocities = like.positions.new_empty(shape)
        self.kicks = like.positions.new_empty(shape)

    def __len__(self) -> int:
        """Number of frames."""
        return self.positions.shape[0]

    def require(self, step: int, n_steps: int) -> None:
        """Check that a stretch lies within the steps covered, for engines that write without looking.

        Raises:
            IndexError: it does not.
        """
        if step < self.steps.start or step + n_steps > self.steps.stop:
            raise IndexError(f"steps {step} to {step + n_steps} leave those of the frame buffer, {self.steps}")

    def record(self, state: MDState, kick: Tensor) -> None:
        """Keep a state and the velocity change it takes, [replica, atom, xyz], A/fs, where its step is a frame."""
        frame, rest = divmod(state.step - self.first_frame, self.every)
        if rest == 0:
            self.positions[frame] = state.positions
            self.velocities[frame] = state.velocities
            self.kicks[frame] = kick

    def trajectory(self, *, until: int | None = None) -> Trajectory:
        """The frames, replica first, with on-step velocities v_n = v_{n-1/2} + u_n / 2; the others are views.

        Args:
            until: only frames of steps before this one, where a propagation ended early.
        """
        n_frames = len(self) if until is None else max(0, -(-(until - self.first_frame) // self.every))
        positions, velocities, kicks = (
            values[:n_frames].transpose(0, 1) for values in (self.positions, self.velocities, self.kicks)
        )
        steps = self.first_frame + self.every * torch.arange(n_frames)
        return Trajectory(steps, positions, torch.add(velocities, kicks, alpha=0.5), kicks)
