"""Prints the table of scores on the console at the end of a run.

The table is plain ASCII, so that log files and terminals of any encoding can show it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from mlmd.evaluation.curves_file import read_curves
from mlmd.reporting.number_format import error_number, name_and_unit, percent_near_100, plain_number, signed_number

WIDTH = 120
MISSING, DIVERGED = "-", "diverged"

SCHEDULES_ABREAST = 5
"""Number of schedules side by side in a table of spectral lines."""

Metrics = Mapping[str, float | None]

SpectralLine = Mapping[str, Any]
"""An entry of ``lines`` in ``curves.json``, see `mlmd.evaluation.curves_file`."""

_ROLLOUT_COLUMNS: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("E error\nmedian", "energy_error_median", error_number),
    ("E error\nworst", "energy_error_worst", error_number),
    ("drift meV\n/atom/ps", "energy_drift_meV_per_atom_per_ps", signed_number),
    ("bond mean\nerror A", "bond_mean_error_A", error_number),
    ("VACF\nerror", "vacf_error", error_number),
    ("line shift\ncm^-1", "line_shift_cm1", signed_number),
    ("ang. mom.\nerror", "angular_momentum_error", error_number),
)


def summary_table(metrics: Metrics, *, title: str, lines: Sequence[SpectralLine] = ()) -> RenderableType:
    """The scores of a run in blocks: one-step test, a row per schedule, lines of a molecule, costs.

    - every ``test/<quantity>``, beside ``test/linear_<quantity>`` of the linear shortcut alone if there is one;
    - ``rollout/<schedule>/<quantity>`` with the quantities of `mlmd.evaluation.rollout_scores` and
      ``force_calls``, ``frequency``, ``diverged_replicas``;
    - every ``learning/<quantity>`` of a run that trains its own predictor, and every ``cost/<quantity>``.

    Units are read from the ends of the names. A missing score is shown as "-". A score of a rollout without a finite
    value (None in a JSON file) is shown as "diverged", unless ``diverged_replicas`` is zero. Other keys are not shown.

    Args:
        metrics: by name ``split/quantity``.
        title: first line, e.g. ``RunLabel.title``.
        lines: spectral lines of a molecule of more than two atoms, as stored in ``curves.json``.

    Returns:
        A rich renderable, at most 120 columns wide.
    """
    spaced = (part for block in summary_blocks(metrics, lines) for part in (Text(), block))
    return Group(Text(title, style="bold"), *spaced, Text())


def summary_blocks(metrics: Metrics, lines: Sequence[SpectralLine] = ()) -> list[Table]:
    """The blocks of :func:`summary_table` that have rows, each named by its first heading."""
    blocks = (
        _test_block(metrics),
        _rollout_block(metrics),
        *_line_blocks(lines),
        _plain_block(metrics, "learning"),
        _plain_block(metrics, "cost"),
    )
    return [block for block in blocks if block]


def print_summary(metrics: Metrics, folder: str | Path, title: str) -> None:
    """Print :func:`summary_table` and the paths of the page and the folder of the run.

    There are no colours if stdout is not a terminal.

    Args:
        metrics: by name ``split/quantity``.
        folder: where the run wrote its files.
        title: first line.
    """
    console = Console(highlight=False)
    # Without a terminal rich assumes 80 columns, too few for the table.
    console = Console(highlight=False, width=min(WIDTH, console.width) if console.is_terminal else WIDTH)
    curves = Path(folder) / "curves.json"
    lines = read_curves(curves).get("lines", []) if curves.is_file() else []
    console.print(summary_table(metrics, title=title, lines=lines))
    # Not wrapped, so that the paths can be copied.
    if (Path(folder) / "report.html").is_file():
        console.print(Text(f"report: {Path(folder) / 'report.html'}"), soft_wrap=True)
    console.print(Text(f"files: {folder}"), soft_wrap=True)


def schedules(metrics: Metrics) -> list[str]:
    """Schedules of the keys ``rollout/<schedule>/<quantity>``, in the order of their first key.

    >>> schedules({"rollout/f=0.01/vacf_error": 0.1, "rollout/f=0/vacf_error": None, "test/mae": 1.0})
    ['f=0.01', 'f=0']
    """
    names = (key.removeprefix("rollout/").rpartition("/")[0] for key in metrics if key.startswith("rollout/"))
    return list(dict.fromkeys(name for name in names if name))


def _table(*headings: str) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), title_justify="left")
    for index, heading in enumerate(headings):
        # Long names fold; numbers never do.
        table.add_column(
            Text(heading),
            justify="left" if index == 0 else "right",
            no_wrap=index > 0,
            overflow="fold",
            vertical="bottom",
        )
    return table


def _add_row(table: Table, *cells: str) -> None:
    # As Text, so that brackets in a name are not read as markup.
    table.add_row(*(Text(cell) for cell in cells))


def _within(metrics: Metrics, split: str) -> dict[str, float | None]:
    return {key.removeprefix(split): value for key, value in metrics.items() if key.startswith(split)}


def _with_unit(value: float | None, unit: str, *, accuracy: bool = False) -> str:
    if value is None or not isfinite(value):
        return MISSING
    number = percent_near_100(value) if accuracy else plain_number(value)
    return f"{number} {unit}".rstrip()


def _test_block(metrics: Metrics) -> Table | None:
    scores = _within(metrics, "test/")
    linear = {name.removeprefix("linear_"): value for name, value in scores.items() if name.startswith("linear_")}
    own = {name: value for name, value in scores.items() if not name.startswith("linear_")}
    if not scores:
        return None
    table = _table("one step, test set", "model", *(["linear shortcut alone"] if linear else []))
    for quantity in dict.fromkeys([*own, *linear]):
        name, unit = name_and_unit(quantity)
        columns = [own, linear] if linear else [own]
        values = (_with_unit(column.get(quantity), unit, accuracy="accuracy" in quantity) for column in columns)
        _add_row(table, name, *values)
    return table


def _rollout_block(metrics: Metrics) -> Table | None:
    names = schedules(metrics)
    if not names:
        return None
    headings = (heading for heading, _, _ in _ROLLOUT_COLUMNS)
    table = _table("rollout", *headings, "force calls\n(frequency)", "diverged")
    for schedule in names:
        _add_row(table, schedule, *_rollout_cells(_within(metrics, f"rollout/{schedule}/")))
    return table


def _rollout_cells(scores: Metrics) -> Iterator[str]:
    diverged_replicas = scores.get("diverged_replicas")
    without_value = MISSING if diverged_replicas == 0 else DIVERGED
    for _, quantity, spoken in _ROLLOUT_COLUMNS:
        value = scores.get(quantity)
        if value is not None and isfinite(value):
            yield spoken(value)
        else:
            yield without_value if quantity in scores else MISSING
    n_calls, frequency = scores.get("force_calls"), scores.get("frequency")
    calls = MISSING if n_calls is None else f"{n_calls:,.0f}"
    yield calls if frequency is None else f"{calls} ({frequency:.3g})"
    yield MISSING if diverged_replicas is None else f"{diverged_replicas:,.0f}"


def _line_blocks(lines: Sequence[SpectralLine]) -> Iterator[Table]:
    """Tables with a row per line: its wavenumber in the reference and under each schedule, with the shift."""
    names = list(lines[0]["shifts"]) if lines else []
    for start in range(0, len(names), SCHEDULES_ABREAST):
        abreast = names[start : start + SCHEDULES_ABREAST]
        table = _table("lines, cm^-1\nmodes", "harmonic", "reference", *(f"{name}\n(shift)" for name in abreast))
        for line in lines:
            cells = (_line_cell(line["shifts"][name]) for name in abreast)
            modes = ", ".join(str(mode) for mode in line["modes"])
            _add_row(table, modes, *(_wavenumber(line[key]) for key in ("harmonic_cm1", "reference_cm1")), *cells)
        yield table


def _line_cell(shift: Mapping[str, float | None]) -> str:
    if shift["cm1"] is None or shift["shift_cm1"] is None:
        return MISSING
    return f"{_wavenumber(shift['cm1'])} ({signed_number(round(shift['shift_cm1'], 2))})"


def _wavenumber(value: float | None) -> str:
    return MISSING if value is None else f"{value:.1f}"


def _plain_block(metrics: Metrics, split: str) -> Table | None:
    """Every ``split/<quantity>`` with its value."""
    values = _within(metrics, f"{split}/")
    if not values:
        return None
    table = _table(split, "")
    for quantity, value in values.items():
        name, unit = name_and_unit(quantity)
        _add_row(table, name, _with_unit(value, unit))
    return table
