"""Calculators that fail as real ones do, and methods made of them; other processes import them from here."""

from typing import Any, ClassVar

import numpy as np
from ase.calculators.calculator import CalculationFailed, Calculator, all_changes
from ase.calculators.lj import LennardJones


class Failing(Calculator):
    """Fails the first ``n_failures`` times of all its instances, then a spring about the origin."""

    implemented_properties: ClassVar = ["energy", "forces"]
    n_calls: ClassVar = 0

    def __init__(self, n_failures: int = 0, forces: float | None = None) -> None:
        super().__init__()
        self.n_failures, self.all_forces = n_failures, forces

    def calculate(self, atoms: Any = None, properties: Any = None, system_changes: Any = all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        type(self).n_calls += 1
        if type(self).n_calls <= self.n_failures:
            raise CalculationFailed("no convergence\n   after 12 cycles")
        forces = -atoms.positions if self.all_forces is None else np.full_like(atoms.positions, self.all_forces)
        self.results = {"energy": 0.5 * float((atoms.positions**2).sum()), "forces": forces}


class EnergyOnly(Calculator):
    """Knows no forces."""

    implemented_properties: ClassVar = ["energy"]

    def calculate(self, atoms: Any = None, properties: Any = None, system_changes: Any = all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        self.results = {"energy": 0.0}


def argon() -> LennardJones:
    return LennardJones(epsilon=0.0104, sigma=3.4, rc=100.0)


def broken() -> None:
    raise ZeroDivisionError("a bug of the maker's")


class SmearedMorse(Calculator):
    """A Morse bond as codes with smeared occupations give it: forces belong to F, "energy" is extrapolated to 0 K."""

    implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces"]

    def __init__(self, *, gives_free_energy: bool = True) -> None:
        super().__init__()
        self.gives_free_energy = gives_free_energy

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        depth_eV, length_A, width_per_A, slope_eV_per_A2 = 4.6174, 1.27455, 1.868, 0.5
        bond = self.atoms.positions[1] - self.atoms.positions[0]
        stretch = np.linalg.norm(bond) - length_A
        left = np.exp(-width_per_A * stretch)
        free_energy = depth_eV * (1.0 - left) ** 2
        pull = 2.0 * depth_eV * (1.0 - left) * width_per_A * left * bond / np.linalg.norm(bond)
        self.results = {"energy": free_energy + slope_eV_per_A2 * stretch**2, "forces": np.array([pull, -pull])}
        if self.gives_free_energy:
            self.results["free_energy"] = free_energy
