"""Rigid-body mechanics of batches of molecules: inertia, angular momentum, orientations."""

import torch
from torch import Generator, Tensor

FLAT = 1e-10
"""Moments of inertia below this fraction of the largest are those about the line of a linear molecule: no rotation."""


def centred(vectors: Tensor, masses: Tensor) -> Tensor:
    """Vectors [replica, atom, xyz] less their mass-weighted mean; masses [atom], u."""
    weights = (masses / masses.sum()).unsqueeze(-1)
    return vectors - (weights * vectors).sum(dim=-2, keepdim=True)


def inertia_tensor(positions: Tensor, masses: Tensor) -> Tensor:
    """Tensors of inertia [replica, xyz, xyz], u A^2, of positions [replica, atom, xyz], A, about the origin."""
    squares: Tensor = torch.einsum("a,...ai,...aj->...ij", masses, positions, positions)
    trace = squares.diagonal(dim1=-2, dim2=-1).sum(dim=-1)
    return trace[..., None, None] * torch.eye(3, dtype=positions.dtype) - squares


def angular_momentum(positions: Tensor, velocities: Tensor, masses: Tensor) -> Tensor:
    """Angular momenta [replica, xyz], u A^2/fs, about the origin."""
    momentum: Tensor = (masses.unsqueeze(-1) * torch.linalg.cross(positions, velocities)).sum(dim=-2)
    return momentum


def rigid_rotation(positions: Tensor, masses: Tensor, momentum: Tensor) -> Tensor:
    """Velocities omega x r [replica, atom, xyz], A/fs, of rigid rotations with given angular momenta [replica, xyz].

    About the line of a linear molecule there is no rotation; a momentum along it is left out.
    """
    inverse = torch.linalg.pinv(inertia_tensor(positions, masses), hermitian=True, rtol=FLAT)
    omega = (inverse @ momentum.unsqueeze(-1)).squeeze(-1)
    rotation: Tensor = torch.linalg.cross(omega.unsqueeze(-2).expand_as(positions), positions)
    return rotation


def without_rotation(positions: Tensor, velocities: Tensor, masses: Tensor) -> Tensor:
    """Velocities [replica, atom, xyz] less the rigid rotation that carries their angular momentum."""
    momentum = angular_momentum(positions, velocities, masses)
    return velocities - rigid_rotation(positions, masses, momentum)


def unit_vectors(n: int, generator: Generator) -> Tensor:
    """Uniformly distributed directions, float64 [n, xyz]."""
    return torch.nn.functional.normalize(torch.randn(n, 3, generator=generator, dtype=torch.float64), dim=-1)


def random_rotations(n: int, generator: Generator) -> Tensor:
    """Uniformly distributed rotation matrices, float64 [n, xyz, xyz], from random unit quaternions."""
    drawn = torch.randn(n, 4, generator=generator, dtype=torch.float64)
    w, x, y, z = torch.nn.functional.normalize(drawn, dim=-1).unbind(dim=-1)
    rows = (
        torch.stack((1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)), dim=-1),
        torch.stack((2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)), dim=-1),
        torch.stack((2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)), dim=-1),
    )
    return torch.stack(rows, dim=-2)
