"""Losses by epoch, from the csv logs of a training run."""

import csv
from pathlib import Path

History = list[dict[str, float | None]]
"""By epoch: ``epoch`` and what there is of ``train/loss`` and ``val/loss``."""


def read_history(folder: Path) -> History:
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
