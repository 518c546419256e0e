"""The figures of the injection experiment: errors against frequency, and against cost."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.injection.points import (
    HELD,
    KINDS,
    LINEAR,
    MORSE_CASES,
    NEVER,
    SHIPPED,
    Gathered,
    chosen,
    pareto_front,
)
from experiments.study.caption import rollout_caption
from experiments.study.results import save_figure
from experiments.study.runs import Run
from mlmd.reporting.style import SCHEDULE_COLOURS, dress_axes

TARGET = 0.01
"""Error of the energy that the verdicts ask for."""

AT_ZERO = 1.5e-4
"""Where f = 0 stands on a logarithmic axis."""

FREQUENCIES, FREQUENCY_WORDS = (AT_ZERO, 1e-3, 1e-2, 1e-1), ("0", "0.001", "0.01", "0.1")
FLOOR, LOST = 1e-7, 100.0
"""Errors below are drawn there, as are those above, and of replicas that were lost."""

KIND_COLOURS = dict(zip(KINDS, SCHEDULE_COLOURS, strict=False))
KIND_MARKERS = dict(zip((*KINDS, NEVER), ("o", "s", "D", "^", "v", "*"), strict=True))
CASE_COLOURS = {SHIPPED: SCHEDULE_COLOURS[2], LINEAR: SCHEDULE_COLOURS[0], HELD: SCHEDULE_COLOURS[1]}
ENERGY = "energy_error_median"
F_AXIS = "counted injection frequency f"


def draw_frequency(gathered: Sequence[Gathered], cases: Mapping[str, list[Run]], path: Path) -> None:
    """The main figure: energy error against frequency, by kind, for controls, and for the plain LSTM."""
    figure = Figure(figsize=(9.6, 4.4), facecolor="white")
    kinds, controls, plain = figure.subplots(1, 3, sharey=True)
    for kind in KINDS:
        _line(kinds, _with_never(gathered, SHIPPED, kind), ENERGY, colour=KIND_COLOURS[kind], name=kind)
    dress_axes(kinds, x=F_AXIS, y="|⟨E⟩ / ⟨E⟩ref − 1|, median replica", title=f"{SHIPPED}, Morse: kinds")
    for case in MORSE_CASES:
        for kind in ("anchored", "force"):
            name = case if kind == "anchored" else ""
            line = _with_never(gathered, case, kind)
            _line(controls, line, ENERGY, colour=CASE_COLOURS[case], name=name, is_dashed=kind == "force")
    dress_axes(controls, x=F_AXIS, y="", title="controls, Morse (solid anchored, dashed force)")
    for index, case in enumerate(case for case in cases if case not in MORSE_CASES):
        for kind in ("anchored", "force"):
            name = case if kind == "anchored" else ""
            line = _with_never(gathered, case, kind)
            _line(plain, line, ENERGY, colour=SCHEDULE_COLOURS[3 + index], name=name, is_dashed=kind == "force")
    dress_axes(plain, x=F_AXIS, y="", title="plain LSTM, harmonic (likewise)")
    for axes in (kinds, controls, plain):
        _dress_frequency(axes)
        axes.axhline(TARGET, color="0.5", linewidth=0.9, linestyle=":")
        axes.set_ylim(FLOOR, 2.0 * LOST)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=7, frameon=False, loc="lower left")
    runs = [run for of_case in cases.values() for run in of_case]
    note = "median and least to greatest seed; top: lost"
    save_figure(figure, path, caption=rollout_caption("injection", runs, note))


def draw_observables(gathered: Sequence[Gathered], cases: Mapping[str, list[Run]], path: Path) -> None:
    """Structure and dynamics against frequency, for the shipped predictor."""
    figure = Figure(figsize=(8.0, 3.6), facecolor="white")
    for axes, quantity, words in zip(
        figure.subplots(1, 2),
        ("bond_wasserstein_A", "vacf_error"),
        ("distance of the bond length distributions (Å)", "VACF error, first ps"),
        strict=True,
    ):
        for kind in KINDS:
            _line(axes, _with_never(gathered, SHIPPED, kind), quantity, colour=KIND_COLOURS[kind], name=kind)
        _dress_frequency(axes)
        dress_axes(axes, x=F_AXIS, y=words, title=f"{SHIPPED}, Morse")
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=7, frameon=False, loc="lower left")
    note = "median and least to greatest seed"
    save_figure(figure, path, caption=rollout_caption("injection", cases.get(SHIPPED, []), note))


def draw_pareto(gathered: Sequence[Gathered], cases: Mapping[str, list[Run]], path: Path) -> None:
    """Energy error against force calls, the warm-up's included, with the front of each panel."""
    figure = Figure(figsize=(9.6, 4.0), facecolor="white")
    *panels, key = figure.subplots(1, 3, width_ratios=(1.0, 1.0, 0.4))
    plain = [case for case in cases if case not in MORSE_CASES]
    colours = CASE_COLOURS | {case: SCHEDULE_COLOURS[3 + index] for index, case in enumerate(plain)}
    for axes, of_panel, title in zip(
        panels, ([case for case in cases if case in MORSE_CASES], plain), ("Morse", "harmonic"), strict=True
    ):
        shown = [each for each in gathered if each.case in of_panel]
        for each in shown:
            look = {"color": colours[each.case], "marker": KIND_MARKERS[each.kind]}
            axes.plot([each.calls], [_clipped(each.median(ENERGY))], linestyle="none", markersize=5, alpha=0.75, **look)
        front = pareto_front(shown, lambda each: each.median(ENERGY))
        axes.step(
            [each.calls for each in front],
            [_clipped(each.median(ENERGY)) for each in front],
            where="post",
            color="0.3",
            linewidth=0.9,
        )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_ylim(FLOOR, 2.0 * LOST)
        axes.axhline(TARGET, color="0.5", linewidth=0.9, linestyle=":")
        dress_axes(axes, x="force calls per 1,000 steps, warm-up included", y="", title=title)
    for case in cases:
        key.plot([], [], "o", color=colours[case], label=case)
    for kind, marker in KIND_MARKERS.items():
        key.plot([], [], marker, color="0.4", markerfacecolor="none", linestyle="none", label=kind)
    key.set_axis_off()
    key.legend(fontsize=7.5, frameon=False, loc="center left", bbox_to_anchor=(-0.35, 0.5))
    panels[0].set_ylabel("|⟨E⟩ / ⟨E⟩ref − 1|, median replica", fontsize=8.5)
    runs = [run for of_case in cases.values() for run in of_case]
    note = "median of the seeds; steps: Pareto front; top: lost"
    save_figure(figure, path, caption=rollout_caption("injection", runs, note))


