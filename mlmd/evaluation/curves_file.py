"""What a judged run leaves for later reading, small whatever its length: ``curves.json`` and ``replicas.csv``.

``curves.json`` (`FORMAT_VERSION` 1). Numbers have seven digits; one that is not finite is null.

- ``format_version``, ``run`` (system, variant, regime, hamiltonian, n_replicas, n_steps, dt_fs, seed), ``period_fs``
  (of the slowest vibration);
- axes that all share: ``lag_fs``, ``wavenumber_cm1`` (around the reference's line, or over all lines),
  ``bond_edges_A``, ``bond_time_fs`` (the end of the run) and ``time_ps`` (centres of windows of ten periods, at most
  1000 of them);
- ``reference`` and, by name, ``schedules``: ``potential_eV`` and ``kinetic_eV`` (means by window; ``median``,
  ``lowest`` and ``highest`` of the replicas that are finite there), ``bond_A`` (first bond of replica 0 at the end),
  ``bond_density_per_A`` (all bonds, replicas and frames), ``vacf``, ``power`` of the bond velocity ((A/fs)^2 per
  cm^-1) or of all normal modes (u (A/fs)^2 per cm^-1), ``n_diverged`` (replicas with a bond length that is no number);
- of a molecule of more than two atoms also ``first_bond`` in words and ``lines``: of each the ``modes`` (from 1, the
  softest), ``harmonic_cm1``, ``reference_cm1`` and by schedule ``shifts`` with ``cm1`` and ``shift_cm1``;
- of a schedule also ``energy_error`` by window: ``median``, ``lowest``, ``highest``, ``q10`` and ``q90`` over all
  replicas (quantiles by nearest rank), null where that is a replica that diverged.

``replicas.csv``: one row per schedule and replica, see `ReplicaRow`; an empty cell is a number that there is not.
"""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mlmd.errors import DataError
from mlmd.evaluation.curves import (
    BondView,
    DynamicsView,
    EnergyView,
    LineView,
    RolloutCurves,
    highest_of_every,
    shown_wavenumbers,
)
from mlmd.files import as_json, require_readable_file, write_text
from mlmd.io.migrations import require_known_version
from mlmd.observables.errors import median

FORMAT_VERSION = 1
"""Newest layout of ``curves.json`` that this code reads."""

DIGITS = 7

MAX_POINTS = 4000
"""Points of a spectrum; of one that has more where it is shown, the highest of every k."""

_AXES = ("time_ps", "lag_fs", "wavenumber_cm1", "bond_edges_A", "bond_time_fs")
_OVER_REPLICAS = ("median", "lowest", "highest")
_CURVES = {"bond_A": "bond_time_fs", "bond_density_per_A": "bond_edges_A", "vacf": "lag_fs", "power": "wavenumber_cm1"}


@dataclass(frozen=True)
class ReplicaRow:
    """One replica under one schedule.

    Attributes:
        schedule: name of the injection.
        replica: its number.
        energy_error: relative, at the end; None where it diverged.
        diverged_at_step: step at which it was found diverged, if it was.
        reference_energy_eV: mean total energy of its reference, from the minimum of the potential.
        bond_length_A: of the reference, in the first judged frame, where ML takes over.
        bond_velocity_A_per_fs: rate of that length, on-step.
    """

    schedule: str
    replica: int
    energy_error: float | None
    diverged_at_step: int | None
    reference_energy_eV: float | None
    bond_length_A: float | None
    bond_velocity_A_per_fs: float | None


def write_curves(path: str | Path, curves: RolloutCurves, *, run: Mapping[str, Any], period_fs: float) -> None:
    """Write ``curves.json`` atomically.

    Args:
        path: the file.
        curves: of all schedules.
        run: plain values that say what was run.
        period_fs: period of the slowest vibration.

    Raises:
        DataError: it cannot be written.
    """
    shown, every = _shown(curves)

    def of_run(energies: EnergyView, bond: BondView, dynamics: DynamicsView) -> dict[str, Any]:
        return {
            "potential_eV": _of_finite(energies.potential),
            "kinetic_eV": _of_finite(energies.kinetic),
            "bond_A": _numbers(bond.lengths),
            "bond_density_per_A": _numbers(bond.density),
            "vacf": _numbers(dynamics.correlation),
            "power": _numbers(highest_of_every(dynamics.power[shown], every)),
            "n_diverged": bond.n_diverged,
        }

    content = {
        "format_version": FORMAT_VERSION,
        "run": dict(run),
        "period_fs": period_fs,
        "time_ps": _numbers(curves.energy_ref.time_ps),
        "lag_fs": _numbers(curves.lag_fs),
        "wavenumber_cm1": _numbers(curves.wavenumbers[shown][::every]),
        "bond_edges_A": _numbers(curves.bond_ref.edges),
        "bond_time_fs": _numbers(curves.bond_ref.time_fs),
        "reference": of_run(curves.energy_ref, curves.bond_ref, curves.dynamics_ref),
        "schedules": {
            name: of_run(energies, curves.bonds[name], curves.dynamics[name])
            | {"energy_error": _of_all(curves.energy_errors[name][1])}
            for name, energies in curves.energies.items()
        },
    }
    if curves.lines:
        content |= {"first_bond": curves.bond_ref.first_bond, "lines": [_line(view) for view in curves.lines]}
    write_text(path, json.dumps(as_json(content), allow_nan=False, ensure_ascii=False, separators=(",", ":")) + "\n")


