"""Writes and reads ``replicas.csv``: one row per schedule and replica, with `ReplicaRow` as its columns.

Numbers have seven digits. An empty cell stands for a number that does not exist.
"""

import csv
import io
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from mlmd.errors import DataError
from mlmd.evaluation.curves import RolloutCurves
from mlmd.evaluation.curves_file import rounded_numbers
from mlmd.files import require_readable_file, write_text


@dataclass(frozen=True)
class ReplicaRow:
    """One replica under one schedule.

    Attributes:
        schedule: name of the injection.
        replica: index of the replica.
        energy_error: relative energy error at the end; None if the replica diverged.
        diverged_at_step: step at which the replica was found to have diverged; None if it did not.
        reference_energy_eV: mean total energy of its reference, from the minimum of the potential, eV.
        bond_length_A: bond length of the reference in the first evaluated frame, where ML takes over, A.
        bond_velocity_A_per_fs: on-step rate of that length, A/fs.
    """

    schedule: str
    replica: int
    energy_error: float | None
    diverged_at_step: int | None
    reference_energy_eV: float | None
    bond_length_A: float | None
    bond_velocity_A_per_fs: float | None


def replica_rows(curves: RolloutCurves, diverged_at: Mapping[str, Mapping[int, int]]) -> list[ReplicaRow]:
    """Rows of all schedules and replicas.

    Args:
        curves: curves of all schedules.
        diverged_at: step at which a replica was found to have diverged, by schedule and replica.
    """
    start = curves.start
    of_start = [rounded_numbers(values) for values in (start.energy, start.bond_length, start.bond_velocity)]
    return [
        ReplicaRow(schedule, replica, error, diverged_at[schedule].get(replica), *numbers)
        for schedule, errors in curves.end_errors.items()
        for replica, (error, *numbers) in enumerate(zip(rounded_numbers(errors), *of_start, strict=True))
    ]


def write_replicas(path: str | Path, rows: list[ReplicaRow]) -> None:
    """Writes ``replicas.csv`` atomically.

    Raises:
        DataError: the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(field.name for field in fields(ReplicaRow))
    writer.writerows(astuple(row) for row in rows)
    write_text(path, text.getvalue())


def read_replicas(path: str | Path) -> list[ReplicaRow]:
    """Reads ``replicas.csv``.

    Raises:
        DataError: the file is missing or damaged.
    """
    require_readable_file(path, kind="mlmd replicas.csv")
    names = [field.name for field in fields(ReplicaRow)]
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file, strict=True)
            if next(reader, None) != names:
                raise ValueError(f"its first line is not {','.join(names)}")
            return [_row(cells) for cells in reader]
    except (ValueError, csv.Error) as error:
        raise DataError(f"cannot read {path}: it is damaged ({error}); evaluate the run again") from error


def _row(cells: list[str]) -> ReplicaRow:
    schedule, replica, error, step, *start = cells
    energy, length, velocity = (float(cell) if cell else None for cell in start)
    return ReplicaRow(
        schedule, int(replica), float(error) if error else None, int(step) if step else None, energy, length, velocity
    )
