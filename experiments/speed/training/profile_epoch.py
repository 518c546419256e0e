"""Where the time of training goes: a run of a few epochs through the command itself, its parts timed as they nest.

python experiments/speed/training/profile_epoch.py            Adam and SOAP, the first validation rollouts included
python experiments/speed/training/profile_epoch.py KEY=VALUE  with other values of conf/train.yaml

Writes profile.csv and the table of the README beside it.
"""

import os

os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"

import csv
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import hydra
import torch
from lightning import Trainer
from lightning.pytorch.loops.evaluation_loop import _EvaluationLoop
from lightning.pytorch.loops.optimization.automatic import Closure
from readme import fill
from stopwatch import Stopwatch

from mlmd.cli import train as command
from mlmd.cli.job import resolved
from mlmd.cli.program import CONF
from mlmd.data.sequences import SequenceBatches
from mlmd.models import CarriedMemory
from mlmd.training import PredictorModule, RolloutValidation, SequenceLoss
from mlmd.training.soap import SOAP

HERE = Path(__file__).resolve().parent
CASE = ("model=DuR0", "hamiltonian=morse", "regime=thermal", "logger=none", "trainer.max_epochs=5")
"""The LSTM has something to learn; rollouts come with the fifth epoch."""

OPTIMIZERS = ("adam", "soap")
PARTS = (
    "input pipeline",
    "LSTM, forward",
    "loss",
    "backward",
    "gradient clipping",
    "optimizer",
    "learning rate",
    "logging",
    "Lightning, the rest",
    "validation, one step",
    "validation, rollouts",
    "checkpoints",
)


class TrainingOverError(Exception):
    """Raised to skip the test, which is not of interest here."""


def main() -> None:
    """Profile every optimizer and write csv and table."""
    overrides = [argument for argument in sys.argv[1:] if "=" in argument]
    rows = [row for name in OPTIMIZERS for row in profile(name, overrides)]
    with (HERE / "profile.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    table = _table(rows)
    print("\n".join(table))
    fill(HERE / "README.md", "profile", table)


def profile(optimizer: str, overrides: list[str]) -> list[dict[str, Any]]:
    """Rows of one training."""
    watch = Stopwatch(whole=frozenset({"validation, one step", "validation, rollouts", "checkpoints"}))
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        values = resolved(hydra.compose("train", overrides=[*CASE, f"optimizer={optimizer}", *overrides]))
    fit, n_steps = command.fit, []

    def timed_fit(trainer: Trainer, *arguments: Any, **keywords: Any) -> None:
        with watch.part("Lightning, the rest"):
            fit(trainer, *arguments, **keywords)
        n_steps.append(trainer.global_step)
        raise TrainingOverError

    with _patched(watch), tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        command.fit = timed_fit
        try:
            command.train(values, folder=folder, overrides=[])
        except TrainingOverError:
            pass
        finally:
            command.fit = fit
    total_s = sum(watch.cpu_s.values())
    return [
        {
            "optimizer": optimizer,
            "part": part,
            "ms_per_step": f"{1e3 * watch.wall_s[part] / n_steps[0]:.4f}",
            "cpu_ms_per_step": f"{1e3 * watch.cpu_s[part] / n_steps[0]:.4f}",
            "share_of_processor_percent": f"{100.0 * watch.cpu_s[part] / total_s:.2f}",
        }
        for part in PARTS
    ]


class _patched:  # noqa: N801  # read as a verb
    """The methods whose calls are parts, timed inside the block."""

    def __init__(self, watch: Stopwatch) -> None:
        self.methods = (
            (CarriedMemory, "sequence", "LSTM, forward"),
            (SequenceLoss, "__call__", "loss"),
            (torch.Tensor, "backward", "backward"),
            (PredictorModule, "configure_gradient_clipping", "gradient clipping"),
            (torch.optim.AdamW, "step", "optimizer"),
            (SOAP, "step", "optimizer"),
            (Closure, "__call__", "Lightning, the rest"),
            (torch.optim.lr_scheduler.OneCycleLR, "step", "learning rate"),
            (PredictorModule, "log", "logging"),
            (_EvaluationLoop, "run", "validation, one step"),
            (RolloutValidation, "on_validation_epoch_end", "validation, rollouts"),
            (Trainer, "save_checkpoint", "checkpoints"),
            (SequenceBatches, "__iter__", "input pipeline"),
        )
        self.watch = watch
        self.before: list[Any] = []

    def __enter__(self) -> None:
        self.before = [getattr(owner, method) for owner, method, _ in self.methods]
        for owner, method, part in self.methods:
            if method == "__iter__":
                self.watch.times_items(owner, part)
            else:
                self.watch.times(owner, method, part)

    def __exit__(self, *error: object) -> None:
        for (owner, method, _), function in zip(self.methods, self.before, strict=True):
            setattr(owner, method, function)


def _table(rows: list[dict[str, Any]]) -> list[str]:
    lines = [
        "| part | " + " | ".join(f"{name}: ms a step | processor ms | share" for name in OPTIMIZERS) + " |",
        "| --- |" + " --- | --- | --- |" * len(OPTIMIZERS),
    ]
    for part in PARTS:
        cells = [row for row in rows if row["part"] == part]
        numbers = (
            f"{float(row['ms_per_step']):.2f} | {float(row['cpu_ms_per_step']):.2f} | "
            f"{float(row['share_of_processor_percent']):.1f} %"
            for row in cells
        )
        lines.append(f"| {part} | " + " | ".join(numbers) + " |")
    sums = (
        [sum(float(row[key]) for row in rows if row["optimizer"] == name) for key in ("ms_per_step", "cpu_ms_per_step")]
        for name in OPTIMIZERS
    )
    lines.append("| all | " + " | ".join(f"{wall:.2f} | {cpu:.2f} | 100 %" for wall, cpu in sums) + " |")
    return lines


if __name__ == "__main__":
    main()
