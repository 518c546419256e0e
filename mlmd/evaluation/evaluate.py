"""Scores and curves of runs of any length against their reference, read twice, stretch by stretch.

`rollout_metrics` defines the scores. They come out the same to round-off, but for two of very long runs: the distance
between bond lengths beyond `accumulators.EXACT_VALUES` values and the spectrum beyond `accumulators.SEGMENT_FRAMES`
frames, both stated there. Memory does not depend on the number of frames: a stretch of 32 replicas at most is in memory
of every run, 16 MiB of frames, and some ten times that of what is computed from them; the rates that wait for their
spectrum are 32 MiB a run, or those of one replica, 1 MiB a mode, where these are more.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import nan

import torch
from torch import Tensor

from mlmd.evaluation.chunked_frames import ChunkedFrames
from mlmd.evaluation.curves import BondView, DynamicsView, EnergyView, LineView, RolloutCurves, StartView, bond_at_end
from mlmd.evaluation.distribution_pass import DistributionPass
from mlmd.evaluation.per_replica_pass import PerReplicaPass, Potential
from mlmd.evaluation.replica_statistics import EnergySampling, EvaluationPlan, ReplicaStatistics, pooled_moments
from mlmd.evaluation.rollout_scores import (
    DIVERGED_ENERGY_ERROR,
    error_window_frames,
    line_scores,
    pooled_keys,
    relative_kinetic,
    vacf_lags,
)
from mlmd.observables import dynamics, energy, momenta
from mlmd.observables.accumulators import Moments
from mlmd.observables.errors import median
from mlmd.observables.internal_motion import DiatomicMotion, InternalMotion
from mlmd.observables.spectral_lines import LineShift, line_shifts, reference_lines
from mlmd.state import FrameSource
from mlmd.units import FS_PER_PS


@dataclass(frozen=True)
class RolloutEvaluation:
    """What two readings found.

    Attributes:
        scores: by run, those of `rollout_metrics`.
        curves: for figures.
    """

    scores: dict[str, dict[str, float]]
    curves: RolloutCurves


def evaluate_rollouts(
    runs: Mapping[str, FrameSource],
    reference: FrameSource,
    potential: Potential,
    *,
    masses: Tensor,
    dt_fs: float,
    period_fs: float,
    first: int = 0,
    motion: InternalMotion | None = None,
    energy_every: int = 1,
) -> RolloutEvaluation:
    """Judge runs of a molecule in a memory that does not depend on their length.

    Energies judge and are nobody's force calls, but they cost as much. With ``energy_every`` k the potential is asked
    for every k-th frame only, the last among them: errors, windows, trend and curves of the energy are then of these
    frames, everything else is of all. Verlet's total energy oscillates twice a period of every vibration; a k that
    falls into step with one shifts the mean by up to its amplitude.

    Args:
        runs: rollouts by name, on the CPU.
        reference: Hamiltonian dynamics from the same initial states, at the same steps.
        potential: energies that only judge.
        masses: [atom], u.
        dt_fs: MD time step; the time between frames is this times the steps between them.
        period_fs: period of the slowest vibration.
        first: the first frame that is judged.
        motion: what of the molecule is watched; a bond of two atoms if not given.
        energy_every: frames from one potential energy to the next.

    Raises:
        ConfigError: fewer than two energies are left.
        DataError: steps or shapes differ, frames are unevenly spaced, the motion is of other atoms, or the reference is
            not finite.
    """
    motion = DiatomicMotion() if motion is None else motion
    reading = ChunkedFrames(runs, reference, first=first, dt_fs=dt_fs, n_rates=motion.n_modes)
    sampling = EnergySampling(reading.n_frames, reading.frame_dt_fs, energy_every)
    judging = EvaluationPlan(
        sampling,
        error_window_frames(period_fs, sampling.dt_fs, sampling.n_energies),
        vacf_lags(reading.frame_dt_fs, reading.n_frames),
        masses.double(),
        motion,
    )
    found = PerReplicaPass(reading, judging, potential)
    sampled = DistributionPass(reading, found, motion)
    scores = {name: _scores(name, reading, judging, found, sampled) for name in runs}
    return RolloutEvaluation(scores, _curves(reading, judging, found, sampled))


def _energy_errors(name: str, found: PerReplicaPass) -> Tensor:
    """Relative errors [replica, window]."""
    pairs = zip(found.runs[name], found.true, strict=True)
    return torch.cat([energy.relative_to(run.windows.means, true.total.mean.unsqueeze(1)) for run, true in pairs])


def _end_errors(name: str, found: PerReplicaPass) -> Tensor:
    """Relative error at the end of each replica, +inf for one that diverged anywhere [replica]."""
    return torch.where(torch.cat(found.survived[name]), _energy_errors(name, found)[:, -1], torch.inf)


def _scores(
    name: str, reading: ChunkedFrames, judging: EvaluationPlan, found: PerReplicaPass, sampled: DistributionPass
) -> dict[str, float]:
    run, sampling = found.runs[name], judging.sampling
    errors = _end_errors(name, found)
    slope = found.of_survivors(name, run, lambda each: each.trend.slope)
    spread = found.of_survivors(name, run, lambda each: each.kinetic.variance.sqrt())
    drift = energy.drift_of_slope(slope, frame_dt_fs=sampling.dt_fs, n_atoms=reading.n_atoms)
    scores = {
        "energy_error_median": float(median(errors)),
        "energy_error_worst": float(errors.max()),
        "diverged_replicas": float((errors > DIVERGED_ENERGY_ERROR).sum()),
        "energy_drift_meV_per_atom_per_ps": float(median(drift)),
        "drift_over_std_kinetic": float(median((slope * (sampling.n_energies - 1)).abs() / spread)),
    }
    if name not in sampled.distances:
        return scores | dict.fromkeys(pooled_keys(judging.motion), float("nan"))
    return scores | _pooled(name, judging, found, sampled)


def _pooled(name: str, judging: EvaluationPlan, found: PerReplicaPass, sampled: DistributionPass) -> dict[str, float]:
    """Scores of structure, dynamics and momenta over the replicas that survived."""
    run, true, kept = found.runs[name], found.true, found.survived[name]

    def pooled(moments: Callable[[ReplicaStatistics], Moments]) -> tuple[tuple[float, float], tuple[float, float]]:
        return (
            pooled_moments([moments(each) for each in run], kept),
            pooled_moments([moments(each) for each in true], kept),
        )

    (length, std), (length_ref, std_ref) = pooled(lambda each: each.lengths)
    (vibrational, _), (vibrational_ref, _) = pooled(lambda each: each.vibrational)
    (rotational, _), (rotational_ref, _) = pooled(lambda each: each.rotational)
    n_survivors = found.n_survivors(name)
    correlation, correlation_ref = (sums / n_survivors for sums in found.correlations[name])
    spectra, spectra_ref = (each.result() for each in sampled.spectra[name])
    linear = momenta.relative_change(
        found.of_survivors(name, run, lambda each: each.linear_change),
        found.of_survivors(name, true, lambda each: each.linear_scale),
    )
    angular = momenta.relative_change(
        found.of_survivors(name, run, lambda each: each.angular_change),
        found.of_survivors(name, true, lambda each: each.angular_scale),
    )
    return {
        "bond_mean_error_A": abs(length - length_ref),
        "bond_std_error_A": abs(std - std_ref),
        "bond_wasserstein_A": sampled.distances[name].value,
        "vacf_error": float(dynamics.vacf_error(correlation, correlation_ref)),
        **line_scores(spectra, spectra_ref, judging.motion),
        "linear_momentum_error": float(linear.max()),
        "angular_momentum_error": float(angular.max()),
        "vibrational_kinetic_error": relative_kinetic(vibrational, vibrational_ref),
        "rotational_kinetic_error": relative_kinetic(rotational, rotational_ref),
    }


def _curves(
    reading: ChunkedFrames, judging: EvaluationPlan, found: PerReplicaPass, sampled: DistributionPass
) -> RolloutCurves:
    motion, sampling = judging.motion, judging.sampling
    spectra_ref = sampled.spectrum_ref.result()
    power_ref = spectra_ref.total(motion.lines)
    correlation_ref = found.correlation_ref / reading.reference.n_replicas

    def dynamics_of(name: str) -> DynamicsView:
        if name not in sampled.spectra:
            return DynamicsView(torch.full_like(correlation_ref, torch.nan), torch.full_like(power_ref, torch.nan))
        correlation = found.correlations[name][0] / found.n_survivors(name)
        return DynamicsView(correlation, sampled.spectra[name][0].result().total(motion.lines))

    def bond_of(source: FrameSource, groups: Sequence[ReplicaStatistics], counts: Tensor) -> BondView:
        widths = sampled.edges.diff()
        first = groups[0].first_length
        return BondView(
            *bond_at_end(source, reading.frame_dt_fs, motion, first=reading.first),
            sampled.edges,
            counts / (source.n_replicas * reading.n_frames * motion.n_bonds * widths),
            (float(first.lowest[0]), float(first.highest[0])),
            source.n_replicas,
            sum(int(each.lost_bond.sum()) for each in groups),
            motion.first_bond,
        )

    time_ps = (sampling.first * reading.frame_dt_fs + found.true[0].windows.centres * sampling.dt_fs) / FS_PER_PS

    def energies_of(groups: Sequence[ReplicaStatistics]) -> EnergyView:
        kinetic = torch.cat([each.kinetic_windows.means for each in groups])
        return EnergyView(time_ps, torch.cat([each.windows.means for each in groups]) - kinetic, kinetic)

    return RolloutCurves(
        n_frames=reading.n_frames,
        start=_start(reading, motion, found),
        end_errors={name: _end_errors(name, found) for name in reading.runs},
        energy_errors={name: (time_ps, _energy_errors(name, found)) for name in reading.runs},
        energy_ref=energies_of(found.true),
        energies={name: energies_of(found.runs[name]) for name in reading.runs},
        bond_ref=bond_of(reading.reference, found.true, sampled.counts_ref),
        bonds={name: bond_of(run, found.runs[name], sampled.counts[name]) for name, run in reading.runs.items()},
        lag_fs=reading.frame_dt_fs * torch.arange(judging.n_lags, dtype=torch.float64),
        wavenumbers=spectra_ref.wavenumbers,
        dynamics_ref=DynamicsView(correlation_ref, power_ref),
        dynamics={name: dynamics_of(name) for name in reading.runs},
        lines=_lines(reading, motion, sampled) if motion.has_modes else (),
    )


def _lines(reading: ChunkedFrames, motion: InternalMotion, sampled: DistributionPass) -> tuple[LineView, ...]:
    positions = reference_lines(sampled.spectrum_ref.result(), motion.lines)
    nothing = [LineShift(nan, nan)] * len(motion.lines)
    by_run = dict.fromkeys(reading.runs, nothing)
    for name, (run, true) in sampled.spectra.items():
        by_run[name] = line_shifts(run.result(), true.result(), motion.lines)
    return tuple(
        LineView(line, position, {name: shifts[index] for name, shifts in by_run.items()})
        for index, (line, position) in enumerate(zip(motion.lines, positions, strict=True))
    )


def _start(reading: ChunkedFrames, motion: InternalMotion, found: PerReplicaPass) -> StartView:
    frame = reading.reference.frames(reading.first, reading.first + 1)
    return StartView(
        motion.lengths(frame.positions)[:, 0, 0],
        motion.first_rate(frame.positions, frame.velocities)[:, 0],
        torch.cat([group.total.mean for group in found.true]),
    )
