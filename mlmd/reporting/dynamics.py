"""The figure of the dynamics: velocity autocorrelation and the vibrational lines."""

from collections.abc import Mapping, Sequence
from math import isfinite

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor

from mlmd.evaluation.curves import LineView, shown_wavenumbers
from mlmd.observables import line_limits
from mlmd.reporting.style import (
    HEIGHT_IN,
    REFERENCE_COLOUR,
    Array,
    RunLabel,
    as_array,
    dress_axes,
    finish_figure,
    new_figure,
    schedule_line,
)
from mlmd.units import FS_PER_PS

ZOOM_FS = 100.0
"""The end of the first ps is where phases have run apart most: it is drawn once more, enlarged."""

DECADES = 7
"""Decades of power below the reference's peak that are shown; most sidelobes of the window lie beneath."""


def draw_dynamics(
    lag_fs: Tensor,
    vacf_ref: Tensor,
    vacfs: Mapping[str, Tensor],
    wavenumbers: Tensor,
    spectrum_ref: Tensor,
    spectra: Mapping[str, Tensor],
    line_ref_cm1: float,
    label: RunLabel,
    *,
    lines: Sequence[LineView] = (),
) -> Figure:
    """Velocity autocorrelation over the first ps with its end enlarged, and the spectrum around the line, or with all.

    Args:
        lag_fs: [lag], fs.
        vacf_ref: normalised autocorrelation of the reference [lag].
        vacfs: by schedule, the same; NaN for one that diverged.
        wavenumbers: [n], cm^-1.
        spectrum_ref: power of the reference's bond velocity [n], (A/fs)^2 per cm^-1, or with ``lines`` of its normal
            modes, u (A/fs)^2 per cm^-1.
        spectra: by schedule, the same; NaN for one that diverged. The schedules of ``vacfs`` in the same order.
        line_ref_cm1: position of the reference's line; the whole spectrum is shown where it is not finite.
        label: the run.
        lines: of a molecule of more than two atoms, whose spectrum is shown whole.
    """
    figure, panels = _several_lines() if lines else _one_line()
    within = as_array(lag_fs) <= FS_PER_PS
    lag = as_array(lag_fs)[within]
    curves = {name: as_array(correlation)[within] for name, correlation in vacfs.items()}
    for name in ("whole", "end"):
        handles = _overlay(panels[name], lag, as_array(vacf_ref)[within], curves, thin=name == "whole")
        panels[name].locator_params(nbins=5)
    dress_axes(
        panels["whole"],
        x="lag time (fs)" if lines else "",
        y=r"VACF  $C(t)\,/\,C(0)$",
        title="velocity autocorrelation",
    )
    panels["whole"].set_xlim(0.0, lag[-1])
    of_end = "" if lines else r"VACF  $C(t)\,/\,C(0)$"
    dress_axes(panels["end"], x="lag time (fs)", y=of_end, title="its end, enlarged")
    panels["end"].set_xlim(max(0.0, lag[-1] - ZOOM_FS), lag[-1])
    axes = panels["spectrum"]
    if lines:
        marker = _mark_lines(axes, lines)
        limits = shown_wavenumbers(wavenumbers, spectrum_ref, lines)
        dress_axes(axes, x="wavenumber (cm⁻¹)", y="power (u (Å/fs)² per cm⁻¹)", title="spectrum of the normal modes")
    else:
        marker = _mark_line(axes, line_ref_cm1)
        limits = line_limits(wavenumbers, line_ref_cm1)
        axes.locator_params(axis="x", nbins=4)
        dress_axes(axes, x="wavenumber (cm⁻¹)", y="power ((Å/fs)² per cm⁻¹)", title="spectrum of the bond velocity")
    _draw_spectra(axes, wavenumbers, spectrum_ref, spectra, limits, thin=bool(lines))
    finish_figure(figure, "Dynamics", label, handles=[*handles, *marker])
    return figure


def _overlay(axes: Axes, x: Array, reference: Array, curves: Mapping[str, Array], *, thin: bool) -> list[Line2D]:
    """The reference, wide and pale, below the schedules, thin and bright."""
    wide, narrow = (1.6, 0.8) if thin else (3.0, 1.2)
    handles = axes.plot(x, reference, color=REFERENCE_COLOUR, alpha=0.45, linewidth=wide, label="reference")
    for index, (schedule, curve) in enumerate(curves.items()):
        colour, style = schedule_line(index)
        name = schedule if np.isfinite(curve).all() else f"{schedule} (diverged)"
        handles += axes.plot(x, curve, color=colour, linestyle=style, linewidth=narrow, label=name)
    return handles


def _one_line() -> tuple[Figure, dict[str, Axes]]:
    """The line beside the correlation."""
    figure = new_figure()
    return figure, figure.subplot_mosaic(
        [["whole", "spectrum"], ["end", "spectrum"]], width_ratios=(1.25, 1.0), height_ratios=(0.7, 1.0)
    )


def _several_lines() -> tuple[Figure, dict[str, Axes]]:
    """A wide spectrum below the correlation."""
    figure = new_figure(height_in=4.0 / 3.0 * HEIGHT_IN)
    return figure, figure.subplot_mosaic(
        [["whole", "end"], ["spectrum", "spectrum"]], width_ratios=(1.25, 1.0), height_ratios=(0.8, 1.0)
    )


def _mark_line(axes: Axes, line_ref_cm1: float) -> list[Line2D]:
    """The reference's line, if it has one, and its legend entry."""
    if not isfinite(line_ref_cm1):
        return []
    name = f"reference line, {line_ref_cm1:.1f} cm⁻¹"
    return [axes.axvline(line_ref_cm1, color="0.5", linestyle=(0, (2, 2)), linewidth=0.9, label=name)]


def _mark_lines(axes: Axes, lines: Sequence[LineView]) -> list[Line2D]:
    """The reference's lines, and the legend entry that they share."""
    there = [view.reference_cm1 for view in lines if isfinite(view.reference_cm1)]
    name = f"reference, {len(there)} line{'' if len(there) == 1 else 's'}"
    marks = [axes.axvline(line, color="0.5", linestyle=(0, (2, 2)), linewidth=0.9, label=name) for line in there]
    return marks[:1]


def _draw_spectra(
    axes: Axes,
    wavenumbers: Tensor,
    spectrum_ref: Tensor,
    spectra: Mapping[str, Tensor],
    limits: tuple[float, float],
    *,
    thin: bool,
) -> None:
    """Draw the spectra from one wavenumber to another."""
    x = as_array(wavenumbers)
    low, high = limits
    shown = (x >= low) & (x <= high)
    peak = float(as_array(spectrum_ref)[shown].max())
    axes.set_xlim(low, high)
    if not peak > 0:
        # Nothing moves: a logarithmic axis would be empty and its limits undefined.
        return
    # Zeros have no logarithm, and a gap reads as "below the axis", which is what they are.
    curves = {name: np.where(as_array(power) > 0, as_array(power), np.nan)[shown] for name, power in spectra.items()}
    reference = np.where(as_array(spectrum_ref) > 0, as_array(spectrum_ref), np.nan)[shown]
    axes.set_yscale("log")
    _overlay(axes, x[shown], reference, curves, thin=thin)
    highest = max([peak, *(float(np.nanmax(curve)) for curve in curves.values() if np.isfinite(curve).any())])
    lowest = min([float(np.nanmin(reference)), *(float(np.nanmin(c)) for c in curves.values() if np.isfinite(c).any())])
    axes.set_ylim(max(lowest, peak * 10.0**-DECADES), 4.0 * min(highest, 1e4 * peak))
