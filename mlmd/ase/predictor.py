"""Checks that a trained predictor fits atoms of ASE, and makes one system of both."""

import math

import ase
import numpy as np

from mlmd.ase.conversion import AtomsHamiltonian
from mlmd.errors import ConfigError, MismatchError
from mlmd.models import PredictorSpec
from mlmd.systems import System

_ELEMENTS = {"D": "H", "T": "H"}
"""Isotopes with a symbol of their own here; ASE distinguishes them by their mass."""


def check_atoms(atoms: ase.Atoms) -> None:
    """Refuse atoms that are no free molecule with a calculator.

    Raises:
        ConfigError: each by name.
    """
    if not isinstance(atoms, ase.Atoms):
        raise ConfigError(f"MLMD moves ase.Atoms, not {type(atoms).__name__}: filters of cells or atoms do not apply")
    if atoms.calc is None:
        raise ConfigError("the atoms have no calculator, which the Hamiltonian kicks need: set atoms.calc first")
    if atoms.constraints:
        names = ", ".join(type(constraint).__name__ for constraint in atoms.constraints)
        raise ConfigError(
            f"the atoms have constraints ({names}), which MLMD does not keep: atoms.set_constraint() frees them"
        )
    if atoms.pbc.any():
        raise ConfigError("the atoms are periodic; MLMD is for molecules in vacuum: set atoms.pbc = False")
    if not (atoms.get_masses() > 0).all():
        raise ConfigError(f"the atoms' masses {atoms.get_masses().tolist()} u must all be positive")


def make_system(atoms: ase.Atoms, spec: PredictorSpec | None, *, dt_fs: float, hamiltonian: AtomsHamiltonian) -> System:
    """Atoms as a system: what the predictor knows of the molecule, and the forces of their calculator.

    Raises:
        MismatchError: other elements, another order of them, other masses or another time step than the predictor's.
    """
    positions = tuple((float(x), float(y), float(z)) for x, y, z in atoms.get_positions())
    symbols, masses = tuple(atoms.get_chemical_symbols()), tuple(float(mass) for mass in atoms.get_masses())
    if spec is not None:
        _check_elements(spec, symbols)
        _check_masses(spec, masses)
        dt_fs = _checked_step(spec, dt_fs)
        symbols = spec.symbols
    return System(
        name=atoms.get_chemical_formula() if spec is None else spec.system,
        symbols=symbols,
        masses_u=masses,
        hamiltonian=hamiltonian,
        dt_fs=dt_fs,
        period_fs=math.inf,  # unknown here; the training has checked the time step against it
        equilibrium_A=positions if spec is None or spec.reference_A is None else spec.reference_A,
    )


def _check_elements(spec: PredictorSpec, symbols: tuple[str, ...]) -> None:
    expected = tuple(_ELEMENTS.get(symbol, symbol) for symbol in spec.symbols)
    if symbols == expected:
        return
    learned, given = f"{spec.system} ({', '.join(spec.symbols)})", ", ".join(symbols)
    if sorted(symbols) == sorted(expected):
        raise MismatchError(f"the predictor has learned {learned} in this order, the atoms are {given}: reorder them")
    raise MismatchError(f"the predictor has learned {learned}, the atoms are {given}: train one for them")


def _check_masses(spec: PredictorSpec, masses: tuple[float, ...]) -> None:
    if not np.allclose(masses, spec.masses_u, rtol=1e-6, atol=0.0):
        given = ", ".join(f"{mass:.6g}" for mass in masses)
        raise MismatchError(
            f"the predictor has learned {spec.system} with other masses than the atoms' {given} u: "
            f"use atoms.set_masses({list(spec.masses_u)}) or train anew"
        )


def _checked_step(spec: PredictorSpec, dt_fs: float) -> float:
    """The predictor's own number, where ASE's unit has left a round-off in the other."""
    if not math.isclose(dt_fs, spec.dt_fs, rel_tol=1e-9):
        raise MismatchError(
            f"the predictor has learned steps of {spec.dt_fs} fs, timestep is {dt_fs:.6g} fs (in ASE's unit of time): "
            f"use timestep={spec.dt_fs} * ase.units.fs or train anew"
        )
    return spec.dt_fs
