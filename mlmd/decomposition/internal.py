"""The part of a velocity that is neither translation nor rotation of the molecule as it stands."""

import torch
from torch import Tensor

SLENDER = 1e-12
"""Added to the inertia, in units of its trace, so that a straight molecule, without inertia about its axis, has a turn
about it too: none. One step of refinement squares what this changes elsewhere."""


def internal_velocity(positions: Tensor, velocities: Tensor, masses: Tensor) -> Tensor:
    """Vibrational velocity v - V_cm - omega × x with omega = I^-1 J: it carries neither momentum nor angular momentum.

    Args:
        positions: [..., atom, xyz], A.
        velocities: the same, A/fs.
        masses: [atom, 1], in any unit.

    Returns:
        [..., atom, xyz], A/fs.
    """
    shares = masses / masses.sum()
    x = positions - (shares * positions).sum(dim=-2, keepdim=True)
    v = velocities - (shares * velocities).sum(dim=-2, keepdim=True)
    weighted = masses * x
    momentum = torch.linalg.cross(weighted, v, dim=-1).sum(dim=-2).unsqueeze(-1)
    spread = weighted.mT @ x
    trace = spread.diagonal(dim1=-2, dim2=-1).sum(dim=-1)[..., None, None]
    unit = torch.eye(3, dtype=x.dtype, device=x.device)
    inertia = trace * unit - spread
    inverse = torch.linalg.inv_ex(inertia + SLENDER * trace * unit).inverse
    turning = inverse @ momentum
    turning = turning + inverse @ (momentum - inertia @ turning)
    rotation: Tensor = torch.linalg.cross(turning.mT, x, dim=-1)
    return v - rotation
