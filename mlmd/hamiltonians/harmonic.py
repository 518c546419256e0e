"""The harmonic bond: V(r) = k (r - r_e)^2 / 2."""

import math

from torch import Tensor

from mlmd.hamiltonians.bond import DiatomicBond


class HarmonicBond(DiatomicBond):
    """V(r) = k (r - r_e)^2 / 2, the preprint's oscillator.

    >>> import torch
    >>> from mlmd.hamiltonians import BondConstants
    >>> bond = HarmonicBond(BondConstants("X2", k_eV_per_A2=30.0, r_e_A=1.0))
    >>> bond.energy_and_slope(torch.tensor([1.0, 1.1], dtype=torch.float64))[0].round(decimals=6).tolist()
    [0.0, 0.15]
    """

    def energy_and_slope(self, length: Tensor) -> tuple[Tensor, Tensor]:
        """V(r) in eV and dV/dr in eV/A at bond lengths r in A."""
        stretch = length - self.constants.r_e_A
        slope = self.constants.k_eV_per_A2 * stretch
        return 0.5 * slope * stretch, slope

    def displacement(self, root_energy: Tensor) -> Tensor:
        """R - r_e (A) where V = root_energy**2."""
        return root_energy * math.sqrt(2.0 / self.constants.k_eV_per_A2)
