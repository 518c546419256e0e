"""Before and after retraining on states that the model's own rollouts visited."""

import math
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.divergence.cases import (
    MODELS,
    energy_error,
    missing_percent,
    n_diverged,
    n_replicas,
    optimizer_of,
    provenance_of,
    rounds_of,
    setting_of,
)
from experiments.study.lost_axis import LostAxis
from experiments.study.results import Cell, markdown_table, percent, save_figure, spread
from experiments.study.runs import Run, grouped
from mlmd.reporting.style import SCHEDULE_COLOURS, dress_axes

SCHEDULES = ("never", "every_100", "every_100_anchored")
HEADINGS = (
    "model",
    "setting",
    "seed",
    "rounds",
    "accuracy_percent_before",
    "accuracy_percent_after",
    *(
        f"{what}_{schedule}_{when}"
        for schedule in SCHEDULES
        for what in ("energy_error", "diverged")
        for when in ("before", "after")
    ),
    "n_replicas",
    "data_force_calls",
    "retraining_force_calls",
)


@dataclass(frozen=True)
class Pair:
    """The same seed and setting without and with retraining."""

    before: Run
    after: Run

    @property
    def seed(self) -> int:
        """Of both."""
        return int(self.after.config["seed"])

    @property
    def row(self) -> list[Cell]:
        """Cells of the csv, see `HEADINGS`."""
        both = (self.before, self.after)
        scores: list[Cell] = []
        for schedule in SCHEDULES:
            scores += [energy_error(run, schedule) for run in both]
            scores += [n_diverged(run, schedule) for run in both]
        return [
            self.after.variant,
            setting_of(self.after).replace(",", ""),
            self.seed,
            int(self.after.metrics.get("retraining/rounds") or 0),
            *(run.score("test/velocity_accuracy_percent") for run in both),
            *scores,
            n_replicas(self.after),
            int(self.after.score("cost/data_force_calls")),
            int(self.after.metrics.get("cost/retraining_force_calls") or 0),
        ]


def pairs_of(runs: list[Run]) -> list[Pair]:
    """Every retrained run whose run without retraining is there."""

    def key(run: Run) -> tuple[str, str, int]:
        return run.variant, setting_of(run), int(run.config["seed"])

    before = {key(run): run for run in runs if rounds_of(run) == 0}
    return [Pair(before[key(run)], run) for run in runs if rounds_of(run) > 0 and key(run) in before]


def retraining_table(pairs: list[Pair]) -> str:
    """A row a model and schedule; least to greatest of the seeds."""
    rows = []
    for model, found in _by_model(pairs).items():
        before, after = [pair.before for pair in found], [pair.after for pair in found]
        total = sum(map(n_replicas, after))
        for schedule in SCHEDULES:
            errors = [spread([energy_error(run, schedule) for run in side]) for side in (before, after)]
            losses = [f"{sum(n_diverged(run, schedule) for run in side)} of {total}" for side in (before, after)]
            rows += [[model, schedule, *errors, *losses]]
    headings = ["energy error before", "after", "diverged replicas before", "after"]
    return markdown_table(["model", "schedule", *headings], rows)


def cost_table(pairs: list[Pair]) -> str:
    """One-step accuracy and force calls; a row a model."""
    rows = []
    for model, found in _by_model(pairs).items():
        accuracy = [
            [run.score("test/velocity_accuracy_percent") for run in side]
            for side in ([pair.before for pair in found], [pair.after for pair in found])
        ]
        calls = [pair.after.metrics.get("cost/retraining_force_calls") or 0.0 for pair in found]
        data = [pair.after.score("cost/data_force_calls") for pair in found]
        rounds = sorted({int(pair.after.metrics.get("retraining/rounds") or 0) for pair in found})
        rows.append(
            [
                model,
                *(f"{percent(min(side))} to {percent(max(side))}" for side in accuracy),
                ", ".join(map(str, rounds)),
                f"{min(calls):,.0f} to {max(calls):,.0f}",
                f"{data[0]:,.0f}",
            ]
        )
    headings = ["accuracy before, %", "after, %", "rounds", "force calls of retraining", "of the data before it"]
    return markdown_table(["model", *headings], rows)


def draw_retraining(pairs: list[Pair], path: Path) -> None:
    """What one step misses, and energy errors; a line a seed from before to after."""
    figure = Figure(figsize=(8.4, 3.4), facecolor="white")
    panels = figure.subplots(1, 1 + len(SCHEDULES))
    accuracy = [(missing_percent(pair.before), missing_percent(pair.after)) for pair in pairs]
    _joined(panels[0], pairs, accuracy, y="100 % − velocity accuracy (%)", title="one step", of_all=[])
    of_energy = [
        energy_error(run, schedule) for pair in pairs for run in (pair.before, pair.after) for schedule in SCHEDULES
    ]
    for axes, schedule in zip(panels[1:], SCHEDULES, strict=True):
        ends = [(energy_error(pair.before, schedule), energy_error(pair.after, schedule)) for pair in pairs]
        first = schedule == SCHEDULES[0]
        _joined(axes, pairs, ends, y="energy error, median replica" if first else "", title=schedule, of_all=of_energy)
    what = next(iter({f"{optimizer_of(pair.after)}, {rounds_of(pair.after)} rounds" for pair in pairs}), "no runs")
    caption = (
        f"python -m experiments divergence; {what}, {provenance_of([pair.after for pair in pairs])}; a line a seed, "
        "hollow before,\nfull after retraining; lost: the median replica's bond broke"
    )
    save_figure(figure, path, caption=caption)


def _joined(
    axes: Axes, pairs: list[Pair], ends: list[tuple[float, float]], *, y: str, title: str, of_all: list[float]
) -> None:
    axis = LostAxis(of_all)
    for pair, (before, after) in zip(pairs, ends, strict=True):
        place = MODELS.index(pair.after.variant)
        x = [place - 0.25 + 0.06 * (pair.seed - 2), place + 0.25 + 0.06 * (pair.seed - 2)]
        colour = SCHEDULE_COLOURS[place]
        values = [axis.place(before), axis.place(after)]
        axes.plot(x, values, "-", color=colour, linewidth=1.0)
        axes.plot(x[:1], values[:1], "o", color=colour, markersize=5, markerfacecolor="white")
        axes.plot(x[1:], values[1:], "o", color=colour, markersize=5)
    dress_axes(axes, x="", y=y, title=title)
    axes.set_xticks(range(len(MODELS)), MODELS)
    axes.set_xlim(-0.6, len(MODELS) - 0.4)
    finite = [value for value in of_all if math.isfinite(value)]
    if finite:
        axes.set_ylim(min(finite) / 2.0, 2.0 * max(finite))
    axis.dress(axes)


def _by_model(pairs: list[Pair]) -> dict[str, list[Pair]]:
    groups = grouped([pair.after for pair in pairs], lambda run: run.variant)
    return {model: [pair for pair in pairs if pair.after.variant == model] for model in MODELS if model in groups}
