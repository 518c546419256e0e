"""What a user writes to extend mlmd: a bond, a schedule, a loss, components, a memory, a callback, a logger."""

import math
from pathlib import Path

import torch
from lightning import Callback
from lightning.pytorch.loggers import Logger
from torch import Tensor

from mlmd.decomposition import LabCartesian
from mlmd.hamiltonians import DiatomicBond
from mlmd.models import CarriedMemory
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


class Halves(LabCartesian):
    """Half of every Cartesian component: other inputs and outputs than those of the class it derives from."""

    def encode(self, frame, velocities):
        """The components, A/fs."""
        return 0.5 * super().encode(frame, velocities)

    def project(self, frame, vectors):
        """The components, A/fs."""
        return 0.5 * super().project(frame, vectors)

    def decode(self, frame, components):
        """The components as [..., atom, xyz]."""
        return super().decode(frame, 2.0 * components)


class ShortMemory(CarriedMemory):
    """A carried state that counts from the second step on."""

    @classmethod
    def of(cls, *, length, warmup):
        """Always two steps."""
        return cls(warmup=2)


class Counting(Callback):
    """Counts the steps of a training into a file."""

    def on_train_batch_end(self, trainer, *_):
        """One more."""
        with Path("steps.txt").open("a") as file:
            file.write("x")


class LineLogger(Logger):
    """Writes the names of what is logged into a file."""

    name, version = "lines", 0

    def log_metrics(self, metrics, step=None):
        """The names."""
        with Path("lines.txt").open("a") as file:
            file.write(" ".join(metrics) + "\n")

    def log_hyperparams(self, params, *args, **kwargs):
        """Nothing."""
