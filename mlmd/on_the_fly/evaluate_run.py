"""Evaluates a finished on-the-fly run; the force calls made for it are not counted.

Its energy at the end is compared with the mean of the true steps before ML. Everything else, where it is asked for, is
compared with pure Hamiltonian dynamics from the state at which ML took over.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mlmd.data.generation import trajectory_metadata
from mlmd.evaluation.evaluate import evaluate_system
from mlmd.evaluation.resolved_lines import ResolvedLine, resolve_lines
from mlmd.io.run_folder import REFERENCE_FILE, TRAJECTORY_FILE, RunFiles
from mlmd.io.trajectory_file import TrajectoryFile
from mlmd.observables import kinetic_energy
from mlmd.observables.energy import frames_of_whole_periods, relative_to
from mlmd.observables.errors import median
from mlmd.propagation import reference_dynamics
from mlmd.propagation.simulate_to_file import RecordingPlan, record
from mlmd.state import FrameSource, Trajectory
from mlmd.systems import System

N_PERIODS = 10
"""Whole periods of the slowest vibration over which the energy at the end is averaged."""

MOST_ENERGIES = 200
"""Potential energies that are computed of each of the two runs that are compared."""


@dataclass(frozen=True)
class JudgingPlan:
    """How a run is judged.

    Attributes:
        every: steps from one frame of the run to the next.
        n_frames: frames at the end whose energies are computed.
        reference_steps: steps of the Hamiltonian reference; 0 for none.
        digest: of the run's configuration, so that the reference of another run is not taken for this one's.
        seed: of the run, for the record.
        resumes: whether an interrupted reference is continued.
    """

    every: int
    n_frames: int
    reference_steps: int
    digest: str | None
    seed: int
    resumes: bool


@dataclass(frozen=True)
class Judged:
    """What was found.

    Attributes:
        scores: under the names of any rollout.
        lines: vibrational lines; none without a reference.
    """

    scores: dict[str, float]
    lines: list[ResolvedLine]


@dataclass(frozen=True)
class Since(FrameSource):
    """The frames of a run from one of them on, their steps counted from it.

    Attributes:
        run: the whole.
        first: the frame.
        n_frames: how many.
    """

    run: FrameSource
    first: int
    n_frames: int

    def __len__(self) -> int:
        """Number of frames."""
        return self.n_frames

    @property
    def n_replicas(self) -> int:
        """Number of replicas."""
        return self.run.n_replicas

    def frames(self, start: int, stop: int, replicas: slice = slice(None)) -> Trajectory:
        """The frames start <= i < stop of some replicas."""
        part = self.run.frames(self.first + start, self.first + min(stop, self.n_frames), replicas)
        origin = int(self.run.frames(self.first, self.first + 1, slice(0, 1)).steps[0])
        return Trajectory(part.steps - origin, part.positions, part.velocities, part.kicks)


def judge(
    outcome: dict[str, Any], files: RunFiles, plan: JudgingPlan, *, system: System, device: torch.device
) -> Judged:
    """Scores and lines of a run that is over.

    Args:
        outcome: see `mlmd.on_the_fly.folder_backend.outcome`.
        files: the run's folder, with its trajectory.
        plan: how it is judged.
        system: what was simulated.
        device: where a reference is propagated.
    """
    takeover, every = outcome["standing"]["takeover_step"], plan.every
    with TrajectoryFile(files.folder / TRAJECTORY_FILE) as run:
        at_end = _energy_scores(run, outcome, plan, system)
        if takeover is None or plan.reference_steps == 0:
            return Judged(at_end, [])
        first = -(-takeover // every)
        reference_path = _reference(run, first, files, plan, system=system, device=device)
        with TrajectoryFile(reference_path) as reference:
            n_common = min(len(reference), len(run) - first)
            learned, true = Since(run, first, n_common), Since(reference, 0, n_common)
            energy_every = max(1, n_common // MOST_ENERGIES)
            evaluation = evaluate_system({"learned": learned}, true, system, energy_every=energy_every)
            lines = resolve_lines(Since(run, first, len(run) - first), reference, system, every=every)
    return Judged(evaluation.scores["learned"] | at_end, lines)


def _reference(
    run: FrameSource, first: int, files: RunFiles, judging: JudgingPlan, *, system: System, device: torch.device
) -> Path:
    """Pure Hamiltonian dynamics from one frame of the run, recorded, so that an interruption loses little."""
    start = run.frames(first, first + 1)
    plan = RecordingPlan(
        n_steps=judging.reference_steps,
        every=judging.every,
        chunk_steps=None,
        identity_of=lambda n_steps: f"{judging.digest} reference of {n_steps} steps",
        resumes=judging.resumes,
        keeps_end=False,
    )
    record(
        reference_dynamics(system, device=device),
        (start.positions[:, 0], start.velocities[:, 0]),
        files.folder / REFERENCE_FILE,
        plan,
        name="reference",
        metadata=trajectory_metadata(system, seed=judging.seed) | {"provenance": files.provenance},
    )
    return files.folder / REFERENCE_FILE


def _energy_scores(run: FrameSource, outcome: dict[str, Any], plan: JudgingPlan, system: System) -> dict[str, float]:
    """|<E>_end / <E>_ref - 1|, the reference being the mean of the true steps before ML took over."""
    sample = _last_periods(run, system, every=plan.every, n_frames=plan.n_frames)
    potential, _ = system.hamiltonian.energy_and_forces(sample.positions)
    mean = (potential + kinetic_energy(sample.velocities, system.masses())).mean(dim=1, keepdim=True)
    reference = torch.tensor(outcome["mean_energy_eV"], dtype=torch.float64).unsqueeze(1)
    errors: Tensor = relative_to(mean, reference).squeeze(1)
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
