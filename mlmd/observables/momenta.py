"""Linear and angular momentum, and the shares of the kinetic energy of a diatomic."""

from typing import NamedTuple

import torch
from torch import Tensor

from mlmd.observables.errors import require_same_shape
from mlmd.observables.structure import bond_vectors
from mlmd.units import ACCELERATION

AT_REST = 1e-12
"""Share of sum m |r| |v| below which an angular momentum is round-off: some thousand times the float64 epsilon."""


class KineticPartition(NamedTuple):
    """Kinetic energy of a diatomic by motion, each [replica, time], eV."""

    vibrational: Tensor
    rotational: Tensor
    translational: Tensor


def linear_momentum(velocities: Tensor, masses: Tensor) -> Tensor:
    """Linear momentum P = sum_i m_i v_i.

    Args:
        velocities: [replica, time, atom, xyz], A/fs.
        masses: [atom], u.

    Returns:
        [replica, time, xyz], u A/fs.

    >>> linear_momentum(torch.tensor([[[[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]]]]), torch.tensor([3.0, 4.0])).tolist()
    [[[3.0, 8.0, 0.0]]]
    """
    return torch.einsum("...ai,a->...i", velocities, masses.to(velocities))


def about_centre(of_atoms: Tensor, masses: Tensor) -> Tensor:
    """Positions or velocities less those of the centre of mass."""
    return of_atoms - linear_momentum(of_atoms, masses).unsqueeze(-2) / masses.to(of_atoms).sum()


def angular_momentum(positions: Tensor, velocities: Tensor, masses: Tensor) -> Tensor:
    """Angular momentum about the centre of mass, L = sum_i m_i (r_i - R) x (v_i - V).

    Args:
        positions: [replica, time, atom, xyz], A.
        velocities: on-step velocities, same shape, A/fs.
        masses: [atom], u.

    Returns:
        [replica, time, xyz], u A^2/fs.

    Raises:
        DataError: the shapes differ.
    """
    require_same_shape(positions, velocities, names=("positions", "velocities"))
    # Taking both from the centre costs little and keeps the digits of a molecule far from the origin.
    about, rates = about_centre(positions, masses), about_centre(velocities, masses)
    return linear_momentum(torch.linalg.cross(about, rates), masses)


def linear_momentum_scale(velocities: Tensor, masses: Tensor) -> Tensor:
    """The natural size of a linear momentum, the mean over time of sum_i m_i |v_i|.

    Over time, because at a turning point of the bond every velocity may be zero.

    Args:
        velocities: [replica, time, atom, xyz], A/fs.
        masses: [atom], u.

    Returns:
        [replica], u A/fs.
    """
    speeds: Tensor = torch.linalg.vector_norm(velocities, dim=-1)
    return (speeds @ masses.to(velocities)).mean(dim=-1)


def angular_momentum_scale(positions: Tensor, velocities: Tensor, masses: Tensor) -> Tensor:
    """What an angular momentum is compared with: |L_0|, or for a molecule at rest the size that its parts could have.

    |L_0| of frame 0 where it is above 1e-12 of sum_i m_i |r_i| |v_i| about the centre of mass; else that sum. The sum
    is a mean over time, because at a turning point of the bond every velocity may be zero.

    Args:
        positions: [replica, time, atom, xyz], A.
        velocities: on-step velocities, same shape, A/fs.
        masses: [atom], u.

    Returns:
        [replica], u A^2/fs.

    Raises:
        DataError: the shapes differ.
    """
    at_start = angular_momentum(positions[:, :1], velocities[:, :1], masses)[:, 0]
    return scale_of_start(at_start, angular_momentum_size(positions, velocities, masses).mean(dim=-1))


def angular_momentum_size(positions: Tensor, velocities: Tensor, masses: Tensor) -> Tensor:
    """The size that an angular momentum could have, sum_i m_i |r_i| |v_i| about the centre of mass.

    Args:
        positions: [replica, time, atom, xyz], A.
        velocities: on-step velocities, same shape, A/fs.
        masses: [atom], u.

    Returns:
        [replica, time], u A^2/fs.
    """
    distances: Tensor = torch.linalg.vector_norm(about_centre(positions, masses), dim=-1)
    speeds: Tensor = torch.linalg.vector_norm(about_centre(velocities, masses), dim=-1)
    return (distances * speeds) @ masses.to(positions)


