"""Molecules of three and more atoms with made-up modes, and a Hamiltonian harmonic in their normal coordinates."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mlmd.decomposition import MolecularVibration
from mlmd.systems import System
from mlmd.systems.modes import NormalModes
from mlmd.units import ACCELERATION, SPEED_OF_LIGHT_CM_PER_FS

DT_FS = 0.4
FASTEST_CM1 = 3600.0


@dataclass(frozen=True)
class Molecule:
    """Atoms at a reference that need not be a minimum of anything."""

    symbols: tuple[str, ...]
    masses_u: tuple[float, ...]
    reference_A: tuple[tuple[float, float, float], ...]

    @property
    def is_linear(self) -> bool:
        return all(x == y == 0.0 for x, y, _ in self.reference_A)

    @property
    def masses(self) -> Tensor:
        return torch.tensor(self.masses_u, dtype=torch.float64).unsqueeze(-1)

    @property
    def reference(self) -> Tensor:
        positions = torch.tensor(self.reference_A, dtype=torch.float64)
        return positions - (self.masses * positions).sum(dim=0) / self.masses.sum()

    def modes(self) -> tuple[tuple[tuple[float, float, float], ...], ...]:
        """Orthonormal, without translation and rotation; of a linear molecule bends in x, in y, then stretches."""
        unit, roots = torch.eye(3, dtype=torch.float64), self.masses.sqrt()
        rigid = torch.cat(
            (unit[:, None].expand(3, len(roots), 3), torch.linalg.cross(unit[:, None], self.reference[None]))
        )
        _, sizes, motions = torch.linalg.svd((roots * rigid).flatten(1))
        free = motions[int((sizes > 1e-6).sum()) :]
        if self.is_linear:
            parts = [torch.linalg.svd(free * unit[axis].repeat(len(roots))) for axis in (0, 2)]
            in_x, in_z = (right[: int((sizes > 0.5).sum())] for _, sizes, right in parts)
            free = torch.cat((in_x, in_x.roll(1, dims=1), in_z))  # the same bends in y
        return tuple(tuple(map(tuple, mode)) for mode in free.reshape(-1, len(roots), 3).tolist())

    def vibration(self, dt_fs: float = DT_FS) -> MolecularVibration:
        return MolecularVibration(self.masses_u, dt_fs, self.reference_A, self.modes())

    def wavenumbers_cm1(self) -> tuple[float, ...]:
        """Ascending in the order of the modes; the two bends of a pair, x and y, are alike."""
        n_modes = len(self.modes())
        n_bends = len(self.symbols) - 2 if self.is_linear else 0
        ranks = [i % n_bends if i < 2 * n_bends else i - n_bends for i in range(n_modes)]
        return tuple(FASTEST_CM1 * (0.3 + 0.7 * rank / max(ranks)) for rank in ranks)

    def system(self) -> System:
        """The harmonic molecule; an isotropic bend has no direction about the axis, so V is of the positions alone."""
        return System(
            name="".join(self.symbols),
            symbols=self.symbols,
            masses_u=self.masses_u,
            hamiltonian=HarmonicMolecule(self),
            dt_fs=DT_FS,
            period_fs=1.0 / (SPEED_OF_LIGHT_CM_PER_FS * FASTEST_CM1),
            equilibrium_A=tuple(map(tuple, self.reference.tolist())),
            modes=NormalModes(self.modes(), self.wavenumbers_cm1()),
        )

    def states(self, n_replicas: int, *, seed: int = 0, energy_eV: float = 0.1) -> tuple[Tensor, Tensor]:
        """Vibrating and turning replicas, displaced and turned at random: positions and velocities."""
        generator = torch.Generator().manual_seed(seed)

        def random(*shape: int) -> Tensor:
            return torch.randn(n_replicas, *shape, dtype=torch.float64, generator=generator)

        vibration, omega = self.vibration(), frequencies(self)
        size = math.sqrt(2 * energy_eV * ACCELERATION / len(omega))
        shares = vibration.shares.reshape(len(omega), -1)
        positions = self.reference + ((size * random(len(omega)) / omega) @ shares).reshape(n_replicas, -1, 3)
        turning = 2e-3 * random(1, 3)
        velocities = (size * random(len(omega)) @ shares).reshape(n_replicas, -1, 3)
        velocities = velocities + torch.linalg.cross(turning, positions)
        turn = torch.linalg.qr(random(3, 3)).Q
        turn = turn * torch.linalg.det(turn)[:, None, None]
        return positions @ turn + 2 * random(1, 3), velocities @ turn


def frequencies(molecule: Molecule) -> Tensor:
    """Angular frequencies, 1/fs."""
    return 2 * math.pi * SPEED_OF_LIGHT_CM_PER_FS * torch.tensor(molecule.wavenumbers_cm1(), dtype=torch.float64)


class HarmonicMolecule:
    """V = sum omega_k^2 Q_k^2 / 2 in normal coordinates, with forces by differentiation through the frame."""

    def __init__(self, molecule: Molecule) -> None:
        self.vibration = molecule.vibration()
        self.stiffness = frequencies(molecule).square()

    def energy_and_forces(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            given = positions.detach().requires_grad_(True)
            coordinates = self.vibration.coordinates(self.vibration.frame(given, torch.zeros_like(given)), given)
            energy = 0.5 * (self.stiffness * coordinates.square()).sum(dim=-1) / ACCELERATION
            (gradient,) = torch.autograd.grad(energy.sum(), given)
        return energy.detach(), -gradient


WATER = Molecule(
    ("O", "H", "H"),
    (15.99491462, 1.00782503, 1.00782503),
    ((0.0, 0.0, 0.066), (0.0, 0.757, -0.52), (0.0, -0.757, -0.52)),
)
PEROXIDE = Molecule(
    ("O", "O", "H", "H"),
    (15.99491462, 15.99491462, 1.00782503, 1.00782503),
    ((0.0, 0.73, -0.05), (0.0, -0.73, -0.05), (0.79, 0.9, 0.42), (-0.79, -0.9, 0.42)),
)
CARBON_DIOXIDE = Molecule(("C", "O", "O"), (12.0, 15.99491462, 15.99491462), ((0, 0, 0), (0, 0, 1.16), (0, 0, -1.16)))
ACETYLENE = Molecule(
    ("C", "C", "H", "H"),
    (12.0, 12.0, 1.00782503, 2.01410178),
    ((0, 0, 0.6), (0, 0, -0.6), (0, 0, 1.66), (0, 0, -1.66)),
)
MOLECULES = {"H2O": WATER, "H2O2": PEROXIDE, "CO2": CARBON_DIOXIDE, "C2HD": ACETYLENE}
