"""Potential and kinetic energy under continual ML updates (Fig. S2), as a figure and as charts."""

import math
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.divergence.cases import MODELS, median_divergence_step, n_diverged, provenance_of, setting_of
from experiments.study.results import save_figure
from experiments.study.runs import Run, grouped
from mlmd.reporting.page import Line, LineChart, Part
from mlmd.reporting.style import REFERENCE_COLOUR, SCHEDULE_COLOURS, dress_axes

SCHEDULE = "never"
KINDS = {"potential_eV": "potential energy (eV)", "kinetic_eV": "kinetic energy (eV)"}


def draw_energies(runs: list[Run], path: Path) -> None:
    """A column a model, a line a run, a band from the lowest to the highest replica."""
    figure = Figure(figsize=(8.4, 5.0), facecolor="white")
    panels = figure.subplots(len(KINDS), len(MODELS), sharex=True, sharey="row", squeeze=False)
    for column, model in enumerate(MODELS):
        of_model = [run for run in runs if run.variant == model]
        for row, (kind, label) in enumerate(KINDS.items()):
            axes = panels[row][column]
            _lines(axes, of_model, kind)
            x, y = "time after ML takes over (ps)" if row else "", "" if column else label
            dress_axes(axes, x=x, y=y, title="" if row else model)
    for axes in panels[0]:
        axes.set_yscale("log")
    if panels[1][0].get_legend_handles_labels()[0]:
        panels[1][0].legend(fontsize=7, frameon=False, loc="upper right")
    caption = (
        f"python -m experiments divergence; schedule never, {provenance_of(runs)}; a line a seed: median of the\n"
        "replicas that still have a bond; bands: lowest to highest; both end where half have none (triangles)"
    )
    save_figure(figure, path, caption=caption)


def energy_charts(runs: list[Run]) -> list[Part]:
    """A chart a model and energy."""
    charts: list[Part] = []
    for model in MODELS:
        of_model = [run for run in runs if run.variant == model]
        for kind, label in KINDS.items():
            lines = [_reference(of_model[0], kind)] if of_model else []
            lines += [_line(run, kind) for run in of_model]
            title = f"{model}: {label.partition(' (')[0]} without any injection"
            charts.append(LineChart(title, lines, x="time (ps)", y=label, log_y=True, note=provenance_of(of_model)))
    return charts


def _lines(axes: Axes, runs: list[Run], kind: str) -> None:
    for index, (setting, found) in enumerate(sorted(grouped(runs, setting_of).items())):
        colour = SCHEDULE_COLOURS[index]
        axes.plot([], [], color=colour, label=setting)
        for run in found:
            curves = run.curves
            end_ps = 1e-3 * median_divergence_step(run, SCHEDULE) * float(run.config["system"]["dt_fs"])
            time = [t for t in curves["time_ps"] if t < end_ps]
            energy = {word: _drawn(values)[: len(time)] for word, values in curves["schedules"][SCHEDULE][kind].items()}
            axes.plot(time, energy["median"], color=colour, linewidth=1.1)
            axes.fill_between(time, energy["lowest"], energy["highest"], color=colour, alpha=0.06, linewidth=0)
            if math.isfinite(end_ps):
                axes.plot(end_ps, 0.98, "v", color=colour, markersize=6, transform=axes.get_xaxis_transform())
    if runs:
        curves = runs[0].curves
        reference = _drawn(curves["reference"][kind]["median"])
        axes.plot(
            curves["time_ps"], reference, color=REFERENCE_COLOUR, linestyle="--", linewidth=1.0, label="reference"
        )


def _drawn(values: list[float | None]) -> list[float]:
    return [float("nan") if value is None else value for value in values]


def _reference(run: Run, kind: str) -> Line:
    curves = run.curves
    return Line("reference", curves["time_ps"], curves["reference"][kind]["median"], is_reference=True)


def _line(run: Run, kind: str) -> Line:
    curves = run.curves
    name = f"{setting_of(run)}, seed {run.config['seed']} ({n_diverged(run, SCHEDULE)} diverged)"
    return Line(name, curves["time_ps"], curves["schedules"][SCHEDULE][kind]["median"])
