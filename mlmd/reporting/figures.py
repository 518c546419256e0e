"""Every figure as a file: each function draws, writes one PNG atomically and returns its path.

All raise `DataError` where the file cannot be written. What the data mean and how they are drawn stands with the
``draw_*`` function of the same name.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from mlmd.evaluation.curves import BondView, LineView
from mlmd.reporting.dynamics import draw_dynamics
from mlmd.reporting.rollouts import EnergyErrors, draw_bond, draw_energy_error, draw_trajectory
from mlmd.reporting.style import RunLabel, save_figure
from mlmd.reporting.training_figures import draw_loss, draw_velocities


def loss_figure(path: str | Path, history: Sequence[Mapping[str, float | None]], label: RunLabel) -> Path:
    """Training and validation loss, see :func:`~mlmd.reporting.training_figures.draw_loss`."""
    return save_figure(draw_loss(history, label), path, label)


def velocity_figure(path: str | Path, predicted: Tensor, true: Tensor, label: RunLabel) -> Path:
    """Predicted against true velocities, A/fs, see :func:`~mlmd.reporting.training_figures.draw_velocities`."""
    return save_figure(draw_velocities(predicted, true, label), path, label)


def energy_error_figure(path: str | Path, errors: EnergyErrors, label: RunLabel) -> Path:
    """Energy error along the run by schedule, see :func:`~mlmd.reporting.rollouts.draw_energy_error`."""
    return save_figure(draw_energy_error(errors, label), path, label)


def bond_figure(path: str | Path, reference: BondView, rollouts: Mapping[str, BondView], label: RunLabel) -> Path:
    """Bond length at the end of the run and its distribution, see :func:`~mlmd.reporting.rollouts.draw_bond`."""
    return save_figure(draw_bond(reference, rollouts, label), path, label)


def dynamics_figure(
    path: str | Path,
    lag_fs: Tensor,
    vacf_ref: Tensor,
    vacfs: Mapping[str, Tensor],
    wavenumbers: Tensor,
    spectrum_ref: Tensor,
    spectra: Mapping[str, Tensor],
    line_ref_cm1: float,
    label: RunLabel,
    *,
    lines: Sequence[LineView] = (),
) -> Path:
    """Velocity autocorrelation and spectrum, see :func:`~mlmd.reporting.dynamics.draw_dynamics`."""
    figure = draw_dynamics(
        lag_fs, vacf_ref, vacfs, wavenumbers, spectrum_ref, spectra, line_ref_cm1, label, lines=lines
    )
    return save_figure(figure, path, label)


def trajectory_picture(
    path: str | Path, errors: EnergyErrors, reference: BondView, rollouts: Mapping[str, BondView], label: RunLabel
) -> Path:
    """A rollout at one glance, see :func:`~mlmd.reporting.rollouts.draw_trajectory`."""
    return save_figure(draw_trajectory(errors, reference, rollouts, label), path, label)
