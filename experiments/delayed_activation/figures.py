"""The figure of the delayed activation: energy error against start step, and against the phase of the bond there."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.delayed_activation.starts import HIGH, LOST, LOW, Start, clipped, in_bins
from experiments.study.caption import rollout_caption
from experiments.study.results import save_figure
from mlmd.reporting.style import SCHEDULE_COLOURS, dress_axes, write_instead

N_BINS = 12
"""Of phases."""

COLOURS = {"never": SCHEDULE_COLOURS[0], "every_100_anchored": SCHEDULE_COLOURS[3]}
OTHER_COLOUR = SCHEDULE_COLOURS[5]
Y_AXIS = "|⟨E⟩ / ⟨E⟩ref − 1|"


def draw(starts: Sequence[Start], path: Path) -> None:
    """A panel for every case, and one for the phases of the harmonic one."""
    cases = list(dict.fromkeys(start.case for start in starts))
    harmonic = [start for start in starts if start.is_harmonic]
    steps = sorted({start.step for start in starts})
    figure = Figure(figsize=(3.6 * (len(cases) + 1), 4.2), facecolor="white")
    panels = figure.subplots(1, len(cases) + 1, sharey=True)
    for axes, case in zip(panels, cases, strict=False):
        of_case = [start for start in starts if start.case == case]
        for schedule in dict.fromkeys(start.schedule for start in of_case):
            _against_start(axes, [start for start in of_case if start.schedule == schedule], steps)
        axes.set_xticks(range(len(steps)), [str(step) for step in steps], rotation=60)
        dress_axes(axes, x="step at which ML takes over", y=Y_AXIS if axes is panels[0] else "", title=case)
        axes.legend(fontsize=7.5, frameon=False, loc="upper right")
    low = 0.1 * min(clipped(start.quantile(LOW)) for start in starts)
    high = 20.0 * max(clipped(max(start.errors)) for start in starts)  # room for the legend
    for axes in panels:
        axes.set_yscale("log")
        axes.set_ylim(low, high)
    for schedule in dict.fromkeys(start.schedule for start in harmonic):
        _against_phase(panels[-1], [start for start in harmonic if start.schedule == schedule])
    title = "harmonic: all start steps by phase"
    dress_axes(panels[-1], x="phase at the takeover (periods, 0: bond longest)", y="", title=title)
    if not harmonic:
        write_instead(panels[-1], "no harmonic runs")
    note = f"line: median replica, band: {100 * LOW:g} % to {100 * HIGH:g} %; at {LOST:g}: lost"
    runs = [start.run for start in starts]
    save_figure(figure, path, caption=rollout_caption("delayed_activation", runs, note))


def _against_start(axes: Axes, starts: Sequence[Start], steps: Sequence[int]) -> None:
    x = [steps.index(start.step) for start in starts]
    colour = COLOURS.get(starts[0].schedule, OTHER_COLOUR)
    low, high = ([clipped(start.quantile(share)) for start in starts] for share in (LOW, HIGH))
    axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0.0)
    medians = [clipped(start.median) for start in starts]
    axes.plot(x, medians, "o-", color=colour, markersize=3.5, linewidth=1.2, label=starts[0].schedule)


def _against_phase(axes: Axes, starts: Sequence[Start]) -> None:
    colour = COLOURS.get(starts[0].schedule, OTHER_COLOUR)
    phases = [phase for start in starts for phase in start.phases]
    errors = [clipped(error) for start in starts for error in start.errors]
    axes.plot(phases, errors, ".", color=colour, markersize=2.5, alpha=0.35)
    bins = in_bins(starts, N_BINS)
    filled = [index for index in range(N_BINS) if bins[index]]
    medians = [clipped(sorted(bins[index])[len(bins[index]) // 2]) for index in filled]
    axes.plot([(index + 0.5) / N_BINS for index in filled], medians, "o-", color=colour, markersize=3.5, linewidth=1.2)