def scale_of_start(at_start: Tensor, natural: Tensor) -> Tensor:
    """|L_0| [replica] of an angular momentum [replica, xyz] at the start, or its natural size where it is round-off."""
    size = torch.linalg.vector_norm(at_start, dim=-1)
    return torch.where(size > AT_REST * natural, size, natural)


def relative_change(change: Tensor, scale: Tensor) -> Tensor:
    """Change / scale [replica]; no change is no error, also where nothing moves."""
    return torch.where(change == 0, change, change / scale)


def _change(momentum: Tensor, scale: Tensor) -> Tensor:
    """Largest |deviation from the first frame| / scale [replica]."""
    return relative_change(torch.linalg.vector_norm(momentum - momentum[:, :1], dim=-1).amax(dim=-1), scale)


def linear_momentum_error(velocities: Tensor, masses: Tensor, *, scale: Tensor | None = None) -> Tensor:
    """Largest change of the linear momentum along the run, max_n |P_n - P_0| / scale.

    Args:
        velocities: [replica, time, atom, xyz], A/fs.
        masses: [atom], u.
        scale: [replica], u A/fs; :func:`linear_momentum_scale` of this run if not given. Give the reference's where
            there is one: a run that heats up enlarges its own.

    Returns:
        [replica], dimensionless; NaN for a replica that diverged.
    """
    scale = linear_momentum_scale(velocities, masses) if scale is None else scale
    return _change(linear_momentum(velocities, masses), scale)


def angular_momentum_error(
    positions: Tensor, velocities: Tensor, masses: Tensor, *, scale: Tensor | None = None
) -> Tensor:
    """Largest change of the angular momentum along the run, max_n |L_n - L_0| / scale.

    Args:
        positions: [replica, time, atom, xyz], A.
        velocities: on-step velocities, same shape, A/fs.
        masses: [atom], u.
        scale: [replica], u A^2/fs; :func:`angular_momentum_scale` of this run if not given. Give the reference's where
            there is one: a run that heats up enlarges its own.

    Returns:
        [replica], dimensionless; NaN for a replica that diverged.

    Raises:
        DataError: the shapes differ.
    """
    scale = angular_momentum_scale(positions, velocities, masses) if scale is None else scale
    return _change(angular_momentum(positions, velocities, masses), scale)


def partition_kinetic_energy(positions: Tensor, velocities: Tensor, masses: Tensor) -> KineticPartition:
    """Kinetic energy of a diatomic as vibration, rotation and translation, which add up to the whole.

    With mu = m_1 m_2 / (m_1 + m_2) and the relative velocity split along and across the bond: mu v_along^2 / 2,
    mu v_across^2 / 2 and (m_1 + m_2) V^2 / 2. Equipartition gives them 1/2, 1 and 3/2 kT (0 with the centre at rest).

    Args:
        positions: [replica, time, 2, xyz], A.
        velocities: on-step velocities, same shape, A/fs.
        masses: [2], u.

    Raises:
        DataError: not two atoms, or the shapes differ.
    """
    require_same_shape(positions, velocities, names=("positions", "velocities"))
    masses = masses.to(positions)
    bond, relative = bond_vectors(positions), bond_vectors(velocities)
    axis = bond / torch.linalg.vector_norm(bond, dim=-1, keepdim=True)
    along = (relative * axis).sum(dim=-1)
    across = relative - along.unsqueeze(-1) * axis
    total = masses.sum()
    half_mu = 0.5 * masses.prod() / total / ACCELERATION
    translational = linear_momentum(velocities, masses).square().sum(dim=-1) * (0.5 / total / ACCELERATION)
    return KineticPartition(half_mu * along.square(), half_mu * across.square().sum(dim=-1), translational)
