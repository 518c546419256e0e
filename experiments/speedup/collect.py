"""What learning on the fly saves: the cost of every run against pure Hamiltonian dynamics, and its ceiling."""

import csv
import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.study.results import fill_readme, markdown_table, save_figure, short, write_csv
from experiments.study.runs import Run
from experiments.study.sweeps import ROOT
from mlmd.on_the_fly import read_records
from mlmd.reporting.page import Line, LineChart, Part, Points, ScatterChart, SortableTable
from mlmd.reporting.run_labels import short_name
from mlmd.reporting.style import REFERENCE_COLOUR, SCHEDULE_COLOURS, schedule_line

FREQUENCY = 0.01
"""Of the ceiling that is drawn: the largest that an on-the-fly run is asked to keep."""

MARKERS = "os^"
"""Of dots whose colours come again; their lines are dashed and dotted."""

HEADINGS = (
    "system",
    "method",
    "regime",
    "n_replicas",
    "n_steps",
    "dt_fs",
    "seed",
    "force_call_ms",
    "learned_step_us",
    "ratio",
    "frequency",
    "force_calls",
    "takeover_step",
    "trainings",
    "fallbacks",
    "forces_s",
    "training_s",
    "trial_s",
    "learned_s",
    "elapsed_s",
    "pure_hamiltonian_s",
    "speed_up",
    "speed_up_ceiling",
    "break_even_step",
    "energy_error_median",
    "energy_error_worst",
    "line_shift_cm1",
    "line_shift_whole_run_cm1",
    "resolution_cm1",
    "code",
)


def collect(runs: list[Run], out: Path) -> list[Part]:
    """The csv file, the README's table, the figure, and the parts of the page."""
    runs = sorted(runs, key=lambda run: -run.score("cost/speed_up"))
    rows = [[_row(run)[name] for name in HEADINGS] for run in runs]
    write_csv(out / "speedup.csv", HEADINGS, rows)
    fill_readme(out / "README.md", _table(runs))
    if out == Path(__file__).parent:  # the fast form's numbers are for nobody to quote
        fill_readme(ROOT / "README.md", _short_table(runs), mark="speedup")
    _draw(runs, out / "speedup.png")
    table = SortableTable(HEADINGS[:-1], [[_shown(cell) for cell in row[:-1]] for row in rows])
    return [*_charts(runs), table]


def label(run: Run) -> str:
    """Of a run in figures, such as "HCl, B3LYP/def2-SVP"."""
    n_replicas = run.config["n_replicas"]
    beside = [run.config["regime"]["_target_"].rpartition(".")[2].removesuffix("Regime").lower()]
    beside += [f"{n_replicas} replicas"] if n_replicas > 1 else []
    return f"{run.config['system']['name']}, {short_name(run.config['hamiltonian'])} ({', '.join(beside)})"


def ceiling(ratio: float, frequency: float = FREQUENCY) -> float:
    """S = 1 / (f + (1 - f) / r) of a ratio r of force call to learned step.

    >>> round(ceiling(1e9)), round(ceiling(1.0))
    (100, 1)
    """
    return 1.0 / (frequency + (1.0 - frequency) / ratio)


def _row(run: Run) -> dict[str, str | float | int | None]:
    config, metrics = run.config, run.metrics
    force_call, learned_step = run.score("cost/force_call_s"), run.score("cost/learned_step_s")
    scores = {
        name: metrics.get(f"rollout/{run.schedules[0]}/{name}")
        for name in ("frequency", "energy_error_median", "energy_error_worst", "line_shift_cm1")
    }
    costs = ("force_calls", "forces_s", "training_s", "trial_s", "learned_s", "elapsed_s", "pure_hamiltonian_s")
    return {
        "system": config["system"]["name"],
        "method": short_name(config["hamiltonian"]),
        "regime": short_name(config["regime"]),
        "n_replicas": config["n_replicas"],
        "n_steps": config["n_steps"],
        "dt_fs": config["system"]["dt_fs"],
        "seed": config["seed"],
        "force_call_ms": 1e3 * force_call,
        "learned_step_us": 1e6 * learned_step,
        "ratio": force_call / learned_step,
        **scores,
        **{name: metrics[f"cost/{name}"] for name in (*costs, "speed_up", "speed_up_ceiling")},
        "break_even_step": metrics.get("cost/break_even_step"),
        "takeover_step": metrics.get("learning/takeover_step"),
        "trainings": metrics["learning/trainings"],
        "fallbacks": metrics["learning/fallbacks"],
        **_lines(run),
        "code": run.code,
    }


def _lines(run: Run) -> dict[str, float | None]:
    """Largest shift of a line of all learned steps against the shorter true run, and what that run can resolve.

    By the centre of its power, which does not jump between the lines of several replicas as the highest peak does.
    """
    path = run.folder / "lines.csv"
    if not path.is_file():
        return {"line_shift_whole_run_cm1": None, "resolution_cm1": None}
    with path.open(encoding="utf-8", newline="") as file:
        lines = [{name: float(value or "nan") for name, value in row.items()} for row in csv.DictReader(file)]
    shifts = [line["centre_cm1"] - line["centre_reference_cm1"] for line in lines]
    known = [shift for shift in shifts if math.isfinite(shift)]
    return {
        "line_shift_whole_run_cm1": max(known, key=abs, default=None),
        "resolution_cm1": lines[0]["resolution_cm1"],
    }


