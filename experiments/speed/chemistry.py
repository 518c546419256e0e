"""Force calls of tblite and PySCF, as molecular dynamics makes them: from geometry to geometry, the density reused."""

import math
from collections.abc import Callable, Iterator

import numpy as np
from ase import Atoms
from ase.build import molecule
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.md.verlet import VelocityVerlet
from ase.units import Bohr, fs

DT_FS, PERIOD_FS, AMPLITUDE_A = 0.5, 11.0, 0.05
"""Consecutive geometries lie as far apart as those of a bond that vibrates by so much."""

PYSCF_METHODS = ("HF/STO-3G", "HF/def2-SVP", "B3LYP/def2-SVP", "PBE/def2-TZVP")

Call = Callable[[], None]


def make_molecule(name: str) -> Atoms:
    """HCl, H2O or ethanol near its equilibrium."""
    if name == "HCl":
        return Atoms("HCl", positions=[[0.0, 0.0, 0.0], [0.0, 0.0, 1.2746]])
    return molecule({"ethanol": "CH3CH2OH"}.get(name, name))


def geometries(atoms: Atoms) -> Iterator[np.ndarray]:
    """Positions (A) without end: every atom vibrates along a direction of its own."""
    rng = np.random.default_rng(1)
    directions = rng.normal(size=(len(atoms), 3))
    if len(atoms) == 2:
        directions = np.array([[0.0, 0.0, -0.5], [0.0, 0.0, 0.5]])
    directions /= np.linalg.norm(directions, axis=1).max()
    step = 0
    while True:
        yield atoms.positions + AMPLITUDE_A * math.sin(2.0 * math.pi * step * DT_FS / PERIOD_FS) * directions
        step += 1


def tblite_call(method: str, name: str) -> Call:
    """Energy and gradient by tblite's own interface, each from the result before it.

    Raises:
        ImportError: tblite is not installed.
    """
    from tblite.interface import Calculator, Result

    atoms = make_molecule(name)
    path = geometries(atoms)
    calculator = Calculator(method, atoms.numbers, next(path) / Bohr)
    calculator.set("verbosity", 0)
    result = Result()

    def call() -> None:
        calculator.update(next(path) / Bohr)
        calculator.singlepoint(result)
        result["gradient"]

    return call


def tblite_dynamics(method: str, name: str) -> VelocityVerlet:
    """The same method as ASE drives it: velocity Verlet with tblite's ASE calculator.

    Raises:
        ImportError: tblite is not installed.
    """
    from tblite.ase import TBLite

    atoms = make_molecule(name)
    atoms.calc = TBLite(method=method, verbosity=0)
    MaxwellBoltzmannDistribution(atoms, temperature_K=300.0, rng=np.random.default_rng(1))
    return VelocityVerlet(atoms, timestep=DT_FS * fs)


def pyscf_call(method: str, name: str) -> Call:
    """Energy and gradient by PySCF's gradient scanner, which starts from the density before; one thread.

    Raises:
        ImportError: PySCF is not installed.
    """
    from pyscf import dft, gto, lib, scf

    lib.num_threads(1)
    level, basis = method.split("/")
    atoms = make_molecule(name)
    path = geometries(atoms)
    symbols = atoms.get_chemical_symbols()
    mole = gto.M(atom=list(zip(symbols, next(path), strict=True)), basis=basis, unit="Angstrom", verbose=0)
    field = scf.RHF(mole) if level == "HF" else dft.RKS(mole, xc=level.lower())
    scanner = field.nuc_grad_method().as_scanner()

    def call() -> None:
        scanner(mole.set_geom_(next(path), unit="Angstrom", inplace=False))

    return call
