"""A run to record, whose next frames depend on all bits of its state."""

import torch

from mlmd.state import Trajectory

N_CHUNKS, CHUNK = 2, 4


def next_frames(x: torch.Tensor, first_step: int, n_frames: int = CHUNK) -> tuple[Trajectory, torch.Tensor]:
    """Some chaotic dynamics whose next stretch depends on all bits of the state, and the state after it."""
    frames = []
    for _ in range(n_frames):
        x = 3.99 * x * (1 - x)
        frames.append(x)
    positions = torch.stack(frames, dim=1)
    return Trajectory(torch.arange(first_step, first_step + n_frames), positions, 2 * positions, -positions), x


def initial() -> torch.Tensor:
    return torch.rand(2, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
