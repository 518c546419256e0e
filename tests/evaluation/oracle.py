"""Scores of a rollout computed from whole trajectories at once, each in the plainest way.

`mlmd.evaluation` computes the same scores chunk by chunk; the tests compare the two. Nothing here is imported from
there.
"""

import math

import torch
from torch import Tensor

from mlmd.observables import (
    DiatomicMotion,
    angular_momentum_error,
    angular_momentum_scale,
    bond_mean_error_A,
    bond_std_error_A,
    drift_over_std_kinetic,
    energy_drift,
    kinetic_energy,
    line_shifts,
    line_spectra,
    linear_momentum_error,
    linear_momentum_scale,
    median,
    relative_energy_error,
    vacf,
    vacf_error,
    wasserstein_distance,
)
from mlmd.observables.internal_motion import InternalMotion
from mlmd.state import Trajectory

OF_SURVIVORS = (
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


def oracle_scores(
    run: Trajectory,
    reference: Trajectory,
    potential: Tensor,
    potential_ref: Tensor,
    *,
    masses: Tensor,
    dt_fs: float,
    period_fs: float,
    motion: InternalMotion | None = None,
) -> dict[str, float]:
    """All scores by name, of trajectories with potential energies [replica, time], eV."""
    motion = DiatomicMotion() if motion is None else motion
    frame_dt_fs, n_frames = dt_fs * int(run.steps[1] - run.steps[0]), len(run)
    kinetic = kinetic_energy(run.velocities, masses)
    total = potential + kinetic
    total_ref = potential_ref + kinetic_energy(reference.velocities, masses)
    survived = total.isfinite().all(dim=1) & run.positions.isfinite().all(dim=-1).all(dim=-1).all(dim=-1)
    errors = relative_energy_error(total, total_ref, window_frames=window_frames(period_fs, frame_dt_fs, n_frames))
    errors = torch.where(survived, errors, torch.inf)
    drift = energy_drift(total, frame_dt_fs=frame_dt_fs, n_atoms=run.positions.shape[2])
    scores = {
        "energy_error_median": float(median(errors)),
        "energy_error_worst": float(errors.max()),
        "diverged_replicas": float((errors > 1.0).sum()),
        "energy_drift_meV_per_atom_per_ps": float(median(drift[survived])),
        "drift_over_std_kinetic": float(median(drift_over_std_kinetic(total, kinetic)[survived])),
    }
    if not bool(survived.any()):
        names = OF_SURVIVORS if isinstance(motion, DiatomicMotion) else (*OF_SURVIVORS, "mode_kinetic_error_worst")
        return scores | dict.fromkeys(names, math.nan)
    run, reference = kept(run, survived), kept(reference, survived)
    return scores | structure(run, reference, motion) | dynamics(run, reference, masses, frame_dt_fs, motion)


def kept(run: Trajectory, replicas: Tensor) -> Trajectory:
    return Trajectory(run.steps, run.positions[replicas], run.velocities[replicas], run.kicks[replicas])


def window_frames(period_fs: float, frame_dt_fs: float, n_frames: int) -> int:
    """Frames of ten whole periods, or of as many whole periods as a short run has."""
    n_periods = min(10, math.floor(n_frames * frame_dt_fs / period_fs))
    return min(n_frames, round(n_periods * period_fs / frame_dt_fs)) if n_periods else n_frames


def structure(run: Trajectory, reference: Trajectory, motion: InternalMotion) -> dict[str, float]:
    lengths, lengths_ref = motion.lengths(run.positions), motion.lengths(reference.positions)
    return {
        "bond_mean_error_A": float(bond_mean_error_A(lengths, lengths_ref)),
        "bond_std_error_A": float(bond_std_error_A(lengths, lengths_ref)),
        "bond_wasserstein_A": float(wasserstein_distance(lengths, lengths_ref)),
    }


def dynamics(
    run: Trajectory, reference: Trajectory, masses: Tensor, frame_dt_fs: float, motion: InternalMotion
) -> dict[str, float]:
    n_lags = max(1, min(math.floor(1000.0 / frame_dt_fs) + 1, len(run) // 2))
    correlations = [vacf(each.velocities, masses, n_lags) for each in (run, reference)]
    spectra, spectra_ref = (
        line_spectra(motion.follow()(each.positions, each.velocities), motion.lines, frame_dt_fs)
        for each in (run, reference)
    )
    shifts = [shift.shift_cm1 for shift in line_shifts(spectra, spectra_ref, motion.lines)]
    linear_scale = linear_momentum_scale(reference.velocities, masses)
    angular_scale = angular_momentum_scale(reference.positions, reference.velocities, masses)
    linear = linear_momentum_error(run.velocities, masses, scale=linear_scale)
    angular = angular_momentum_error(run.positions, run.velocities, masses, scale=angular_scale)
    parts, parts_ref = (motion.partition(each.positions, each.velocities, masses) for each in (run, reference))
    scores = {
        "vacf_error": float(vacf_error(*correlations)),
        "line_shift_cm1": max((shift for shift in shifts if math.isfinite(shift)), key=abs, default=math.nan),
        "linear_momentum_error": float(linear.max()),
        "angular_momentum_error": float(angular.max()),
        "vibrational_kinetic_error": relative(float(parts.vibrational.mean()), float(parts_ref.vibrational.mean())),
        "rotational_kinetic_error": relative(float(parts.rotational.mean()), float(parts_ref.rotational.mean())),
    }
    if not isinstance(motion, DiatomicMotion):
        moving = spectra_ref.squares > 1e-6 * spectra_ref.squares.max()
        scores["mode_kinetic_error_worst"] = float((spectra.squares / spectra_ref.squares - 1.0).abs()[moving].max())
    return scores


def relative(mean: float, mean_ref: float) -> float:
    """Relative error, NaN where the reference is only round-off."""
    return abs(mean / mean_ref - 1.0) if mean_ref > 1e-12 else math.nan
