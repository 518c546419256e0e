"""The best history length against the first inflection of the velocity autocorrelation function."""

import math
import statistics
from collections.abc import Sequence
from pathlib import Path

from experiments.history_length.cases import (
    SCHEDULES,
    SCORES,
    Case,
    Optimum,
    cases_of,
    middle,
    missing_percent,
    optimum_of,
    window_of,
)
from experiments.history_length.figure import draw
from experiments.study.results import Cell, fill_readme, markdown_table, percent, short, write_csv
from experiments.study.runs import Run
from mlmd.reporting.page import Part, Points, ScatterChart, SortableTable

CASE = ("molecule", "dt_fs", "bond", "regime")


def collect(runs: list[Run], out: Path) -> list[Part]:
    """The csv files, the README's tables, the figure, and the parts of the page."""
    cases = cases_of(runs)
    headings = [
        *CASE,
        "window_steps",
        "seed",
        "accuracy_percent",
        *(f"energy_error_median_{schedule}" for schedule in SCHEDULES),
        *(f"diverged_{schedule}" for schedule in SCHEDULES),
        "n_replicas",
        "code",
    ]
    rows = [[*_words(case), *_row(run)] for case in cases for run in case.runs]
    write_csv(out / "history_length.csv", headings, rows)
    optima = [(case, name, optimum_of(case, score)) for case in cases for name, score in SCORES.items()]
    write_csv(
        out / "optima.csv",
        [*CASE, "score", "inflection_steps", "quarter_period_steps", "nearest_window", "best_window", "best_by_seed",
         "within_seed_spread", "coincides"],
        [_optimum_row(case, name, optimum) for case, name, optimum in optima],
    )  # fmt: skip
    fill_readme(out / "README.md", _verdict(optima), mark="verdict")
    fill_readme(out / "README.md", _optima_table(optima))
    fill_readme(out / "README.md", _accuracy_table(cases), mark="accuracy")
    fill_readme(out / "README.md", _stability_table(cases), mark="stability")
    molecules = [case for case in cases if case.bond == "harmonic" and case.dt_fs == _longest_step(cases, case.system)]
    variations = [case for case in cases if case.system == "HCl"]
    draw(molecules, variations, out / "history_length.png")
    table = SortableTable(headings[:-1], [[_number(cell) for cell in row[:-1]] for row in rows], caption="All runs")
    return [*(_chart(cases, name) for name in SCORES), table]


def _longest_step(cases: Sequence[Case], system: str) -> float:
    """The time step shipped for a molecule: others here are shorter."""
    return max(case.dt_fs for case in cases if case.system == system)


def _words(case: Case) -> list[Cell]:
    return [case.system, case.dt_fs, case.bond, case.regime]


def _row(run: Run) -> list[Cell]:
    length = window_of(run)
    return [
        "carried" if length is None else length,
        int(run.config["seed"]),
        run.score("test/velocity_accuracy_percent"),
        *(run.score(f"rollout/{schedule}/energy_error_median") for schedule in SCHEDULES),
        *(int(run.score(f"rollout/{schedule}/diverged_replicas")) for schedule in SCHEDULES),
        int(run.config["rollout"]["n_replicas"]),
        run.code,
    ]


def _optimum_row(case: Case, name: str, optimum: Optimum | None) -> list[Cell]:
    inflections = case.inflections
    steps = statistics.median(inflections) if inflections else None
    head: list[Cell] = [*_words(case), name.replace(",", ""), steps, case.quarter_period]
    if optimum is None:
        return [*head, None, None, None, None, None]
    lists = (" ".join(map(str, values)) for values in (optimum.by_seed, optimum.ties))
    return [*head, optimum.nearest, optimum.window, *lists, optimum.verdict]


