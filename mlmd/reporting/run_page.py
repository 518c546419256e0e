"""``report.html`` of a training run or a simulation, made from the files of its folder alone."""

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from mlmd.evaluation.curves_file import read_curves
from mlmd.reporting.console import MISSING, summary_blocks
from mlmd.reporting.on_the_fly_figure import timeline_charts
from mlmd.reporting.page import Folded, Line, LineChart, Page, Part, Picture, Section, SortableTable, write_page
from mlmd.reporting.style import legend_name
from mlmd.reporting.training_log import History, read_history
from mlmd.units import FS_PER_PS

REPORT_FILE = "report.html"

CEILING = 1e2
"""Energy errors above this are drawn here, a diverged replica's among them, as in the figures."""

FLOOR = 1e-12
"""Energy errors below this are round-off."""

MAX_WINDOWS = 300
"""Windows of a curve in time; of more, every k-th is drawn, the last among them."""

MAX_POWERS = 600
"""Points of a spectrum; of more, the highest of every k."""

MAX_NUMBERS = 32_000
"""Numbers of a kind in a page, so that one of thirty schedules stays near 1 MB."""

MAX_ENERGY = 4.0
"""Energies beyond so many times the reference's are cut, so that one run that is lost does not hide the others."""

DECADES = 7
"""Decades of power that are shown below the reference's peak, as in the figures."""

DRAWN_AS_CHARTS = ("loss", "energy_error", "bond", "dynamics", "rollout", "on_the_fly")
"""Figures of which the page shows the data instead."""

_FACTS = {
    "command": "command",
    "seed": "seed",
    "code": "code",
    "started_utc": "started (UTC)",
    "platform": "machine",
    "n_cpus": "CPUs",
    "python": "Python",
    "torch": "PyTorch",
}

Curve = list[float | None]


def write_run_page(folder: Path, metrics: Mapping[str, Any], *, title: str, lead: str) -> Path:
    """Write ``report.html`` into the folder of a run.

    Args:
        folder: holds what there is of ``provenance.json``, ``config.yaml``, ``curves.json``, ``csv/`` and ``figures/``.
        metrics: what ``metrics.json`` holds, which marks a finished run and is written after the page.
        title: what was run.
        lead: how much of it.

    Returns:
        The file.

    Raises:
        DataError: it cannot be written, or ``curves.json`` is damaged.
    """
    return write_page(folder / REPORT_FILE, run_page(folder, metrics, title=title, lead=lead))


def run_page(folder: Path, metrics: Mapping[str, Any], *, title: str, lead: str) -> Page:
    """The page of a run; arguments as for `write_run_page`."""
    curves = read_curves(folder / "curves.json") if (folder / "curves.json").is_file() else None
    history = read_history(folder / "csv")
    blocks = summary_blocks(metrics, curves.get("lines", []) if curves else [])
    sections = [Section("Results", [_table(block) for block in blocks])]
    on_the_fly = timeline_charts(folder, force_call_s=metrics.get("cost/force_call_s") or 0.0)
    sections += [Section("Learning on the fly", on_the_fly)] if on_the_fly else []
    if curves is not None:
        sections += [
            Section("Along the rollouts", _in_time(curves)),
            Section("Structure and dynamics", _pooled(curves)),
        ]
    learning: list[Part] = [_losses(history)] if history else []
    learning += _pictures(folder / "figures")
    if learning:
        sections.append(Section("Learning" if history else "Figures", learning))
    configuration = folder / "config.yaml"
    if configuration.is_file():
        folded = Folded("Resolved configuration (config.yaml)", configuration.read_text(encoding="utf-8"))
        sections.append(Section("Configuration", [folded]))
    provenance = _json(folder / "provenance.json")
    facts = {words: str(provenance[key]) for key, words in _FACTS.items() if provenance.get(key) is not None}
    return Page(title, lead=lead, facts=facts, sections=sections)


def _json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _table(block: Table) -> SortableTable:
    """A table of the console."""
    headings = [_plain(column.header) for column in block.columns]
    cells = ([None if _plain(cell) == MISSING else _plain(cell) for cell in column.cells] for column in block.columns)
    return SortableTable([heading or "value" for heading in headings], list(zip(*cells, strict=True)))


def _plain(cell: Any) -> str:
    return cell.plain if isinstance(cell, Text) else str(cell)


