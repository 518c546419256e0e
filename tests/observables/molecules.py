"""Water and carbon dioxide that vibrate in their normal coordinates while they turn and move, in closed form."""

import math

import torch
from torch import Tensor

from mlmd.observables import MoleculeMotion
from mlmd.state import Trajectory
from mlmd.systems import NormalModes
from mlmd.units import SPEED_OF_LIGHT_CM_PER_FS

DT_FS = 0.5


class Molecule:
    """Equilibrium, modes and what is watched.

    Args:
        symbols: element symbols.
        masses_u: masses, u.
        reference: [atom, xyz], A.
        wavenumbers_cm1: of the modes.
        vectors: [mode, atom, xyz], orthonormal; any basis of the vibrations if not given.
    """

    def __init__(self, symbols, masses_u, reference, wavenumbers_cm1, vectors=None):
        self.symbols, self.masses_u = symbols, masses_u
        self.masses = torch.tensor(masses_u, dtype=torch.float64)
        reference = torch.tensor(reference, dtype=torch.float64)
        self.reference = reference - self.masses @ reference / self.masses.sum()
        self.vectors = self._vibrations() if vectors is None else vectors
        self.modes = NormalModes(_plain(self.vectors), tuple(wavenumbers_cm1))
        self.omega = 2 * math.pi * SPEED_OF_LIGHT_CM_PER_FS * torch.tensor(wavenumbers_cm1, dtype=torch.float64)
        self.motion = MoleculeMotion(symbols, tuple(masses_u), _plain(self.reference), self.modes)

    def _vibrations(self) -> Tensor:
        root, unit = self.masses.sqrt()[:, None], torch.eye(3, dtype=torch.float64)
        rigid = [root * axis for axis in unit] + [
            root * torch.linalg.cross(axis.expand(3, 3), self.reference) for axis in unit
        ]
        return torch.linalg.svd(torch.stack(rigid).flatten(1))[2][6:].unflatten(1, (3, 3))

    def run(
        self,
        *,
        n_replicas: int = 3,
        n_frames: int = 400,
        amplitudes: tuple[float, ...] = (),
        turn: Tensor | None = None,
        factor: tuple[float, ...] = (),
        seed: int = 0,
    ) -> tuple[Trajectory, Tensor, Tensor]:
        """A trajectory, the rates of its normal coordinates [replica, time, mode] and its potential energy, eV.

        Args:
            n_replicas: replicas, each with phases and an orientation of its own.
            n_frames: frames every 0.5 fs.
            amplitudes: of the normal coordinates, sqrt(u) A; 0.02 each if not given.
            turn: angular velocity in the molecule's frame [xyz], 1/fs; none if not given.
            factor: on the wavenumbers.
            seed: of phases and orientations.
        """
        generator = torch.Generator().manual_seed(seed)
        amplitude = torch.tensor(amplitudes or (0.02,) * len(self.omega), dtype=torch.float64)
        omega = self.omega * (torch.tensor(factor, dtype=torch.float64) if factor else 1.0)
        time = DT_FS * torch.arange(n_frames, dtype=torch.float64)
        phase = 2 * math.pi * torch.rand(n_replicas, 1, len(omega), generator=generator, dtype=torch.float64)
        angle = omega * time[:, None] + phase
        Q, rate = amplitude * angle.cos(), -amplitude * omega * angle.sin()
        turn = torch.zeros(3, dtype=torch.float64) if turn is None else turn
        shares = self.vectors / self.masses.sqrt()[:, None]
        body = self.reference + torch.einsum("rtk,kai->rtai", Q, shares)
        within = torch.einsum("rtk,kai->rtai", rate, shares)
        spin = torch.linalg.matrix_exp(time[:, None, None] * skew(turn))
        orientation = rotations(n_replicas, generator)
        turned = orientation[:, None] @ spin
        drift = 1e-3 * torch.randn(n_replicas, 1, 1, 3, generator=generator, dtype=torch.float64)
        positions = body @ turned.mT + drift * time[:, None, None]
        velocities = (within + torch.linalg.cross(turn.expand_as(body), body)) @ turned.mT + drift
        potential = 0.5 * (omega * Q).square().sum(dim=-1) * 103.642697
        return Trajectory(torch.arange(n_frames), positions, velocities, torch.zeros_like(velocities)), rate, potential


def rotations(n: int, generator: torch.Generator) -> Tensor:
    """Random rotations [n, 3, 3]."""
    matrix = torch.linalg.qr(torch.randn(n, 3, 3, generator=generator, dtype=torch.float64))[0]
    return matrix * torch.linalg.det(matrix)[:, None, None]


def skew(vector: Tensor) -> Tensor:
    """The matrix X of X r = vector x r."""
    x, y, z = vector.tolist()
    return torch.tensor([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]], dtype=torch.float64)


def _plain(values: Tensor):
    return tuple(_plain(row) for row in values) if values.dim() > 1 else tuple(values.tolist())


def _carbon_dioxide() -> Molecule:
    masses = (12.011, 15.999, 15.999)
    carbon, oxygen = math.sqrt(masses[0]), math.sqrt(masses[1])
    # The carbon goes one way, both oxygens the other: orthogonal to the roots of the masses, so without momentum.
    against = torch.tensor([-2 * oxygen / carbon, 1.0, 1.0], dtype=torch.float64)
    against = against / against.norm()
    apart = torch.tensor([0.0, -1.0, 1.0], dtype=torch.float64) / math.sqrt(2)
    vectors = torch.zeros(4, 3, 3, dtype=torch.float64)
    vectors[0, :, 0] = vectors[1, :, 1] = vectors[3, :, 2] = against
    vectors[2, :, 2] = apart
    reference = [[0.0, 0.0, 0.0], [0.0, 0.0, -1.16], [0.0, 0.0, 1.16]]
    return Molecule(("C", "O", "O"), masses, reference, (667.0, 667.4, 1333.0, 2349.0), vectors)


WATER = Molecule(
    ("O", "H", "H"),
    (15.999, 1.008, 1.008),
    [[0.0, 0.0, 0.12], [0.0, 0.76, -0.47], [0.0, -0.76, -0.47]],
    (1595.0, 3657.0, 3756.0),
)
CARBON_DIOXIDE = _carbon_dioxide()
