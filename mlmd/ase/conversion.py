"""Conversions between ASE and mlmd: atoms to positions and velocities, a calculator to a Hamiltonian."""

import math

import ase
import numpy as np
import torch
from ase import units
from torch import Tensor

from mlmd.errors import CalculatorError
from mlmd.hamiltonians.method import Array
from mlmd.units import ACCELERATION

ASE_EV = units.fs**2 / ACCELERATION
"""One eV of ASE, whose units follow from CODATA 2014, in ours: 1 + 8e-9. Without it the trajectories part slowly."""


def time_step_fs(timestep: float) -> float:
    """A time step of ASE, in fs.

    >>> time_step_fs(0.5 * units.fs)
    0.5
    """
    return float(timestep / units.fs)


def read_state(atoms: ase.Atoms) -> tuple[Tensor, Tensor]:
    """Positions, A, and on-step velocities, A/fs, of atoms, float64 [1, atom, xyz]."""
    velocities = atoms.get_velocities() * units.fs
    return torch.from_numpy(atoms.get_positions())[None], torch.from_numpy(velocities)[None]


def write_state(atoms: ase.Atoms, positions: Array, velocities: Array) -> None:
    """Give atoms positions, A, and on-step velocities, A/fs, [atom, xyz]."""
    atoms.set_positions(positions)
    atoms.set_momenta(atoms.get_masses()[:, None] * (velocities / units.fs))


class AtomsHamiltonian:
    """The calculator of atoms, asked through the atoms themselves, so that ASE finds the results on them.

    Args:
        atoms: moved to wherever forces are asked for; a calculation that fails leaves them where they were.

    Attributes:
        energy_zero_eV: what energies are counted from, in ASE's eV; energies are not asked for, and not numbers, where
            None.
        n_calls: force calls that gave forces.
    """

    def __init__(self, atoms: ase.Atoms) -> None:
        self.atoms = atoms
        self.energy_zero_eV: float | None = None
        self.n_calls = 0

    def energy_and_forces(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Energy [1], eV, and forces [1, atom, xyz], eV/A, at positions [1, atom, xyz], A.

        Raises:
            CalculatorError: the calculator gives what are no numbers. Its own errors pass.
        """
        before = self.atoms.get_positions()
        self.atoms.set_positions(positions[0].cpu().numpy())
        try:
            forces = self.atoms.get_forces(md=True)
            energy = math.nan if self.energy_zero_eV is None else self._energy() - self.energy_zero_eV
            if not np.isfinite(forces).all() or (self.energy_zero_eV is not None and not math.isfinite(energy)):
                raise CalculatorError(
                    f"{type(self.atoms.calc).__name__} gives energies or forces that are not numbers: look at the "
                    "geometry of the atoms, which are left at the step before"
                )
        except BaseException:
            self.atoms.set_positions(before)
            raise
        self.n_calls += 1
        return positions.new_tensor([energy * ASE_EV]), positions.new_tensor(forces * ASE_EV)[None]

    def _energy(self) -> float:
        """The energy that the forces belong to: the free energy, where electrons have a temperature."""
        is_free = "free_energy" in self.atoms.calc.implemented_properties
        return float(self.atoms.get_potential_energy(force_consistent=is_free))
