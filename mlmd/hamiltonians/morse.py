"""The Morse bond: V(r) = D_e (1 - exp(-a (r - r_e)))^2 with a = sqrt(k / (2 D_e)), so that V''(r_e) = k."""

import math

import torch
from torch import Tensor

from mlmd.errors import ConfigError
from mlmd.hamiltonians.bond import BondConstants, DiatomicBond


class MorseBond(DiatomicBond):
    """V(r) = D_e (1 - exp(-a (r - r_e)))^2 (P. M. Morse, Phys. Rev. 34, 57 (1929)).

    Raises:
        ConfigError: no D_e is known, or the bond is ionic: it leads to ions or crosses to neutral atoms, and a Morse
            curve through the neutral D_e has an anharmonicity about half the measured one.
    """

    def __init__(self, constants: BondConstants) -> None:
        if constants.ionic:
            raise ConfigError(
                f"{constants.molecule}: a Morse curve to neutral atoms is wrong for this alkali halide "
                "(its measured anharmonicity is about twice the Morse value); use hamiltonian=harmonic"
            )
        if constants.D_e_eV is None:
            raise ConfigError(f"{constants.molecule}: a Morse bond needs D_e_eV; give it or use hamiltonian=harmonic")
        super().__init__(constants)
        self.D_e_eV = constants.D_e_eV
        self.a_per_A = math.sqrt(constants.k_eV_per_A2 / (2.0 * self.D_e_eV))

    def energy_and_slope(self, length: Tensor) -> tuple[Tensor, Tensor]:
        """V(r) in eV and dV/dr in eV/A at bond lengths r in A."""
        decay = torch.exp(-self.a_per_A * (length - self.constants.r_e_A))
        gap = 1.0 - decay
        return self.D_e_eV * gap * gap, 2.0 * self.a_per_A * self.D_e_eV * decay * gap

    def displacement(self, root_energy: Tensor) -> Tensor:
        """R - r_e (A) where V = root_energy**2."""
        return -torch.log1p(-root_energy / math.sqrt(self.D_e_eV)) / self.a_per_A

    def check_energy(self, energy_eV: float) -> None:
        """Refuse a vibrational energy that is not positive or reaches D_e."""
        super().check_energy(energy_eV)
        if energy_eV >= self.D_e_eV:
            raise ConfigError(
                f"{self.constants.molecule}: vibrational energy {energy_eV:.4g} eV breaks the Morse bond "
                f"(D_e = {self.D_e_eV:.4g} eV); lower it or use hamiltonian=harmonic"
            )
