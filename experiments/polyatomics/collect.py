"""How far predictors go that are trained beforehand on molecules with forces of GFN2-xTB: energies, lines, cost."""

import math
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from experiments.study.results import fill_readme, markdown_table, percent, save_figure, short, write_csv
from experiments.study.runs import Run
from mlmd.reporting.page import Line, LineChart, Part, SortableTable
from mlmd.reporting.style import dress_axes, schedule_line

SCHEDULES = ("never", "every_1000", "every_100", "every_100_anchored")
SCORES = (
    "frequency",
    "diverged_replicas",
    "energy_error_median",
    "energy_error_worst",
    "bond_mean_error_A",
    "vacf_error",
    "line_shift_cm1",
    "angular_momentum_error",
    "mode_kinetic_error_worst",
)
FLOOR, CEILING = 1e-6, 1e2
"""Ends of the axis of the energy error; what is lost is drawn at the upper one."""


def collect(runs: list[Run], out: Path) -> list[Part]:
    """Two csv files, the README's tables, the figure, and the parts of the page."""
    headings = ["system", "n_atoms", "seed", "accuracy_percent", "schedule", *SCORES, "code"]
    rows = [_row(run, schedule) for run in runs for schedule in run.schedules]
    write_csv(out / "polyatomics.csv", headings, rows)
    lines = [row for run in runs for row in _lines(run)]
    write_csv(out / "lines.csv", ["system", "modes", "harmonic_cm1", "reference_cm1", "schedule", "shift_cm1"], lines)
    fill_readme(out / "README.md", _table(runs))
    fill_readme(out / "README.md", _line_table(runs), mark="lines")
    fill_readme(out / "README.md", _cost_table(runs), mark="cost")
    _draw(runs, out / "polyatomics.png")
    table = SortableTable(headings[:-1], [[_shown(cell) for cell in row[:-1]] for row in rows])
    return [*(_chart(run) for run in runs), table]


def _row(run: Run, schedule: str) -> list[Any]:
    scores = (run.metrics.get(f"rollout/{schedule}/{name}") for name in SCORES)
    accuracy = run.score("test/velocity_accuracy_percent")
    return [_name(run), _n_atoms(run), run.config["seed"], accuracy, schedule, *scores, run.code]


def _name(run: Run) -> str:
    return str(run.config["system"]["name"])


def _n_atoms(run: Run) -> int:
    """From the number of modes, 3N - 6 or, of a linear molecule, 3N - 5."""
    n_modes = max(mode for line in run.curves["lines"] for mode in line["modes"])
    return (n_modes + 6) // 3


def _table(runs: list[Run]) -> str:
    """Energy errors by molecule and schedule, median / worst replica, and how many were lost."""
    cells = []
    for run in runs:
        words = [_name(run), percent(run.score("test/velocity_accuracy_percent"))]
        for schedule in SCHEDULES:
            median, worst, lost = (
                run.score(f"rollout/{schedule}/{name}")
                for name in ("energy_error_median", "energy_error_worst", "diverged_replicas")
            )
            words.append(f"{short(median)} / {short(worst)}" + (f", {lost:.0f} lost" if lost else ""))
        cells.append(words)
    return markdown_table(["molecule", "one step, %", *SCHEDULES], cells)


def _lines(run: Run) -> list[list[Any]]:
    return [
        [
            _name(run),
            " ".join(map(str, line["modes"])),
            line["harmonic_cm1"],
            line["reference_cm1"],
            schedule,
            _shift(line, schedule),
        ]
        for line in run.curves["lines"]
        for schedule in run.schedules
    ]


def _shift(line: dict[str, Any], schedule: str) -> float | None:
    shift: float | None = line["shifts"][schedule]["shift_cm1"]
    return shift


def _line_table(runs: list[Run]) -> str:
    cells = []
    for run in runs:
        for line in run.curves["lines"]:
            modes = ", ".join(map(str, line["modes"]))
            shifts = [_shift(line, schedule) for schedule in ("every_100", "every_100_anchored")]
            cells_of_line = ["-" if shift is None else f"{shift:+.2g}" for shift in shifts]
            centre, of_true = _centre(run, line, "every_100_anchored"), _centre(run, line, None)
            cells_of_line.append("-" if centre is None or of_true is None else f"{centre - of_true:+.2g}")
            reference = "-" if line["reference_cm1"] is None else f"{line['reference_cm1']:.1f}"
            cells.append([_name(run), modes, f"{line['harmonic_cm1']:.1f}", reference, *cells_of_line])
    headings = [
        "molecule",
        "modes",
        "harmonic, cm⁻¹",
        "reference, cm⁻¹",
        "shift, every_100",
        "shift, every_100_anchored",
        "centre, every_100_anchored",
    ]
    return markdown_table(headings, cells)


