"""Run what is missing of the cases below and write results.csv and the tables of README.md and docs/results.md.

python experiments/main_job/run.py            all cases that are missing
python experiments/main_job/run.py --collect  tables only, from the runs that are there
"""

import csv
import json
import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RUNS = Path("outputs/main_job")

MODELS = ("3vR0", "3uR0", "DuR0")
CASES: dict[str, list[str]] = {
    **{f"HCl-vibrating-{model}": [f"model={model}"] for model in MODELS},
    "HCl-rotating-DuR0": ["model=DuR0", "regime=rotating"],
    "HCl-thermal-DuR0": ["model=DuR0", "regime=thermal"],
    "HCl-morse-rotating-DuR0": ["model=DuR0", "regime=rotating", "hamiltonian=morse"],
    "HCl-morse-rotating-DuR0-noise": [
        "model=DuR0", "regime=rotating", "hamiltonian=morse", "data.batches.noise=1e-3",
    ],
    "HCl-morse-rotating-DuR0-soap": ["model=DuR0", "regime=rotating", "hamiltonian=morse", "optimizer=soap"],
    "HCl-morse-thermal-DuR0": ["model=DuR0", "regime=thermal", "hamiltonian=morse"],
    "HCl-morse-thermal-DuR0-soap": ["model=DuR0", "regime=thermal", "hamiltonian=morse", "optimizer=soap"],
    **{
        f"HCl-{regime}-3vR0-{frame}": ["model=3vR0", f"regime={regime}", f"model.frame={frame}"]
        for regime in ("rotating", "thermal")
        for frame in ("lab", "molecule")
    },
    "HCl-morse-thermal-3vR0-molecule": ["model=3vR0", "regime=thermal", "hamiltonian=morse", "model.frame=molecule"],
    **{f"HCl-vibrating-{model}-plain": [f"model={model}", "model.shortcut=false"] for model in MODELS},
    "HCl-vibrating-DuR0-plain-noise-soap": [
        "model=DuR0", "model.shortcut=false", "data.batches.noise=1e-3", "optimizer=soap",
    ],
    "HCl-vibrating-3vR0-plain-long": [
        "model=3vR0", "model.shortcut=false", "model.hidden_size=64", "trainer.max_epochs=60",
    ],
    **{
        f"{molecule}-vibrating-{model}": [f"model={model}", f"system={molecule}"]
        for molecule in ("H2", "N2", "CO", "I2")
        for model in MODELS
    },
}  # fmt: skip

COLUMNS = (
    "test/velocity_accuracy_percent",
    "test/linear_velocity_accuracy_percent",
    "test/velocity_mae_A_per_fs",
    "test/velocity_mape_percent",
    *(
        f"rollout/{schedule}/{quantity}"
        for schedule in ("never", "every_1000", "every_100", "every_100_anchored")
        for quantity in (
            "energy_error_median",
            "energy_error_worst",
            "bond_mean_error_A",
            "vacf_error",
            "line_shift_cm1",
            "linear_momentum_error",
            "angular_momentum_error",
            "diverged_replicas",
        )
    ),
    "cost/data_force_calls",
    "cost/train_s",
    "cost/rollout_reference_s",
    "cost/rollout_never_s",
    "cost/total_s",
    "cost/peak_memory_MB",
)


def main() -> int:
    """Run what is missing, two at a time with one thread each, then collect; 1 where a case failed."""
    failed = []
    if "--collect" not in sys.argv:
        missing = [name for name in CASES if not (ROOT / RUNS / name / "metrics.json").is_file()]
        with ThreadPoolExecutor(max_workers=2) as pool:
            failed = [name for name, sound in zip(missing, pool.map(_run, missing), strict=True) if not sound]
    collect()
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _run(name: str) -> bool:
    """One case in a process of its own; its console goes to a log beside its results."""
    command = [sys.executable, "train.py", *CASES[name], "logger=csv", f"hydra.run.dir={RUNS / name}"]
    (ROOT / RUNS).mkdir(parents=True, exist_ok=True)
    with (ROOT / RUNS / f"{name}.log").open("w", encoding="utf-8") as log:
        sound = subprocess.run(command, cwd=ROOT, check=False, stdout=log, stderr=log).returncode == 0
    print(f"{name}: {'done' if sound else 'failed'}", flush=True)
    return sound


