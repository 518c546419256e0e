"""An on-the-fly run judged when it is over; the force calls made for it are nobody's."""

from typing import Any

import torch
from torch import Tensor

from mlmd.commands.outputs import RunFiles
from mlmd.data.store import TrajectoryFile
from mlmd.observables import kinetic_energy
from mlmd.observables.energy import frames_of_whole_periods, relative_to
from mlmd.observables.errors import median
from mlmd.state import FrameSource, Trajectory
from mlmd.systems import System

N_PERIODS = 10
"""Whole periods of the slowest vibration over which the energy at the end is averaged."""


def judge(
    outcome: dict[str, Any],
    files: RunFiles,
    *,
    system: System,
    initial: tuple[Tensor, Tensor],
    device: torch.device,
) -> dict[str, float]:
    """Scores under the names of any rollout."""
    with TrajectoryFile(files.folder / "trajectory.h5") as run:
        return _energy_scores(run, outcome, files, system)


def _energy_scores(run: FrameSource, outcome: dict[str, Any], files: RunFiles, system: System) -> dict[str, float]:
    """|<E>_end / <E>_ref - 1|, the reference being the mean of the true steps before ML took over."""
    sample = _last_periods(run, system, every=files.values["every"], n_frames=files.values["judge_frames"])
    potential, _ = system.hamiltonian.energy_and_forces(sample.positions)
    mean = (potential + kinetic_energy(sample.velocities, system.masses())).mean(dim=1, keepdim=True)
    reference = torch.tensor(outcome["mean_energy_eV"], dtype=torch.float64).unsqueeze(1)
    errors = relative_to(mean, reference).squeeze(1)
    return {
        "energy_error_median": float(median(errors)),
        "energy_error_worst": float(errors.max()),
        "diverged_replicas": float((~errors.isfinite()).sum()),
    }


def _last_periods(run: FrameSource, system: System, *, every: int, n_frames: int) -> Trajectory:
    """Frames of the last whole periods, evenly spread and at most so many."""
    window = frames_of_whole_periods(system.slowest_period_fs, system.dt_fs * every, N_PERIODS)
    last = run.frames(max(0, len(run) - window), len(run))
    chosen = torch.linspace(0, len(last) - 1, min(n_frames, len(last))).round().long()
    values = (last.positions, last.velocities, last.kicks)
    return Trajectory(last.steps[chosen], *(part[:, chosen] for part in values))
