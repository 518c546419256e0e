"""Figures of a rollout: the energy error along it, and the bond."""

from collections.abc import Mapping
from math import ceil, floor, log10

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor

from mlmd.evaluation.curves import BondView, bond_limits
from mlmd.observables.errors import require_same_shape
from mlmd.reporting.style import (
    HEIGHT_IN,
    REFERENCE_COLOUR,
    RunLabel,
    as_array,
    dress_axes,
    finish_figure,
    legend_name,
    new_figure,
    schedule_line,
    write_instead,
)

EnergyErrors = Mapping[str, tuple[Tensor, Tensor]]
"""Schedule -> time [block], ps, and relative energy error [replica, block]."""

FLOOR = 1e-12
"""Energy errors below this, an exact zero among them, are drawn here: round-off of a mean over a run."""

CEILING = 1e2
"""Energy errors above this, a diverged replica's among them, are drawn here: larger ones carry no information."""

N_MARKED = 60


def draw_energy_error(errors: EnergyErrors, label: RunLabel) -> Figure:
    """Relative energy error along the run, one median line and min..max band over the replicas per schedule.

    Errors that are not finite mean a diverged replica. The band then reaches the upper edge; a line ends with a cross
    where the median replica diverged or its error passed 100.

    Args:
        errors: by schedule, time [block], ps, and relative energy error [replica, block].
        label: the run.
    """
    figure = new_figure()
    axes = figure.subplots()
    handles = _energy_panel(axes, errors)
    finish_figure(figure, "Energy along the run", label, handles=handles, note=_how_to_read(errors))
    return figure


def draw_bond(reference: BondView, rollouts: Mapping[str, BondView], label: RunLabel) -> Figure:
    """Length of the first replica's first bond at the end of the run, and the distribution over all that there are.

    Both share the axis of the bond length, which spans all bonds of the reference and a third on either side.

    Args:
        reference: bond of the reference.
        rollouts: by schedule, bonds at the same times, not finite where a replica diverged.
        label: the run.

    Raises:
        DataError: a rollout is shown at other times than the reference.
    """
    figure = new_figure()
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1.6, 1.0))
    handles = _bond_panel(left, reference, rollouts)
    left.set_ylim(float(reference.edges[0]), float(reference.edges[-1]))
    for index, bond in enumerate((reference, *rollouts.values())):
        colour, style = (REFERENCE_COLOUR, "-") if index == 0 else schedule_line(index - 1)
        density, edges = as_array(bond.density), as_array(bond.edges)
        steps = right.stairs(density, edges, orientation="horizontal", color=colour, fill=index == 0)
        steps.set(linestyle=style, linewidth=1.2, alpha=0.35 if index == 0 else 1.0)
    everything = "all bonds, replicas and times" if reference.first_bond else "all replicas and times"
    dress_axes(right, x="probability density (1/Å)", y="", title=everything)
    right.set_xlim(left=0.0)
    right.locator_params(axis="x", nbins=4)
    finish_figure(figure, "Bond lengths" if reference.first_bond else "Bond length", label, handles=handles)
    return figure


def draw_trajectory(
    errors: EnergyErrors, reference: BondView, rollouts: Mapping[str, BondView], label: RunLabel
) -> Figure:
    """A rollout at one glance: the energy error along it above, the bond at its end below.

    Args:
        errors: as for :func:`draw_energy_error`.
        reference: as for :func:`draw_bond`.
        rollouts: as for :func:`draw_bond`, the same schedules in the same order as in ``errors``.
        label: the run.

    Raises:
        DataError: a rollout is shown at other times than the reference.
    """
    figure = new_figure(height_in=4.0 / 3.0 * HEIGHT_IN)
    above, below = figure.subplots(2, 1)
    named_by_errors = _energy_panel(above, errors, title="all replicas")
    handles = _bond_panel(below, reference, rollouts)
    below.set_ylim(*bond_limits(*reference.first_range))
    handles = [handles[0], *(named_by_errors or handles[1:])]
    finish_figure(figure, "A rollout", label, handles=handles, note=_how_to_read(errors))
    return figure


