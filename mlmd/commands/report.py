"""From results to what a person looks at: the figures of a run."""

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from mlmd.commands.outputs import RunFiles
from mlmd.observables import RolloutCurves, line_position_cm1
from mlmd.reporting import figures
from mlmd.reporting.style import RunLabel
from mlmd.state import Trajectory
from mlmd.systems import System
from mlmd.training import PredictorModule, RolloutValidation
from mlmd.training.rollouts import survey_system

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
) -> None:
    """All figures of a training run, into its folder.

    Args:
        files: the run's folder.
        rollouts: the callback that has run the test rollouts.
        module: the trained predictor.
        splits: reference trajectories by "train", "val" and "test".
        label: what the figures say of the run.
        system: what was simulated.
    """
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
    if rollouts.test_reference is not None:
        runs = {name: result.trajectory.to("cpu") for name, result in rollouts.test_results.items()}
        survey = survey_system(runs, rollouts.test_reference.to("cpu"), system)
        draw_rollouts(files.figures, survey.curves, label=label)


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
    )


def read_history(folder: Path) -> list[dict[str, float | None]]:
    """Losses by epoch from the csv logs of a run and of its resumptions; of an epoch run twice the later one counts."""
    by_epoch: dict[int, dict[str, float | None]] = {}
    versions = sorted(folder.glob("version_*"), key=lambda path: int(path.name.removeprefix("version_")))
    for path in (version / "metrics.csv" for version in versions):
        if not path.is_file():
            continue
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                losses = {key: float(row[key]) for key in ("train/loss", "val/loss") if row.get(key)}
                if losses:  # the test has a row of its own, after the last epoch
                    by_epoch.setdefault(int(row["epoch"]), {"epoch": float(row["epoch"])}).update(losses)
    return [by_epoch[epoch] for epoch in sorted(by_epoch)]
