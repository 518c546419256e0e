"""Writes and reads ``curves.json``, which keeps the curves of an evaluated run.

The file is small whatever the length of the run. Numbers have seven digits; one that is not finite is null.

``curves.json`` (`FORMAT_VERSION` 1):

- ``format_version``; ``run`` (system, variant, regime, hamiltonian, n_replicas, n_steps, dt_fs, seed); ``period_fs`` of
  the slowest vibration.
- Axes that all curves share: ``lag_fs``; ``wavenumber_cm1``, around the line of the reference or over all lines;
  ``bond_edges_A``; ``bond_time_fs``, the end of the run; ``time_ps``, centres of at most 1000 windows of ten periods.
- ``reference``, and by name ``schedules``: ``potential_eV`` and ``kinetic_eV`` by window, each as ``median``,
  ``lowest`` and ``highest`` of the replicas that are finite there; ``bond_A``, the first bond of replica 0 at the end;
  ``bond_density_per_A`` of all bonds, replicas and frames; ``vacf``; ``power`` of the bond velocity, (A/fs)^2 per
  cm^-1, or of all normal modes, u (A/fs)^2 per cm^-1; ``n_diverged``, replicas with a bond length that is not finite.
- For a molecule of more than two atoms also ``first_bond``, a name such as "O1-H2", and ``lines``. Each line has
  ``modes`` (1 is the softest), ``harmonic_cm1``, ``reference_cm1`` and by schedule ``shifts`` with ``cm1`` and
  ``shift_cm1``.
- Each schedule also has ``energy_error`` by window, as ``median``, ``lowest``, ``highest``, ``q10`` and ``q90`` over
  all replicas (quantiles by nearest rank); null where that value belongs to a replica that diverged.
"""

import json
from collections.abc import Mapping
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
"""Newest version of ``curves.json`` that this code reads."""

DIGITS = 7
"""Number of significant digits in the file."""

MAX_POINTS = 4000
"""Most points of a spectrum. One with more points keeps the maximum of each k of them."""

_AXES = ("time_ps", "lag_fs", "wavenumber_cm1", "bond_edges_A", "bond_time_fs")
_OVER_REPLICAS = ("median", "lowest", "highest")
_CURVES = {"bond_A": "bond_time_fs", "bond_density_per_A": "bond_edges_A", "vacf": "lag_fs", "power": "wavenumber_cm1"}


def write_curves(path: str | Path, curves: RolloutCurves, *, run: Mapping[str, Any], period_fs: float) -> None:
    """Writes ``curves.json`` atomically.

    Args:
        path: file to write.
        curves: curves of all schedules.
        run: plain values that describe the run.
        period_fs: period of the slowest vibration, fs.

    Raises:
        DataError: the file cannot be written.
    """
    shown, every = _shown(curves)

    def of_run(energies: EnergyView, bond: BondView, dynamics: DynamicsView) -> dict[str, Any]:
        return {
            "potential_eV": _of_finite(energies.potential),
            "kinetic_eV": _of_finite(energies.kinetic),
            "bond_A": rounded_numbers(bond.lengths),
            "bond_density_per_A": rounded_numbers(bond.density),
            "vacf": rounded_numbers(dynamics.correlation),
            "power": rounded_numbers(highest_of_every(dynamics.power[shown], every)),
            "n_diverged": bond.n_diverged,
        }

    content = {
        "format_version": FORMAT_VERSION,
        "run": dict(run),
        "period_fs": period_fs,
        "time_ps": rounded_numbers(curves.energy_ref.time_ps),
        "lag_fs": rounded_numbers(curves.lag_fs),
        "wavenumber_cm1": rounded_numbers(curves.wavenumbers[shown][::every]),
        "bond_edges_A": rounded_numbers(curves.bond_ref.edges),
        "bond_time_fs": rounded_numbers(curves.bond_ref.time_fs),
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
    """Reads ``curves.json``.

    Args:
        path: file to read.

    Returns:
        The content as described at the top of this module, with None for a number that is not finite.

    Raises:
        DataError: the file is missing, damaged, or of a newer version.
    """
    require_readable_file(path, kind="mlmd curves.json")
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"cannot read {path}: it is truncated or damaged; evaluate the run again") from error
    version = content.get("format_version") if isinstance(content, dict) else None
    if not isinstance(version, int):
        raise DataError(f"cannot read {path}: it is not a curves.json of mlmd")
    require_known_version(version, FORMAT_VERSION, path)
    try:
        _check(content)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(f"cannot read {path}: it is damaged ({error}); evaluate the run again") from error
    return dict(content)


def _line(view: LineView) -> dict[str, Any]:
    harmonic = view.line.harmonic_cm1
    return {
        "modes": [mode + 1 for mode in view.line.modes],
        "harmonic_cm1": None if harmonic is None else _rounded(harmonic),
        "reference_cm1": _rounded(view.reference_cm1),
        "shifts": {
            name: {"cm1": _rounded(shift.position_cm1), "shift_cm1": _rounded(shift.shift_cm1)}
            for name, shift in view.shifts.items()
        },
    }


def _shown(curves: RolloutCurves) -> tuple[Tensor, int]:
    """Mask of the wavenumbers that are shown [n], and the number of points that are merged into one."""
    x = curves.wavenumbers
    low, high = shown_wavenumbers(x, curves.dynamics_ref.power, curves.lines)
    shown = (x >= low) & (x <= high)
    return shown, max(1, -(-int(shown.sum()) // MAX_POINTS))


def _rounded(value: float) -> float | None:
    return float(f"{value:.{DIGITS}g}") if isfinite(value) else None


def rounded_numbers(values: Tensor) -> list[float | None]:
    """Values [n] with seven significant digits, None where one is not finite."""
    return [_rounded(value) for value in values.tolist()]


def _of_all(errors: Tensor) -> dict[str, list[float | None]]:
    """Summary over all replicas of errors [replica, window]; a replica that diverged counts as infinite."""
    ordered = errors.sort(dim=0).values
    last = len(ordered) - 1
    return {
        "median": rounded_numbers(torch.stack([median(column) for column in errors.T])),
        "lowest": rounded_numbers(ordered[0]),
        "highest": rounded_numbers(ordered[-1]),
        "q10": rounded_numbers(ordered[round(0.1 * last)]),
        "q90": rounded_numbers(ordered[round(0.9 * last)]),
    }


def _of_finite(energies: Tensor) -> dict[str, list[float | None]]:
    """Summary over the replicas that are finite in a window, of energies [replica, window]."""
    finite = energies.isfinite()
    middle = torch.where(finite, energies, torch.nan).nanquantile(0.5, dim=0)
    return {
        "median": rounded_numbers(middle),
        "lowest": rounded_numbers(torch.where(finite, energies, torch.inf).amin(dim=0)),
        "highest": rounded_numbers(torch.where(finite, energies, -torch.inf).amax(dim=0)),
    }


def _check(content: dict[str, Any]) -> None:
    """Raises an error for content that would make a reader fail later."""
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
        raise ValueError(f"{key} is not a list of numbers")
    return len(values)
