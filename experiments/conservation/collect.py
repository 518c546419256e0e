"""What is kept over a long run: bond lengths, velocity autocorrelation, spectrum, momenta, equipartition."""

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.study.caption import rollout_caption
from experiments.study.results import fill_readme, markdown_table, save_figure, short, spread, write_csv
from experiments.study.runs import Run
from mlmd.reporting.page import Line, LineChart, Part, SortableTable
from mlmd.reporting.style import REFERENCE_COLOUR, SCHEDULE_COLOURS, dress_axes

SCHEDULES = ("never", "every_1000", "every_100", "every_100_anchored")
ROUND_OFF = 1e-12
FLOOR = 1e-16
"""Where an error that is zero is drawn."""

QUANTITIES = {
    "energy_error_median": "energy, median replica",
    "energy_error_worst": "energy, worst replica",
    "bond_mean_error_A": "mean bond length, Å",
    "bond_std_error_A": "standard deviation of the bond length, Å",
    "bond_wasserstein_A": "distance of the bond length distributions, Å",
    "vacf_error": "VACF, first ps",
    "line_shift_cm1": "vibrational line, cm⁻¹",
    "linear_momentum_error": "linear momentum",
    "angular_momentum_error": "angular momentum",
    "vibrational_kinetic_error": "vibrational kinetic energy",
    "rotational_kinetic_error": "rotational kinetic energy",
}
CONSERVED = {
    "linear_momentum_error": "linear\nmomentum",
    "angular_momentum_error": "angular\nmomentum",
    "rotational_kinetic_error": "rotational\nkinetic energy",
    "vibrational_kinetic_error": "vibrational\nkinetic energy",
}
SPECTRUM_HALF_WIDTH_CM1 = 30.0
VACF_SHOWN_FS = (900.0, 1000.0)


def collect(runs: list[Run], out: Path) -> list[Part]:
    """The csv file, the README's tables, the figure, and the parts of the page."""
    headings = ["seed", "schedule", "frequency", "diverged_replicas", *QUANTITIES, "code"]
    rows = [
        [run.config["seed"], schedule, *(_score(run, schedule, name) for name in headings[2:-1]), run.code]
        for run in runs
        for schedule in run.schedules
    ]
    write_csv(out / "conservation.csv", headings, rows)
    fill_readme(out / "README.md", _table(runs))
    fill_readme(out / "README.md", _verdict(runs), mark="verdict")
    _draw(runs, out / "conservation.png")
    table = SortableTable(headings[:-1], [[_shown(cell) for cell in row[:-1]] for row in rows])
    return [*_charts(runs[0].curves), table]


def _score(run: Run, schedule: str, quantity: str) -> float:
    return run.score(f"rollout/{schedule}/{quantity}")


def _scores(runs: list[Run], schedule: str, quantity: str) -> list[float]:
    """Of all seeds that have the schedule."""
    return [_score(run, schedule, quantity) for run in runs if schedule in run.schedules]


def _present(runs: list[Run]) -> list[str]:
    return [schedule for schedule in SCHEDULES if any(schedule in run.schedules for run in runs)]


def _shown(cell: str | float) -> str | float:
    return float(f"{cell:.3g}") if isinstance(cell, float) else cell


def _table(runs: list[Run]) -> str:
    """A row a quantity, least to greatest of the seeds."""
    schedules = _present(runs)
    rows = [
        [words, *(spread([abs(value) for value in _scores(runs, schedule, quantity)]) for schedule in schedules)]
        for quantity, words in QUANTITIES.items()
    ]
    diverged = [_scores(runs, schedule, "diverged_replicas") for schedule in schedules]
    rows.append(["diverged replicas, by seed", *(", ".join(f"{n:g}" for n in counts) for counts in diverged)])
    return markdown_table(["error of", *schedules], rows)


def _verdict(runs: list[Run]) -> str:
    schedules = _present(runs)
    momenta = max(
        max(_scores(runs, schedule, quantity))
        for schedule in schedules
        for quantity in ("linear_momentum_error", "angular_momentum_error")
    )
    kept = "kept to round-off" if momenta < ROUND_OFF else "not kept to round-off"
    lines = [f"- linear and angular momentum are {kept} under every schedule: at most {short(momenta)}"]
    for schedule in schedules:
        energy, vacf, line, bond = (
            max(abs(value) for value in _scores(runs, schedule, quantity))
            for quantity in ("energy_error_median", "vacf_error", "line_shift_cm1", "bond_wasserstein_A")
        )
        lines.append(
            f"- {schedule}, worst seed: energy {short(energy)} (median replica), VACF {short(vacf)}, "
            f"line {line:.2g} cm⁻¹, distance of the distributions {short(bond)} Å"
        )
    return "\n".join(lines)


