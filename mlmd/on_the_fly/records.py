"""Writes and reads ``ledger.csv`` (cost along the run) and ``signals.csv`` (monitored values at injections)."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

from mlmd.errors import DataError
from mlmd.files import write_text
from mlmd.on_the_fly.cost import Entry
from mlmd.on_the_fly.monitor import Signal

LEDGER_FILE, SIGNALS_FILE = "ledger.csv", "signals.csv"


def write_records(folder: Path, entries: Sequence[Entry], signals: Sequence[Signal]) -> None:
    """Write both files.

    Raises:
        DataError: they cannot be written.
    """
    write_rows(folder / LEDGER_FILE, [field.name for field in fields(Entry)], map(astuple, entries))
    write_rows(folder / SIGNALS_FILE, [field.name for field in fields(Signal)], map(astuple, signals))


def read_records(folder: Path) -> tuple[list[Entry], list[Signal]]:
    """What `write_records` wrote.

    Raises:
        DataError: a file is missing or damaged.
    """
    try:
        entries = [
            Entry(int(row["step"]), row["phase"], int(row["force_calls"]), float(row["elapsed_s"]))
            for row in _rows(folder / LEDGER_FILE)
        ]
        signals = [
            Signal(int(row["step"]), float(row["disagreement"]), float(row["energy_excess"]))
            for row in _rows(folder / SIGNALS_FILE)
        ]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{folder} holds no sound {LEDGER_FILE} and {SIGNALS_FILE} ({error}); run it again") from error
    return entries, signals


def write_rows(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A csv file, whole or not at all.

    Raises:
        DataError: it cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, text.getvalue())


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