def _centre(run: Run, line: dict[str, Any], schedule: str | None) -> float | None:
    """Mean wavenumber by power of the whole spectrum within 15 % or 100 cm^-1 of a harmonic line; None for no power."""
    curves, harmonic = run.curves, line["harmonic_cm1"]
    half = max(0.15 * harmonic, 100.0)
    power = (curves["reference"] if schedule is None else curves["schedules"][schedule])["power"]
    within = [
        (wavenumber, height)
        for wavenumber, height in zip(curves["wavenumber_cm1"], power, strict=True)
        if height is not None and abs(wavenumber - harmonic) < half
    ]
    total = sum(height for _, height in within)
    return sum(wavenumber * height for wavenumber, height in within) / total if total else None


def _cost_table(runs: list[Run]) -> str:
    """What a step of all replicas together costs true and learned; trainings beside them."""
    cells = []
    for run in runs:
        rollout = run.config["rollout"]
        n_geometries = rollout["n_steps"] * rollout["n_replicas"]
        true = run.score("cost/rollout_reference_s") / n_geometries
        learned = run.score("cost/rollout_every_100_anchored_s") / n_geometries
        calls = run.score("cost/data_force_calls")
        invested = run.score("cost/train_s") + calls * true
        cells.append(
            [
                _name(run),
                f"{1e6 * true:.0f}",
                f"{1e6 * learned:.1f}",
                f"{true / learned:.0f}",
                f"{calls:,.0f}",
                f"{run.score('cost/train_s'):.0f} s",
                f"{invested / (true - learned):,.0f}" if true > learned else "never",
            ]
        )
    headings = [
        "molecule",
        "true step, µs",
        "step at f = 0.01, µs",
        "speed-up",
        "force calls for data",
        "training",
        "pays after so many steps",
    ]
    return markdown_table(headings, cells)


def _draw(runs: list[Run], path: Path) -> None:
    figure = Figure(figsize=(8.4, 2.3 + 2.0 * math.ceil(len(runs) / 2)), facecolor="white")
    panels = list(figure.subplots(math.ceil(len(runs) / 2), 2, squeeze=False).flat)
    for axes, run in zip(panels, runs, strict=False):
        curves = run.curves
        for index, schedule in enumerate(name for name in SCHEDULES if name in curves["schedules"]):
            colour, style = schedule_line(index)
            error = curves["schedules"][schedule]["energy_error"]
            low, middle, high = ([_within(value) for value in error[word]] for word in ("lowest", "median", "highest"))
            axes.fill_between(curves["time_ps"], low, high, color=colour, alpha=0.12, linewidth=0)
            axes.plot(curves["time_ps"], middle, color=colour, linestyle=style, linewidth=1.0, label=schedule)
        axes.set_yscale("log")
        axes.set_ylim(FLOOR, CEILING)
        dress_axes(axes, x="time since ML took over (ps)", y="energy error", title=_name(run))
    for axes in panels[len(runs) :]:
        axes.set_axis_off()
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="upper center", ncols=4, fontsize=8, frameon=False)
    counts = ", ".join(f"{_name(run)} {run.config['rollout']['n_replicas']}" for run in runs)
    seeds = ", ".join(sorted({str(run.config["seed"]) for run in runs}))
    note = f"median and range of replicas ({counts}), lost ones at the top; seed {seeds}"
    save_figure(figure, path, caption=f"python -m experiments polyatomics; {note}", top=0.95)


def _within(value: float | None) -> float:
    return CEILING if value is None else min(max(value, FLOOR), CEILING)


def _chart(run: Run) -> LineChart:
    curves = run.curves
    lines = [Line(name, curves["time_ps"], one["energy_error"]["median"]) for name, one in curves["schedules"].items()]
    return LineChart(
        f"{_name(run)}: energy error, median replica",
        lines,
        x="time since ML took over (ps)",
        y="|⟨E⟩ / ⟨E⟩ref − 1|",
        log_y=True,
        y_limits=(FLOOR, CEILING),
    )


def _shown(cell: Any) -> Any:
    return float(f"{cell:.3g}") if isinstance(cell, float) else cell
