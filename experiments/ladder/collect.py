"""Which variant survives where: regimes in order of difficulty, with one budget for all."""

import math
import statistics
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.study.lost_axis import LEAST
from experiments.study.results import Cell, fill_readme, markdown_table, percent, save_figure, short, spread, write_csv
from experiments.study.runs import Run, grouped
from mlmd.reporting.page import Part, Points, ScatterChart, SortableTable
from mlmd.reporting.style import dress_axes

RUNGS = ("harmonic vibrating", "harmonic rotating", "harmonic thermal", "Morse thermal")
VARIANTS = (
    "3vR0, plain",
    "3uR0, plain",
    "DuR0, plain",
    "3uR0, shortcut, molecule's axes",
    "DuR0, shortcut",
)
SCHEDULES = ("never", "every_100_anchored")
ACCURACY = "test/velocity_accuracy_percent"
HEADINGS = (
    "rung",
    "variant",
    "seed",
    "accuracy_percent",
    *(f"energy_error_median_{schedule}" for schedule in SCHEDULES),
    *(f"survivors_{schedule}" for schedule in SCHEDULES),
    "n_replicas",
    "code",
)
Grid = dict[tuple[str, str], list[Run]]
"""Runs of all seeds by rung and variant, in order."""


def collect(runs: list[Run], out: Path) -> list[Part]:
    """The csv file, the README's tables, the figure, and the parts of the page."""
    groups = grouped(runs, lambda run: (rung_of(run), variant_of(run)))
    grid = {(rung, name): groups[rung, name] for rung in RUNGS for name in VARIANTS if (rung, name) in groups}
    rows = [_row(run) for found in grid.values() for run in found]
    write_csv(out / "ladder.csv", HEADINGS, [[_word(cell) for cell in row] for row in rows])
    fill_readme(out / "README.md", _table(grid))
    fill_readme(out / "README.md", _verdict(grid), mark="verdict")
    _draw(grid, out / "ladder.png")
    shown = [[_number(cell) for cell in row[:-1]] for row in rows]
    return [
        *(_chart(grid, schedule) for schedule in SCHEDULES),
        SortableTable(HEADINGS[:-1], shown, caption="All runs"),
    ]


def rung_of(run: Run) -> str:
    """Bond and regime."""
    regime = str(run.config["regime"]["_target_"]).rpartition(".")[2].removesuffix("Regime").lower()
    return f"{'Morse' if run.is_morse else 'harmonic'} {regime}"


def variant_of(run: Run) -> str:
    """Code name, and what is beside the LSTM."""
    model = run.config["model"]
    words = [run.variant, "shortcut" if model["shortcut"] else "plain"]
    return ", ".join(words + (["molecule's axes"] if model["frame"] == "molecule" else []))


def survivors(run: Run, schedule: str) -> int:
    """Replicas that did not diverge."""
    return int(run.config["rollout"]["n_replicas"] - run.score(f"rollout/{schedule}/diverged_replicas"))


def energy_error(run: Run, schedule: str) -> float:
    """Of the median replica; infinite where that one diverged."""
    return run.score(f"rollout/{schedule}/energy_error_median")


def _row(run: Run) -> list[Cell]:
    return [
        rung_of(run),
        variant_of(run),
        int(run.config["seed"]),
        run.score(ACCURACY),
        *(energy_error(run, schedule) for schedule in SCHEDULES),
        *(survivors(run, schedule) for schedule in SCHEDULES),
        int(run.config["rollout"]["n_replicas"]),
        run.code,
    ]


def _table(grid: Grid) -> str:
    """A row a rung and variant; least to greatest of the seeds."""
    rows = []
    for (rung, variant), found in grid.items():
        accuracy = [run.score(ACCURACY) for run in found]
        cells = []
        for schedule in reversed(SCHEDULES):
            cells += [spread([energy_error(run, schedule) for run in found])]
            cells += [_counts([survivors(run, schedule) for run in found])]
        rows.append([rung, variant, _percents(accuracy), *cells])
    headings = [word for schedule in reversed(SCHEDULES) for word in (f"energy error, {schedule}", "survivors")]
    return markdown_table(["rung", "variant", "accuracy, %", *headings], rows)


