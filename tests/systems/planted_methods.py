"""Levels of theory whose minima and vibrations are known on paper."""

from dataclasses import dataclass, field

import numpy as np

from mlmd.hamiltonians import BondConstants, Method

WATER = ((0, 1, 0.96, 50.0), (0, 2, 0.96, 50.0), (1, 2, 1.52, 12.0))
"""Springs (atom, atom, length in A, constant in eV/A^2) of a bent molecule O-H-H, all at rest together."""
LINE = ((0, 1, 1.10, 90.0), (0, 2, 1.10, 90.0), (1, 2, 2.60, 20.0))
"""Springs of a linear molecule C-O-O: the outer atoms push apart, the inner bonds are taut and keep it straight."""


class Planted(Method):
    """Counts its calls; subclasses say energy and forces."""

    name = "planted"
    n_processes = 1

    def energy_and_forces(self, positions):
        raise NotImplementedError

    def single_point(self, symbols):
        return SinglePointOf(self)


@dataclass
class SinglePointOf:
    method: Planted

    def __call__(self, positions):
        self.method.calls.append(positions.copy())
        return self.method.energy_and_forces(positions)

    def forget(self):
        pass


@dataclass(frozen=True)
class Springs(Planted):
    """V = sum k (r_ij - d)^2 / 2."""

    springs: tuple = WATER
    n_processes: int = 1
    calls: list = field(default_factory=list, repr=False, compare=False)

    def energy_and_forces(self, positions):
        energy, forces = 0.0, np.zeros_like(positions)
        for i, j, length, k in self.springs:
            bond = positions[j] - positions[i]
            distance = np.linalg.norm(bond)
            energy += 0.5 * k * (distance - length) ** 2
            pull = k * (distance - length) * bond / distance
            forces[i] += pull
            forces[j] -= pull
        return energy - 7.0, forces


@dataclass(frozen=True)
class Morse(Planted):
    """The Morse bond of given constants, as a method."""

    constants: BondConstants
    n_processes: int = 1
    calls: list = field(default_factory=list, repr=False, compare=False)

    def energy_and_forces(self, positions):
        depth, a = self.constants.D_e_eV, np.sqrt(self.constants.k_eV_per_A2 / (2 * self.constants.D_e_eV))
        bond = positions[1] - positions[0]
        length = np.linalg.norm(bond)
        decay = np.exp(-a * (length - self.constants.r_e_A))
        pull = 2 * a * depth * decay * (1 - decay) * bond / length
        return float(depth * (1 - decay) ** 2), np.stack([pull, -pull])


@dataclass(frozen=True)
class Repulsion(Planted):
    """V = 10 eV A / r between all atoms: nothing holds them."""

    calls: list = field(default_factory=list, repr=False, compare=False)

    def energy_and_forces(self, positions):
        bonds = positions[:, None] - positions[None]
        distances = np.linalg.norm(bonds, axis=-1) + np.diag(np.full(len(positions), np.inf))
        return float(5.0 / distances.sum()), (10.0 * bonds / distances[..., None] ** 3).sum(axis=1)


@dataclass(frozen=True)
class Restless(Planted):
    """Forces along the first bond that never end."""

    calls: list = field(default_factory=list, repr=False, compare=False)

    def energy_and_forces(self, positions):
        forces = np.zeros_like(positions)
        bond = positions[1] - positions[0]
        forces[0] = (-1.0) ** len(self.calls) * bond / np.linalg.norm(bond)
        forces[1] = -forces[0]
        return 0.0, forces
