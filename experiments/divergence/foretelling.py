"""Which measure of one step, if any, foretells how long a rollout lasts: rank correlations over runs."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.divergence.cases import (
    MODELS,
    energy_error,
    energy_ratio,
    epochs_of,
    median_divergence_step,
    missing_percent,
    n_diverged,
    optimizer_of,
    provenance_of,
    setting_of,
)
from experiments.divergence.ranks import N_PERMUTATIONS, permutation_p, spearman
from experiments.study.lost_axis import LostAxis
from experiments.study.results import Cell, markdown_table, save_figure
from experiments.study.runs import Run
from mlmd.reporting.style import SCHEDULE_COLOURS, dress_axes

MEASURES: dict[str, Callable[[Run], float]] = {
    "100 % − accuracy": missing_percent,
    "MAE": lambda run: run.score("test/velocity_mae_A_per_fs"),
    "MAPE": lambda run: run.score("test/velocity_mape_percent"),
    "validation loss": lambda run: run.score("val/best"),
    "work error": lambda run: run.score("test/work_error_per_period"),
    "work error, spread": lambda run: run.score("test/work_error_spread_per_period"),
}
"""Of one step; all of them errors."""

OUTCOMES: dict[str, Callable[[Run], float]] = {
    "energy error, never": lambda run: energy_error(run, "never"),
    "earliness of divergence, never": lambda run: -median_divergence_step(run, "never"),
    "energy error, every_100_anchored": lambda run: energy_error(run, "every_100_anchored"),
}
"""Of rollouts; the greater, the less stable."""

GROUPS: dict[str, Callable[[Run], bool]] = {
    "all": lambda _: True,
    **{name: lambda run, name=name: optimizer_of(run) == name for name in ("adam", "soap")},  # type: ignore[misc]  # the default binds the loop variable
    **{model: lambda run, model=model: run.variant == model for model in MODELS},  # type: ignore[misc]  # the default binds the loop variable
}

MARKERS = dict(zip(MODELS, ("o", "s", "^"), strict=True))


@dataclass(frozen=True)
class Correlation:
    """Of a measure with an outcome over a group of runs; the numbers are None where one side is all ties."""

    group: str
    outcome: str
    measure: str
    n_runs: int
    rho: float | None
    p: float | None


def correlations(runs: list[Run]) -> list[Correlation]:
    """All of them."""
    found = []
    for group, belongs in GROUPS.items():
        members = [run for run in runs if belongs(run)]
        for outcome, of_rollout in OUTCOMES.items():
            y = [of_rollout(run) for run in members]
            for measure, of_step in MEASURES.items():
                x = [of_step(run) for run in members]
                found.append(Correlation(group, outcome, measure, len(members), spearman(x, y), permutation_p(x, y)))
    return found


def correlation_table(found: list[Correlation]) -> str:
    """A row a measure, a column a group of runs, for one outcome after the other."""
    members = {c.group: c.n_runs for c in found}
    rows = []
    for outcome in OUTCOMES:
        for measure in MEASURES:
            cells = [_cell(c) for c in found if (c.outcome, c.measure) == (outcome, measure)]
            rows.append([outcome, measure, *cells])
    return markdown_table(["instability", "one-step error", *(f"{g}, {n} runs" for g, n in members.items())], rows)


def draw_foretelling(runs: list[Run], found: list[Correlation], path: Path) -> None:
    """Stability against the accuracy of one step, and the correlations as a map."""
    figure = Figure(figsize=(8.4, 4.3), facecolor="white")
    left, right = figure.subplots(1, 2, width_ratios=(1.0, 1.25))
    settings = sorted({setting_of(run) for run in runs})
    axis = LostAxis(energy_error(run, "never") for run in runs)
    for run in runs:
        colour = SCHEDULE_COLOURS[settings.index(setting_of(run))]
        y = axis.place(energy_error(run, "never"))
        left.plot(missing_percent(run), y, MARKERS[run.variant], color=colour, markersize=5, alpha=0.8)
    for setting, colour in zip(settings, SCHEDULE_COLOURS, strict=False):
        left.plot([], [], "s", color=colour, markersize=4, label=setting)
    for model, marker in MARKERS.items():
        left.plot([], [], marker, color="0.5", markersize=4, label=model)
    left.set_xscale("log")
    dress_axes(
        left, x="100 % − velocity accuracy (%)", y="energy error, median replica", title="schedule never, a mark a run"
    )
    axis.dress(left)
    left.legend(fontsize=6.5, frameon=False, loc="lower left", bbox_to_anchor=(0.2, 0.0))
    _map(right, [c for c in found if c.outcome == next(iter(OUTCOMES))])
    caption = (
        f"python -m experiments divergence; {provenance_of(runs)}; lost: the median replica's bond broke; "
        f"bold: p < 0.01 by {N_PERMUTATIONS:,} permutations"
    )
    save_figure(figure, path, caption=caption)


def _map(axes: Axes, found: list[Correlation]) -> None:
    rows, columns = list(MEASURES), list(GROUPS)
    grid = np.full((len(rows), len(columns)), np.nan)
    for c in found:
        place = rows.index(c.measure), columns.index(c.group)
        grid[place] = np.nan if c.rho is None else c.rho
        text = "" if c.rho is None else f"{c.rho:+.2f}"
        weight = "bold" if c.p is not None and c.p < 0.01 else "normal"
        colour = "white" if c.rho is not None and abs(c.rho) > 0.6 else "0.1"
        axes.text(place[1], place[0], text, ha="center", va="center", fontsize=7.5, fontweight=weight, color=colour)
    axes.imshow(grid, cmap="PuOr_r", vmin=-1.0, vmax=1.0, aspect="auto")
    dress_axes(
        axes,
        x="",
        y="",
        title="rank correlation with the energy error (never)\n+1 the more accurate is stabler, −1 the reverse",
    )
    members = {c.group: c.n_runs for c in found}
    axes.set_xticks(range(len(columns)), [f"{group}\n({members.get(group, 0)})" for group in columns])
    axes.set_yticks(range(len(rows)), rows)
    axes.grid(visible=False)


def _cell(c: Correlation) -> str:
    if c.rho is None or c.p is None:
        return "–"
    return f"{c.rho:+.2f} (p {'< 0.001' if c.p < 0.001 else f'= {c.p:.2g}'})"


def case_cells(run: Run) -> list[Cell]:
    """Model, optimizer, epochs and seed."""
    return [run.variant, optimizer_of(run), epochs_of(run), int(run.config["seed"])]


def outcome_cells(run: Run) -> list[Cell]:
    """Of schedule never: energy error, diverged replicas, step of half the broken bonds, energies at the end."""
    return [
        energy_error(run, "never"),
        n_diverged(run, "never"),
        median_divergence_step(run, "never"),
        energy_ratio(run, "potential_eV", "never"),
        energy_ratio(run, "kinetic_eV", "never"),
    ]