def read_curves(path: str | Path) -> dict[str, Any]:
    """Read ``curves.json``.

    Args:
        path: the file.

    Returns:
        What the module's description says, None for a number that is not finite.

    Raises:
        DataError: it is missing, damaged, or of a newer layout.
    """
    require_readable_file(path, kind="mlmd curves.json")
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"cannot read {path}: it is truncated or damaged; judge the run again") from error
    version = content.get("format_version") if isinstance(content, dict) else None
    if not isinstance(version, int):
        raise DataError(f"cannot read {path}: it is not a curves.json of mlmd")
    require_known_version(version, FORMAT_VERSION, path)
    try:
        _check(content)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(f"cannot read {path}: it is damaged ({error}); judge the run again") from error
    return dict(content)


def replica_rows(curves: RolloutCurves, diverged_at: Mapping[str, Mapping[int, int]]) -> list[ReplicaRow]:
    """One row per schedule and replica.

    Args:
        curves: of all schedules.
        diverged_at: by schedule, step at which a replica was found diverged, by replica.
    """
    start = [_numbers(values) for values in (curves.start.energy, curves.start.bond_length, curves.start.bond_velocity)]
    return [
        ReplicaRow(schedule, replica, error, diverged_at[schedule].get(replica), *of_start)
        for schedule, errors in curves.end_errors.items()
        for replica, (error, *of_start) in enumerate(zip(_numbers(errors), *start, strict=True))
    ]


def write_replicas(path: str | Path, rows: list[ReplicaRow]) -> None:
    """Write ``replicas.csv`` atomically.

    Raises:
        DataError: it cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(field.name for field in fields(ReplicaRow))
    writer.writerows(astuple(row) for row in rows)
    write_text(path, text.getvalue())


def read_replicas(path: str | Path) -> list[ReplicaRow]:
    """Read ``replicas.csv``.

    Raises:
        DataError: it is missing or damaged.
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
        raise DataError(f"cannot read {path}: it is damaged ({error}); judge the run again") from error


def _row(cells: list[str]) -> ReplicaRow:
    schedule, replica, error, step, *start = cells
    energy, length, velocity = (float(cell) if cell else None for cell in start)
    return ReplicaRow(
        schedule, int(replica), float(error) if error else None, int(step) if step else None, energy, length, velocity
    )


def _line(view: LineView) -> dict[str, Any]:
    harmonic = view.line.harmonic_cm1
    return {
        "modes": [mode + 1 for mode in view.line.modes],
        "harmonic_cm1": None if harmonic is None else _number(harmonic),
        "reference_cm1": _number(view.reference_cm1),
        "shifts": {
            name: {"cm1": _number(shift.position_cm1), "shift_cm1": _number(shift.shift_cm1)}
            for name, shift in view.shifts.items()
        },
    }


def _shown(curves: RolloutCurves) -> tuple[Tensor, int]:
    """Which wavenumbers are shown [n], and how many points become one."""
    x = curves.wavenumbers
    low, high = shown_wavenumbers(x, curves.dynamics_ref.power, curves.lines)
    shown = (x >= low) & (x <= high)
    return shown, max(1, -(-int(shown.sum()) // MAX_POINTS))


def _number(value: float) -> float | None:
    return float(f"{value:.{DIGITS}g}") if isfinite(value) else None


def _numbers(values: Tensor) -> list[float | None]:
    return [_number(value) for value in values.tolist()]


def _of_all(errors: Tensor) -> dict[str, list[float | None]]:
    """Over the replicas, where one that diverged counts as infinite [replica, window]."""
    ordered = errors.sort(dim=0).values
    last = len(ordered) - 1
    return {
        "median": _numbers(torch.stack([median(column) for column in errors.T])),
        "lowest": _numbers(ordered[0]),
        "highest": _numbers(ordered[-1]),
        "q10": _numbers(ordered[round(0.1 * last)]),
        "q90": _numbers(ordered[round(0.9 * last)]),
    }


def _of_finite(energies: Tensor) -> dict[str, list[float | None]]:
    """Over the replicas that are finite in a window [replica, window]."""
    finite = energies.isfinite()
    middle = torch.where(finite, energies, torch.nan).nanquantile(0.5, dim=0)
    return {
        "median": _numbers(middle),
        "lowest": _numbers(torch.where(finite, energies, torch.inf).amin(dim=0)),
        "highest": _numbers(torch.where(finite, energies, -torch.inf).amax(dim=0)),
    }


def _check(content: dict[str, Any]) -> None:
    """Refuse what readers would stumble over later."""
    lengths = {axis: _length(content, axis) for axis in _AXES}
    lengths["bond_edges_A"] -= 1  # bins
    float(content["period_fs"])
    for name, run in (("reference", content["reference"]), *content["schedules"].items()):
        over_replicas: dict[str, tuple[str, ...]] = {"potential_eV": _OVER_REPLICAS, "kinetic_eV": _OVER_REPLICAS}
        if name in content["schedules"]:
            over_replicas["energy_error"] = (*_OVER_REPLICAS, "q10", "q90")
        found = {curve: (_length(run, curve), lengths[axis]) for curve, axis in _CURVES.items()}
        for energy, words in over_replicas.items():
            found |= {f"{energy} {word}": (_length(run[energy], word), lengths["time_ps"]) for word in words}
        for curve, (length, expected) in found.items():
            if length != expected:
                raise ValueError(f"{curve} of {name} has {length} numbers, not {expected}")
        int(run["n_diverged"])
    for line in content.get("lines", []):
        _length(line, "modes")
        for shift in (line["shifts"][name] for name in content["schedules"]):
            _length({"shift": [line["harmonic_cm1"], line["reference_cm1"], shift["cm1"], shift["shift_cm1"]]}, "shift")
    dict(content["run"])


def _length(mapping: Mapping[str, Any], key: str) -> int:
    values = mapping[key]
    if not isinstance(values, list) or not all(value is None or isinstance(value, int | float) for value in values):
        raise ValueError(f"{key} is no list of numbers")
    return len(values)
