"""Translation, rotation and vibration of any molecule, split at its instantaneous positions.

A molecule turns with the angular velocity w = I^-1 L of the rigid body that its atoms form at that moment. What is
left of the velocities, v_i - V - w x r_i, carries neither linear nor angular momentum and is the vibration. The three
kinetic energies add up because the three motions are orthogonal in the mass-weighted sense.

A linear molecule has no rotation about its axis: there w is the best one across the axis, and a turn of its bend about
the axis counts as vibration, as its 3N - 5 normal modes do.
"""

import torch
from torch import Tensor

from mlmd.observables.energy import kinetic_energy
from mlmd.observables.errors import require_same_shape
from mlmd.observables.momenta import KineticPartition, about_centre, angular_momentum, linear_momentum
from mlmd.units import ACCELERATION


def partition_of_molecule(
    positions: Tensor, velocities: Tensor, masses: Tensor, *, heights: Tensor | None = None
) -> KineticPartition:
    """Kinetic energy as vibration, rotation and translation.

    Of a diatomic, with the heights of its atoms, the same as `momenta.partition_kinetic_energy`.

    Args:
        positions: [replica, time, atom, xyz], A.
        velocities: on-step velocities, same shape, A/fs.
        masses: [atom], u.
        heights: of a linear molecule, where its atoms lie along the axis at rest [atom], A; None for any other.

    Returns:
        Each [replica, time], eV; not a number where a position is none.

    Raises:
        DataError: the shapes differ.
    """
    require_same_shape(positions, velocities, names=("positions", "velocities"))
    masses = masses.to(positions)
    about = about_centre(positions, masses)
    inertia, L = inertia_tensor(about, masses), angular_momentum(positions, velocities, masses)
    if heights is not None:
        axis = axis_of_line(about, masses, heights)
        L = L - (L * axis).sum(dim=-1, keepdim=True) * axis
        inertia = _across(inertia, axis)
    rotational = 0.5 / ACCELERATION * (L * solve(inertia, L)).sum(dim=-1)
    P = linear_momentum(velocities, masses)
    translational = P.square().sum(dim=-1) * (0.5 / masses.sum() / ACCELERATION)
    vibrational = kinetic_energy(velocities, masses) - rotational - translational
    # A rigid molecule may come out below zero by round-off.
    return KineticPartition(vibrational.clamp(min=0.0), rotational, translational)


def inertia_tensor(about: Tensor, masses: Tensor) -> Tensor:
    """Inertia sum_i m_i (r_i^2 1 - r_i r_i^T) [..., 3, 3] of positions about the centre [..., atom, xyz], u A^2."""
    products = torch.einsum("...ai,...aj,a->...ij", about, about, masses)
    trace = products.diagonal(dim1=-2, dim2=-1).sum(dim=-1)
    return trace[..., None, None] * torch.eye(3, dtype=about.dtype) - products


def reference_axis(reference: Tensor) -> Tensor:
    """Unit vector along a linear molecule at rest [xyz], from its first atom to the one farthest from it."""
    from_first = reference - reference[0]
    farthest = from_first[torch.linalg.vector_norm(from_first, dim=-1).argmax()]
    return torch.nn.functional.normalize(farthest, dim=0)


def axis_of_line(about: Tensor, masses: Tensor, heights: Tensor) -> Tensor:
    """Unit vector along sum_i m_i h_i r_i, the axis of a linear molecule [..., xyz], bent a little or not.

    Args:
        about: positions about the centre of mass [..., atom, xyz], A.
        masses: [atom], u.
        heights: where the atoms lie along the axis at rest [atom], A.
    """
    return torch.nn.functional.normalize(torch.einsum("...ai,a->...i", about, masses * heights), dim=-1)


def solve(matrix: Tensor, vector: Tensor) -> Tensor:
    """X^-1 y of X [..., 3, 3] and y [..., 3]; not a number where X is singular, which is no error here."""
    solution: Tensor = torch.linalg.solve_ex(matrix, vector)[0]
    return solution


def _across(inertia: Tensor, axis: Tensor) -> Tensor:
    """The inertia of rotations across an axis; the axis itself gets any moment, so that there is an inverse."""
    along = axis.unsqueeze(-1) * axis.unsqueeze(-2)
    across = torch.eye(3, dtype=axis.dtype) - along
    trace = inertia.diagonal(dim1=-2, dim2=-1).sum(dim=-1)
    return across @ inertia @ across + along * trace[..., None, None]
