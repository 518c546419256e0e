"""The scores of one rollout against reference dynamics from the same initial states."""

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from mlmd.errors import DataError
from mlmd.observables import dynamics, energy, momenta, structure
from mlmd.observables import spectral_lines as lines
from mlmd.observables.errors import median, require_same_shape
from mlmd.observables.internal_motion import DiatomicMotion, InternalMotion
from mlmd.state import Trajectory
from mlmd.units import FS_PER_PS

N_PERIODS = 10
"""Whole periods in the window of the energy error."""

VACF_FS = FS_PER_PS
"""Lag up to which the autocorrelation functions are compared."""

NO_KINETIC_EV = 1e-12
"""A mean kinetic energy below this is round-off of a motion that is not there, eV."""

DIVERGED_ENERGY_ERROR = 1.0
"""A replica whose energy has doubled has diverged, though its bond may still be within the guard's band."""

POOLED_KEYS = (
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


MODE_KEYS = ("mode_kinetic_error_worst",)
"""Beyond these, of molecules with more than two atoms."""


def pooled_keys(motion: InternalMotion) -> tuple[str, ...]:
    """Scores that are over the replicas that survived."""
    return (*POOLED_KEYS, *(MODE_KEYS if motion.has_modes else ()))


def _frame_dt_fs(trajectory: Trajectory, dt_fs: float) -> float:
    """Time between frames, refused where it varies: every spectrum and slope would be wrong."""
    if len(trajectory) < 2:
        raise DataError(f"rollout scores need two frames and the run has {len(trajectory)}; store more frames")
    spacing = trajectory.steps.diff()
    if bool((spacing != spacing[0]).any()) or int(spacing[0]) <= 0:
        raise DataError("frames of the rollout are not evenly spaced in steps; store every k-th step, one run per file")
    return dt_fs * int(spacing[0])


def error_window_frames(period_fs: float, frame_dt_fs: float, n_frames: int) -> int:
    """Ten whole periods; in a shorter run as many as it has, and below one period the whole run."""
    n_periods = min(N_PERIODS, int(n_frames * frame_dt_fs / period_fs))
    if n_periods < 1:
        return n_frames
    return min(n_frames, energy.frames_of_whole_periods(period_fs, frame_dt_fs, n_periods))


def vacf_lags(frame_dt_fs: float, n_frames: int) -> int:
    """Lags from 0 up to one ps, or up to half of a run shorter than 2 ps."""
    return max(1, min(int(VACF_FS / frame_dt_fs) + 1, n_frames // 2))


def _pooled(
    trajectory: Trajectory, reference: Trajectory, masses: Tensor, frame_dt_fs: float, motion: InternalMotion
) -> dict[str, float]:
    """Scores of structure, dynamics and momenta over replicas that all survived."""
    lengths, lengths_ref = motion.lengths(trajectory.positions), motion.lengths(reference.positions)
    n_lags = vacf_lags(frame_dt_fs, len(trajectory))
    correlation, correlation_ref = (dynamics.vacf(run.velocities, masses, n_lags) for run in (trajectory, reference))
    spectra, spectra_ref = (
        lines.line_spectra(motion.follow()(run.positions, run.velocities), motion.lines, frame_dt_fs)
        for run in (trajectory, reference)
    )
    linear_scale = momenta.linear_momentum_scale(reference.velocities, masses)
    linear = momenta.linear_momentum_error(trajectory.velocities, masses, scale=linear_scale)
    angular_scale = momenta.angular_momentum_scale(reference.positions, reference.velocities, masses)
    angular = momenta.angular_momentum_error(trajectory.positions, trajectory.velocities, masses, scale=angular_scale)
    parts, parts_ref = (motion.partition(run.positions, run.velocities, masses) for run in (trajectory, reference))
    return {
        "bond_mean_error_A": float(structure.bond_mean_error_A(lengths, lengths_ref)),
        "bond_std_error_A": float(structure.bond_std_error_A(lengths, lengths_ref)),
        "bond_wasserstein_A": float(structure.wasserstein_distance(lengths, lengths_ref)),
        "vacf_error": float(dynamics.vacf_error(correlation, correlation_ref)),
        **line_scores(spectra, spectra_ref, motion),
        "linear_momentum_error": float(linear.max()),
        "angular_momentum_error": float(angular.max()),
        "vibrational_kinetic_error": relative_kinetic(*(float(p.vibrational.mean()) for p in (parts, parts_ref))),
        "rotational_kinetic_error": relative_kinetic(*(float(p.rotational.mean()) for p in (parts, parts_ref))),
    }


def line_scores(spectra: lines.LineSpectra, spectra_ref: lines.LineSpectra, motion: InternalMotion) -> dict[str, float]:
    """What the spectra of a run score against those of the same replicas of the reference."""
    scores = {"line_shift_cm1": lines.largest_shift_cm1(lines.line_shifts(spectra, spectra_ref, motion.lines))}
    if motion.has_modes:
        scores["mode_kinetic_error_worst"] = lines.kinetic_error_worst(spectra, spectra_ref)
    return scores


def relative_kinetic(mean: float, mean_ref: float) -> float:
    """Relative error of a mean kinetic energy, eV; NaN where the reference has none (no rotation at J = 0)."""
    return abs(mean / mean_ref - 1.0) if mean_ref > NO_KINETIC_EV else float("nan")


def rollout_metrics(
    trajectory: Trajectory,
    reference: Trajectory,
    potential_energy: Tensor,
    potential_energy_ref: Tensor,
    *,
    masses: Tensor,
    dt_fs: float,
    period_fs: float,
    motion: InternalMotion | None = None,
) -> dict[str, float]:
    """All scores of a molecule's rollout, by name.

    A replica with a frame that is not finite has diverged: its energy error is +inf, which the median and the worst
    see. Every other score is over the replicas that survived, against the same replicas of the reference, and NaN
    where none did.

    - ``energy_error_median``, ``energy_error_worst``: |<E>_end / <E>_ref - 1|, the last ten whole periods;
    - ``diverged_replicas``: replicas with a frame that is not finite or an energy error above 1;
    - ``energy_drift_meV_per_atom_per_ps`` (signed), ``drift_over_std_kinetic``: median over replicas;
    - ``bond_mean_error_A``, ``bond_std_error_A``, ``bond_wasserstein_A``: bonds, replicas and frames pooled;
    - ``vacf_error``: largest difference over the first ps of lag, or half of a run shorter than 2 ps;
    - ``line_shift_cm1``: vibrational line of the rollout less that of the reference; of several lines the shift that
      is largest in size, see `mlmd.observables.spectral_lines`;
    - ``linear_momentum_error``, ``angular_momentum_error``: worst replica, in the reference's scale;
    - ``vibrational_kinetic_error``, ``rotational_kinetic_error``: equipartition, mean kinetic energies relative to
      those of the reference; ``mode_kinetic_error_worst``: of more than two atoms, the worst line's modes.

    Args:
        trajectory: the rollout; positions and velocities [replica, time, atom, xyz], A and A/fs.
        reference: Hamiltonian dynamics from the same initial states, at the same steps.
        potential_energy: of the rollout, from the minimum of the potential [replica, time], eV.
        potential_energy_ref: of the reference, likewise.
        masses: [atom], u.
        dt_fs: MD time step; the time between frames is this times the steps between them.
        period_fs: period of the slowest vibration.
        motion: what of the molecule is watched; a bond of two atoms if not given.

    Raises:
        DataError: steps or shapes differ, frames are unevenly spaced, the motion is of other atoms, or the reference is
            not finite.
    """
    require_same_shape(trajectory.positions, reference.positions, names=("rollout", "reference"))
    require_same_shape(trajectory.positions[..., 0, 0], potential_energy, names=("rollout", "potential_energy"))
    require_same_shape(potential_energy, potential_energy_ref, names=("potential_energy", "potential_energy_ref"))
    if not torch.equal(trajectory.steps, reference.steps):
        raise DataError("rollout and reference hold frames of different steps; store both every same k-th step")
    motion = DiatomicMotion() if motion is None else motion
    frame_dt_fs = _frame_dt_fs(trajectory, dt_fs)
    n_frames, n_atoms = len(trajectory), trajectory.positions.shape[2]

    kinetic = energy.kinetic_energy(trajectory.velocities, masses)
    total = potential_energy + kinetic
    total_ref = potential_energy_ref + energy.kinetic_energy(reference.velocities, masses)
    if not bool(total_ref.isfinite().all() and reference.positions.isfinite().all()):
        raise DataError("the reference holds frames that are not finite; shorten dt_fs or lower its energy")
    survived = total.isfinite().all(dim=1) & trajectory.positions.isfinite().flatten(start_dim=1).all(dim=1)

    window = error_window_frames(period_fs, frame_dt_fs, n_frames)
    errors = energy.relative_energy_error(total, total_ref, window_frames=window)
    errors = torch.where(survived, errors, torch.inf)
    drift = energy.energy_drift(total, frame_dt_fs=frame_dt_fs, n_atoms=n_atoms)[survived]
    relative_drift = energy.drift_over_std_kinetic(total, kinetic)[survived]
    scores = {
        "energy_error_median": float(median(errors)),
        "energy_error_worst": float(errors.max()),
        "diverged_replicas": float((errors > DIVERGED_ENERGY_ERROR).sum()),
        "energy_drift_meV_per_atom_per_ps": float(median(drift)),
        "drift_over_std_kinetic": float(median(relative_drift)),
    }
    if not bool(survived.any()):
        return scores | dict.fromkeys(pooled_keys(motion), float("nan"))
    if not bool(survived.all()):
        trajectory, reference = _keep(trajectory, survived), _keep(reference, survived)
    return scores | _pooled(trajectory, reference, masses, frame_dt_fs, motion)


def _keep(trajectory: Trajectory, replicas: Tensor) -> Trajectory:
    return Trajectory(
        trajectory.steps, trajectory.positions[replicas], trajectory.velocities[replicas], trajectory.kicks[replicas]
    )


class RolloutScores(Metric):
    """Scores of rollouts, see `rollout_metrics`; the mean over rollouts and processes.

    Args:
        masses: [atom], u.
        dt_fs: MD time step.
        period_fs: period of the slowest vibration.
        motion: what of the molecule is watched; a bond of two atoms if not given.
    """

    is_differentiable = False
    full_state_update = False
    rows: list[Tensor]

    def __init__(self, masses: Tensor, *, dt_fs: float, period_fs: float, motion: InternalMotion | None = None) -> None:
        super().__init__()
        self.masses = masses
        self.dt_fs = dt_fs
        self.period_fs = period_fs
        self.motion = motion
        self.names: list[str] = []
        self.add_state("rows", [], dist_reduce_fx="cat")

    def update(
        self, trajectory: Trajectory, reference: Trajectory, potential_energy: Tensor, potential_energy_ref: Tensor
    ) -> None:
        """Add a rollout and its reference, with their potential energies [replica, time], eV."""
        scores = rollout_metrics(
            trajectory,
            reference,
            potential_energy,
            potential_energy_ref,
            masses=self.masses,
            dt_fs=self.dt_fs,
            period_fs=self.period_fs,
            motion=self.motion,
        )
        self.names = list(scores)
        self.rows.append(torch.tensor([list(scores.values())], dtype=torch.float64, device=self.device))

    def compute(self) -> dict[str, Tensor]:
        """Scores by name, in the units of the function."""
        return dict(zip(self.names, dim_zero_cat(self.rows).mean(dim=0), strict=True))