def _optima_table(optima: Sequence[tuple[Case, str, Optimum | None]]) -> str:
    rows = []
    for case, name, optimum in optima:
        inflections = case.inflections
        steps = f"{min(inflections):.2f} to {max(inflections):.2f}" if inflections else "–"
        row = [case.name, steps, f"{case.quarter_period:.2f}", name]
        if optimum is None:
            why = "lost at every window" if len(case.windows) > 1 else "one window only"
            rows.append([*row, "–", "–", "–", "–", why])
            continue
        by_seed, ties = (", ".join(map(str, values)) for values in (optimum.by_seed, optimum.ties))
        rows.append([*row, str(optimum.nearest or "–"), str(optimum.window), by_seed, ties, optimum.verdict])
    headings = ["case", "inflection, steps", "quarter period", "by", "window nearest to it", "best window"]
    return markdown_table([*headings, "best of each seed", "not distinguished by seeds", "coincides"], rows)


def _verdict(optima: Sequence[tuple[Case, str, Optimum | None]]) -> str:
    lines = []
    for score in SCORES:
        found = [optimum for _, name, optimum in optima if name == score and optimum is not None]
        there = sum(optimum.verdict == "yes" for optimum in found)
        apart = sum(optimum.nearest not in optimum.ties for optimum in found)
        boundary = sum(optimum.is_boundary for optimum in found)
        lines.append(
            f"- {score}: the best window is the one nearest to the inflection in {there} of {len(found)} cases, the "
            f"shortest or longest of all in {boundary}; the one nearest to the inflection is worse by more than the "
            f"seeds' spread in {apart}"
        )
    return "\n".join(lines)


def _by_window(cases: Sequence[Case]) -> list[int]:
    return sorted({length for case in cases for length in case.windows})


def _accuracy_table(cases: Sequence[Case]) -> str:
    """A row a case, a column a window; least to greatest of the seeds."""
    lengths = _by_window(cases)
    rows = []
    for case in cases:
        groups = [*(case.windows.get(length, []) for length in lengths), case.carried]
        rows.append([case.name, *(_percents(runs) for runs in groups)])
    return markdown_table(["case", *map(str, lengths), "carried"], rows)


def _stability_table(cases: Sequence[Case]) -> str:
    """A row a case and schedule, a column a window: middle seed, and diverged replicas of all seeds."""
    lengths = _by_window(cases)
    rows = []
    for case in cases:
        groups = [*(case.windows.get(length, []) for length in lengths), case.carried]
        rows += [[case.name, schedule, *(_stability(runs, schedule) for runs in groups)] for schedule in SCHEDULES]
    return markdown_table(["case", "schedule", *map(str, lengths), "carried"], rows)


def _percents(runs: Sequence[Run]) -> str:
    if not runs:
        return ""
    values = [100.0 - missing_percent(run) for run in runs]
    return f"{percent(min(values))} to {percent(max(values))}"


def _stability(runs: Sequence[Run], schedule: str) -> str:
    if not runs:
        return ""
    error = middle(runs, SCORES[f"energy error, {schedule}"])
    n_diverged = sum(int(run.score(f"rollout/{schedule}/diverged_replicas")) for run in runs)
    return f"{short(error)} ({n_diverged})" if n_diverged else short(error)


def _chart(cases: Sequence[Case], name: str) -> ScatterChart:
    score = SCORES[name]
    groups = [
        Points(
            case.name,
            x=[float(length) for length in case.windows],
            y=[middle(runs, score) for runs in case.windows.values()],
            labels=[f"{length} steps, {length * case.dt_fs:g} fs" for length in case.windows],
            is_joined=True,
        )
        for case in cases
    ]
    note = "Middle seed; what lost its median replica is left out. First inflection: at about 5.6 steps, at 0.25 fs 11."
    return ScatterChart(
        f"{name} by window", groups, x="window (steps)", y=name, log_x=True, log_y=True, is_wide=True, note=note
    )


def _number(cell: Cell) -> Cell:
    if not isinstance(cell, float):
        return cell
    return float(f"{cell:.6g}") if math.isfinite(cell) else None
