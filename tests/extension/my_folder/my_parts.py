"""What a user writes to extend mlmd: a bond, a schedule, a loss."""

import math

import torch
from torch import Tensor

from mlmd.hamiltonians import DiatomicBond
from mlmd.propagation import InjectionSchedule


class CoshBond(DiatomicBond):
    """V(r) = k / b^2 (cosh(b (r - r_e)) - 1), stiffer than harmonic on both sides."""

    b_per_A = 2.0

    def energy_and_slope(self, length: Tensor) -> tuple[Tensor, Tensor]:
        """V(r) in eV and dV/dr in eV/A at bond lengths r in A."""
        stretch, k = self.b_per_A * (length - self.constants.r_e_A), self.constants.k_eV_per_A2
        return k / self.b_per_A**2 * (torch.cosh(stretch) - 1.0), k / self.b_per_A * torch.sinh(stretch)

    def displacement(self, root_energy: Tensor) -> Tensor:
        """R - r_e (A) where V = root_energy**2: cosh(x) - 1 = 2 sinh(x / 2)^2."""
        half = root_energy * self.b_per_A / math.sqrt(2.0 * self.constants.k_eV_per_A2)
        return 2.0 / self.b_per_A * torch.asinh(half)


class Squares(InjectionSchedule):
    """Hamiltonian at the steps 1, 4, 9, 16 and so on."""

    def is_hamiltonian(self, step: int) -> bool:
        """Whether the step is a square number."""
        return step > 0 and math.isqrt(step) ** 2 == step


class AbsoluteLoss:
    """Mean absolute error."""

    def __call__(self, predicted: Tensor, target: Tensor) -> Tensor:
        """The loss of outputs and targets [stretch, time, output]."""
        return (predicted - target).abs().mean()
