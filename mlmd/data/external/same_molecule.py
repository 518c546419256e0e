"""Checks that a file holds the molecule of the system, in the same order of atoms and in angstrom."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from mlmd.errors import ConfigError
from mlmd.systems import System
from mlmd.systems.molecule import ISOTOPES

STRETCHED = (0.75, 1.35)
"""Mean bond lengths of a file over those at the system's minimum, as hot molecules reach them."""

UNITS = {
    "bohr": 1.8897261,
    "nm": 0.1,
    "pm": 100.0,
    "m": 1e-10,
    "angstrom converted from bohr twice": 0.5291772,
    "tenths of an angstrom": 10.0,
}
"""How many of a unit are one angstrom."""

_UNIT_MATCH = 0.12
"""Largest part by which the ratio of a unit may be missed, since bonds are stretched on average."""


def check_molecule(path: Path, symbols: tuple[str, ...], positions: Tensor, system: System) -> None:
    """Refuse a file whose atoms or bond lengths are not those of the system.

    Args:
        path: the file, for messages.
        symbols: its element symbols; isotopes of hydrogen count as hydrogen.
        positions: its positions, float64 [time, atom, xyz].
        system: the molecule that it must hold.

    Raises:
        ConfigError: they differ; of bond lengths the unit is named that explains their ratio.
    """
    ours, theirs = ([ISOTOPES.get(each, each) for each in elements] for elements in (system.symbols, symbols))
    if ours != theirs:
        problem = f"{path} holds {' '.join(symbols)}, but system {system.name} is {' '.join(system.symbols)}"
        if sorted(ours) == sorted(theirs):
            raise ConfigError(
                f"{problem}: the same atoms in another order; write the file's atoms in the system's order"
            )
        raise ConfigError(f"{problem}; choose the system of the file (system=...)")
    ratio = bond_ratio(positions, torch.tensor(system.equilibrium_A, dtype=torch.float64))
    least, most = STRETCHED
    if least <= ratio <= most:
        return
    unit = next((name for name, per_A in UNITS.items() if abs(ratio / per_A - 1.0) < _UNIT_MATCH), None)
    cure = (
        "write its positions in angstrom, or give the system of the file (system=...)"
        if unit is None
        else f"its positions look like {unit}; write them in angstrom"
    )
    raise ConfigError(f"{path}: its bonds are {ratio:.4g} times as long as those of system {system.name}: {cure}")


def bond_ratio(positions: Tensor, minimum: Tensor) -> float:
    """Distances of nearest neighbours in a trajectory over those at the minimum: the median over atoms of time means.

    >>> at_rest = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    >>> bond_ratio(2.0 * at_rest.unsqueeze(0), at_rest)
    2.0
    """
    distances = torch.cdist(minimum, minimum)
    distances.fill_diagonal_(torch.inf)
    nearest = distances.argmin(dim=1)
    lengths = (positions - positions[:, nearest]).norm(dim=-1).mean(dim=0)
    return float((lengths / distances.amin(dim=1)).median())


def net_momentum(positions: Tensor, masses_u: Sequence[float]) -> float:
    """Net momentum of the accelerations of positions [time, atom, xyz], as part of the atoms' own; 0 without forces."""
    masses = torch.tensor(masses_u, dtype=torch.float64).unsqueeze(-1)
    impulses = masses * torch.diff(positions, n=2, dim=0)
    return float(impulses.sum(dim=1).norm() / impulses.norm().clamp(min=1e-300))


def standard_masses(symbols: Sequence[str]) -> tuple[float, ...]:
    """Standard atomic weights, u, as ASE assumes them."""
    from ase.data import atomic_masses, atomic_numbers

    return tuple(float(atomic_masses[atomic_numbers[ISOTOPES.get(symbol, symbol)]]) for symbol in symbols)
