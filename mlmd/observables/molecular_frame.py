"""Velocities of atoms in the molecule-fixed frame: the rates of normal coordinates.

With the reference R0_i about its centre of mass and the frame A that brings it nearest to the molecule (C. Eckart,
Phys. Rev. 47, 552 (1935)), normal coordinates are Q_k = sum_i sqrt(m_i) L_ki . (A^T r_i - R0_i) and their rates

    dQ_k/dt = sum_i sqrt(m_i) L_ki . A^T (v_i - W x r_i),

r_i and v_i about the centre of mass and W the angular velocity of the frame. Differentiating the Eckart condition
sum_i m_i (A R0_i) x r_i = 0 gives W:  [sum_i m_i ((A R0_i . r_i) 1 - A R0_i r_i^T)] W = sum_i m_i (A R0_i) x v_i.

The frame of a linear molecule is fixed but for a turn about its axis n. Here it never turns about it: across the axis
it is carried along by the shortest way from frame to frame, so that the bends show no rotation that is not theirs.

What is found here judges predictors and shares no code with the frame that they are driven in.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from mlmd.observables.momenta import about_centre
from mlmd.observables.rigid import axis_of_line, reference_axis, solve


class FollowingFrame(ABC):
    """Follows some replicas of a molecule from the start of a run, stretch by stretch.

    Args:
        masses: [atom], u.
        reference: positions at rest [atom, xyz], A.
    """

    def __init__(self, masses: Tensor, reference: Tensor) -> None:
        self._masses = masses
        self._reference = about_centre(reference, masses)

    def follow(self, positions: Tensor, velocities: Tensor) -> Tensor:
        """Velocities of the atoms within the molecule, in the coordinates of the reference.

        Args:
            positions: the next frames, all finite [replica, time, atom, xyz], A.
            velocities: on-step velocities, same shape, A/fs.

        Returns:
            A^T (v_i - W x r_i), same shape, A/fs.
        """
        about, rates = about_centre(positions, self._masses), about_centre(velocities, self._masses)
        axes, angular_velocity = self._frame(about, rates)
        turning = torch.linalg.cross(angular_velocity.unsqueeze(-2).expand_as(about), about)
        within: Tensor = (rates - turning) @ axes
        return within

    @abstractmethod
    def _frame(self, about: Tensor, rates: Tensor) -> tuple[Tensor, Tensor]:
        """A [..., xyz, 3] and W [..., xyz], 1/fs."""


class BentMoleculeFrame(FollowingFrame):
    """Follows a molecule that is not linear; it remembers nothing."""

    def _frame(self, about: Tensor, rates: Tensor) -> tuple[Tensor, Tensor]:
        axes = _nearest_rotation(torch.einsum("...ai,aj,a->...ij", about, self._reference, self._masses))
        turned = self._reference @ axes.mT
        products = torch.einsum("...ai,...aj,a->...ij", turned, about, self._masses)
        trace = products.diagonal(dim1=-2, dim2=-1).sum(dim=-1)
        stiffness = trace[..., None, None] * torch.eye(3, dtype=about.dtype) - products
        moment = torch.einsum("...ai,a->...i", torch.linalg.cross(turned, rates), self._masses)
        return axes, solve(stiffness, moment)


class LinearMoleculeFrame(FollowingFrame):
    """Follows a linear molecule; it remembers the axes of the last frame."""

    def __init__(self, masses: Tensor, reference: Tensor) -> None:
        super().__init__(masses, reference)
        axis = reference_axis(reference)
        self._heights = self._reference @ axis
        self._of_reference = _any_axes(axis)
        self._last: Tensor | None = None

    def _frame(self, about: Tensor, rates: Tensor) -> tuple[Tensor, Tensor]:
        n = axis_of_line(about, self._masses, self._heights)
        weights = self._masses * self._heights
        moment, rate = (torch.einsum("...ai,a->...i", of_atoms, weights) for of_atoms in (about, rates))
        # W = n x dn/dt, and what is along n in the rate of the moment does not turn it.
        angular_velocity = torch.linalg.cross(n, rate) / torch.linalg.vector_norm(moment, dim=-1, keepdim=True)
        carried = self._carry(_any_axes(n))
        return carried @ self._of_reference.mT, angular_velocity

    def _carry(self, axes: Tensor) -> Tensor:
        """Axes [replica, time, xyz, 3] turned about the third, each to where the shortest way takes the last."""
        before = axes[:, :1] if self._last is None else self._last
        previous = torch.cat([before, axes[:, :-1]], dim=1)
        n, n_before = axes[..., 2], previous[..., 2]
        first = previous[..., 0]
        along = (first * n).sum(dim=-1, keepdim=True) / (1.0 + (n * n_before).sum(dim=-1, keepdim=True))
        moved = first - along * (n + n_before)
        step = torch.atan2((moved * axes[..., 1]).sum(dim=-1), (moved * axes[..., 0]).sum(dim=-1))
        angle = step.cumsum(dim=1)[..., None]
        cosine, sine = angle.cos(), angle.sin()
        x, y = axes[..., 0], axes[..., 1]
        carried = torch.stack((cosine * x + sine * y, cosine * y - sine * x, n), dim=-1)
        self._last = carried[:, -1:].clone()
        return carried


def _any_axes(n: Tensor) -> Tensor:
    """Right-handed orthonormal axes [..., xyz, 3] of which the third is n [..., xyz]."""
    least = torch.nn.functional.one_hot(n.abs().argmin(dim=-1), 3).to(n)
    x = torch.nn.functional.normalize(torch.linalg.cross(least, n), dim=-1)
    return torch.stack((x, torch.linalg.cross(n, x), n), dim=-1)


def _nearest_rotation(covariance: Tensor) -> Tensor:
    """The rotation A that makes sum m |r - A R0|^2 least, from C = sum m r R0^T [..., 3, 3].

    W. Kabsch, Acta Cryst. A 32, 922 (1976).
    """
    left, _, right = torch.linalg.svd(covariance)
    # A planar molecule fixes two directions; the third follows by the right-hand rule.
    handedness = torch.linalg.det(left @ right)
    signs = torch.stack((torch.ones_like(handedness), torch.ones_like(handedness), handedness.sign()), dim=-1)
    rotation: Tensor = (left * signs.unsqueeze(-2)) @ right
    return rotation