def _table(runs: list[Run]) -> str:
    headings = [
        "case",
        "force call",
        "calls before ML + after",
        "trainings, fallbacks",
        "speed-up, all included",
        "break-even",
        "ceiling",
        "energy error",
        "line shift (resolution), cm⁻¹",
    ]
    return markdown_table(headings, [_cells(run) for run in runs])


def _cells(run: Run) -> list[str]:
    row, schedule = _row(run), run.schedules[0]
    before = run.score(f"rollout/{schedule}/warmup_force_calls")
    after = run.score(f"rollout/{schedule}/force_calls")
    break_even, shift = row["break_even_step"], row["line_shift_whole_run_cm1"]
    return [
        f"{label(run)}, {row['n_steps']:,} steps",
        f"{row['force_call_ms']:.3g} ms",
        f"{before:,.0f} + {after:,.0f}",
        f"{row['trainings']:.0f}, {row['fallbacks']:.0f}",
        f"**{row['speed_up']:.3g}**",
        "never" if break_even is None else f"step {break_even:,.0f}",
        f"{row['speed_up_ceiling']:.3g}",
        short(run.score(f"rollout/{schedule}/energy_error_median")),
        "-" if shift is None else f"{shift:+.2g} ({row['resolution_cm1']:.2g})",
    ]


def _short_table(runs: list[Run]) -> str:
    """For the README of the project."""
    headings = ["case", "force call", "speed-up, all included", "break-even", "energy error", "line shift, cm⁻¹"]
    chosen = [0, 1, 4, 5, 7, 8]
    return markdown_table(headings, [[cells[index] for index in chosen] for cells in map(_cells, runs)])


def _draw(runs: list[Run], path: Path) -> None:
    figure = Figure(figsize=(8.6, 5.2), facecolor="white")
    left, right = figure.subplots(1, 2)
    for index, run in enumerate(runs):
        colour, style = schedule_line(index)
        steps, speed_up = _along(run)
        left.plot(steps, speed_up, color=colour, linestyle=style, linewidth=1.2)
        row = _row(run)
        marker = MARKERS[index // len(SCHEDULE_COLOURS) % len(MARKERS)]
        right.plot(row["ratio"], row["speed_up"], marker, color=colour, markersize=5, label=label(run))
    left.axhline(1.0, color=REFERENCE_COLOUR, linewidth=0.8)
    _dress(left, "MD step", "force-call time x steps / wall-clock time", "break-even: where a line passes 1")
    ratios = np.logspace(-1, 6, 200)
    right.plot(ratios, [ceiling(ratio) for ratio in ratios], color=REFERENCE_COLOUR, label="ceiling, f = 0.01")
    right.axhline(1.0, color=REFERENCE_COLOUR, linewidth=0.8)
    _dress(right, "force call / learned step", "speed-up at the end of the run", "dots: measured, trainings included")
    figure.legend(loc="upper center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize=6.5, frameon=False)
    n_rows = -(-(len(runs) + 1) // 2)
    seeds = ", ".join(sorted({str(run.config["seed"]) for run in runs}))
    caption = (
        f"python -m experiments speedup; steps, replicas, dt of each case in speedup.csv; seed {seeds}; one thread"
    )
    save_figure(figure, path, caption=caption, top=1.0 - (0.1 + 0.14 * n_rows) / 5.2)


def _dress(axes: Axes, x: str, y: str, title: str) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(x, fontsize=8)
    axes.set_ylabel(y, fontsize=8)
    axes.set_title(title, fontsize=8, loc="left", color="0.3")
    axes.tick_params(labelsize=7)
    axes.grid(color="0.92", linewidth=0.6)


def _along(run: Run) -> tuple[list[float], list[float]]:
    """Steps, and the speed-up up to each."""
    entries, _ = read_records(run.folder)
    force_call = run.score("cost/force_call_s")
    return [float(entry.step) for entry in entries], [entry.step * force_call / entry.elapsed_s for entry in entries]


def _charts(runs: list[Run]) -> list[Part]:
    along = [Line(label(run), *_along(run)) for run in runs]
    ratios = [float(ratio) for ratio in np.logspace(-1, 6, 60)]
    points = [Points(label(run), [_row(run)["ratio"]], [_row(run)["speed_up"]]) for run in runs]  # type: ignore[list-item]  # these two are numbers
    bound = Points("ceiling, f = 0.01", ratios, [ceiling(ratio) for ratio in ratios], is_joined=True)
    return [
        LineChart(
            "Speed-up so far", along, x="MD step", y="against pure Hamiltonian dynamics", log_y=True, is_wide=True
        ),
        ScatterChart(
            "Speed-up and its ceiling",
            [*points, bound],
            x="force call / learned step",
            y="speed-up",
            log_x=True,
            log_y=True,
            is_wide=True,
        ),
    ]


def _shown(cell: str | float | int | None) -> str | float | int | None:
    return float(f"{cell:.3g}") if isinstance(cell, float) else cell
