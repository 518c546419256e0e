"""Small runs of every kind, and what has to be the same in two folders of one run."""

import json
from pathlib import Path
from typing import Any

import torch
from cli.running import FAST, TO_LEARN

from mlmd.io.trajectory_file import read_trajectory
from mlmd.reporting.training_log import read_history

QUICK = (*FAST, *TO_LEARN, "data.batches.batches_per_epoch=15", "figures=false")
LEARNING = (
    "mode=on_the_fly",
    "hamiltonian=morse",
    "n_steps=1500",
    "n_replicas=2",
    "model.hidden_size=8",
    "trainer.max_epochs=3",
    "data.batches.batches_per_epoch=40",
    "on_the_fly.first_steps=300",
    "on_the_fly.held_out_steps=60",
    "on_the_fly.validation_steps=40",
    "on_the_fly.fallback_steps=100",
    "on_the_fly.disagreement=0.3",
    "on_the_fly.energy_band=0.2",
    "on_the_fly.validation_error=0.5",
    "engine=eager",
    "figures=false",
)
RUNS: dict[str, tuple[str, tuple[str, ...]]] = {
    "train": ("train", (*QUICK, "trainer.max_epochs=4")),
    "simulate": (
        "simulate",
        ("checkpoint=trained", "n_steps=6000", "n_replicas=2", "chunk_steps=100", "figures=false"),
    ),
    "on the fly": ("simulate", LEARNING),
    "retrain": (
        "train",
        (*QUICK, "retraining.rounds=2", "retraining.n_replicas=8", "retraining.n_steps=70", "retraining.max_epochs=2"),
    ),
    "W&B": ("train", (*QUICK, "trainer.max_epochs=3", "logger=wandb", "logger.mode=offline")),
}
"""Command and overrides by name; the checkpoint of the simulation is the folder ``trained``."""


def left_by(folder: Path) -> dict[str, Any]:
    """What a run has left: weights, frames, numbers, rows of the log, and the names of its files."""
    found: dict[str, Any] = {"metrics": _numbers(folder / "metrics.json")}
    for path in sorted(folder.rglob("*.ckpt")):
        stored = torch.load(path, map_location="cpu", weights_only=True)
        found[f"weights of {path.relative_to(folder)}"] = stored["state_dict"]
        found[f"epoch of {path.relative_to(folder)}"] = (stored["epoch"], stored["global_step"])
    for path in sorted(folder.glob("*.h5")):
        run, metadata = read_trajectory(path)
        found[path.name] = {name: getattr(run, name) for name in ("steps", "positions", "velocities", "kicks")}
        found[f"counts of {path.name}"] = {name: metadata.get(name) for name in ("counts", "diverged_at")}
    if (folder / "csv").is_dir():
        found["rows"] = read_history(folder / "csv")
    if (folder / "curves.json").is_file():
        found["curves"] = json.loads((folder / "curves.json").read_text())
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    found["files"] = sorted(name for name in names if not name.startswith(("csv/", "wandb/", ".lock", "run.lock")))
    return found


def _numbers(path: Path) -> dict[str, Any]:
    metrics = json.loads(path.read_text())
    return {name: value for name, value in metrics.items() if not name.startswith("cost/")}
