"""Molecules of any number of atoms, moved by a level of theory."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from mlmd.errors import ConfigError
from mlmd.hamiltonians import Method, ReplicaHamiltonian, require_gradient
from mlmd.systems.minimum import find_minimum
from mlmd.systems.structure import Structure, known_structure, read_structure
from mlmd.systems.system import System

CACHE = "outputs/cache"
"""Where minima and modes are kept, beside cached trajectories."""

STEPS_PER_PERIOD = 22
"""Steps to a period of the fastest vibration where no time step is given: Verlet's energy oscillates by 1 % then."""

ISOTOPES = {"D": "H", "T": "H"}
"""Nuclides that have a symbol of their own, and the element that they are to a calculator."""


def molecule(
    *,
    name: str,
    hamiltonian: Method,
    dt_fs: float | None = None,
    structure: str | None = None,
    masses_u: Sequence[float] | None = None,
    cache: str | None = CACHE,
) -> System:
    """A molecule, relaxed by the method that will move it; its energies count from the minimum.

    Args:
        name: a molecule that ASE knows, e.g. "H2O" or "ethanol"; with ``structure``, any name.
        hamiltonian: level of theory.
        dt_fs: time step, fs; None takes a twenty-second of the fastest period, rounded down to 0.05 fs.
        structure: a file that ASE reads (XYZ, extended XYZ, PDB, ...).
        masses_u: atomic masses, u; None takes those of the file or the standard ones.
        cache: folder of minima and modes of earlier runs; None keeps nothing.

    Raises:
        ConfigError: an analytic bond instead of a method, an unknown molecule, bad masses or time step, or a geometry
            that relaxes to a saddle point.
        DataError: the structure file is missing, unreadable, or holds what is no single molecule.
        CalculatorError: a calculation fails, the geometry does not converge, or forces are not minus the gradient of
            the energy.
        PhysicsError: the molecule falls apart while it is relaxed.
    """
    require_method(name, hamiltonian)
    start = known_structure(name) if structure is None else read_structure(structure)
    if masses_u is not None:
        start = dataclasses.replace(start, masses_u=tuple(map(float, masses_u)))
    return relaxed_system(name, start, hamiltonian, dt_fs=dt_fs, cache=cache)


def relaxed_system(name: str, start: Structure, method: Method, *, dt_fs: float | None, cache: str | None) -> System:
    """The system at the minimum below a start geometry.

    Raises:
        As `molecule`.
    """
    if len(start.symbols) != len(start.masses_u):
        raise ConfigError(f"system {name}: {len(start.symbols)} atoms but {len(start.masses_u)} masses_u")
    if not all(0 < mass < math.inf for mass in start.masses_u):
        raise ConfigError(f"system {name}: masses_u = {list(start.masses_u)} must be positive")
    elements = tuple(ISOTOPES.get(symbol, symbol) for symbol in start.symbols)
    method = method.for_electrons(start.electrons, elements)
    minimum = find_minimum(name, dataclasses.replace(start, symbols=elements), method, cache=cache)
    if not method.is_checked:
        require_gradient(method, elements, np.array(minimum.positions_A))
    period_fs = minimum.modes.period_fs(minimum.modes.n_modes - 1)
    return System(
        name=name,
        symbols=start.symbols,
        masses_u=start.masses_u,
        hamiltonian=ReplicaHamiltonian(method, elements, energy_zero_eV=minimum.energy_eV),
        dt_fs=time_step_fs(period_fs) if dt_fs is None else dt_fs,
        period_fs=period_fs,
        equilibrium_A=minimum.positions_A,
        modes=minimum.modes,
    )


def time_step_fs(period_fs: float) -> float:
    """A twenty-second of a period, rounded down to a multiple of 0.05 fs.

    >>> time_step_fs(9.14)
    0.4
    """
    return math.floor(period_fs / STEPS_PER_PERIOD / 0.05) * 5 / 100


def require_method(name: str, hamiltonian: Any) -> None:
    """Refuse an analytic bond where a level of theory is needed.

    Raises:
        ConfigError: it is none.
    """
    if not isinstance(hamiltonian, Method):
        made = getattr(hamiltonian, "func", hamiltonian)  # a partial of what the configuration names
        raise ConfigError(
            f"system {name}: {getattr(made, '__name__', type(made).__name__)} is an analytic bond of two atoms of the "
            "table; a molecule needs a method, such as hamiltonian=gfn2"
        )
