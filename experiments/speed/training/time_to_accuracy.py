"""Time to an accuracy, and the rollouts that come of it: the cases below, each a ``python train.py``, one thread.

python experiments/speed/training/time_to_accuracy.py            runs what is missing, two at a time
python experiments/speed/training/time_to_accuracy.py --collect  csv, figure and table, from the runs there are
"""

import csv
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from readme import fill

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
RUNS = Path("outputs/speed_training")
SEEDS = (1, 2)
LEVELS = (99.9, 99.99, 99.999)

SYSTEMS = {
    "Morse, thermal, DuR0": ["model=DuR0", "hamiltonian=morse", "regime=thermal"],
    "plain LSTM, DuR0": ["model=DuR0", "model.shortcut=false"],
    "plain LSTM, 3vR0": ["model=3vR0", "model.shortcut=false"],
}
RECIPES = {
    "Adam, 4 epochs": ["trainer.max_epochs=4"],
    "Adam, 20 epochs": [],
    "Adam, 20 epochs, noise": ["data.batches.noise=1e-3"],
    "SOAP, 4 epochs": ["optimizer=soap", "trainer.max_epochs=4"],
    "SOAP, 4 epochs, noise": ["optimizer=soap", "trainer.max_epochs=4", "data.batches.noise=1e-3"],
    "SOAP, 20 epochs": ["optimizer=soap"],
    "SOAP, 20 epochs, noise": ["optimizer=soap", "data.batches.noise=1e-3"],
}
CASES = [
    (system, recipe, seed)
    for seed in SEEDS
    for system, recipes in {
        "Morse, thermal, DuR0": ("Adam, 4 epochs", "Adam, 20 epochs", "SOAP, 4 epochs", "SOAP, 20 epochs"),
        "plain LSTM, DuR0": (
            "Adam, 4 epochs",
            "Adam, 20 epochs",
            "Adam, 20 epochs, noise",
            "SOAP, 4 epochs",
            "SOAP, 4 epochs, noise",
        ),
        "plain LSTM, 3vR0": ("Adam, 20 epochs", "SOAP, 4 epochs, noise", "SOAP, 20 epochs, noise"),
    }.items()
    for recipe in recipes
]


