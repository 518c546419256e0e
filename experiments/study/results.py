"""What an experiment leaves in its folder: csv files, tables in its README, figures; same content is left alone."""

import io
import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from mlmd.files import atomic_path

Cell = str | float | int | None

DIGITS = 6


def write_csv(path: Path, headings: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """A csv file of numbers with six digits; None is an empty cell, infinity is ``inf``."""
    lines = [",".join(headings), *(",".join(_csv_cell(cell) for cell in row) for row in rows)]
    _write(path, ("\n".join(lines) + "\n").encode())


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of a README."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def fill_readme(path: Path, table: str, *, mark: str = "table") -> None:
    """Put a table between ``<!-- mark -->`` and ``<!-- end of mark -->`` of a page, if there is a page.

    Raises:
        ValueError: the page has no such marks.
    """
    if not path.is_file():
        return
    text = path.read_text(encoding="utf-8")
    begin, end = f"<!-- {mark} -->\n", f"<!-- end of {mark} -->\n"
    before, found, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found and found_end):
        raise ValueError(f"{path} has no lines {begin.strip()} and {end.strip()} to put a table between")
    _write(path, f"{before}{begin}{table}\n{end}{after}".encode())


def save_figure(figure: Figure, path: Path, *, caption: str, top: float = 1.0) -> None:
    """A PNG with a line below that says where its numbers come from; the axes end at ``top``, below a legend."""
    height_in = figure.get_size_inches()[1]
    figure.text(0.01, 0.06 / height_in, caption, fontsize=6.5, color="0.4", ha="left", va="bottom")
    figure.tight_layout(rect=(0.0, 0.18 / height_in, 1.0, top))
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, metadata={"Description": caption})
    _write(path, buffer.getvalue())


def short(value: float) -> str:
    """An error as a reader wants it.

    >>> short(0.00021), short(float("inf"))
    ('2.1e-04', 'lost')
    """
    return "lost" if math.isinf(value) else f"{value:.1e}"


def percent(value: float) -> str:
    """An accuracy with two digits of what is missing of 100 %.

    >>> percent(99.91834), percent(100.0)
    ('99.918', '100')
    """
    missing = 100.0 - value
    return "100" if missing < 1e-9 else f"{value:.{max(1, 1 - math.floor(math.log10(missing)))}f}"


def spread(values: Sequence[float]) -> str:
    """Least to greatest of several seeds, or the one there is.

    >>> spread([0.001, 0.002]), spread([0.001])
    ('1.0e-03 to 2.0e-03', '1.0e-03')
    """
    low, high = short(min(values)), short(max(values))
    return low if low == high else f"{low} to {high}"


def _csv_cell(cell: Cell) -> str:
    if cell is None:
        return ""
    return f"{cell:.{DIGITS}g}" if isinstance(cell, float) else str(cell)


def _write(path: Path, content: bytes) -> None:
    if path.is_file() and path.read_bytes() == content:
        return
    with atomic_path(path) as temporary:
        Path(temporary).write_bytes(content)
