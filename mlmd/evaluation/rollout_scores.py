"""Scores of one rollout against reference dynamics from the same initial states.

A replica with a frame that is not finite has diverged. Its energy error is +inf, which counts in the median and the
worst. Every other score is over the replicas that survived, against the same replicas of the reference, and is NaN
where none survived.

| score | definition |
|---|---|
| ``energy_error_median``, ``energy_error_worst`` | abs(<E>_end / <E>_ref - 1) over the last ten whole periods |
| ``diverged_replicas`` | replicas with a frame that is not finite or an energy error above 1 |
| ``energy_drift_meV_per_atom_per_ps`` | slope of the total energy, with its sign; median over replicas |
| ``drift_over_std_kinetic`` | abs(slope x duration) / std(KE); median over replicas |
| ``bond_mean_error_A``, ``bond_std_error_A`` | over all bonds, replicas and frames together |
| ``bond_wasserstein_A`` | distance between the distributions of these bond lengths |
| ``vacf_error`` | largest difference up to a lag of 1 ps, or of half of a run below 2 ps |
| ``line_shift_cm1`` | line of the rollout minus that of the reference; of several lines the largest shift in size |
| ``linear_momentum_error``, ``angular_momentum_error`` | worst replica, in units of the reference's scale |
| ``vibrational_kinetic_error``, ``rotational_kinetic_error`` | mean kinetic energies relative to the reference |
| ``mode_kinetic_error_worst`` | more than two atoms: the same for the modes of the worst line |
"""

from collections.abc import Callable

import torch
from torch import Tensor

from mlmd.evaluation.distribution_pass import DistributionPass
from mlmd.evaluation.evaluation_plan import EvaluationPlan
from mlmd.evaluation.per_replica_pass import PerReplicaPass
from mlmd.evaluation.replica_statistics import ReplicaStatistics, pooled_moments
from mlmd.observables import dynamics, energy, momenta
from mlmd.observables.accumulators import Moments
from mlmd.observables.errors import median
from mlmd.observables.internal_motion import InternalMotion
from mlmd.observables.spectral_lines import LineSpectra, kinetic_error_worst, largest_shift_cm1, line_shifts

NO_KINETIC_EV = 1e-12
"""A mean kinetic energy below this is the round-off of a motion that does not take place, eV."""

DIVERGED_ENERGY_ERROR = 1.0
"""A replica whose energy has doubled has diverged, even if its bond is still within the limits of the propagator."""

POOLED_SCORES = (
    "bond_mean_error_A",
    "bond_std_error_A",
    "bond_wasserstein_A",
    "vacf_error",
    "line_shift_cm1",
    "linear_momentum_error",
    "angular_momentum_error",
    "vibrational_kinetic_error",
    "rotational_kinetic_error",
)
"""Scores over the replicas that survived."""

MODE_SCORES = ("mode_kinetic_error_worst",)
"""Further scores over the survivors for molecules of more than two atoms."""


def rollout_scores(
    name: str, n_atoms: int, plan: EvaluationPlan, per_replica: PerReplicaPass, distributions: DistributionPass
) -> dict[str, float]:
    """Scores of one run, by name.

    Args:
        name: name of the run.
        n_atoms: number of atoms of one replica.
        plan: what was fixed beforehand.
        per_replica: results of the first pass.
        distributions: results of the second pass.
    """
    run, sampling = per_replica.runs[name], plan.sampling
    errors = end_errors(name, per_replica)
    slope = per_replica.of_survivors(name, run, lambda each: each.trend.slope)
    spread = per_replica.of_survivors(name, run, lambda each: each.kinetic.variance.sqrt())
    drift = energy.drift_of_slope(slope, frame_dt_fs=sampling.dt_fs, n_atoms=n_atoms)
    scores = {
        "energy_error_median": float(median(errors)),
        "energy_error_worst": float(errors.max()),
        "diverged_replicas": float((errors > DIVERGED_ENERGY_ERROR).sum()),
        "energy_drift_meV_per_atom_per_ps": float(median(drift)),
        "drift_over_std_kinetic": float(median((slope * (sampling.n_energies - 1)).abs() / spread)),
    }
    if name not in distributions.distances:
        names = (*POOLED_SCORES, *(MODE_SCORES if plan.motion.has_modes else ()))
        return scores | dict.fromkeys(names, float("nan"))
    return scores | _pooled_scores(name, plan, per_replica, distributions)


