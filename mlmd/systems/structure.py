"""Start geometries: from ASE's databases by name, or from a structure file that ASE reads."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import covalent_radii

from mlmd.errors import ConfigError, DataError, nearest
from mlmd.hamiltonians import Electrons

Array = np.ndarray[Any, Any]

COMMON_NAMES = {
    "acetic acid": "CH3COOH",
    "acetone": "CH3COCH3",
    "acetonitrile": "CH3CN",
    "acetylene": "C2H2",
    "ammonia": "NH3",
    "benzene": "C6H6",
    "ethane": "C2H6",
    "ethanol": "CH3CH2OH",
    "ethylene": "C2H4",
    "formaldehyde": "H2CO",
    "formic acid": "HCOOH",
    "methane": "CH4",
    "methanol": "CH3OH",
    "propane": "C3H8",
    "pyridine": "C5H5N",
    "water": "H2O",
}
"""Everyday names of molecules that ASE lists by formula."""

WHOLE = 0.05
"""Largest distance of a sum of charges or moments from a whole number, since their digits are few."""

CLOSEST = 0.4
"""Atoms nearer than this fraction of their covalent radii's sum lie on each other: other units, or a damaged file."""


@dataclass(frozen=True)
class Structure:
    """Atoms at rest.

    Attributes:
        symbols: element symbols.
        masses_u: atomic masses, u.
        positions: [atom, xyz], A.
        electrons: charge and spin, as far as they are known.
    """

    symbols: tuple[str, ...]
    masses_u: tuple[float, ...]
    positions: Array
    electrons: Electrons = field(default_factory=Electrons)


def known_structure(name: str) -> Structure:
    """A molecule of ASE's databases, by its formula there or an everyday name.

    >>> known_structure("ethanol").symbols
    ('C', 'C', 'O', 'H', 'H', 'H', 'H', 'H', 'H')

    Raises:
        ConfigError: there is no such molecule (the nearest names are offered), or it is a single atom.
    """
    import ase.build  # takes a second, which runs on analytic bonds need not wait for
    from ase.build.molecule import extra
    from ase.collections import g2

    formula = COMMON_NAMES.get(name, name)
    known = {*g2.names, *extra, *COMMON_NAMES}
    if formula not in known:
        words = nearest(name, known)
        if not words.startswith("did you mean"):
            words = f"it is none of the {len(known)} molecules that ASE knows"
        raise ConfigError(f"unknown molecule {name!r}: {words}; a structure file is read by system.structure=PATH")
    atoms = ase.build.molecule(formula)
    if len(atoms) < 2:
        raise ConfigError(f"system {name}: a single atom has no vibration; choose a molecule")
    moments = atoms.get_initial_magnetic_moments()
    n_unpaired = round(float(moments.sum()))
    return _structure(atoms, Electrons(0, n_unpaired, initial_moments=tuple(moments.tolist()) if n_unpaired else None))


def read_structure(path: str) -> Structure:
    """The one molecule of a file; ASE's ending @INDEX, as in ``run.traj@-1``, picks one of several.

    Raises:
        DataError: the file is missing, empty or not what its name promises; it holds several structures, a periodic
            one, constraints, fewer than two atoms, or atoms that lie on each other.
    """
    atoms = _read(path)
    if isinstance(atoms, list):
        if len(atoms) != 1:
            raise DataError(f"{path} holds {len(atoms)} structures: pick one, such as the last by {path}@-1")
        atoms = atoms[0]
    if atoms.pbc.any():
        raise DataError(f"{path} is periodic: a molecule here is alone in vacuum; write it without a cell")
    if atoms.constraints:
        raise DataError(f"{path} holds constraints: every atom moves here; write it without them")
    if len(atoms) < 2:
        raise DataError(f"{path} holds {len(atoms)} atom: a molecule has at least two")
    _check_positions(path, atoms)
    return _structure(atoms, _electrons(path, atoms))


def _read(path: str) -> Any:
    import ase.io

    file = Path(path.partition("@")[0])
    if not file.is_file():
        raise DataError(f"cannot read {file}: there is no such file; check system.structure")
    if file.stat().st_size == 0:
        raise DataError(f"cannot read {file}: it is empty")
    try:
        return ase.io.read(path) if "@" in path else ase.io.read(path, index=":")
    except Exception as error:  # every reader of ASE fails in its own way
        spoken = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"cannot read {path} as a structure: {spoken}; write it again, as extended XYZ say") from error


def _check_positions(path: str, atoms: Any) -> None:
    if not np.isfinite(atoms.positions).all():
        raise DataError(f"{path}: a position is no finite number; write it again")
    radii = covalent_radii[atoms.numbers]
    ratio = atoms.get_all_distances() / (radii[:, None] + radii[None, :]) + 10.0 * np.eye(len(atoms))
    if ratio.min() < CLOSEST:
        first, second = divmod(int(ratio.argmin()), len(atoms))
        raise DataError(
            f"{path}: atoms {first} and {second} are {atoms.get_distance(first, second):.3g} A apart; "
            "positions must be in angstrom"
        )


def _electrons(path: str, atoms: Any) -> Electrons:
    """Charge and spin of a file: ``charge`` and ``spin`` (2S + 1) of its info, else the sums over its atoms.

    Raises:
        DataError: the info and the atoms differ, or a number is not whole.
    """
    charges = atoms.get_initial_charges() if atoms.has("initial_charges") else None
    moments = atoms.get_initial_magnetic_moments() if atoms.has("initial_magmoms") else None
    if moments is not None and moments.ndim > 1:
        raise DataError(f"{path}: its magnetic moments are vectors, but spins here have one axis; write numbers")
    multiplicity = _whole(path, atoms.info, "spin")
    if multiplicity is not None and multiplicity < 1:
        raise DataError(f"{path}: spin = {multiplicity} must be the multiplicity 2S + 1, at least 1")
    charge = _agreed(path, "charge", _whole(path, atoms.info, "charge"), charges)
    n_unpaired = _agreed(path, "spin", None if multiplicity is None else multiplicity - 1, moments)
    return Electrons(
        charge,
        n_unpaired,
        None if charges is None else tuple(charges.tolist()),
        None if moments is None else tuple(moments.tolist()),
        source=path,
    )


def _whole(path: str, info: dict[str, Any], key: str) -> int | None:
    value = info.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or float(value) % 1:
        raise DataError(f"{path}: {key} = {value} must be a whole number")
    return int(value)


def _agreed(path: str, key: str, of_info: int | None, of_atoms: Array | None) -> int | None:
    """A number of the info, or the sum over atoms, which must be the same."""
    total = None if of_atoms is None else float(of_atoms.sum())
    if key == "spin" and total is not None:
        total = abs(total)
    if total is None or (of_info is not None and abs(total - of_info) < WHOLE):
        return of_info
    if of_info is not None or abs(total - round(total)) > WHOLE:
        other = "which is not whole" if of_info is None else f"but its {key} is {of_info}"
        what = "initial charges" if key == "charge" else "magnetic moments"
        raise DataError(f"{path}: the {what} of its atoms sum to {total:.4g}, {other}; correct one of them")
    return round(total)


def _structure(atoms: Any, electrons: Electrons) -> Structure:
    masses = tuple(float(mass) for mass in atoms.get_masses())
    positions = np.array(atoms.positions, dtype=np.float64)
    return Structure(tuple(atoms.get_chemical_symbols()), masses, positions, electrons)