def _draw(runs: list[Run], path: Path) -> None:
    figure = Figure(figsize=(8.0, 6.2), facecolor="white")
    bond, vacf, spectrum, dots = figure.subplots(2, 2).flat
    curves = runs[0].curves
    schedules = [schedule for schedule in _present(runs) if schedule in curves["schedules"]]
    colours = dict(zip(SCHEDULES, SCHEDULE_COLOURS, strict=False))
    edges, lags, line = np.array(curves["bond_edges_A"]), np.array(curves["lag_fs"]), _line_cm1(curves)
    shown = (lags >= min(VACF_SHOWN_FS[0], 0.9 * lags[-1])) & (lags <= VACF_SHOWN_FS[1])
    near = np.abs(np.array(curves["wavenumber_cm1"]) - line) < SPECTRUM_HALF_WIDTH_CM1
    power_max = max(_floats(curves["reference"]["power"]))
    for name, run in (("reference", curves["reference"]), *((name, curves["schedules"][name]) for name in schedules)):
        is_reference = name == "reference"
        look: dict[str, Any] = (
            {"color": REFERENCE_COLOUR, "linewidth": 3.5, "alpha": 0.35}
            if is_reference
            else {"color": colours[name], "linewidth": 1.0}
        )
        bond.stairs(_floats(run["bond_density_per_A"]), edges, label=name, **look)
        vacf.plot(lags[shown], np.array(_floats(run["vacf"]))[shown], **look)
        spectrum.plot(
            np.array(curves["wavenumber_cm1"])[near], np.array(_floats(run["power"]))[near] / power_max, **look
        )
    dress_axes(bond, x="bond length (Å)", y="probability density (1/Å)", title="bond length, all replicas and times")
    bond.locator_params(axis="x", nbins=6)
    bond.set_ylim(0.0, 1.35 * bond.get_ylim()[1])
    bond.legend(fontsize=7, frameon=False, loc="upper center", ncols=2)
    dress_axes(vacf, x="lag time (fs)", y="C(t) / C(0)", title="velocity autocorrelation, end of the first ps")
    dress_axes(
        spectrum, x="wavenumber (cm⁻¹)", y="power / greatest of the reference", title="spectrum of the bond velocity"
    )
    _dot_plot(dots, runs, colours)
    seed = runs[0].config["seed"]
    save_figure(figure, path, caption=rollout_caption("conservation", runs, f"lines: seed {seed}; dots: all seeds"))


def _dot_plot(axes: Axes, runs: list[Run], colours: dict[str, str]) -> None:
    schedules = _present(runs)
    for row, quantity in enumerate(CONSERVED):
        for index, schedule in enumerate(schedules):
            errors = [max(error, FLOOR) for error in _scores(runs, schedule, quantity) if math.isfinite(error)]
            height = row - 0.16 * (index - 0.5 * (len(schedules) - 1))
            axes.plot(errors, [height] * len(errors), "o", color=colours[schedule], markersize=4.5, alpha=0.8)
    axes.set_xscale("log")
    axes.set_yticks(range(len(CONSERVED)), list(CONSERVED.values()))
    axes.axvline(ROUND_OFF, color="0.5", linewidth=0.9, linestyle="--")
    dress_axes(axes, x="relative error (left of the line: round-off)", y="", title="momenta and equipartition")


def _floats(values: Sequence[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]


def _line_cm1(curves: dict[str, Any]) -> float:
    """The strongest line of the reference."""
    power = _floats(curves["reference"]["power"])
    return float(curves["wavenumber_cm1"][int(np.nanargmax(power))])


def _charts(curves: dict[str, Any]) -> list[Part]:
    runs = [("reference", curves["reference"]), *curves["schedules"].items()]
    first_lag = next((i for i, lag in enumerate(curves["lag_fs"]) if lag >= VACF_SHOWN_FS[0]), 0)

    def lines(curve: str, x: list[float], begin: int = 0) -> list[Line]:
        return [Line(name, x[begin:], run[curve][begin:], is_reference=name == "reference") for name, run in runs]

    middles = [0.5 * (low + high) for low, high in pairwise(curves["bond_edges_A"])]
    note = f"Seed {curves['run']['seed']}, {curves['run']['n_replicas']} replicas."
    return [
        LineChart(
            "Bond length, distribution",
            lines("bond_density_per_A", middles),
            x="bond length (Å)",
            y="probability density (1/Å)",
            is_stepped=True,
            note=note,
        ),
        LineChart(
            "Velocity autocorrelation, end of the first ps",
            lines("vacf", curves["lag_fs"], first_lag),
            x="lag time (fs)",
            y="C(t) / C(0)",
            note=note,
        ),
    ]
