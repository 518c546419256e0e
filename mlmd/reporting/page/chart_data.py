"""Converts charts to plain values, which ``page.js`` draws."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

from mlmd.reporting.page.parts import LineChart, Number, ScatterChart
from mlmd.reporting.style import schedule_line

DIGITS = 5
"""Significant digits of a number in a chart; more than a screen resolves."""

_DASHES = {"-": [], "--": [7, 4], ":": [2, 3], "-.": [8, 3, 2, 3]}


def has_data(chart: LineChart | ScatterChart) -> bool:
    """Whether there is a point to draw."""
    drawn = chart.lines if isinstance(chart, LineChart) else chart.groups
    return any(value is not None for each in drawn for value in _numbers(each.y, positive=chart.log_y))


def chart_data(chart: LineChart | ScatterChart) -> dict[str, Any]:
    """The data of a chart for ``page.js``; x values that several lines share are stored once."""
    common = {"xTitle": chart.x, "yTitle": chart.y, "logY": chart.log_y}
    if isinstance(chart, ScatterChart):
        return common | {"kind": "scatter", "logX": chart.log_x, "groups": _groups(chart)}
    axes: list[list[float | None]] = []
    lines = []
    index = 0
    for line in chart.lines:
        x = _numbers(line.x)
        if x not in axes:
            axes.append(x)
        entry: dict[str, Any] = {"name": line.name, "x": axes.index(x), "y": _numbers(line.y, positive=chart.log_y)}
        if line.band is not None:
            entry["low"], entry["high"] = (_numbers(edge, positive=chart.log_y) for edge in line.band)
        if line.is_reference:
            entry["reference"] = True
        else:
            entry["colour"], entry["dash"] = _look(index)
            index += 1
        lines.append(entry)
    least, most = _numbers(chart.y_limits)
    return common | {
        "kind": "line",
        "stepped": chart.is_stepped,
        "least": least,
        "most": most,
        "axes": axes,
        "lines": lines,
    }


def _groups(chart: ScatterChart) -> list[dict[str, Any]]:
    groups = []
    for index, group in enumerate(chart.groups):
        colour, dash = _look(index)
        x, y = _numbers(group.x, positive=chart.log_x), _numbers(group.y, positive=chart.log_y)
        groups.append(
            {
                "name": group.name,
                "x": x,
                "y": y,
                "labels": list(group.labels),
                "joined": group.is_joined,
                "colour": colour,
                "dash": dash,
            }
        )
    return groups


def _look(index: int) -> tuple[str, list[int]]:
    colour, style = schedule_line(index)
    return colour, _DASHES[style]


def _numbers(values: Sequence[Number], *, positive: bool = False) -> list[float | None]:
    """Rounded numbers; None for a number that is not finite, or not positive on a logarithmic axis."""
    return [
        float(f"{value:.{DIGITS}g}") if value is not None and isfinite(value) and (value > 0 or not positive) else None
        for value in values
    ]
