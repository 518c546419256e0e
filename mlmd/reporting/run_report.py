"""Writes the report of a run: figures, curves and the page."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import torch

from mlmd.evaluation.curves import RolloutCurves, merge_curves
from mlmd.evaluation.curves_file import write_curves
from mlmd.evaluation.replicas_file import replica_rows, write_replicas
from mlmd.io.run_folder import RunFiles
from mlmd.observables import line_position_cm1
from mlmd.reporting import figures
from mlmd.reporting.style import RunLabel
from mlmd.reporting.training_log import read_history
from mlmd.state import Trajectory
from mlmd.systems import System
from mlmd.training import PredictorModule, RolloutValidation

SHORTEST_DYNAMICS = 4
"""Frames below which a run has no two lags to draw."""


def draw_training(
    files: RunFiles,
    rollouts: RolloutValidation,
    module: PredictorModule,
    splits: Mapping[str, Trajectory],
    *,
    label: RunLabel,
    system: System,
    draws: bool,
) -> None:
    """What a training run shows, into its folder: figures where they are wanted, and its curves as numbers.

    Args:
        files: the run's folder.
        rollouts: the callback that has run the test rollouts.
        module: the trained predictor.
        splits: reference trajectories by "train", "val" and "test".
        label: what the figures say of the run.
        system: what was simulated.
        draws: whether figures are drawn.
    """
    if draws:
        _draw_learning(files, module, splits, label=label)
    if rollouts.test_results:
        curves = merge_curves([result.curves for result in rollouts.test_results.values()])
        if draws:
            draw_rollouts(files.figures, curves, label=label)
        diverged_at = {name: result.diverged_at for name, result in rollouts.test_results.items()}
        leave_curves(files.folder, curves, diverged_at, label=label, system=system)


def _draw_learning(
    files: RunFiles, module: PredictorModule, splits: Mapping[str, Trajectory], *, label: RunLabel
) -> None:
    history = read_history(files.folder / "csv")
    figures.loss_figure(files.figures / "loss.png", history, _label_of(splits["train"], label))
    with torch.no_grad():
        predicted, _, true = module.predictor.predict_velocities(splits["test"].to(module.device))
    figures.velocity_figure(
        files.figures / "velocity.png",
        predicted.flatten().cpu(),
        true.flatten().cpu(),
        _label_of(splits["test"], label),
    )


def _label_of(data: Trajectory, label: RunLabel) -> RunLabel:
    """The label of a figure drawn from reference data, not from the rollouts."""
    return replace(label, n_replicas=data.n_replicas, n_steps=len(data))


def draw_rollouts(folder: Path, curves: RolloutCurves, *, label: RunLabel) -> None:
    """Energy error, bond length, VACF and spectrum of rollouts against their reference.

    Args:
        folder: where the figures go.
        curves: of the rollouts.
        label: what the figures say of the run.
    """
    figures.energy_error_figure(folder / "energy_error.png", curves.energy_errors, label)
    figures.bond_figure(folder / "bond.png", curves.bond_ref, curves.bonds, label)
    figures.trajectory_picture(folder / "rollout.png", curves.energy_errors, curves.bond_ref, curves.bonds, label)
    if curves.n_frames < SHORTEST_DYNAMICS:
        return
    true = curves.dynamics_ref
    figures.dynamics_figure(
        folder / "dynamics.png",
        curves.lag_fs,
        true.correlation,
        {name: learned.correlation for name, learned in curves.dynamics.items()},
        curves.wavenumbers,
        true.power,
        {name: learned.power for name, learned in curves.dynamics.items()},
        line_position_cm1(curves.wavenumbers, true.power),
        label,
        lines=curves.lines,
    )


def leave_curves(
    folder: Path,
    curves: RolloutCurves,
    diverged_at: Mapping[str, Mapping[int, int]],
    *,
    label: RunLabel,
    system: System,
) -> None:
    """``curves.json`` and ``replicas.csv``, see `mlmd.evaluation.curves_file`.

    Args:
        folder: of the run.
        curves: of the rollouts.
        diverged_at: by schedule, step at which a replica was found diverged, by replica.
        label: of the run.
        system: what was simulated.
    """
    write_curves(folder / "curves.json", curves, run=asdict(label), period_fs=system.slowest_period_fs)
    write_replicas(folder / "replicas.csv", replica_rows(curves, diverged_at))
