"""Run what is missing of the cases below and write results.csv and the tables of the README beside it.

python experiments/main_job/run.py            all cases, one after the other
python experiments/main_job/run.py --collect  tables only, from the runs that are there
"""

import csv
import json
import subprocess
import sys
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
    "HCl-morse-thermal-DuR0": ["model=DuR0", "regime=thermal", "hamiltonian=morse"],
    **{
        f"HCl-{regime}-{model}-{frame}": [f"model={model}", f"regime={regime}", f"model.frame={frame}"]
        for regime in ("rotating", "thermal")
        for model in ("3vR0", "3uR0")
        for frame in ("lab", "molecule")
    },
    **{
        f"HCl-morse-thermal-{model}-molecule": [
            f"model={model}", "regime=thermal", "hamiltonian=morse", "model.frame=molecule",
        ]
        for model in ("3vR0", "3uR0")
    },
    **{f"HCl-vibrating-{model}-plain": [f"model={model}", "model.shortcut=false"] for model in MODELS},
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
    "cost/train_s",
    "cost/total_s",
    "cost/peak_memory_MB",
)


def main() -> None:
    """Run, then collect."""
    if "--collect" not in sys.argv:
        for name, overrides in CASES.items():
            if not (ROOT / RUNS / name / "metrics.json").is_file():
                print(f"== {name}: python train.py {' '.join(overrides)}", flush=True)
                command = [sys.executable, "train.py", *overrides, "logger=csv", f"hydra.run.dir={RUNS / name}"]
                subprocess.run(command, cwd=ROOT, check=False)
    collect()


def collect() -> None:
    """results.csv, and the table between the marks of README.md."""
    results = {}
    for name in CASES:
        path = ROOT / RUNS / name / "metrics.json"
        if path.is_file():
            results[name] = json.loads(path.read_text(encoding="utf-8"))
    with (HERE / "results.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["case", "overrides", *COLUMNS])
        for name, metrics in results.items():
            writer.writerow([name, " ".join(CASES[name]), *(_number(metrics.get(column)) for column in COLUMNS)])
    readme = HERE / "README.md"
    before, _, rest = readme.read_text(encoding="utf-8").partition("<!-- table -->\n")
    _, _, after = rest.partition("<!-- end of table -->\n")
    table = "\n".join(_table(results))
    readme.write_text(f"{before}<!-- table -->\n{table}\n<!-- end of table -->\n{after}", encoding="utf-8")


def _table(results: dict[str, dict[str, float | None]]) -> list[str]:
    lines = [
        "| case | one step, model (linear shortcut alone) | never | every_100 | every_100_anchored "
        "| bond mean, A | VACF | total, s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, metrics in results.items():
        linear = metrics.get("test/linear_velocity_accuracy_percent")
        cells = [
            name,
            f"{_percent(metrics['test/velocity_accuracy_percent'])} ({_percent(linear)})",
            *(_errors(metrics, schedule) for schedule in ("never", "every_100", "every_100_anchored")),
            _short(metrics["rollout/every_100_anchored/bond_mean_error_A"]),
            _short(metrics["rollout/every_100_anchored/vacf_error"]),
            f"{metrics['cost/total_s']:.0f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


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
    return f"{value:.6g} %" if missing > 1e-2 else f"100 % - {missing:.1e} %"


def _short(value: float | None) -> str:
    return "inf" if value is None else f"{value:.1e}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


if __name__ == "__main__":
    main()