def collect() -> None:
    """results.csv, and the tables of the README beside it and of the documentation."""
    results = {}
    for name in CASES:
        path = ROOT / RUNS / name / "metrics.json"
        if path.is_file():
            results[name] = json.loads(path.read_text(encoding="utf-8"))
    with (HERE / "results.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["case", "overrides", "code", *COLUMNS])
        for name, metrics in results.items():
            provenance = json.loads((ROOT / RUNS / name / "provenance.json").read_text(encoding="utf-8"))
            writer.writerow(
                [name, " ".join(CASES[name]), provenance["code"], *(_number(metrics.get(column)) for column in COLUMNS)]
            )
    _fill(HERE / "README.md", _table(results, wide=True))
    shown = {name: results[name] for name in results if name.startswith("HCl")}
    _fill(ROOT / "docs/results.md", _table(shown, wide=False))


def _fill(path: Path, table: list[str]) -> None:
    """Put a table between the marks of a page."""
    before, _, rest = path.read_text(encoding="utf-8").partition("<!-- table -->\n")
    _, _, after = rest.partition("<!-- end of table -->\n")
    lines = "\n".join(table)
    path.write_text(f"{before}<!-- table -->\n{lines}\n<!-- end of table -->\n{after}", encoding="utf-8")


def _table(results: dict[str, dict[str, float | None]], *, wide: bool) -> list[str]:
    headings = ["case", "one step: model (shortcut alone)", "never", "every_100", "every_100_anchored"]
    headings += ["bond mean, A", "VACF", "train, s", "total, s"] if wide else []
    rows = [headings, ["---"] * len(headings)]
    for name, metrics in results.items():
        linear = metrics.get("test/linear_velocity_accuracy_percent")
        alone = "" if linear is None else f" ({_percent(linear)})"
        row = [f"{_words(name)}", f"{_percent(metrics['test/velocity_accuracy_percent'])}{alone}"]
        row += [_errors(metrics, schedule) for schedule in ("never", "every_100", "every_100_anchored")]
        if wide:
            anchored = "rollout/every_100_anchored"
            quantities = ("bond_mean_error_A", "vacf_error")
            row += [_short(metrics[f"{anchored}/{quantity}"]).replace("inf", "-") for quantity in quantities]
            row += [f"{metrics[f'cost/{quantity}_s']:.0f}" for quantity in ("train", "total")]
        rows.append(row)
    return ["| " + " | ".join(row) + " |" for row in rows]


def _words(name: str) -> str:
    """The case as a reader would say it; every bond is harmonic unless it says Morse."""
    replacements = {
        "plain": "plain LSTM",
        "lab": "lab frame",
        "molecule": "turning frame",
        "soap": "SOAP",
        "long": "64 wide, 60 epochs",
    }
    return ", ".join(replacements.get(part, part) for part in name.replace("morse", "Morse").split("-"))


def _errors(metrics: dict[str, float | None], schedule: str) -> str:
    median, worst = (metrics[f"rollout/{schedule}/energy_error_{which}"] for which in ("median", "worst"))
    diverged = int(metrics[f"rollout/{schedule}/diverged_replicas"] or 0)
    return f"{_short(median)} / {_short(worst)}" + (f", {diverged} diverged" if diverged else "")


def _percent(value: float | None) -> str:
    if value is None:
        return "-"
    missing = 100.0 - value
    if abs(missing) < 1e-9:
        return "100 % to round-off"
    decimals = max(1, 1 - math.floor(math.log10(missing)))  # two digits of what is missing
    return f"{value:.{decimals}f} %"


def _short(value: float | None) -> str:
    return "inf" if value is None else f"{value:.1e}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


if __name__ == "__main__":
    sys.exit(main())
