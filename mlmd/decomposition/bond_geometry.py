"""The geometry of two atoms that move through half a step, shared by the frames of a diatomic."""

from dataclasses import dataclass

import torch
from torch import Tensor

NIL_ACROSS = 1e-10
"""A part of a velocity across the bond below this share of the velocity is round-off."""


@dataclass(frozen=True)
class PairGeometry:
    """A bond at r_n and in the middle of the step that led there.

    Attributes:
        axis: unit bond vector at r_n, from the first atom to the second, [..., xyz].
        middle_axis: (R_n + R_{n-1}) / (|R_n| + |R_{n-1}|) with R the bond vector, [..., xyz]. A relative velocity along
            it is exactly the mean rate of the bond length over the step, (|R_n| - |R_{n-1}|) / dt.
        length: |R_n|, [..., 1], A.
        relative_velocity: v_2 - v_1 in the middle of the step, [..., xyz], A/fs.
    """

    axis: Tensor
    middle_axis: Tensor
    length: Tensor
    relative_velocity: Tensor


def pair_geometry(positions: Tensor, velocities: Tensor, dt_fs: float) -> PairGeometry:
    """Geometry of two atoms at positions r_n (A) that came there with v_{n-1/2} (A/fs), both [..., 2, xyz]."""
    bond = positions[..., 1, :] - positions[..., 0, :]
    relative_velocity = velocities[..., 1, :] - velocities[..., 0, :]
    bond_before = bond - dt_fs * relative_velocity
    length = bond.norm(dim=-1, keepdim=True)
    middle_axis = (bond + bond_before) / (length + bond_before.norm(dim=-1, keepdim=True))
    return PairGeometry(bond / length, middle_axis, length, relative_velocity)


def along(vectors: Tensor, axis: Tensor) -> Tensor:
    """Component of ``vectors`` [..., xyz] along ``axis``, [..., 1]."""
    return (vectors * axis).sum(dim=-1, keepdim=True)


def unit_across(vectors: Tensor, axis: Tensor) -> Tensor:
    """Unit vector along the part of ``vectors`` across the unit vector ``axis``; any across it where that is nil."""
    across = vectors - along(vectors, axis) * axis
    # Where nothing lies across, the coordinate axis least along ``axis`` gives a direction that always exists.
    least = torch.nn.functional.one_hot(axis.abs().argmin(dim=-1), 3).to(axis)
    nil = across.norm(dim=-1, keepdim=True) <= NIL_ACROSS * vectors.norm(dim=-1, keepdim=True)
    direction = torch.nn.functional.normalize(torch.where(nil, least, across), dim=-1, eps=0.0)
    # A second pass: where ``vectors`` lie almost along the axis, the first leaves a part along it by cancellation.
    return torch.nn.functional.normalize(direction - along(direction, axis) * axis, dim=-1)
