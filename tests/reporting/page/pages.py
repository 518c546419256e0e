"""A page with one of everything."""

from pathlib import Path

from matplotlib.figure import Figure

from mlmd.reporting.page import (
    Folded,
    Line,
    LineChart,
    Page,
    Picture,
    Points,
    Prose,
    ScatterChart,
    Section,
    SortableTable,
)

EVIL = "<b>&\"'</script><script>alert(1)</script>"
"""A name that no page may take for markup."""

TABLE = SortableTable(
    ["schedule", "error", "force calls\n(frequency)", "diverged"],
    [
        ["never", "2.5e-02", "0 (0)", 3],
        ["every_100", "3.0e-04", "1,234 (0.01)", None],
        ["wild", "diverged", "20 (1)", 12],
    ],
    caption="results",
)
TIMES = [0.0, 1.0, 2.0, 3.0]
ERRORS = LineChart(
    "Energy error",
    [
        Line("never", TIMES, [1e-4, 1e-3, 1e-2, None], band=([1e-5, 1e-4, 1e-3, 1e-2], [1e-3, 1e-2, 1e-1, 1e2])),
        Line("every_100", TIMES, [1e-4, 2e-4, 0.0, float("nan")]),
        Line("reference", TIMES, [1e-5] * 4, is_reference=True),
    ],
    x="time (ps)",
    y="error",
    log_y=True,
    is_wide=True,
    note="line: median",
)
PARETO = ScatterChart(
    "Pareto",
    [
        Points("HCl", [1e-3, 1e-2], [0.5, 1e-3], labels=["every_1000", "every_100"], is_joined=True),
        Points("CO", [1e-3], [0.1]),
    ],
    x="frequency",
    y="error",
    log_x=True,
    log_y=True,
)
EMPTY = LineChart("Nothing", [Line("never", TIMES, [None] * 4)], x="x", y="y")


def picture(folder: Path) -> Picture:
    """A small PNG."""
    path = folder / "small.png"
    Figure(figsize=(1, 1)).savefig(path)
    return Picture.read(path, "a small picture", caption="nothing in it")


def everything(folder: Path) -> Page:
    """A page of all parts, with names that are markup elsewhere."""
    evil = LineChart(EVIL, [Line(EVIL, TIMES, [1, 2, 3, 4])], x=EVIL, y=EVIL, is_stepped=True)
    return Page(
        EVIL,
        lead="lead " + EVIL,
        facts={"command": "train.py " + 70 * "x", EVIL: EVIL},
        sections=[
            Section(
                "Results", [Prose("Some words."), TABLE, SortableTable([EVIL], [[EVIL]]), SortableTable(["a"], [])]
            ),
            Section("Charts", [ERRORS, PARETO, EMPTY, evil, picture(folder)]),
            Section("Configuration", [Folded("config", "a: 1\nb: " + EVIL)]),
        ],
    )
