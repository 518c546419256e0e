"""From the command to its first training step: a timeline, and the answers that need no training.

python experiments/speed/training/startup.py        the default run and the other commands, five times each
python -X importtime -c "import mlmd.cli.train" 2>&1 | sort -t'|' -k2 -n | tail -40      the imports one by one

Writes startup.csv and the table of the README beside it. Times are those of processes of their own, reference data
made anew, the files of Python and PyTorch in the disk cache of the system after the first round, which is not counted.
"""

import csv
import os
import resource
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from readme import fill

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
N_ROUNDS = 5
STARTS = {
    "import mlmd": ["-c", "import mlmd"],
    "mlmd --help": ["-m", "mlmd", "--help"],
    "--help": ["train.py", "--help"],
    "--cfg job": ["train.py", "--cfg", "job"],
    "default run": [],
}
MARKS = (
    "configuration composed and checked",
    "torch and Lightning imported",
    "reference data made",
    "W&B opened",
    "first training step done",
)


def main() -> None:
    """All starts in turns, medians over the rounds."""
    samples: list[tuple[str, str, float, float]] = []
    for round_ in range(-1, N_ROUNDS):
        for name, command in STARTS.items():
            measured = _timeline() if not command else [("answer", *_process([sys.executable, *command], ROOT))]
            if round_ >= 0:
                samples += [(name, *mark) for mark in measured]
    rows = []
    for name, mark in dict.fromkeys(sample[:2] for sample in samples):
        walls, cpus = zip(*(sample[2:] for sample in samples if sample[:2] == (name, mark)), strict=True)
        rows.append(
            {
                "command": name,
                "until": mark,
                "wall_s": f"{statistics.median(walls):.3f}",
                "wall_least_s": f"{min(walls):.3f}",
                "wall_most_s": f"{max(walls):.3f}",
                "processor_s": f"{statistics.median(cpus):.3f}",
            }
        )
    with (HERE / "startup.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    table = ["| command | until | s, median (least to most) | processor s |", "| --- | --- | --- | --- |"]
    table += [
        f"| `{row['command']}` | {row['until']} | {float(row['wall_s']):.1f} ({float(row['wall_least_s']):.1f} to "
        f"{float(row['wall_most_s']):.1f}) | {float(row['processor_s']):.1f} |"
        for row in rows
    ]
    print("\n".join(table))
    fill(HERE / "README.md", "startup", table)


def _process(command: list[str], folder: Path) -> tuple[float, float]:
    """Wall-clock and processor time of a process, s."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, env=environment)
    wall_s = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall_s, after.ru_utime - used.ru_utime + after.ru_stime - used.ru_stime


def _timeline() -> list[tuple[str, float, float]]:
    """Marks of one default run in a process of its own, which ends at its first step."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.time()
        _process([sys.executable, str(Path(__file__).resolve()), "--marks"], Path(folder))
        lines = (Path(folder) / "marks.csv").read_text(encoding="utf-8").splitlines()
    marks = []
    for line in lines:
        mark, at, cpu = line.split(",")
        marks.append((mark, float(at) - began, float(cpu)))
    return marks


def _marked_run() -> None:
    """The default run in this process; every mark goes to marks.csv."""
    import mlmd.cli.launch

    left = list(MARKS)

    def mark() -> None:
        name = left.pop(0)
        with Path("marks.csv").open("a", encoding="utf-8") as file:
            file.write(f"{name},{time.time()},{time.process_time()}\n")

    def after(owner: Any, method: str) -> None:
        function = getattr(owner, method)

        def marked(*arguments: Any, **keywords: Any) -> Any:
            value = function(*arguments, **keywords)
            mark()
            return value

        setattr(owner, method, marked)

    set_environment = mlmd.cli.launch.set_environment

    def composed(threads: int) -> None:
        set_environment(threads)
        mark()
        from mlmd.cli import train

        mark()
        after(train, "_data")
        after(train, "make_trackers")

        def first_step(*_: Any) -> None:
            mark()
            os._exit(0)  # the rest is no start

        train.TrainingClock.on_train_batch_end = first_step

    mlmd.cli.launch.set_environment = composed  # type: ignore[assignment]  # only its name is left out
    sys.argv = [str(ROOT / "train.py"), "model=3vR0", "system=HCl", "data.cache=null", "hydra.run.dir=run"]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    _marked_run() if "--marks" in sys.argv else main()
