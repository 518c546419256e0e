"""The frame of a linear molecule: its axis, and the angular momentum across it.

The reference lies along z. The axis is e = unit(sum m_i z0_i x_i), the Eckart condition of a line. What turns about it
is fixed by the angular momentum J: e2 = unit(the part of J across e), e1 = e2 × e. No kick without torque changes J, so
this frame is a smooth function of the state alone; about the axis it turns only as fast as the angular momentum of the
bends makes it. Without rotation nothing but noise lies across; the axis then keeps its direction but for a wobble of
second order in the vibration, and a direction fixed in space serves.
"""

import torch
from torch import Tensor

from mlmd.decomposition.base import Positions
from mlmd.decomposition.body_frame import BodyFrame, BodyGeometry
from mlmd.decomposition.bond_geometry import along
from mlmd.errors import ConfigError

STRAIGHT = 1e-20
"""Bends below this, sum m b^2 over the axis in u A^2, are none: 1e-10 A, far below vibrations and far above round-off.

A kick of such a molecule has no torque about the axis that is worth removing, and a direction that round-off decides.
"""

OFF_AXIS_A = 1e-3
"""What a linear reference may lie off the z axis, A."""

SLOWEST_TURN = 1e-6
"""A slower turn of the axis, radian a step, is none: heat turns it a thousand times faster, noise of forces less."""

STEEP = 0.9
"""Cosine above which the axis is too near to x for x to be the direction across it."""


class LinearGeometry(BodyGeometry):
    """A molecule whose equilibrium lies on a line.

    Bent by a vibration, it can take up angular momentum about its axis, so a kick without torque has one component
    less than there are modes; ``untwist`` takes the nearest such kick (least kinetic energy of the difference).

    Args:
        masses_u: masses, u.
        dt_fs: time step, fs.
        reference_A: equilibrium positions along z, [atom][xyz], A.

    Attributes:
        least_momentum: angular momentum of the slowest turn, u A^2/fs.

    Raises:
        ConfigError: the reference does not lie along z.
    """

    n_rotations = 1

    def __init__(self, masses_u: tuple[float, ...], dt_fs: float, reference_A: Positions) -> None:
        x, y, z = zip(*reference_A, strict=True)
        off_axis = max(max(x) - min(x), max(y) - min(y))
        if off_axis > OFF_AXIS_A:
            raise ConfigError(
                f"a linear molecule must lie along z in its reference geometry, an atom is {off_axis:.3f} A off it"
            )
        super().__init__(masses_u, dt_fs, tuple((0.0, 0.0, height) for height in z))
        self.least_momentum = SLOWEST_TURN / dt_fs * float((self.masses * self.reference.square()).sum())

    def axes(self, centred: Tensor, velocities: Tensor) -> Tensor:
        """The axis at each of the two positions, with the angular momentum that they share."""
        masses, _, _, weighted = self.constants(centred.device)
        momentum = torch.linalg.cross(masses * centred[0], velocities, dim=-1).sum(dim=-2)
        axis = torch.nn.functional.normalize((weighted[:, 2:] * centred).sum(dim=-2), dim=-1, eps=0.0)
        second = _across(momentum, axis, self.least_momentum)
        return torch.stack((torch.linalg.cross(second, axis, dim=-1), second, axis), dim=-1)

    def rotation(self, frame: BodyFrame) -> Tensor:
        """|J across the axis| / sqrt(sum m_i z_i^2), z along the axis at r_n; for two atoms sqrt(mu) |v across|."""
        masses = self.constants(frame.body.device)[0]
        across: Tensor = frame.momentum[..., :2].norm(dim=-1, keepdim=True)
        return across / (masses.squeeze(-1) * frame.body[..., 2].square()).sum(dim=-1, keepdim=True).sqrt()

    def turning(self, frame: BodyFrame, momentum: Tensor) -> Tensor:
        """Of the axis alone: J across it over sum m_i z0_i z_i."""
        turning = momentum / self._stretch(frame.body).unsqueeze(-1)
        return torch.cat((turning[..., :2], torch.zeros_like(turning[..., 2:])), dim=-1)

    def untwist(self, frame: BodyFrame, vectors: Tensor) -> Tensor:
        """The torque along the axis goes with the field e × b_i, the rest with s × R0_i, which gives none along it."""
        masses, _, reference, _ = self.constants(frame.body.device)
        x, y, _ = frame.body.unbind(dim=-1)
        about = torch.stack((-y, x, torch.zeros_like(x)), dim=-1)
        weighted = masses * about
        twist = (weighted * vectors).sum(dim=(-2, -1)) / (weighted * about).sum(dim=(-2, -1)).clamp(min=STRAIGHT)
        vectors = vectors - twist[..., None, None] * about
        torque = torch.linalg.cross(masses * frame.body, vectors, dim=-1).sum(dim=-2)
        shift = torch.stack((-torque[..., 1], torque[..., 0], torch.zeros_like(torque[..., 0])), dim=-1)
        shift = shift / self._stretch(frame.body).unsqueeze(-1)
        return vectors + reference[:, 2:] * shift.unsqueeze(-2)

    def overlap(self, centred: Tensor) -> Tensor:
        """|sum m_i z0_i x_i|, the length of what the axis is the direction of."""
        overlap: Tensor = (self.constants(centred.device)[3][:, 2:] * centred).sum(dim=-2).norm(dim=-1)
        return overlap

    def _stretch(self, body: Tensor) -> Tensor:
        """Sum m_i z0_i z_i, [...], u A^2: what a rotation of the axis is turned against."""
        return (self.constants(body.device)[3][:, 2] * body[..., 2]).sum(dim=-1)


def _across(vector: Tensor, axis: Tensor, least: float) -> Tensor:
    """Unit vector along the part of ``vector`` across ``axis``; a fixed one where that is not above ``least``."""
    across = vector - along(vector, axis) * axis
    steep = axis[..., :1].abs() > STEEP
    fixed = torch.cat((1.0 - steep.to(axis), steep.to(axis), torch.zeros_like(axis[..., :1])), dim=-1)
    nil = across.norm(dim=-1, keepdim=True) <= least
    direction = torch.nn.functional.normalize(torch.where(nil, fixed, across), dim=-1, eps=0.0)
    # Twice, as in `pair.unit_across`.
    return torch.nn.functional.normalize(direction - along(direction, axis) * axis, dim=-1, eps=0.0)