def _verdict(grid: Grid) -> str:
    """By variant, the rungs on which no replica of any seed was lost."""
    lines = []
    for variant in VARIANTS:
        words = []
        for schedule in SCHEDULES:
            whole = [rung for rung in RUNGS if (rung, variant) in grid and _all_survive(grid[rung, variant], schedule)]
            words.append(f"{', '.join(whole) or 'nowhere'} ({schedule})")
        if any((rung, variant) in grid for rung in RUNGS):
            lines.append(f"- {variant}: all replicas of all seeds survive: {'; '.join(words)}")
    return "\n".join(lines)


def _all_survive(runs: list[Run], schedule: str) -> bool:
    return all(survivors(run, schedule) == run.config["rollout"]["n_replicas"] for run in runs)


def _draw(grid: Grid, path: Path) -> None:
    """A map a schedule: colour the energy error, in the cells also the survivors of all seeds."""
    figure = Figure(figsize=(8.4, 4.2), facecolor="white")
    *panels, scale = figure.subplots(1, len(SCHEDULES) + 1, width_ratios=(1.0, 1.0, 0.04))
    for axes, schedule in zip(panels, SCHEDULES, strict=True):
        _map(axes, grid, schedule)
    panels[1].set_yticklabels([])
    figure.colorbar(panels[0].images[0], cax=scale, label="log₁₀ energy error")
    caption = (
        f"python -m experiments ladder; {_provenance(grid)}; cell: energy error of the median replica, middle seed,\n"
        "and survivors of all seeds; lost: the median replica's bond broke; grey: not run"
    )
    save_figure(figure, path, caption=caption)


def _map(axes: Axes, grid: Grid, schedule: str) -> None:
    colours = np.full((len(VARIANTS), len(RUNGS)), np.nan)
    for row, variant in enumerate(VARIANTS):
        for column, rung in enumerate(RUNGS):
            found = grid.get((rung, variant), [])
            if not found:
                axes.fill_between((column - 0.5, column + 0.5), row - 0.5, row + 0.5, color="0.95")
                continue
            error = statistics.median_high(energy_error(run, schedule) for run in found)
            colours[row, column] = math.log10(max(error, LEAST)) if math.isfinite(error) else 1.0
            total = sum(int(run.config["rollout"]["n_replicas"]) for run in found)
            text = f"{short(error)}\n{sum(survivors(run, schedule) for run in found)} of {total}"
            colour = "white" if colours[row, column] > -0.7 else "0.1"
            axes.text(column, row, text, ha="center", va="center", fontsize=7, color=colour)
    axes.imshow(colours, cmap="YlOrRd", vmin=-4.0, vmax=1.0, aspect="auto")
    dress_axes(axes, x="", y="", title=schedule)
    axes.set_xticks(range(len(RUNGS)), [rung.replace(" ", "\n") for rung in RUNGS])
    axes.set_yticks(range(len(VARIANTS)), [variant.replace(", molecule", ",\nmolecule") for variant in VARIANTS])
    axes.grid(visible=False)


def _chart(grid: Grid, schedule: str) -> ScatterChart:
    groups = []
    for variant in VARIANTS:
        found = [run for rung in RUNGS for run in grid.get((rung, variant), [])]
        groups.append(
            Points(
                variant,
                x=[100.0 - run.score(ACCURACY) for run in found],
                y=[survivors(run, schedule) for run in found],
                labels=[f"{rung_of(run)}, seed {run.config['seed']}" for run in found],
            )
        )
    title = f"Survivors against one-step accuracy, {schedule}"
    return ScatterChart(title, groups, x="100 % − velocity accuracy (%)", y="surviving replicas", log_x=True)


def _provenance(grid: Grid) -> str:
    runs = [run for found in grid.values() for run in found]
    if not runs:
        return "no runs"
    config = runs[0].config
    rollout = config["rollout"]
    seeds = ", ".join(str(seed) for seed in sorted({run.config["seed"] for run in runs}))
    return (
        f"{config['system']['name']}, {rollout['n_replicas']} replicas, {rollout['n_steps']:,} steps, "
        f"dt = {config['system']['dt_fs']:g} fs, seeds {seeds}"
    )


def _percents(values: list[float]) -> str:
    low, high = percent(min(values)), percent(max(values))
    return low if low == high else f"{low} to {high}"


def _counts(values: list[int]) -> str:
    return str(min(values)) if min(values) == max(values) else f"{min(values)} to {max(values)}"


def _word(cell: Cell) -> Cell:
    return cell.replace(",", "") if isinstance(cell, str) else cell


def _number(cell: Cell) -> Cell:
    if not isinstance(cell, float):
        return cell
    return float(f"{cell:.6g}") if math.isfinite(cell) else None
