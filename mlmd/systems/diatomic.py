"""Diatomic systems: one of the table, or one of your own constants."""

import math
from collections.abc import Callable

import numpy as np

from mlmd.errors import ConfigError
from mlmd.hamiltonians import BondConstants, Electrons, Hamiltonian, Method
from mlmd.systems.molecule import CACHE, relaxed_system
from mlmd.systems.structure import Structure
from mlmd.systems.system import System
from mlmd.systems.table import ALKALI_HALIDES, diatomic_record
from mlmd.units import ACCELERATION, SPEED_OF_LIGHT_CM_PER_FS

BondFactory = Callable[[BondConstants], Hamiltonian]
"""Makes the Hamiltonian of a bond from its constants, e.g. ``HarmonicBond``."""


def diatomic(*, name: str, dt_fs: float, hamiltonian: BondFactory | Method, cache: str | None = CACHE) -> System:
    """A molecule of the shipped table.

    With a level of theory instead of a bond, the table's masses and the time step stay; length, energy and vibration
    are those of the method, from the molecule relaxed by it.

    Args:
        name: molecule, e.g. "HCl".
        dt_fs: time step, fs.
        hamiltonian: the bond, e.g. ``HarmonicBond``, or a method.
        cache: folder of minima and modes by methods; None keeps nothing.

    Raises:
        ConfigError: unknown molecule, bad time step, or a bond that this molecule does not have.
        CalculatorError, PhysicsError: as `molecule`, with a method.
    """
    record = diatomic_record(name)
    constants = BondConstants(
        molecule=name,
        k_eV_per_A2=record.k_eV_per_A2,
        r_e_A=record.r_e_A,
        D_e_eV=record.D_e_eV,
        ionic=name in ALKALI_HALIDES,
    )
    electrons = Electrons(charge=0, n_unpaired=record.n_unpaired)
    return _system(constants, record.symbols, record.masses_u, dt_fs, hamiltonian, cache, electrons)


def custom_diatomic(
    *,
    name: str,
    symbols: tuple[str, str],
    masses_u: tuple[float, float],
    omega_e_cm1: float,
    r_e_A: float,
    dt_fs: float,
    hamiltonian: BondFactory | Method,
    D_e_eV: float | None = None,
    cache: str | None = CACHE,
) -> System:
    """A diatomic of your own constants: k = mu (2 pi c omega_e)^2.

    A method takes its own length and vibration instead, as in `diatomic`, and starts from r_e.

    Args:
        name: any name.
        symbols: two element symbols.
        masses_u: two masses, u.
        omega_e_cm1: harmonic wavenumber, cm^-1.
        r_e_A: equilibrium bond length, A.
        dt_fs: time step, fs.
        hamiltonian: the bond, e.g. ``HarmonicBond``, or a method.
        D_e_eV: dissociation energy from the bottom of the well, eV, for a Morse bond.
        cache: folder of minima and modes by methods; None keeps nothing.

    Raises:
        ConfigError: a value is not positive, or the time step is too coarse.
        CalculatorError, PhysicsError: as `molecule`, with a method.
    """
    if not omega_e_cm1 > 0:
        raise ConfigError(f"system {name}: omega_e_cm1 = {omega_e_cm1} must be positive")
    if len(symbols) != 2 or len(masses_u) != 2:
        raise ConfigError(f"system {name}: a diatomic has two symbols and two masses")
    if not all(mass > 0 for mass in masses_u):
        raise ConfigError(f"system {name}: masses_u = {list(masses_u)} must be positive")
    omega_per_fs = 2.0 * math.pi * SPEED_OF_LIGHT_CM_PER_FS * omega_e_cm1
    reduced_mass = masses_u[0] * masses_u[1] / (masses_u[0] + masses_u[1])
    k_eV_per_A2 = reduced_mass * omega_per_fs**2 / ACCELERATION
    constants = BondConstants(molecule=name, k_eV_per_A2=k_eV_per_A2, r_e_A=r_e_A, D_e_eV=D_e_eV)
    return _system(constants, tuple(symbols), tuple(masses_u), dt_fs, hamiltonian, cache, Electrons())


def _system(
    constants: BondConstants,
    symbols: tuple[str, ...],
    masses_u: tuple[float, ...],
    dt_fs: float,
    hamiltonian: BondFactory | Method,
    cache: str | None,
    electrons: Electrons,
) -> System:
    mass_1, mass_2 = masses_u
    reduced_mass = mass_1 * mass_2 / (mass_1 + mass_2)
    omega_per_fs = math.sqrt(constants.k_eV_per_A2 * ACCELERATION / reduced_mass)
    share = mass_1 / (mass_1 + mass_2)
    r_e = constants.r_e_A
    equilibrium = ((0.0, 0.0, -(1.0 - share) * r_e), (0.0, 0.0, share * r_e))
    if isinstance(hamiltonian, Method):
        start = Structure(symbols, masses_u, np.array(equilibrium), electrons)
        return relaxed_system(constants.molecule, start, hamiltonian, dt_fs=dt_fs, cache=cache)
    return System(
        name=constants.molecule,
        symbols=symbols,
        masses_u=masses_u,
        hamiltonian=hamiltonian(constants),
        dt_fs=dt_fs,
        period_fs=2.0 * math.pi / omega_per_fs,
        equilibrium_A=equilibrium,
    )
