"""Scores rollouts of any length against their reference, in a memory that does not grow with their length.

The frames are read twice. The first pass collects the statistics of each replica, the second one distributions and
spectra. Scores equal those of the whole trajectories to round-off, with two exceptions in very long runs, which
`mlmd.observables.accumulators` states: the distance between more than `EXACT_VALUES` bond lengths, and the spectrum of
more than `SEGMENT_FRAMES` frames.

Memory: one chunk of at most 32 replicas, 16 MiB of frames per run, and about ten times that for what is computed from
it. Rates that wait for their spectrum take 32 MiB per run, or 1 MiB per mode of a single replica if that is more.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from mlmd.evaluation.chunked_frames import ChunkedFrames
from mlmd.evaluation.curves import RolloutCurves
from mlmd.evaluation.distribution_pass import DistributionPass
from mlmd.evaluation.evaluation_plan import EnergySampling, EvaluationPlan, error_window_frames, vacf_lags
from mlmd.evaluation.per_replica_pass import PerReplicaPass, Potential
from mlmd.evaluation.rollout_curves import rollout_curves
from mlmd.evaluation.rollout_scores import rollout_scores
from mlmd.hamiltonians import ReplicaHamiltonian
from mlmd.observables.internal_motion import DiatomicMotion, InternalMotion, internal_motion_of
from mlmd.state import FrameSource
from mlmd.systems import System


@dataclass(frozen=True)
class RolloutEvaluation:
    """Result of an evaluation.

    Attributes:
        scores: scores by run and name, see `mlmd.evaluation.rollout_scores`.
        curves: curves for figures and files.
    """

    scores: dict[str, dict[str, float]]
    curves: RolloutCurves


def evaluate_system(
    runs: Mapping[str, FrameSource],
    reference: FrameSource,
    system: System,
    *,
    first: int = 0,
    energy_every: int = 1,
) -> RolloutEvaluation:
    """Scores and curves of rollouts of a system, see `evaluate_rollouts`.

    Args:
        runs: rollouts by name, on the CPU.
        reference: Hamiltonian dynamics from the same initial states, at the same steps.
        system: what was simulated.
        first: index of the first frame to evaluate.
        energy_every: frames from one potential energy to the next; more than 1 saves calls of an expensive Hamiltonian.

    Raises:
        ConfigError: fewer than two energies are left, or a system of more than two atoms has no normal modes.
        DataError: runs and reference do not fit together, or the reference is not finite.
    """
    hamiltonian = system.hamiltonian
    run_potential = hamiltonian.energies_until_failure if isinstance(hamiltonian, ReplicaHamiltonian) else None
    return evaluate_rollouts(
        runs,
        reference,
        lambda positions: hamiltonian.energy_and_forces(positions)[0],
        run_potential=run_potential,
        masses=system.masses(),
        dt_fs=system.dt_fs,
        period_fs=system.slowest_period_fs,
        first=first,
        motion=internal_motion_of(system),
        energy_every=energy_every,
    )


def evaluate_rollouts(
    runs: Mapping[str, FrameSource],
    reference: FrameSource,
    potential: Potential,
    *,
    run_potential: Potential | None = None,
    masses: Tensor,
    dt_fs: float,
    period_fs: float,
    first: int = 0,
    motion: InternalMotion | None = None,
    energy_every: int = 1,
) -> RolloutEvaluation:
    """Scores and curves of rollouts of a molecule.

    Potential energies are computed only for the evaluation and are not counted as force calls, but each costs as much
    as one. With ``energy_every`` = k the potential is evaluated for every k-th frame, the last one included. Errors,
    windows, trend and curves of the energy then use these frames; everything else uses all frames. Verlet's total
    energy oscillates twice per period of every vibration. If k is commensurate with such a period, the mean energy is
    off by up to the amplitude of the oscillation.

    Args:
        runs: rollouts by name, on the CPU.
        reference: Hamiltonian dynamics from the same initial states, at the same steps.
        potential: potential energy surface.
        run_potential: the same for runs, NaN where no energy is found; by default ``potential``.
        masses: atomic masses [atom], u.
        dt_fs: MD time step, fs; the time between frames is this times the number of steps between them.
        period_fs: period of the slowest vibration, fs.
        first: index of the first frame to evaluate.
        motion: bonds and vibrations of the molecule; by default those of a diatomic.
        energy_every: frames from one potential energy to the next.

    Raises:
        ConfigError: fewer than two energies are left.
        DataError: steps or shapes differ, frames are unevenly spaced, ``motion`` is for other atoms, or the reference
            is not finite.
    """
    motion = DiatomicMotion() if motion is None else motion
    chunked = ChunkedFrames(runs, reference, first=first, dt_fs=dt_fs, n_rates=motion.n_modes)
    sampling = EnergySampling(chunked.n_frames, chunked.frame_dt_fs, energy_every)
    plan = EvaluationPlan(
        sampling,
        error_window_frames(period_fs, sampling.dt_fs, sampling.n_energies),
        vacf_lags(chunked.frame_dt_fs, chunked.n_frames),
        masses.double(),
        motion,
    )
    per_replica = PerReplicaPass(chunked, plan, potential, run_potential)
    distributions = DistributionPass(chunked, per_replica, motion)
    scores = {name: rollout_scores(name, chunked.n_atoms, plan, per_replica, distributions) for name in runs}
    return RolloutEvaluation(scores, rollout_curves(chunked, plan, per_replica, distributions))
