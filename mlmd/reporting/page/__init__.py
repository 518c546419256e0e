"""Pages as one HTML file with tables, interactive charts and pictures, readable offline.

A study in a few lines:

>>> front = Points("HCl", x=[1e-3, 1e-2], y=[0.2, 3e-4], labels=["every_1000", "every_100"], is_joined=True)
>>> chart = ScatterChart("Cost and accuracy", [front], x="frequency", y="energy error", log_x=True, log_y=True)
>>> table = SortableTable(["molecule", "energy error"], [["HCl", 3e-4], ["CO", 1e-3]])
>>> page = Page("A study", lead="two molecules", sections=[Section("Results", [table, chart])])
>>> page_html(page).startswith("<!DOCTYPE html>")  # write_page("report.html", page) writes it
True

Charts are drawn by Chart.js, kept here as published (see VENDORED.md), through ``page.js``.
"""

from mlmd.reporting.page.html import page_html, write_page
from mlmd.reporting.page.parts import (
    Folded,
    Line,
    LineChart,
    Page,
    Part,
    Picture,
    Points,
    Prose,
    ScatterChart,
    Section,
    SortableTable,
)

__all__ = [
    "Folded",
    "Line",
    "LineChart",
    "Page",
    "Part",
    "Picture",
    "Points",
    "Prose",
    "ScatterChart",
    "Section",
    "SortableTable",
    "page_html",
    "write_page",
]
