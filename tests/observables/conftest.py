import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from mlmd.state import Trajectory

MASSES = torch.tensor([1.008, 34.969], dtype=torch.float64)
PERIOD_FS = 12.5
LENGTH_A = 1.27
AMPLITUDE_A = 0.05
EV_PER_U_A2_FS2 = 103.642697  # 1 u A^2/fs^2 in eV (CODATA 2018), the inverse of the 9.648533212e-3 in mlmd.units


@dataclass(frozen=True)
class Run:
    """A trajectory with its potential energy and what it was made from."""

    trajectory: Trajectory
    potential: Tensor
    energy_eV: float


@pytest.fixture
def harmonic_run() -> Callable[..., Run]:
    """Diatomics that vibrate as an analytic cosine along fixed random axes while their centre moves evenly."""

    def make(
        *,
        n_replicas: int = 3,
        n_frames: int = 1000,
        frame_dt_fs: float = 0.5,
        every_steps: int = 1,
        period_fs: float = PERIOD_FS,
        amplitude_A: float = AMPLITUDE_A,
        length_A: float = LENGTH_A,
        drift_A_per_fs: float = 1e-3,
    ) -> Run:
        generator = torch.Generator().manual_seed(7)
        axis = torch.randn(n_replicas, 1, 3, generator=generator, dtype=torch.float64)
        axis = axis / axis.norm(dim=-1, keepdim=True)
        phase = 2 * math.pi * torch.rand(n_replicas, 1, generator=generator, dtype=torch.float64)
        omega = 2 * math.pi / period_fs
        time = frame_dt_fs * torch.arange(n_frames, dtype=torch.float64)
        q = amplitude_A * torch.cos(omega * time + phase)
        rate = -amplitude_A * omega * torch.sin(omega * time + phase)
        share = torch.stack([-MASSES[1], MASSES[0]]) / MASSES.sum()
        centre = torch.zeros(n_frames, 1, 3, dtype=torch.float64)
        centre[:, 0, 0] = drift_A_per_fs * time
        along = axis.unsqueeze(2) * share[:, None]
        positions = centre + (length_A + q)[..., None, None] * along
        velocities = rate[..., None, None] * along
        velocities[..., 0] += drift_A_per_fs
        mu = float(MASSES.prod() / MASSES.sum())
        potential = 0.5 * mu * omega**2 * q.square() * EV_PER_U_A2_FS2
        steps = every_steps * torch.arange(n_frames)
        total = 0.5 * (mu * omega**2 * amplitude_A**2 + float(MASSES.sum()) * drift_A_per_fs**2) * EV_PER_U_A2_FS2
        return Run(Trajectory(steps, positions, velocities, torch.zeros_like(velocities)), potential, total)

    return make
