"""From results to what a person looks at: the figures of a run."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from mlmd.commands.outputs import RunFiles
from mlmd.observables import (
    bond_lengths,
    bond_velocity,
    energy_error_along,
    error_window_frames,
    kinetic_energy,
    line_position_cm1,
    power_spectrum,
    vacf,
)
from mlmd.reporting import figures
from mlmd.reporting.style import RunLabel
from mlmd.state import Trajectory
from mlmd.systems import System
from mlmd.training import PredictorModule, RolloutValidation
from mlmd.units import FS_PER_PS

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
        draw_rollouts(files.figures, runs, rollouts.test_reference.to("cpu"), label=label, system=system)


def _label_of(data: Trajectory, label: RunLabel) -> RunLabel:
    """The label of a figure drawn from reference data, not from the rollouts."""
    return replace(label, n_replicas=data.n_replicas, n_steps=len(data))


def draw_rollouts(
    folder: Path, runs: Mapping[str, Trajectory], reference: Trajectory, *, label: RunLabel, system: System
) -> None:
    """Energy error, bond length, VACF and spectrum of rollouts against their reference."""
    frame_dt_fs = system.dt_fs * float(reference.steps[1] - reference.steps[0])
    lengths = {name: bond_lengths(run.positions) for name, run in runs.items()}
    reference_lengths = bond_lengths(reference.positions)
    errors = _energy_errors(runs, reference, system, frame_dt_fs)
    figures.energy_error_figure(folder / "energy_error.png", errors, label)
    figures.bond_figure(folder / "bond.png", reference_lengths, lengths, frame_dt_fs, label)
    figures.trajectory_picture(folder / "rollout.png", errors, reference_lengths, lengths, frame_dt_fs, label)
    if len(reference) < SHORTEST_DYNAMICS:
        return
    true = _dynamics(reference, system, frame_dt_fs)
    learned = {name: _dynamics(_survivors(run), system, frame_dt_fs) for name, run in runs.items()}
    figures.dynamics_figure(
        folder / "dynamics.png",
        true.lag_fs,
        true.correlation,
        {name: dynamics.correlation for name, dynamics in learned.items()},
        true.wavenumbers,
        true.power,
        {name: dynamics.power for name, dynamics in learned.items()},
        line_position_cm1(true.wavenumbers, true.power),
        label,
    )


@dataclass(frozen=True)
class _Dynamics:
    lag_fs: Tensor
    correlation: Tensor
    wavenumbers: Tensor
    power: Tensor


def _dynamics(run: Trajectory, system: System, frame_dt_fs: float) -> _Dynamics:
    n_lags = min(int(FS_PER_PS / frame_dt_fs) + 1, len(run) // 2)
    wavenumbers, power = power_spectrum(bond_velocity(run.positions, run.velocities), frame_dt_fs)
    lag_fs = frame_dt_fs * torch.arange(n_lags, dtype=torch.float64)
    return _Dynamics(lag_fs, vacf(run.velocities, system.masses(), n_lags), wavenumbers, power)


def _survivors(run: Trajectory) -> Trajectory:
    """The replicas whose every frame is a number; all of them where none is, for curves of NaN."""
    sound = run.positions.flatten(1).isfinite().all(dim=1)
    if not bool(sound.any()):
        return run
    return Trajectory(run.steps, run.positions[sound], run.velocities[sound], run.kicks[sound])


def _energy_errors(
    runs: Mapping[str, Trajectory], reference: Trajectory, system: System, frame_dt_fs: float
) -> dict[str, tuple[Tensor, Tensor]]:
    """Time (ps) and relative error [replica, block] along each run, in blocks of ten periods."""
    window = error_window_frames(system.period_fs, frame_dt_fs, len(reference))
    energy_ref = _total_energy(reference, system)
    errors = {}
    for name, run in runs.items():
        centre, error = energy_error_along(_total_energy(run, system), energy_ref, window_frames=window)
        errors[name] = (centre * frame_dt_fs / FS_PER_PS, error)
    return errors


def _total_energy(run: Trajectory, system: System) -> Tensor:
    return system.hamiltonian.energy_and_forces(run.positions)[0] + kinetic_energy(run.velocities, system.masses())


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