def _how_to_read(errors: EnergyErrors) -> str:
    """The words of the caption that the marks of the energy panel need."""
    note = "line: median, band: min to max over replicas"
    if any(bool((~(error <= CEILING)).any()) for _, error in errors.values()):
        note += ", at the top: diverged"
    if any(bool((error < FLOOR).any()) for _, error in errors.values()):
        note += f", at {FLOOR:.0e}: that or less"
    return note


def _energy_panel(axes: Axes, errors: EnergyErrors, *, title: str = "") -> list[Line2D]:
    """Draw the errors and return the legend entries."""
    ratio = r"$|\langle E\rangle\,/\,\langle E\rangle_\mathrm{ref} - 1|$"
    dress_axes(axes, x="time (ps)", y=f"energy error  {ratio}", title=title)
    if not errors:
        write_instead(axes, "no rollout to show")
        return []
    axes.set_yscale("log")
    handles, lowest, highest, end_ps = [], CEILING, FLOOR, 0.0
    for index, (schedule, (time_ps, error)) in enumerate(errors.items()):
        colour, style = schedule_line(index)
        time = as_array(time_ps)
        ordered = torch.where(error.isfinite(), error, torch.inf).detach().cpu().sort(dim=0).values
        n_replicas = ordered.shape[0]
        median = 0.5 * (ordered[(n_replicas - 1) // 2] + ordered[n_replicas // 2])
        band = ordered.clamp(FLOOR, CEILING)
        line = torch.where(median <= CEILING, median.clamp(min=FLOOR), torch.nan)
        if n_replicas > 1:
            axes.fill_between(time, as_array(band[0]), as_array(band[-1]), color=colour, alpha=0.16, linewidth=0)
        name = legend_name(schedule, int((~error.isfinite()).any(dim=1).sum()), n_replicas)
        marker = "o" if len(time) == 1 else None
        handles += axes.plot(
            time, as_array(line), color=colour, linestyle=style, linewidth=1.5, marker=marker, markersize=4, label=name
        )
        lost = (median > CEILING).nonzero()
        if lost.numel():
            first = int(lost[0])
            axes.plot(time[first], CEILING, "x", color=colour, markersize=6, markeredgewidth=1.6, clip_on=False)
        lowest, highest = min(lowest, float(band.min())), max(highest, float(band.max()))
        end_ps = max(end_ps, float(time[-1]))
    bottom = 10.0 ** floor(log10(lowest))
    axes.set_ylim(bottom, max(10.0 * bottom, 10.0 ** ceil(log10(highest))))
    axes.set_xlim(0.0, 1.01 * end_ps)
    return handles


def _bond_panel(axes: Axes, reference: BondView, rollouts: Mapping[str, BondView]) -> list[Line2D]:
    """Draw the bond of replica 0 at the end of the run and return the legend entries."""
    time = as_array(reference.time_fs)
    marker = "o" if len(time) <= N_MARKED else None
    # Wide and pale below thin and bright: where the two agree, both are seen.
    handles = axes.plot(
        time, as_array(reference.lengths), color=REFERENCE_COLOUR, alpha=0.45, linewidth=3.0, label="reference"
    )
    for index, (schedule, bond) in enumerate(rollouts.items()):
        require_same_shape(bond.lengths, reference.lengths, names=(f"bond of {schedule}", "the reference"))
        colour, style = schedule_line(index)
        handles += axes.plot(
            time,
            as_array(bond.lengths),
            color=colour,
            linestyle=style,
            linewidth=1.2,
            marker=marker,
            markersize=2.5,
            label=legend_name(schedule, bond.n_diverged, bond.n_replicas),
        )
    which = f"bond {reference.first_bond} of replica 0" if reference.first_bond else "replica 0"
    dress_axes(axes, x="time (fs)", y="bond length (Å)", title=f"{which}, end of the run")
    axes.set_xlim(time[0], time[-1])
    axes.ticklabel_format(useOffset=False, style="plain")
    axes.locator_params(axis="x", nbins=5)
    return handles
