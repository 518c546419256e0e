"""Part 6: how long training takes to a stated velocity accuracy, from the command and from its first batch on."""

import csv
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from results import Row

ROOT = Path(__file__).resolve().parents[2]
ACCURACY = "val/velocity_accuracy_percent"
MARKS_PERCENT = (99.9, 99.99)
POLL_S = 0.02
TRAINING_BEGINS = "training:"
"""First word of the line that train.py says when data are there and training is about to begin."""

MORSE = ("hamiltonian=morse", "regime=thermal")
PLAIN = ("hamiltonian=harmonic", "regime=vibrating", "model.shortcut=false")
CASES: dict[str, tuple[str, ...]] = {
    "default": (),
    "Morse, thermal, DuR0": ("model=DuR0", *MORSE),
    "Morse, thermal, 3vR0, turning frame": ("model=3vR0", "model.frame=molecule", *MORSE),
    "Morse, thermal, 3uR0, turning frame": ("model=3uR0", "model.frame=molecule", *MORSE),
    **{f"vibrating, {model}, plain LSTM": (f"model={model}", *PLAIN) for model in ("3vR0", "3uR0", "DuR0")},
}
"""Overrides of train.py; the default run is 3vR0 on harmonic HCl, whose shortcut is exact."""


def measure(*, seeds: Iterable[int], cases: Iterable[str], fast: bool) -> tuple[list[Row], list[Row]]:
    """Rows of accuracy.csv and of accuracy_curves.csv, one run after the other, each a process with one thread."""
    rows, curves = [], []
    for case in cases:
        for seed in seeds:
            overrides = (*CASES[case], f"seed={seed}", *(("experiment=fast",) if fast else ()))
            with tempfile.TemporaryDirectory() as folder:
                run = TimedTraining(Path(folder) / "run", overrides)
                rows.append(run.row(case))
                curves += [
                    {
                        "case": case,
                        "seed": seed,
                        "epoch": epoch,
                        "train_seconds": round(passed_s - run.training_began_s, 3),
                        "accuracy_percent": accuracy,
                    }
                    for epoch, accuracy, passed_s in run.curve
                ]
            print(f"accuracy: {case}, seed {seed}: {rows[-1]['command_s']} s in all", flush=True)
    return rows, curves


@dataclass
class TimedTraining:
    """One ``python train.py`` in a process of its own, watched from outside.

    The moments are those at which a line or an epoch's row of the csv log could be read by somebody else, so they hold
    everything a user waits for; the log is looked at every 20 ms.

    Args:
        folder: of the run.
        overrides: of the command line.

    Attributes:
        training_began_s: from the start of the command to the first batch, s.
        curve: (epoch, validation accuracy in percent, s from the start of the command).
        took_s: the whole command, figures and test rollouts included, s.
        metrics: what the run wrote of itself.
    """

    folder: Path
    overrides: tuple[str, ...]
    training_began_s: float = 0.0
    curve: list[tuple[int, float, float]] = field(default_factory=list)
    took_s: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        arguments = [*self.overrides, "logger=csv", "data.cache=null", f"hydra.run.dir={self.folder}"]
        began = time.perf_counter()
        command = subprocess.Popen(
            [sys.executable, str(ROOT / "train.py"), *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        console: list[str] = []
        reader = threading.Thread(target=self._read_console, args=(command, console, began))
        reader.start()
        while command.poll() is None:
            self._look(time.perf_counter() - began)
            time.sleep(POLL_S)
        reader.join()
        self.took_s = time.perf_counter() - began
        self._look(self.took_s)
        if command.returncode != 0:
            raise RuntimeError(f"train.py {' '.join(self.overrides)} failed: {''.join(console).strip()}")
        if not self.training_began_s:
            raise RuntimeError(f"train.py did not print {TRAINING_BEGINS!r}, so the start of its training is unknown")
        self.metrics = json.loads((self.folder / "metrics.json").read_text(encoding="utf-8"))

    def _read_console(self, command: "subprocess.Popen[str]", console: list[str], began: float) -> None:
        for line in command.stdout or ():
            console.append(line)
            if line.startswith(TRAINING_BEGINS):
                self.training_began_s = time.perf_counter() - began

    def _look(self, passed_s: float) -> None:
        """Take validations that have appeared in the log since the last look."""
        path = self.folder / "csv" / "version_0" / "metrics.csv"
        if not path.is_file():
            return
        text = path.read_text(encoding="utf-8")
        seen = {epoch for epoch, _, _ in self.curve}
        # The last line may be there in part.
        for line in csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1])):
            if line.get("epoch") and line.get(ACCURACY) and int(line["epoch"]) not in seen:
                self.curve.append((int(line["epoch"]), float(line[ACCURACY]), passed_s))

    def row(self, case: str) -> Row:
        """What accuracy.csv keeps; a mark that was never reached stays empty."""
        reached: dict[str, float | None] = {}
        for mark in MARKS_PERCENT:
            at = next((passed_s for _, accuracy, passed_s in self.curve if accuracy >= mark), None)
            reached[f"train_to_{mark:g}_s"] = None if at is None else round(at - self.training_began_s, 2)
            reached[f"command_to_{mark:g}_s"] = None if at is None else round(at, 2)
        chosen = dict(override.split("=", 1) for override in self.overrides)
        return {
            "case": case,
            "variant": chosen.get("model", "3vR0"),
            "seed": int(chosen["seed"]),
            "final_percent": self.curve[-1][1] if self.curve else None,
            "test_percent": self.metrics["test/velocity_accuracy_percent"],
            "epochs": len(self.curve),
            **reached,
            "train_s": round(self.metrics["cost/train_s"], 2),
            "command_s": round(self.took_s, 2),
            "overrides": " ".join(self.overrides),
        }
