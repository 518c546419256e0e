"""The files a measurement leaves: one csv a part, with fixed columns, and what machine gave it."""

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from timing import STATISTICS

Row = dict[str, Any]

COLUMNS: dict[str, tuple[str, ...]] = {
    "engines": (
        "case", "variant", "hidden_size", "n_layers", "n_replicas", "engine", "device", "threads",
        "longest_stretch", "stretch_steps", "n_stretches", *STATISTICS,
    ),
    "floors": ("quantity", "device", "threads", "what", "value", "unit", "n_repeats"),
    "injections": ("what", "schedule", "n_replicas", "engine", "device", "threads", "n_units", *STATISTICS),
    "hamiltonians": ("name", "kind", "molecule", "n_replicas", "unit", "note", "threads", "n_units", *STATISTICS),
    "scaling": ("axis", "value", "n_replicas", "engine", "device", "threads", "macs", "stretch_steps", *STATISTICS),
    "accuracy": (
        "case", "variant", "seed", "final_percent", "test_percent", "epochs",
        "train_to_99.9_s", "command_to_99.9_s", "train_to_99.99_s", "command_to_99.99_s",
        "train_s", "command_s", "overrides",
    ),
    "accuracy_curves": ("case", "seed", "epoch", "train_seconds", "accuracy_percent"),
}  # fmt: skip
"""Times are in microseconds, per MD step or call of the whole batch."""


def write(folder: Path, part: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """All rows of a part; a row says every column and no other."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{part}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS[part], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read(folder: Path, part: str) -> list[Row]:
    """Rows with numbers as numbers; none where the part was not measured."""
    path = folder / f"{part}.csv"
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [{name: _value(name, text) for name, text in row.items()} for row in csv.DictReader(file)]


def note_machine(folder: Path, part: str, values: Mapping[str, Any]) -> None:
    """Remember on what machine, and with what settings, a part was measured."""
    folder.mkdir(parents=True, exist_ok=True)
    known = read_machines(folder)
    known[part] = dict(values)
    (folder / "machine.json").write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


def read_machines(folder: Path) -> dict[str, dict[str, Any]]:
    """What ``note_machine`` wrote, by part."""
    path = folder / "machine.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def fill(page: Path, lines: Iterable[str]) -> None:
    """Put lines between the marks of a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition("<!-- table -->\n")
    _, _, after = rest.partition("<!-- end of table -->\n")
    page.write_text(f"{before}<!-- table -->\n{chr(10).join(lines)}\n<!-- end of table -->\n{after}", encoding="utf-8")


def _value(name: str, text: str) -> Any:
    if name in ("samples_us", "what", "case", "name", "molecule", "note", "overrides"):
        return text
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text or None
