"""Writes a page as one HTML file that contains its styles, scripts, data and pictures."""

import base64
import json
import re
from collections.abc import Iterator
from functools import cache
from html import escape
from importlib import resources
from math import inf, isfinite
from pathlib import Path
from typing import Any

from mlmd.files import write_text
from mlmd.reporting.number_format import plain_number
from mlmd.reporting.page.chart_data import chart_data, has_data
from mlmd.reporting.page.parts import (
    Cell,
    Folded,
    LineChart,
    Page,
    Part,
    Picture,
    Prose,
    ScatterChart,
    Section,
    SortableTable,
)

MISSING = "–"

POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
"""The browser itself refuses whatever is not inside the file."""

LONG_FACT = 60
"""Letters beyond which a fact has a line of its own."""

_LEADING_NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?")


def write_page(path: str | Path, page: Page) -> Path:
    """Write a page as one file, whole or not at all.

    Raises:
        DataError: it cannot be written.
    """
    write_text(path, page_html(page))
    return Path(path)


def page_html(page: Page) -> str:
    """The HTML of a page."""
    charts: list[dict[str, Any]] = []
    body = "".join(_section(section, charts) for section in page.sections)
    script = f"<!--\nChart.js\n\n{_file('LICENSE-chartjs.md')}\n-->\n<script>{_library()}</script>" if charts else ""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<link rel="icon" href="data:,">
<title>{escape(page.title)}</title>
<style>
{_file("page.css")}</style>
</head>
<body>
<header>
<h1>{escape(page.title)}</h1>
{f'<p class="lead">{escape(page.lead)}</p>' if page.lead else ""}
{_facts(page)}
</header>
<main>
{body}</main>
<noscript><p class="nothing">The charts of this page need JavaScript.</p></noscript>
<script type="application/json" id="charts">{_json(charts)}</script>
{script}
<script>
{_file("page.js")}</script>
</body>
</html>
"""


@cache
def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _library() -> str:
    # The comment names a file that is not there, which browsers' developer tools would look for.
    return _file("chart.umd.min.js").replace("//# sourceMappingURL=chart.umd.min.js.map", "")


def _json(value: Any) -> str:
    """JSON that no name in it can end: inside a script only ``<`` and what follows it has a meaning to HTML."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _facts(page: Page) -> str:
    if not page.facts:
        return ""
    rows = []
    for name, text in page.facts.items():
        side = ' class="long"' if len(text) > LONG_FACT else ""
        rows.append(f"<div{side}><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>")
    return f"<dl>{''.join(rows)}</dl>"


def _section(section: Section, charts: list[dict[str, Any]]) -> str:
    return f"<section>\n<h2>{escape(section.title)}</h2>\n{''.join(_parts(section, charts))}</section>\n"


def _parts(section: Section, charts: list[dict[str, Any]]) -> Iterator[str]:
    """The parts in order, charts and pictures that follow each other in one grid."""
    is_open = False
    for part in section.parts:
        belongs = isinstance(part, LineChart | ScatterChart | Picture)
        if belongs != is_open:
            yield '<div class="grid">\n' if belongs else "</div>\n"
            is_open = belongs
        yield _part(part, charts)
    if is_open:
        yield "</div>\n"


def _part(part: Part, charts: list[dict[str, Any]]) -> str:
    match part:
        case LineChart() | ScatterChart():
            return _chart(part, charts)
        case SortableTable():
            return _table(part)
        case Picture():
            data = base64.b64encode(part.png).decode("ascii")
            caption = f"<figcaption>{escape(part.caption)}</figcaption>" if part.caption else ""
            source = f"data:image/png;base64,{data}"
            return f'<figure><img src="{source}" alt="{escape(part.name)}">{caption}</figure>\n'
        case Prose():
            return f"<p>{escape(part.text)}</p>\n"
        case Folded():
            return f"<details><summary>{escape(part.title)}</summary><pre>{escape(part.text)}</pre></details>\n"


def _chart(chart: LineChart | ScatterChart, charts: list[dict[str, Any]]) -> str:
    inside = '<p class="nothing">no data to show</p>'
    if has_data(chart):
        drawn = chart.lines if isinstance(chart, LineChart) else chart.groups
        spoken = f"{chart.title}: {chart.y} against {chart.x}, of {', '.join(each.name for each in drawn)}"
        inside = (
            '<div class="legend" role="group" aria-label="show or hide"></div><div class="frame">'
            f'<canvas data-chart="{len(charts)}" role="img" aria-label="{escape(spoken)}"></canvas></div>'
        )
        charts.append(chart_data(chart))
    note = f"<figcaption>{escape(chart.note)}</figcaption>" if chart.note else ""
    wide = ' class="wide"' if chart.is_wide else ""
    return f"<figure{wide}><h3>{escape(chart.title)}</h3>{inside}{note}</figure>\n"


def _table(table: SortableTable) -> str:
    caption = f"<caption>{escape(table.caption)}</caption>" if table.caption else ""
    headings = "".join(
        f'<th scope="col" aria-sort="none"{_side(column, table)}><button type="button">{escape(heading)}</button></th>'
        for column, heading in enumerate(table.headings)
    )
    rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>\n" for row in table.rows)
    if not table.rows:
        rows = f'<tr><td colspan="{len(table.headings)}" class="nothing">no rows</td></tr>'
    body = f"<thead><tr>{headings}</tr></thead>\n<tbody>\n{rows}</tbody>"
    return f'<div class="scroll"><table>{caption}{body}</table></div>\n'


def _side(column: int, table: SortableTable) -> str:
    """A heading stands above its numbers, which are at the right."""
    keys = [sorting_number(row[column]) for row in table.rows]
    return ' class="number"' if any(key is not None for key in keys) else ""


def _cell(cell: Cell) -> str:
    key = sorting_number(cell)
    is_number = key is not None or cell is None
    text = MISSING if cell is None else cell if isinstance(cell, str) else plain_number(cell)
    attributes = (' class="number"' if is_number else "") + (f' data-key="{key!r}"' if key is not None else "")
    return f"<td{attributes}>{escape(text)}</td>"


def sorting_number(cell: Cell) -> float | None:
    """The number by which a cell is sorted, None for text; what diverged is beyond all numbers.

    >>> sorting_number("1,234 (0.01)"), sorting_number("never"), sorting_number("diverged")
    (1234.0, None, 1e+300)
    """
    if isinstance(cell, str):
        found = _LEADING_NUMBER.match(cell)
        cell = float(found[0].replace(",", "")) if found else inf if cell == "diverged" else None
    if cell is None:
        return None
    return float(cell) if isfinite(cell) else 1e300