def _with_never(gathered: Sequence[Gathered], case: str, kind: str) -> list[Gathered]:
    """A kind from f = 0 on."""
    of_kind = chosen(gathered, case, kind)
    return [*chosen(gathered, case, NEVER), *of_kind] if of_kind else []


def _line(
    axes: Axes, line: Sequence[Gathered], quantity: str, *, colour: str, name: str, is_dashed: bool = False
) -> None:
    if not line:
        return
    x = [each.frequency or AT_ZERO for each in line]
    middle = [_clipped(each.median(quantity)) for each in line]
    low = [_clipped(min(each.scores(quantity))) for each in line]
    high = [_clipped(each.worst(quantity)) for each in line]
    style, marker = ("--", "") if is_dashed else ("-", KIND_MARKERS[line[-1].kind])
    # The way from f = 0 is no measurement: what is measured begins at the second point.
    begin = 1 if line[0].kind == NEVER else 0
    axes.plot(x[:1], middle[:1], "*", color="0.3", markersize=6, zorder=3)
    axes.vlines(x[:1], low[:1], high[:1], color="0.3", linewidth=1.0)
    axes.plot(x[: begin + 1], middle[: begin + 1], ":", color=colour, linewidth=0.9)
    label = name or "_"  # matplotlib leaves it out of the legend
    axes.plot(x[begin:], middle[begin:], color=colour, linestyle=style, marker=marker, markersize=4, label=label)
    axes.fill_between(x[begin:], low[begin:], high[begin:], color=colour, alpha=0.15, linewidth=0.0)


def _clipped(error: float) -> float:
    return LOST if math.isnan(error) else min(max(error, FLOOR), LOST)


def _dress_frequency(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(FREQUENCIES, FREQUENCY_WORDS)
    axes.minorticks_off()
    axes.set_xlim(0.75 * AT_ZERO, 0.14)
    axes.axvline(2.0 * AT_ZERO, color="0.8", linewidth=0.8, linestyle="--")
