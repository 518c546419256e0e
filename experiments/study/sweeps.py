"""The sweeps of an experiment: multiruns of the two commands, of which only what is missing is run."""

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from mlmd.files import write_json

ROOT = Path(__file__).resolve().parents[2]
"""Of the checkout."""

LEDGER = "sweeps.json"
"""In the folder of an experiment's runs: the sweeps that are finished, so that they need not be composed again."""


@dataclass(frozen=True)
class Sweep:
    """One multirun.

    Attributes:
        experiment: the overlay, ``experiment=<name>``.
        overrides: beside it; ``{runs}`` is the folder of all runs of the study.
        fast: what the fast form changes.
        program: the command.
        in_fast: whether the fast form has it; not where forces alone take minutes.
    """

    experiment: str
    overrides: tuple[str, ...] = ()
    fast: tuple[str, ...] = ()
    program: str = "train.py"
    in_fast: bool = True

    def command(self, runs: Path, folder: Path, *, is_fast: bool) -> list[str]:
        """The command line, without the interpreter."""
        overlay = f"[{self.experiment},fast]" if is_fast and self.program == "train.py" else self.experiment
        given = {line.partition("=")[0]: line for line in (*self.overrides, *(self.fast if is_fast else ()))}
        lines = [line.replace("{runs}", str(runs)) for line in given.values()]
        place = [f"hydra.sweep.dir={folder}"]
        place += [f"data.cache={runs / 'cache'}"] if self.program == "train.py" and is_fast else []
        return [self.program, "--multirun", f"experiment={overlay}", *lines, *place]


def run_sweep(sweep: Sweep, runs: Path, folder: Path, *, is_fast: bool) -> bool:
    """Run what is missing of a sweep; whether all of it is finished.

    Args:
        sweep: which.
        runs: folder of all runs of the study, from the checkout.
        folder: folder of this experiment's runs, from the checkout.
        is_fast: the fast form.
    """
    command = sweep.command(runs, folder, is_fast=is_fast)
    line, ledger = " ".join(command), ROOT / folder / LEDGER
    finished = json.loads(ledger.read_text(encoding="utf-8")) if ledger.is_file() else {}
    if finished.get(line) == _state(ROOT / folder):
        return True
    print(f"$ python {line}", flush=True)
    if subprocess.run([sys.executable, *command], cwd=ROOT, check=False).returncode != 0:
        return False
    # Of sweeps into one folder every one counts the runs of all, so an earlier one's state moves with a later one.
    state = _state(ROOT / folder)
    configuration = state.partition(" ")[0]
    kept = [done for done, known in finished.items() if known.partition(" ")[0] == configuration]
    write_json(ledger, dict.fromkeys([*kept, line], state))
    return True


def _state(folder: Path) -> str:
    """A word that changes when a configuration file does, and the number of finished runs."""
    text = b"".join(path.read_bytes() for path in sorted((ROOT / "conf").rglob("*.yaml")))
    return f"{hashlib.sha256(text).hexdigest()[:16]} {sum(1 for _ in folder.rglob('metrics.json'))}"