def _in_time(curves: dict[str, Any]) -> list[Part]:
    """Charts along the rollouts."""
    # Five numbers of a window: three of its error, two energies.
    most = min(MAX_WINDOWS, MAX_NUMBERS // (5 * max(1, len(curves["schedules"]))))
    every = -(-len(curves["time_ps"]) // most)
    thinned = slice((len(curves["time_ps"]) - 1) % every, None, every)
    time = curves["time_ps"][thinned]
    n_replicas = curves["run"].get("n_replicas", 0)

    def error_of(name: str, run: dict[str, Any]) -> Line:
        error = {word: values[thinned] for word, values in run["energy_error"].items()}
        median = [None if value is None or value > CEILING else max(value, FLOOR) for value in error["median"]]
        band = tuple(
            [CEILING if v is None else min(max(v, FLOOR), CEILING) for v in error[w]] for w in ("lowest", "highest")
        )
        return Line(legend_name(name, run["n_diverged"], n_replicas), time, median, band=(band[0], band[1]))

    def energies(title: str, kind: str) -> LineChart:
        runs = [("reference", curves["reference"]), *curves["schedules"].items()]
        lines = [Line(n, time, run[kind]["median"][thinned], is_reference=n == "reference") for n, run in runs]
        most = MAX_ENERGY * max((value or 0.0 for value in lines[0].y), default=0.0)
        is_cut = any(value is not None and value > most for line in lines for value in line.y)
        return LineChart(
            title,
            lines,
            x="time (ps)",
            y="median of the means (eV)",
            y_limits=(0.0, most) if is_cut else (None, None),
            note=f"Cut at {MAX_ENERGY:g} times the reference's." if is_cut else "",
        )

    note = "Means over ten periods of the slowest vibration. Line: median, band: least to greatest over the replicas"
    return [
        LineChart(
            "Energy error",
            [error_of(name, run) for name, run in curves["schedules"].items()],
            x="time since ML took over (ps)",
            y="|⟨E⟩ / ⟨E⟩ref − 1|",
            log_y=True,
            is_wide=True,
            note=f"{note}; a line ends where the median replica is lost, a band at 100 holds one that is.",
        ),
        energies("Potential energy", "potential_eV"),
        energies("Kinetic energy", "kinetic_eV"),
    ]


def _pooled(curves: dict[str, Any]) -> list[Part]:
    """Charts over all replicas and times, and the bond of one replica."""
    edges = curves["bond_edges_A"]
    middles = [0.5 * (low + high) for low, high in pairwise(edges)]
    n_runs = 1 + len(curves["schedules"])
    every = -(-len(curves["wavenumber_cm1"]) // min(MAX_POWERS, MAX_NUMBERS // (2 * n_runs)))
    every_lag = -(-n_runs * len(curves["lag_fs"]) // MAX_NUMBERS)

    def lines(curve: str, x: list[float], shorten: Callable[[Curve], Curve] = list) -> list[Line]:
        runs = [("reference", curves["reference"]), *curves["schedules"].items()]
        return [Line(name, x, shorten(run[curve]), is_reference=name == "reference") for name, run in runs]

    peak = max((power or 0.0 for power in curves["reference"]["power"]), default=0.0)
    is_molecule = bool(curves.get("lines"))
    bonds, pooled = ("Bond lengths", "All bonds, replicas") if is_molecule else ("Bond length", "All replicas")
    around = "Around the reference's vibrational line"
    time_fs, lag_ps = curves["bond_time_fs"], [lag / FS_PER_PS for lag in curves["lag_fs"][::every_lag]]
    return [
        LineChart(
            f"{bonds}, distribution",
            lines("bond_density_per_A", middles),
            x="bond length (Å)",
            y="probability density (1/Å)",
            is_stepped=True,
            note=f"{pooled} and times; what lies beyond a third of the reference's range is not shown.",
        ),
        LineChart(
            f"{bonds}, end of the run",
            lines("bond_A", time_fs),
            x="time (fs)",
            y="bond length (Å)",
            y_limits=(edges[0], edges[-1]),
            note=f"{curves['first_bond']} of replica 0." if is_molecule else "Replica 0.",
        ),
        LineChart(
            "Velocity autocorrelation",
            lines("vacf", lag_ps, lambda values: [value and round(value, 4) for value in values[::every_lag]]),
            x="lag time (ps)",
            y="C(t) / C(0)",
            is_wide=True,
            note="Replicas that survived.",
        ),
        LineChart(
            f"Spectrum of the {'normal modes' if is_molecule else 'bond velocity'}",
            lines("power", curves["wavenumber_cm1"][::every], lambda values: _peaks(values, every)),
            x="wavenumber (cm⁻¹)",
            y=f"power ({'u ' if is_molecule else ''}(Å/fs)² per cm⁻¹)",
            log_y=True,
            y_limits=(peak * 10.0**-DECADES if peak else None, None),
            is_wide=True,
            note=f"{'All lines' if is_molecule else around}; replicas that survived.",
        ),
    ]


def _losses(history: History) -> LineChart:
    epochs = [float(row["epoch"] or 0.0) for row in history]
    names = {"train/loss": "training", "val/loss": "validation"}
    lines = [Line(words, epochs, [row.get(key) for row in history]) for key, words in names.items()]
    return LineChart("Loss", lines, x="epoch", y="loss", log_y=True)


def _pictures(folder: Path) -> Iterator[Picture]:
    """Figures of which no chart shows the data."""
    for path in sorted(folder.glob("*.png")):
        if path.stem not in DRAWN_AS_CHARTS:
            yield Picture.read(path, path.stem.replace("_", " "))


def _peaks(values: Curve, every: int) -> Curve:
    """The highest of every so many values."""
    blocks = (values[start : start + every] for start in range(0, len(values), every))
    return [max((value for value in block if value is not None), default=None) for block in blocks]