def energy_errors(name: str, per_replica: PerReplicaPass) -> Tensor:
    """Relative energy errors of a run along its windows [replica, window]."""
    pairs = zip(per_replica.runs[name], per_replica.reference, strict=True)
    return torch.cat([energy.relative_to(run.windows.means, ref.total.mean.unsqueeze(1)) for run, ref in pairs])


def end_errors(name: str, per_replica: PerReplicaPass) -> Tensor:
    """Relative energy error at the end of a run, +inf for a replica that diverged anywhere [replica]."""
    return torch.where(torch.cat(per_replica.survived[name]), energy_errors(name, per_replica)[:, -1], torch.inf)


def _pooled_scores(
    name: str, plan: EvaluationPlan, per_replica: PerReplicaPass, distributions: DistributionPass
) -> dict[str, float]:
    """Scores of structure, dynamics and momenta over the replicas that survived."""
    run, reference, kept = per_replica.runs[name], per_replica.reference, per_replica.survived[name]

    def pooled(moments: Callable[[ReplicaStatistics], Moments]) -> tuple[tuple[float, float], tuple[float, float]]:
        return (
            pooled_moments([moments(each) for each in run], kept),
            pooled_moments([moments(each) for each in reference], kept),
        )

    (length, std), (length_ref, std_ref) = pooled(lambda each: each.lengths)
    (vibrational, _), (vibrational_ref, _) = pooled(lambda each: each.vibrational)
    (rotational, _), (rotational_ref, _) = pooled(lambda each: each.rotational)
    n_survivors = per_replica.n_survivors(name)
    correlation, correlation_ref = (sums / n_survivors for sums in per_replica.correlations[name])
    spectra, spectra_ref = (each.result() for each in distributions.spectra[name])
    linear = momenta.relative_change(
        per_replica.of_survivors(name, run, lambda each: each.linear_change),
        per_replica.of_survivors(name, reference, lambda each: each.linear_scale),
    )
    angular = momenta.relative_change(
        per_replica.of_survivors(name, run, lambda each: each.angular_change),
        per_replica.of_survivors(name, reference, lambda each: each.angular_scale),
    )
    return {
        "bond_mean_error_A": abs(length - length_ref),
        "bond_std_error_A": abs(std - std_ref),
        "bond_wasserstein_A": distributions.distances[name].value,
        "vacf_error": float(dynamics.vacf_error(correlation, correlation_ref)),
        **_line_scores(spectra, spectra_ref, plan.motion),
        "linear_momentum_error": float(linear.max()),
        "angular_momentum_error": float(angular.max()),
        "vibrational_kinetic_error": _relative_kinetic(vibrational, vibrational_ref),
        "rotational_kinetic_error": _relative_kinetic(rotational, rotational_ref),
    }


def _line_scores(spectra: LineSpectra, spectra_ref: LineSpectra, motion: InternalMotion) -> dict[str, float]:
    scores = {"line_shift_cm1": largest_shift_cm1(line_shifts(spectra, spectra_ref, motion.lines))}
    if motion.has_modes:
        scores["mode_kinetic_error_worst"] = kinetic_error_worst(spectra, spectra_ref)
    return scores


def _relative_kinetic(mean: float, mean_ref: float) -> float:
    """Relative error of a mean kinetic energy, eV; NaN where the reference has none (no rotation at J = 0)."""
    return abs(mean / mean_ref - 1.0) if mean_ref > NO_KINETIC_EV else float("nan")
