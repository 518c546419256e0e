"""Fig. S2: continual ML updates without injection, what one step foretells of them, and what retraining changes."""

import math
import statistics
from collections.abc import Callable
from pathlib import Path

from experiments.divergence.cases import (
    MODELS,
    energy_error,
    median_divergence_step,
    missing_percent,
    n_diverged,
    n_replicas,
    rounds_of,
    setting_of,
)
from experiments.divergence.energies import draw_energies, energy_charts
from experiments.divergence.foretelling import (
    case_cells,
    correlation_table,
    correlations,
    draw_foretelling,
    outcome_cells,
)
from experiments.divergence.retraining import (
    HEADINGS,
    cost_table,
    draw_retraining,
    pairs_of,
    retraining_table,
)
from experiments.study.results import Cell, fill_readme, markdown_table, percent, spread, write_csv
from experiments.study.runs import Run, grouped
from mlmd.reporting.page import Part, Points, ScatterChart, SortableTable

ONE_STEP = {
    "accuracy_percent": "test/velocity_accuracy_percent",
    "mae_A_per_fs": "test/velocity_mae_A_per_fs",
    "mape_percent": "test/velocity_mape_percent",
    "val_loss": "val/best",
    "work_error_per_period": "test/work_error_per_period",
    "work_error_spread_per_period": "test/work_error_spread_per_period",
}
CASE = ("model", "optimizer", "epochs", "seed")


def collect(runs: list[Run], out: Path) -> list[Part]:
    """The csv files, the README's tables, the figures, and the parts of the page."""
    first = [run for run in runs if rounds_of(run) == 0]
    pairs, found = pairs_of(runs), correlations(first)
    outcome = (
        "energy_error_never",
        "diverged_never",
        "half_broken_at_step_never",
        "potential_over_reference_at_end_never",
        "kinetic_over_reference_at_end_never",
    )
    headings = [*CASE, *ONE_STEP, *outcome, "energy_error_every_100_anchored", "code"]
    rows = [
        [*case_cells(run), *(run.score(name) for name in ONE_STEP.values()), *outcome_cells(run),
         energy_error(run, "every_100_anchored"), run.code]
        for run in first
    ]  # fmt: skip
    write_csv(out / "divergence.csv", headings, rows)
    write_csv(
        out / "correlations.csv",
        ["group", "instability", "one_step_error", "n_runs", "spearman", "p"],
        [[c.group, c.outcome.replace(",", ""), c.measure.replace(",", ""), c.n_runs, c.rho, c.p] for c in found],
    )
    write_csv(out / "retraining.csv", HEADINGS, [pair.row for pair in pairs])
    readme = out / "README.md"
    fill_readme(readme, _table(first))
    fill_readme(readme, correlation_table(found), mark="correlations")
    fill_readme(readme, retraining_table(pairs), mark="retraining")
    fill_readme(readme, cost_table(pairs), mark="cost")
    draw_energies(first, out / "divergence.png")
    draw_foretelling(first, found, out / "foretelling.png")
    draw_retraining(pairs, out / "retraining.png")
    shown = [*CASE, *ONE_STEP, *outcome]
    tables = [
        SortableTable(
            shown, [[_cell(cell) for cell in row[: len(shown)]] for row in rows], caption="Without retraining"
        ),
        SortableTable(HEADINGS, [[_cell(cell) for cell in pair.row] for pair in pairs], caption="Retraining"),
    ]
    return [*energy_charts(first), *_scatters(first), *tables]


def _table(runs: list[Run]) -> str:
    """A row a model and setting; least to greatest of the seeds."""
    rows = []
    for (model, setting), found in sorted(
        grouped(runs, lambda run: (run.variant, setting_of(run))).items(),
        key=lambda item: (MODELS.index(item[0][0]), item[0][1].split(",")[0], missing_percent(item[1][0]) * -1),
    ):
        accuracy = [run.score("test/velocity_accuracy_percent") for run in found]
        steps = [median_divergence_step(run, "never") for run in found]
        rows.append(
            [
                model,
                setting,
                f"{percent(min(accuracy))} to {percent(max(accuracy))}",
                spread([energy_error(run, "never") for run in found]),
                f"{sum(n_diverged(run, 'never') for run in found)} of {sum(map(n_replicas, found))}",
                _steps(statistics.median_high(steps)),
                spread([energy_error(run, "every_100_anchored") for run in found]),
            ]
        )
    headings = ["accuracy, %", "energy error, never", "diverged, never", "half of the bonds broken by step"]
    return markdown_table(["model", "training", *headings, "energy error, every_100_anchored"], rows)


def _steps(step: float) -> str:
    return "none" if math.isinf(step) else f"{step:,.0f}"


def _scatters(runs: list[Run]) -> list[Part]:
    outcomes: dict[str, tuple[str, Callable[[Run], float], bool]] = {
        "Energy error against one-step accuracy": ("energy error, never", lambda run: energy_error(run, "never"), True),
        "Diverged replicas against one-step accuracy": ("diverged, never", lambda run: n_diverged(run, "never"), False),
    }
    charts: list[Part] = []
    for title, (y, score, is_log) in outcomes.items():
        groups = [
            Points(
                f"{model}, {setting}",
                x=[missing_percent(run) for run in found],
                y=[score(run) for run in found],
                labels=[f"seed {run.config['seed']}" for run in found],
            )
            for (model, setting), found in grouped(runs, lambda run: (run.variant, setting_of(run))).items()
        ]
        note = "Runs whose median replica diverged have no energy and are left out." if is_log else ""
        charts.append(
            ScatterChart(title, groups, x="100 % − velocity accuracy (%)", y=y, log_x=True, log_y=is_log, note=note)
        )
    return charts


def _cell(cell: Cell) -> Cell:
    if not isinstance(cell, float):
        return cell
    return float(f"{cell:.5g}") if math.isfinite(cell) else None
