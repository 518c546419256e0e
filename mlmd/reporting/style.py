"""The common style of all figures: label of the run, colours, header and footer, and saving.

Figures are drawn on `matplotlib.figure.Figure` objects: no pyplot, no window, nothing global to set or to close.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from mlmd.files import atomic_path

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

WIDTH_IN, HEIGHT_IN = 7.0, 4.5
DPI = 150

REFERENCE_COLOUR = "0.25"
"""Dark grey, for reference dynamics in every figure."""

SCHEDULE_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
"""Palette of Okabe and Ito (2008), which colour-blind readers can distinguish; its yellow is too pale for lines."""

_LINE_STYLES = ("-", "--", ":", "-.")

# Inches. The strips above and below the axes are reserved, so that nothing in them can meet the axes.
_MARGIN, _TITLE_STRIP, _LEGEND_ROW, _FOOTER = 0.10, 0.30, 0.19, 0.24
# Points; and the mean width of a letter of DejaVu Sans in font sizes, bold ones included.
_TITLE_SIZE, _TEXT_SIZE, _TICK_SIZE, _CAPTION_SIZE, _LETTER = 10.0, 8.5, 8.0, 7.0, 0.62
_POINTS_PER_INCH = 72.0


@dataclass(frozen=True)
class RunLabel:
    """What a figure shows and where its numbers come from.

    Attributes:
        system: molecule, e.g. "HCl".
        variant: code name of the model, e.g. "3vR0".
        regime: initial states, e.g. "vibrating".
        hamiltonian: e.g. "harmonic".
        n_replicas: replicas behind the figure.
        n_steps: MD steps of each.
        dt_fs: MD time step.
        seed: seed of the run.

    >>> label = RunLabel("HCl", "3vR0", "vibrating", "harmonic", n_replicas=16, n_steps=20_000, dt_fs=0.5, seed=1)
    >>> label.title
    'HCl, 3vR0, vibrating, harmonic'
    >>> label.caption
    '16 replicas, 20,000 steps, dt = 0.5 fs, seed 1'
    """

    system: str
    variant: str
    regime: str
    hamiltonian: str
    n_replicas: int
    n_steps: int
    dt_fs: float
    seed: int

    @property
    def title(self) -> str:
        """System, variant, regime and Hamiltonian."""
        return f"{self.system}, {self.variant}, {self.regime}, {self.hamiltonian}"

    @property
    def caption(self) -> str:
        """Replicas, steps, time step and seed."""
        replicas = "1 replica" if self.n_replicas == 1 else f"{self.n_replicas:,} replicas"
        steps = "1 step" if self.n_steps == 1 else f"{self.n_steps:,} steps"
        return f"{replicas}, {steps}, dt = {self.dt_fs:g} fs, seed {self.seed}"


def schedule_line(index: int) -> tuple[str, str]:
    """Colour and line style of the schedule that was given at this place; no two of the first 24 agree."""
    n_colours = len(SCHEDULE_COLOURS)
    return SCHEDULE_COLOURS[index % n_colours], _LINE_STYLES[index // n_colours % len(_LINE_STYLES)]


def legend_name(schedule: str, n_diverged: int, n_replicas: int) -> str:
    """Name of a schedule, with its losses where there are any.

    >>> legend_name("f = 0", 3, 16)
    'f = 0 (3 of 16 diverged)'
    """
    return schedule if n_diverged == 0 else f"{schedule} ({n_diverged} of {n_replicas} diverged)"


def new_figure(*, height_in: float = HEIGHT_IN) -> Figure:
    """An empty figure of the common width."""
    return Figure(figsize=(WIDTH_IN, height_in), facecolor="white")


def dress_axes(axes: Axes, *, x: str, y: str, title: str = "") -> None:
    """Label the axes and give them the common look."""
    axes.set_xlabel(x, fontsize=_TEXT_SIZE)
    axes.set_ylabel(y, fontsize=_TEXT_SIZE)
    axes.set_title(title, fontsize=_TEXT_SIZE, loc="left", color="0.3")
    axes.tick_params(which="both", labelsize=_TICK_SIZE)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="0.92", linewidth=0.6)
    axes.set_axisbelow(True)


def as_array(values: Tensor) -> Array:
    """A tensor of any device and dtype as the float64 array that matplotlib takes."""
    array: Array = values.detach().cpu().double().numpy()
    return array


def write_instead(axes: Axes, text: str) -> None:
    """Put a sentence where there is nothing to draw."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=_TITLE_SIZE, color="0.3")


def finish_figure(
    figure: Figure, what: str, label: RunLabel, *, handles: Sequence[Artist] = (), note: str = ""
) -> None:
    """Add title, legend and caption in strips of their own and fit the axes between them.

    Args:
        figure: with its axes drawn.
        what: first words of the title, e.g. "Energy along the run".
        label: the run.
        handles: legend entries, which carry their names.
        note: how to read the marks, appended to the caption.
    """
    width, height = figure.get_size_inches()
    left, top = _MARGIN / width, 1.0 - _MARGIN / height
    title = f"{what}: {label.title}"
    size = _fitting_size(title, _TITLE_SIZE, width)
    figure.text(left, top, title, ha="left", va="top", fontsize=size, fontweight="bold")
    n_columns, n_rows = _legend_grid([str(handle.get_label()) for handle in handles], width)
    if handles:
        figure.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(0.0, 1.0 - _TITLE_STRIP / height),
            ncols=n_columns,
            fontsize=_TICK_SIZE,
            frameon=False,
            borderpad=0.2,
            handlelength=1.8,
            columnspacing=1.4,
            labelspacing=0.3,
        )
    caption = f"{label.caption}; {note}" if note else label.caption
    size = _fitting_size(caption, _CAPTION_SIZE, width)
    figure.text(left, 0.06 / height, caption, ha="left", va="bottom", fontsize=size, color="0.45")
    header = _TITLE_STRIP + n_rows * _LEGEND_ROW + 0.06
    figure.set_layout_engine(
        "constrained", rect=(0.0, _FOOTER / height, 1.0, 1.0 - (_FOOTER + header) / height), w_pad=0.08, wspace=0.04
    )


def save_figure(figure: Figure, path: str | Path, label: RunLabel) -> Path:
    """Write a figure as PNG, whole or not at all; the file names its run also in its metadata.

    Args:
        figure: finished.
        path: the file; missing folders are created.
        label: the run.

    Returns:
        The path.

    Raises:
        DataError: the file cannot be written.
    """
    with atomic_path(path) as temporary:
        metadata = {"Title": label.title, "Description": label.caption}
        figure.savefig(temporary, format="png", dpi=DPI, metadata=metadata)
    return Path(path)


def _fitting_size(text: str, size: float, width_in: float) -> float:
    """The font size, smaller where the text would leave the page."""
    n_fitting = (width_in - 2 * _MARGIN) * _POINTS_PER_INCH / (size * _LETTER)
    return size * min(1.0, n_fitting / max(1, len(text)))


def _legend_grid(names: Sequence[str], width_in: float) -> tuple[int, int]:
    """Columns and rows of a legend that stays on the page."""
    if not names:
        return 1, 0
    # A line sample and the gaps around it, then the name.
    widths = np.array([0.42 + len(name) * _TICK_SIZE * _LETTER / _POINTS_PER_INCH for name in names])
    n_columns = len(names)
    # matplotlib fills the columns one after the other, as array_split does.
    while n_columns > 1 and sum(column.max() for column in np.array_split(widths, n_columns)) > width_in - _MARGIN:
        n_columns -= 1
    return n_columns, ceil(len(names) / n_columns)
