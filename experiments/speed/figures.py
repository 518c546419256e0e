"""The figures, drawn from the csv files alone."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from contenders import STRETCH_STEPS
from floors import Floors
from machine import spoken
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from results import Row, read, read_machines
from scaling import AXES, series
from tables import floor_of, learned_steps, short, speed_up

from mlmd.files import atomic_path
from mlmd.reporting.style import DPI, REFERENCE_COLOUR, SCHEDULE_COLOURS, dress_axes, new_figure, schedule_line

BLUE, RED, GREEN, PINK, SKY, ORANGE = SCHEDULE_COLOURS
ENGINE_COLOURS = {"eager": RED, "numba": BLUE, "cuda": GREEN}
KIND_COLOURS = {
    "learned": BLUE,
    "analytic": SKY,
    "force field": GREEN,
    "semi-empirical": ORANGE,
    "ab initio": RED,
}
THREAD_STYLES = {1: "-", 2: "--"}
MARKS = {1: "o", 256: "s"}


Drawn = tuple[Figure, str, Sequence[Artist], str]
"""Figure, title, legend entries, and how to read it."""


def draw_all(folder: Path) -> list[Path]:
    """Every figure whose part was measured."""
    drawn = []
    floors = Floors(read(folder, "floors"))
    parts: dict[str, Callable[[list[Row]], Drawn]] = {
        "engines": partial(draw_engines, floors=floors),
        "hamiltonians": draw_hamiltonians,
        "scaling": draw_scaling,
        "accuracy_curves": draw_accuracy,
    }
    for part, draw in parts.items():
        rows = read(folder, part)
        if rows:
            name = part.removesuffix("_curves")
            settings = read_machines(folder).get(name, {})
            figure, title, handles, note = draw(rows)
            measured = [spoken(settings, packages=("torch", "numba")), settings.get("settings", "")]
            _finish(figure, title, handles, [note, *measured])
            with atomic_path(folder / f"{name}.png") as temporary:
                figure.savefig(temporary, format="png", dpi=DPI)
            drawn.append(folder / f"{name}.png")
    return drawn


def draw_engines(rows: list[Row], *, floors: Floors) -> Drawn:
    """Microseconds per step and replica against replicas, a panel a network, floors below."""
    rows = [row for row in rows if row["longest_stretch"] == STRETCH_STEPS]
    names = list(dict.fromkeys(row["case"] for row in rows))
    figure = new_figure(height_in=2.4 * ceil(len(names) / 2) + 1.1)
    panels = figure.subplots(ceil(len(names) / 2), 2, sharex=True, sharey=True, squeeze=False).flatten()
    for panel in panels[len(names) :]:
        panel.set_axis_off()
    handles: dict[str, Artist] = {}
    for panel, name in zip(panels, names, strict=False):
        mine = [row for row in rows if row["case"] == name]
        dress_axes(panel, x="replicas", y="µs per step and replica", title=name)
        panel.set(xscale="log", yscale="log")
        for engine, device, threads in sorted({(row["engine"], row["device"], row["threads"]) for row in mine}):
            line = [row for row in mine if (row["engine"], row["device"], row["threads"]) == (engine, device, threads)]
            place = f"{threads} thread{'s' if threads > 1 else ''}" if device == "cpu" else "GPU"
            style = THREAD_STYLES.get(threads, ":") if device == "cpu" else "-."
            colour = ENGINE_COLOURS[engine]
            replicas, per_replica = _per_replica(line, [row["median_us"] for row in line])
            ends = [_per_replica(line, [row[end] for row in line])[1] for end in ("min_us", "max_us")]
            panel.fill_between(replicas, *ends, color=colour, alpha=0.15, linewidth=0)
            drawn = panel.plot(replicas, per_replica, style, color=colour, marker="o", markersize=3.5, linewidth=1.4)
            handles[f"{engine}, {place}"] = _named(drawn[0], f"{engine}, {place}")
            lowest = [floor_of(row, floors) for row in line]
            if all(lowest):
                replicas, floor = _per_replica(line, [found[0] for found in lowest if found])
                drawn = panel.plot(replicas, floor, style, color=REFERENCE_COLOUR, linewidth=1.0)
                handles[f"floor, {place}"] = _named(drawn[0], f"floor, {place}")
    ordered = [handles[name] for name in sorted(handles, key=lambda name: (name.startswith("floor"), name))]
    note = (
        "line: median, band: least to greatest; floor: matrix products (one replica: reading the weights) at the best"
    )
    note += " rate measured here"
    return figure, "A learned step: engines and the floor of the machine", ordered, note


def draw_hamiltonians(rows: list[Row]) -> Drawn:
    """Cost of a step or a call of one replica on a logarithmic axis, dearest below, and what MLMD gains on it."""
    learned = learned_steps(rows)
    best = min(learned, key=lambda engine: learned[engine].get((2, 1), float("inf")))
    rows = sorted(rows, key=lambda row: row["median_us"] / row["n_replicas"])
    figure = new_figure(height_in=0.19 * len(rows) + 1.5)
    axes = figure.subplots()
    dress_axes(axes, x="µs per step or force call, and replica", y="")
    axes.set_xscale("log")
    for place, row in enumerate(rows):
        n_replicas = row["n_replicas"]
        ends = np.array([row["min_us"], row["median_us"], row["max_us"]]) / n_replicas
        colour = KIND_COLOURS[row["kind"]]
        axes.plot([ends[0], ends[2]], [place, place], color=colour, linewidth=2.5, alpha=0.4, solid_capstyle="butt")
        axes.plot(ends[1], place, "D" if row["kind"] == "learned" else "o", color=colour, markersize=5)
        n_atoms = {"H2O": 3, "CH3CH2OH": 9, "ethanol": 9}.get(row["molecule"], 2)
        step = learned[best].get((n_atoms, n_replicas))
        gain = "" if step is None or row["kind"] == "learned" else f"× {short(speed_up(row['median_us'], step))}"
        loses = bool(gain) and step is not None and speed_up(row["median_us"], step) < 1.0
        style = {"va": "center", "fontsize": 7, "color": RED if loses else "0.3"}
        axes.text(1.01, place, gain, transform=axes.get_yaxis_transform(), **style)
    words = [f"{row['name']}, {row['molecule']}" + _batch(row["n_replicas"]) for row in rows]
    axes.set_yticks(range(len(rows)), words, fontsize=7)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.text(1.01, -1.0, "gain", transform=axes.get_yaxis_transform(), fontsize=7, color="0.3")
    present = {row["kind"] for row in rows}
    handles = [
        Line2D([], [], color=colour, marker="D" if kind == "learned" else "o", linestyle="", markersize=5, label=kind)
        for kind, colour in KIND_COLOURS.items()
        if kind in present
    ]
    note = "mark: median, bar: least to greatest; gain: speed-up of a run at f = 0.01"
    note += f" with {best}, at most 100; red: a loss"
    return figure, "True forces beside learned steps", handles, note


def draw_scaling(rows: list[Row]) -> Drawn:
    """Cost of a step against the size of everything, logarithmic both ways."""
    titles = {
        "replicas": "replicas (DuR0 2x32)",
        "atoms": "atoms (3vR0 2x32)",
        "layers": "layers (32 wide)",
        "hidden": "hidden size (2 layers)",
        "window": "history length (window memory)",
    }
    figure = new_figure(height_in=6.0)
    grid = figure.subplots(2, 3, squeeze=False).flatten()
    panels: dict[str, Axes] = dict(zip(AXES, grid, strict=False))
    grid[-1].set_axis_off()
    handles: dict[str, Line2D] = {}
    for axis, replicas, engine, line in series(rows):
        panel = panels[axis]
        colour = ENGINE_COLOURS[engine.split()[0]]
        style = "-" if replicas != 256 else "--"
        values = [row["value"] for row in line]
        times = [row["median_us"] for row in line]
        panel.fill_between(
            values,
            [row["min_us"] for row in line],
            [row["max_us"] for row in line],
            color=colour,
            alpha=0.15,
            linewidth=0,
        )
        marker = MARKS.get(replicas, "^")
        drawn = panel.plot(values, times, style, color=colour, marker=marker, markersize=3.5, linewidth=1.4)
        if axis != "replicas":
            handles.setdefault(f"{engine}{_batch(replicas, always=True)}", drawn[0])
    for axis, panel in panels.items():
        dress_axes(panel, x=titles[axis], y="µs per step" if axis in (AXES[0], AXES[3]) else "")
        panel.set(xscale="log", yscale="log")
        values = sorted({row["value"] for row in rows if row["axis"] == axis})
        if len(values) <= 6:
            panel.set_xticks(values, [str(value) for value in values])
            panel.minorticks_off()
    named = [_named(line, name) for name, line in handles.items()]
    return figure, "How the cost of a learned step grows", named, "line: median, band: least to greatest"


def draw_accuracy(rows: list[Row]) -> Drawn:
    """What a validation lacks to 100 %, against the time since training began."""
    figure = new_figure()
    axes = figure.subplots()
    dress_axes(axes, x="training time (s)", y="100 % − velocity accuracy (%)")
    axes.set_yscale("log")
    handles = []
    cases = list(dict.fromkeys(row["case"] for row in rows))
    for place, case in enumerate(cases):
        colour, style = schedule_line(place)
        mine = [row for row in rows if row["case"] == case]
        for _, group in groupby(mine, key=lambda row: row["seed"]):
            run = list(group)
            lacking = [max(100.0 - row["accuracy_percent"], 1e-12) for row in run]
            seconds = [row["train_seconds"] for row in run]
            drawn = axes.plot(seconds, lacking, style, color=colour, marker="o", markersize=3, linewidth=1.2)
        handles.append(_named(drawn[0], case))
    for mark, words in ((0.1, "99.9 %"), (0.01, "99.99 %")):
        axes.axhline(mark, color=REFERENCE_COLOUR, linestyle=":", linewidth=1.0)
        axes.text(1.0, mark, words, transform=axes.get_yaxis_transform(), ha="right", va="bottom", fontsize=7)
    return figure, "Accuracy against training time", handles, "one line a seed, one mark an epoch's validation"


def _per_replica(line: list[Row], times: Sequence[Any]) -> tuple[list[int], list[float]]:
    replicas = [row["n_replicas"] for row in line]
    return replicas, [time / n for time, n in zip(times, replicas, strict=True)]


def _batch(n_replicas: int, *, always: bool = False) -> str:
    words = "1 replica" if n_replicas == 1 else f"{n_replicas:,} replicas"
    return f", {words}" if always or n_replicas > 1 else ""


def _named(line: Line2D, name: str) -> Line2D:
    """A legend entry that looks like a drawn line."""
    entry = Line2D([], [])
    entry.update_from(line)
    entry.set_label(name)
    return entry


def _finish(figure: Figure, title: str, handles: Sequence[Artist], notes: Sequence[str]) -> None:
    """Title and legend above, notes below, each in a strip of its own."""
    width, height = figure.get_size_inches()
    figure.text(0.1 / width, 1.0 - 0.1 / height, title, ha="left", va="top", fontsize=10, fontweight="bold")
    # Inches: a sample of the line and the gaps around it, then letters of 8 points. Rows are filled evenly.
    widths = np.array([0.6 + 0.066 * len(str(handle.get_label())) for handle in handles])
    n_columns = len(handles)
    while n_columns > 1 and sum(part.max() for part in np.array_split(widths, n_columns)) > width:
        n_columns -= 1
    n_columns = ceil(len(handles) / ceil(len(handles) / n_columns))
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.0, 1.0 - 0.3 / height),
        ncols=n_columns,
        fontsize=8,
        frameon=False,
        borderpad=0.2,
        columnspacing=1.4,
        labelspacing=0.3,
    )
    for line, note in enumerate(reversed([note for note in notes if note])):
        size = min(7.0, 7.0 * (width - 0.2) * 72.0 / (7.0 * 0.56) / max(1, len(note)))
        figure.text(0.1 / width, (0.06 + 0.14 * line) / height, note, ha="left", fontsize=size, color="0.45")
    header, footer = 0.36 + 0.19 * ceil(len(handles) / n_columns), 0.12 + 0.14 * len(notes)
    rect = (0.0, footer / height, 1.0, 1.0 - (footer + header) / height)
    figure.set_layout_engine("constrained", rect=rect, w_pad=0.08, wspace=0.04)
