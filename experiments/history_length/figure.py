"""Accuracy and stability against the length of the window, with the first inflection of the VACF."""

import statistics
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.history_length.cases import SCORES, Case, Score, middle
from experiments.study.lost_axis import LostAxis
from experiments.study.results import save_figure
from mlmd.reporting.style import SCHEDULE_COLOURS, dress_axes

CARRIED_GAP = 2.2
"""Carried memory is drawn at this multiple of the longest window."""


def draw(molecules: Sequence[Case], variations: Sequence[Case], path: Path) -> None:
    """A row a score; molecules at their own time steps, and one molecule with other steps and bonds.

    Args:
        molecules: harmonic, about as many steps a period in each.
        variations: of one molecule.
        path: the figure.
    """
    figure = Figure(figsize=(8.4, 8.0), facecolor="white")
    panels = figure.subplots(len(SCORES), 2, sharex="col", sharey="row")
    columns = ((molecules, "molecules, 22 steps a period"), (variations, "time step and bond"))
    for row, (name, score) in enumerate(SCORES.items()):
        axis = LostAxis(score(run) for cases, _ in columns for case in cases for run in case.runs)
        for column, (cases, title) in enumerate(columns):
            axes = panels[row][column]
            _curves(axes, cases, score, axis)
            is_last = row == len(SCORES) - 1
            dress_axes(
                axes,
                x="window (steps)" if is_last else "",
                y=name + (" (%)" if "accuracy" in name else "") if column == 0 else "",
                title=title if row == 0 else "",
            )
            axis.dress(axes)
    for axes, (cases, _) in zip(panels[0], columns, strict=True):
        if cases:
            axes.legend(fontsize=6.5, frameon=False, loc="best")
    runs = [run for cases, _ in columns for case in cases for run in case.runs]
    rollout = runs[0].config["rollout"] if runs else {"n_replicas": 0, "n_steps": 0}
    seeds = ", ".join(str(seed) for seed in sorted({run.config["seed"] for run in runs}))
    caption = (
        f"python -m experiments history_length; {rollout['n_replicas']} replicas, {rollout['n_steps']:,} steps, "
        f"dt in the legend, seeds {seeds}; line: middle seed, bars: all\n"
        "seeds; diamonds: carried memory; dashed: first inflection of the reference's VACF; lost: the median "
        "replica's bond broke"
    )
    save_figure(figure, path, caption=caption)


def _curves(axes: Axes, cases: Sequence[Case], score: Score, axis: LostAxis) -> None:
    axes.set_xscale("log")
    lengths = sorted({length for case in cases for length in case.windows})
    carried_at = CARRIED_GAP * max(lengths, default=1)
    for index, case in enumerate(cases):
        colour, shift = SCHEDULE_COLOURS[index % len(SCHEDULE_COLOURS)], 1.0 + 0.02 * (index - len(cases) / 2)
        x = [shift * length for length in case.windows]
        axes.plot(
            x,
            [axis.place(middle(runs, score)) for runs in case.windows.values()],
            "o-",
            color=colour,
            markersize=3.5,
            linewidth=1.1,
            label=f"{case.system}, {case.dt_fs:g} fs, {case.bond}",
        )
        for place, runs in zip(x, case.windows.values(), strict=True):
            ends = [axis.place(find(score(run) for run in runs)) for find in (min, max)]
            axes.plot([place, place], ends, color=colour, linewidth=1.0, alpha=0.6)
        for run in case.carried:
            axes.plot(carried_at * shift, axis.place(score(run)), "D", color=colour, markersize=3.5, alpha=0.7)
        if case.inflections:
            axes.axvline(statistics.median(case.inflections), color=colour, linestyle="--", linewidth=0.9)
    axes.set_xticks([*lengths, carried_at], [*map(str, lengths), "carried"])
    axes.minorticks_off()
