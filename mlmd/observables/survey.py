"""Scores and curves of runs of any length against their reference, read twice, stretch by stretch.

`rollout_metrics` defines the scores. They come out the same to round-off, but for two of very long runs: the distance
between bond lengths beyond `accumulators.EXACT_VALUES` values and the spectrum beyond `accumulators.SEGMENT_FRAMES`
frames, both stated there. Memory does not depend on the number of frames: a stretch of 32 replicas at most is in memory
of every run, 16 MiB of frames, and some ten times that of what is computed from them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mlmd.observables import dynamics, energy, momenta, structure
from mlmd.observables.accumulators import Moments
from mlmd.observables.curves import BondView, DynamicsView, EnergyView, RolloutCurves, StartView, bond_at_end
from mlmd.observables.errors import median
from mlmd.observables.first_reading import FirstReading, Potential
from mlmd.observables.reading import Reading
from mlmd.observables.rollout import (
    DIVERGED_ENERGY_ERROR,
    POOLED_KEYS,
    error_window_frames,
    relative_kinetic,
    vacf_lags,
)
from mlmd.observables.second_reading import SecondReading
from mlmd.observables.tally import Judging, Tally, pooled_moments
from mlmd.state import FrameSource
from mlmd.units import FS_PER_PS


@dataclass(frozen=True)
class RolloutSurvey:
    """What two readings found.

    Attributes:
        scores: by run, those of `rollout_metrics`.
        curves: for figures.
    """

    scores: dict[str, dict[str, float]]
    curves: RolloutCurves


def survey_rollouts(
    runs: Mapping[str, FrameSource],
    reference: FrameSource,
    potential: Potential,
    *,
    masses: Tensor,
    dt_fs: float,
    period_fs: float,
    first: int = 0,
) -> RolloutSurvey:
    """Judge runs of diatomics in a memory that does not depend on their length.

    Args:
        runs: rollouts by name, on the CPU.
        reference: Hamiltonian dynamics from the same initial states, at the same steps.
        potential: energies that only judge.
        masses: [2], u.
        dt_fs: MD time step; the time between frames is this times the steps between them.
        period_fs: vibrational period.
        first: the first frame that is judged.

    Raises:
        DataError: steps or shapes differ, frames are unevenly spaced, not a diatomic, or the reference is not finite.
    """
    reading = Reading(runs, reference, first=first, dt_fs=dt_fs)
    judging = Judging(
        reading.n_frames,
        reading.frame_dt_fs,
        error_window_frames(period_fs, reading.frame_dt_fs, reading.n_frames),
        vacf_lags(reading.frame_dt_fs, reading.n_frames),
        masses.double(),
    )
    found = FirstReading(reading, judging, potential)
    sampled = SecondReading(reading, found)
    scores = {name: _scores(name, reading, found, sampled) for name in runs}
    return RolloutSurvey(scores, _curves(reading, judging, found, sampled))


def _energy_errors(name: str, found: FirstReading) -> Tensor:
    """Relative errors [replica, window]."""
    pairs = zip(found.runs[name], found.true, strict=True)
    return torch.cat([energy.relative_to(run.windows.means, true.total.mean.unsqueeze(1)) for run, true in pairs])


def _end_errors(name: str, found: FirstReading) -> Tensor:
    """Relative error at the end of each replica, +inf for one that diverged anywhere [replica]."""
    return torch.where(torch.cat(found.survived[name]), _energy_errors(name, found)[:, -1], torch.inf)


def _scores(name: str, reading: Reading, found: FirstReading, sampled: SecondReading) -> dict[str, float]:
    run = found.runs[name]
    errors = _end_errors(name, found)
    slope = found.of_survivors(name, run, lambda each: each.trend.slope)
    spread = found.of_survivors(name, run, lambda each: each.kinetic.variance.sqrt())
    drift = energy.drift_of_slope(slope, frame_dt_fs=reading.frame_dt_fs, n_atoms=reading.n_atoms)
    scores = {
        "energy_error_median": float(median(errors)),
        "energy_error_worst": float(errors.max()),
        "diverged_replicas": float((errors > DIVERGED_ENERGY_ERROR).sum()),
        "energy_drift_meV_per_atom_per_ps": float(median(drift)),
        "drift_over_std_kinetic": float(median((slope * (reading.n_frames - 1)).abs() / spread)),
    }
    if name not in sampled.distances:
        return scores | dict.fromkeys(POOLED_KEYS, float("nan"))
    return scores | _pooled(name, found, sampled)


def _pooled(name: str, found: FirstReading, sampled: SecondReading) -> dict[str, float]:
    """Scores of structure, dynamics and momenta over the replicas that survived."""
    run, true, kept = found.runs[name], found.true, found.survived[name]

    def pooled(moments: Callable[[Tally], Moments]) -> tuple[tuple[float, float], tuple[float, float]]:
        return (
            pooled_moments([moments(each) for each in run], kept),
            pooled_moments([moments(each) for each in true], kept),
        )

    (length, std), (length_ref, std_ref) = pooled(lambda each: each.lengths)
    (vibrational, _), (vibrational_ref, _) = pooled(lambda each: each.vibrational)
    (rotational, _), (rotational_ref, _) = pooled(lambda each: each.rotational)
    n_survivors = found.n_survivors(name)
    correlation, correlation_ref = (sums / n_survivors for sums in found.correlations[name])
    line, line_ref = (dynamics.line_position_cm1(*spectrum.result()) for spectrum in sampled.spectra[name])
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
        "line_shift_cm1": line - line_ref,
        "linear_momentum_error": float(linear.max()),
        "angular_momentum_error": float(angular.max()),
        "vibrational_kinetic_error": relative_kinetic(vibrational, vibrational_ref),
        "rotational_kinetic_error": relative_kinetic(rotational, rotational_ref),
    }


def _curves(reading: Reading, judging: Judging, found: FirstReading, sampled: SecondReading) -> RolloutCurves:
    wavenumbers, power_ref = sampled.spectrum_ref.result()
    correlation_ref = found.correlation_ref / reading.reference.n_replicas

    def dynamics_of(name: str) -> DynamicsView:
        if name not in sampled.spectra:
            return DynamicsView(torch.full_like(correlation_ref, torch.nan), torch.full_like(power_ref, torch.nan))
        correlation = found.correlations[name][0] / found.n_survivors(name)
        return DynamicsView(correlation, sampled.spectra[name][0].result()[1])

    def bond_of(source: FrameSource, groups: Sequence[Tally], counts: Tensor) -> BondView:
        widths = sampled.edges.diff()
        first = groups[0].lengths
        return BondView(
            *bond_at_end(source, reading.frame_dt_fs, first=reading.first),
            sampled.edges,
            counts / (source.n_replicas * reading.n_frames * widths),
            (float(first.lowest[0]), float(first.highest[0])),
            source.n_replicas,
            sum(int(each.lost_bond.sum()) for each in groups),
        )

    time_ps = found.true[0].windows.centres * reading.frame_dt_fs / FS_PER_PS

    def energies_of(groups: Sequence[Tally]) -> EnergyView:
        kinetic = torch.cat([each.kinetic_windows.means for each in groups])
        return EnergyView(time_ps, torch.cat([each.windows.means for each in groups]) - kinetic, kinetic)

    return RolloutCurves(
        n_frames=reading.n_frames,
        start=_start(reading, found),
        end_errors={name: _end_errors(name, found) for name in reading.runs},
        energy_errors={name: (time_ps, _energy_errors(name, found)) for name in reading.runs},
        energy_ref=energies_of(found.true),
        energies={name: energies_of(found.runs[name]) for name in reading.runs},
        bond_ref=bond_of(reading.reference, found.true, sampled.counts_ref),
        bonds={name: bond_of(run, found.runs[name], sampled.counts[name]) for name, run in reading.runs.items()},
        lag_fs=reading.frame_dt_fs * torch.arange(judging.n_lags, dtype=torch.float64),
        wavenumbers=wavenumbers,
        dynamics_ref=DynamicsView(correlation_ref, power_ref),
        dynamics={name: dynamics_of(name) for name in reading.runs},
    )


def _start(reading: Reading, found: FirstReading) -> StartView:
    frame = reading.reference.frames(reading.first, reading.first + 1)
    return StartView(
        structure.bond_lengths(frame.positions)[:, 0],
        dynamics.bond_velocity(frame.positions, frame.velocities)[:, 0],
        torch.cat([group.total.mean for group in found.true]),
    )
