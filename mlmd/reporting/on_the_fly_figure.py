"""The figure of an on-the-fly run: its cost against pure Hamiltonian dynamics, and the monitored signals."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from mlmd.on_the_fly import Entry, Signal, break_even_step, read_records
from mlmd.on_the_fly.records import LEDGER_FILE
from mlmd.reporting.page import Line, LineChart, Part, Points, ScatterChart
from mlmd.reporting.style import (
    HEIGHT_IN,
    REFERENCE_COLOUR,
    SCHEDULE_COLOURS,
    RunLabel,
    dress_axes,
    finish_figure,
    new_figure,
    save_figure,
    write_instead,
)

BLUE, ORANGE, GREEN = SCHEDULE_COLOURS[:3]


@dataclass(frozen=True)
class Timeline:
    """A run along its steps.

    Attributes:
        entries: where it stood.
        signals: of the injections that stood.
        force_call_s: mean time of a force call.
    """

    entries: Sequence[Entry]
    signals: Sequence[Signal]
    force_call_s: float


def timeline_figure(path: str | Path, timeline: Timeline, label: RunLabel) -> Path:
    """Wall-clock time over MD steps above, the signals of the injections below.

    Args:
        path: the PNG file.
        timeline: the run.
        label: title and caption of the figure.

    Raises:
        DataError: the file cannot be written.
    """
    figure = new_figure(height_in=4.0 / 3.0 * HEIGHT_IN)
    above, below = figure.subplots(2, 1)
    handles = _cost_panel(above, timeline)
    handles += _signal_panel(below, timeline.signals)
    finish_figure(figure, "Learning on the fly", label, handles=handles)
    return save_figure(figure, path, label)


def timeline_charts(folder: Path, *, force_call_s: float) -> list[Part]:
    """The same for a page; nothing where the folder is not that of an on-the-fly run.

    Args:
        folder: of the run.
        force_call_s: mean time of a force call.

    Raises:
        DataError: its records are damaged.
    """
    if not (folder / LEDGER_FILE).is_file():
        return []
    entries, signals = read_records(folder)
    steps = [float(entry.step) for entry in entries]
    cost = LineChart(
        "Cost",
        [
            Line("force-call time x steps", steps, [step * force_call_s for step in steps], is_reference=True),
            Line("this run, everything included", steps, [entry.elapsed_s for entry in entries]),
        ],
        x="MD step",
        y="wall-clock time (s)",
        y_limits=(0.0, 1.6 * entries[-1].elapsed_s),
        is_wide=True,
        note="From the start of the command; flat while learned kicks propagate, steep while the Hamiltonian does.",
    )
    if not signals:
        return [cost]
    at = [float(signal.step) for signal in signals]
    watched = ScatterChart(
        "Signals at injections",
        [
            Points("kicks disagree by", at, [signal.disagreement for signal in signals]),
            Points("energy off by, before its correction", at, [abs(signal.energy_excess) for signal in signals]),
        ],
        x="MD step",
        y="relative",
        log_y=True,
    )
    return [cost, watched]


def _cost_panel(axes: Axes, timeline: Timeline) -> list[Artist]:
    """Cost of the run and of pure Hamiltonian dynamics, the phases shaded, the break-even step marked."""
    entries = timeline.entries
    steps = np.array([0, *(entry.step for entry in entries)])
    elapsed = np.array([entries[0].elapsed_s * 0.0, *(entry.elapsed_s for entry in entries)])
    (own,) = axes.plot(steps, elapsed, color=BLUE, label="this run, everything included")
    (pure,) = axes.plot(
        steps, steps * timeline.force_call_s, color=REFERENCE_COLOUR, linestyle="--", label="force-call time x steps"
    )
    for start, stop in _hamiltonian_spans(entries):
        axes.axvspan(start, stop, color=ORANGE, alpha=0.15, linewidth=0)
    handles: list[Artist] = [own, pure, Patch(color=ORANGE, alpha=0.15, label="Hamiltonian kicks alone")]
    break_even = break_even_step(list(entries), timeline.force_call_s)
    if break_even is not None:
        axes.axvline(break_even, color=GREEN, linewidth=1.0)
        handles.append(Line2D([], [], color=GREEN, linewidth=1.0, label=f"break-even, step {break_even:,}"))
    # The run against what it is compared with: the line of pure dynamics may leave the panel.
    axes.set_ylim(0.0, 1.6 * elapsed[-1])
    dress_axes(axes, x="", y="wall-clock time (s)", title="cost")
    return handles


def _hamiltonian_spans(entries: Sequence[Entry]) -> list[tuple[int, int]]:
    """From which step to which only the Hamiltonian kicked."""
    spans, before = [], 0
    for entry in entries:
        if entry.phase == "hamiltonian" and entry.step > before:
            spans.append((before, entry.step))
        before = entry.step
    return spans


def _signal_panel(axes: Axes, signals: Sequence[Signal]) -> list[Artist]:
    if not signals:
        write_instead(axes, "ML never took over")
        return []
    steps = [signal.step for signal in signals]
    kinds = (
        ("kicks disagree by", [signal.disagreement for signal in signals], "o", BLUE),
        ("energy before its correction, off by", [abs(signal.energy_excess) for signal in signals], "x", GREEN),
    )
    handles: list[Artist] = []
    for name, values, marker, colour in kinds:
        axes.plot(steps, np.maximum(values, 1e-9), linestyle="", marker=marker, markersize=2.5, color=colour)
        handles.append(Line2D([], [], linestyle="", marker=marker, color=colour, label=name))
    axes.set_yscale("log")
    dress_axes(axes, x="MD step", y="relative", title="signals at injections")
    return handles
