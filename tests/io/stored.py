"""Trajectories to store, and how files are looked at."""

from pathlib import Path

import torch

from mlmd.state import Trajectory

METADATA = {"dt_fs": 0.5, "seed": 3, "system": "HCl", "symbols": ["H", "Cl"], "units": {"length": "Å"}}


def make_trajectory(n_frames: int = 7, seed: int = 0, n_replicas: int = 2) -> Trajectory:
    generator = torch.Generator().manual_seed(seed)
    shape = (n_replicas, n_frames, 2, 3)
    frames = [torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(3)]
    return Trajectory(torch.arange(10, 10 + n_frames), *frames)


def assert_same(a: Trajectory, b: Trajectory) -> None:
    for name in ("steps", "positions", "velocities", "kicks"):
        x, y = getattr(a, name), getattr(b, name)
        assert x.dtype == y.dtype
        # Bits, so that NaN equals itself.
        assert x.contiguous().numpy().tobytes() == y.contiguous().numpy().tobytes(), name
        assert x.shape == y.shape


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())
