"""Base class of the analytic bonds of a diatomic: forces from a curve V(r), states of a given energy."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from mlmd.errors import ConfigError


@dataclass(frozen=True)
class BondConstants:
    """Spectroscopic constants that define a bond.

    Attributes:
        molecule: name, for messages.
        k_eV_per_A2: force constant, eV/A^2.
        r_e_A: equilibrium bond length, A.
        D_e_eV: dissociation energy from the bottom of the well, eV; None where it was not given.
        ionic: the curve does not lead to neutral atoms, so a Morse curve through D_e is wrong.
    """

    molecule: str
    k_eV_per_A2: float
    r_e_A: float
    D_e_eV: float | None = None
    ionic: bool = False

    def __post_init__(self) -> None:
        for name, value in (("k_eV_per_A2", self.k_eV_per_A2), ("r_e_A", self.r_e_A), ("D_e_eV", self.D_e_eV)):
            if value is not None and not value > 0:
                raise ConfigError(f"{self.molecule}: {name} = {value} must be positive")


class DiatomicBond(ABC):
    """A potential that depends on the distance of two atoms alone, zero at r_e."""

    def __init__(self, constants: BondConstants) -> None:
        self.constants = constants

    @abstractmethod
    def energy_and_slope(self, length: Tensor) -> tuple[Tensor, Tensor]:
        """V(r) in eV and dV/dr in eV/A at bond lengths r in A, any shape."""

    @abstractmethod
    def displacement(self, root_energy: Tensor) -> Tensor:
        """Displacement r - r_e (A) where V = root_energy**2; a positive root (sqrt(eV)) is a stretched bond."""

    def check_energy(self, energy_eV: float) -> None:
        """Refuse a vibrational energy that this bond cannot hold.

        Raises:
            ConfigError: the energy is not positive, or the bond would break.
        """
        if not 0 < energy_eV < math.inf:
            raise ConfigError(f"{self.constants.molecule}: vibrational energy {energy_eV} eV must be positive")

    def energy_and_forces(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Potential energy (eV, [...]) and forces (eV/A, [..., 2, xyz]) at ``positions`` (A, [..., 2, xyz])."""
        bond = positions[..., 1, :] - positions[..., 0, :]
        length = bond.norm(dim=-1)
        energy, slope = self.energy_and_slope(length)
        force_on_second = bond * (-slope / length).unsqueeze(-1)
        return energy, torch.stack((-force_on_second, force_on_second), dim=-2)
