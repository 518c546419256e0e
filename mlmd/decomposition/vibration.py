"""Letter D for a diatomic: translation, rotation and vibration; only the vibration is kicked.

Translation is conserved and carries no news, so it is not read. What is read: the vibrational velocity in the middle of
the step, what the turning of the bond over half a step adds to it, and the angular speed.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from mlmd.decomposition.base import Decomposition, Frame
from mlmd.decomposition.pair import PairGeometry, along, pair_geometry
from mlmd.errors import ConfigError


@dataclass(frozen=True)
class BondFrame(Frame):
    """The bond of a state and the direction of its kick.

    Attributes:
        pair: geometry of the two atoms.
        radial_speed: component of v_{n-1/2} along the bond at r_n, [..., 1], A/fs.
    """

    pair: PairGeometry
    radial_speed: Tensor


class DiatomicVibration(Decomposition[BondFrame]):
    """One number, the relative velocity (or kick) along the bond.

    A kick u is shared as -m_2/M u and +m_1/M u along the bond at r_n: no net momentum, no torque about r_n, so linear
    and angular momentum are conserved by construction.

    Args:
        masses_u: two masses, u.
        dt_fs: time step, fs.

    Raises:
        ConfigError: not two atoms.
    """

    n_features = 3
    n_components = 1
    n_coordinates = 1

    def __init__(self, masses_u: tuple[float, ...], dt_fs: float) -> None:
        if len(masses_u) != 2:
            raise ConfigError(f"components=molecular is for two atoms, this system has {len(masses_u)}")
        mass_1, mass_2 = masses_u
        self.shares = (-mass_2 / (mass_1 + mass_2), mass_1 / (mass_1 + mass_2))
        self.dt_fs = dt_fs

    def frame(self, positions: Tensor, velocities: Tensor) -> BondFrame:
        """Bond geometry at r_n (A) after v_{n-1/2} (A/fs)."""
        pair = pair_geometry(positions, velocities, self.dt_fs)
        return BondFrame(pair, along(pair.relative_velocity, pair.axis))

    def encode(self, frame: BondFrame, velocities: Tensor) -> Tensor:
        """Vibrational velocity (A/fs), its change by turning (A/fs), angular speed (1/fs): [..., 3]."""
        pair = frame.pair
        vibration = along(pair.relative_velocity, pair.middle_axis)
        across = pair.relative_velocity - frame.radial_speed * pair.axis
        angular_speed = across.norm(dim=-1, keepdim=True) / pair.length
        return torch.cat((vibration, frame.radial_speed - vibration, angular_speed), dim=-1)

    def project(self, frame: BondFrame, vectors: Tensor) -> Tensor:
        """Relative component along the bond at r_n, [..., 1], A/fs."""
        return along(vectors[..., 1, :] - vectors[..., 0, :], frame.pair.axis)

    def decode(self, frame: BondFrame, components: Tensor) -> Tensor:
        """Velocity change [..., 2, xyz] of a relative kick along the bond."""
        relative = components * frame.pair.axis
        return torch.stack((self.shares[0] * relative, self.shares[1] * relative), dim=-2)

    def coordinates(self, frame: BondFrame, positions: Tensor) -> Tensor:
        """The bond length, [..., 1], A."""
        return frame.pair.length