def main() -> None:
    """Run and collect."""
    if "--collect" not in sys.argv:
        missing = [case for case in CASES if not (ROOT / _folder(case) / "metrics.json").is_file()]
        with ThreadPoolExecutor(max_workers=2) as pool:
            list(pool.map(_run, missing))
    rows = [row for case in sorted(CASES, key=_place) if (row := _row(case)) is not None]
    with (HERE / "time_to_accuracy.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    fill(HERE / "README.md", "accuracy", _table(rows))
    _draw()


def _place(case: tuple[str, str, int]) -> tuple[int, int, int]:
    """Where a case stands in the table."""
    return list(SYSTEMS).index(case[0]), list(RECIPES).index(case[1]), case[2]


def _folder(case: tuple[str, str, int]) -> Path:
    system, recipe, seed = (str(part).replace(", ", "-").replace(" ", "_") for part in case)
    return RUNS / f"{system}--{recipe}--{seed}"


def _run(case: tuple[str, str, int]) -> None:
    system, recipe, seed = case
    overrides = [*SYSTEMS[system], *RECIPES[recipe], f"seed={seed}", "logger=none", f"hydra.run.dir={_folder(case)}"]
    (ROOT / RUNS).mkdir(parents=True, exist_ok=True)
    with (ROOT / f"{_folder(case)}.log").open("w", encoding="utf-8") as log:
        subprocess.run(
            [sys.executable, "train.py", *overrides],
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            check=True,
            stdout=log,
            stderr=log,
        )
    print(f"{', '.join(map(str, case))}: done", flush=True)


def validations(case: tuple[str, str, int]) -> list[tuple[float, float, float]]:
    """Steps, seconds of training and accuracy (%) of every validation of a run."""
    with (ROOT / _folder(case) / "csv" / "version_0" / "metrics.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("val/velocity_accuracy_percent")]
    return [
        (float(row["step"]) + 1, float(row["time/train_s"]), float(row["val/velocity_accuracy_percent"]))
        for row in rows
    ]


def _row(case: tuple[str, str, int]) -> dict[str, Any] | None:
    path = ROOT / _folder(case) / "metrics.json"
    if not path.is_file():
        return None
    metrics = json.loads(path.read_text(encoding="utf-8"))
    row: dict[str, Any] = dict(zip(("case", "training", "seed"), case, strict=True))
    for level in LEVELS:
        reached = next(((n, s) for n, s, accuracy in validations(case) if accuracy >= level), None)
        row |= {
            f"steps_to_{level}": reached and int(reached[0]),
            f"seconds_to_{level}": reached and round(reached[1], 1),
        }
    row |= {
        "train_s": round(metrics["cost/train_s"], 1),
        "velocity_accuracy_percent": metrics["test/velocity_accuracy_percent"],
    }
    for schedule in ("never", "every_100", "every_100_anchored"):
        for quantity in ("energy_error_median", "energy_error_worst", "diverged_replicas"):
            row[f"{schedule}/{quantity}"] = metrics[f"rollout/{schedule}/{quantity}"]
    return row


def _table(rows: list[dict[str, Any]]) -> list[str]:
    lines = [
        "| case | training | seed | " + " | ".join(f"steps (s) to {level} %" for level in LEVELS)
        + " | all, s | one step | never | every_100 | every_100_anchored |",
        "| --- | --- | --- |" + " --- |" * (len(LEVELS) + 5),
    ]  # fmt: skip
    for row in rows:
        reached = (
            "-" if row[f"steps_to_{level}"] is None else f"{row[f'steps_to_{level}']} ({row[f'seconds_to_{level}']})"
            for level in LEVELS
        )
        errors = (_errors(row, schedule) for schedule in ("never", "every_100", "every_100_anchored"))
        accuracy = f"{row['velocity_accuracy_percent']:.5f} %"
        cells = [row["case"], row["training"], str(row["seed"]), *reached, f"{row['train_s']:.0f}", accuracy, *errors]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _errors(row: dict[str, Any], schedule: str) -> str:
    """Median / worst energy error, and how many of 32 replicas diverged."""
    sizes = (row[f"{schedule}/energy_error_{which}"] for which in ("median", "worst"))
    errors = " / ".join("inf" if size is None else f"{size:.1e}" for size in sizes)
    diverged = int(row[f"{schedule}/diverged_replicas"])
    return f"{errors}, {diverged} diverged" if diverged else errors


def _draw() -> None:
    """What each step of training leaves to be wrong: a panel per case, a colour per recipe, a line per seed."""
    mpl.use("Agg")
    figure, panels = plt.subplots(1, len(SYSTEMS), figsize=(11, 4.5), sharey=True, layout="constrained")
    for axes, system in zip(panels, SYSTEMS, strict=True):
        for index, recipe in enumerate(RECIPES):
            for seed in SEEDS:
                case = (system, recipe, seed)
                if case not in CASES or not (ROOT / _folder(case) / "metrics.json").is_file():
                    continue
                steps, _, accuracies = zip(*validations(case), strict=True)
                missing = [100.0 - accuracy for accuracy in accuracies]
                label = recipe if seed == SEEDS[0] else None
                axes.plot(steps, missing, color=f"C{index}", label=label, alpha=0.8, marker="o", markersize=2)
        axes.set(title=system, xlabel="optimizer steps", yscale="log", xscale="log")
        axes.set_xticks([250, 500, 1000, 2000, 5000], labels=["250", "500", "1000", "2000", "5000"])
        axes.minorticks_off()
        for level in LEVELS:
            axes.axhline(100.0 - level, color="0.7", linewidth=0.8, linestyle=":")
    panels[0].set_ylabel("100 % − validation velocity accuracy (%)")
    shown = {label: handle for axes in panels for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    labels = [recipe for recipe in RECIPES if recipe in shown]
    handles = [shown[label] for label in labels]
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(HERE / "time_to_accuracy.png", dpi=150)


if __name__ == "__main__":
    main()
