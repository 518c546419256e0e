"""The vibration of a diatomic (variant D): translation and rotation are conserved, only the vibration is predicted.

Translation is conserved and carries no news, so it is not read. What is read: the vibrational velocity in the middle of
the step, which is the mean rate of the bond length over it, and the speed across the bond. At one angular momentum the
latter determines the length of the bond: a velocity that depends on a coordinate, though no coordinate is an input.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from mlmd.decomposition.base import Decomposition, Frame, Molecule
from mlmd.decomposition.bond_geometry import PairGeometry, along, pair_geometry
from mlmd.errors import ConfigError


@dataclass(frozen=True)
class BondFrame(Frame):
    """The bond of a state, which is the direction of its kick.

    Attributes:
        pair: geometry of the two atoms.
    """

    pair: PairGeometry


class DiatomicVibration(Decomposition[BondFrame], components="molecular", n_atoms=2):
    """One number, the relative velocity (or kick) along the bond.

    A kick u is shared as -m_2/M u and +m_1/M u along the bond at r_n: no net momentum, no torque about r_n, so linear
    and angular momentum are conserved by construction.

    Args:
        masses_u: two masses, u.
        dt_fs: time step, fs.

    Raises:
        ConfigError: not two atoms.
    """

    n_features = 2
    n_components = 1
    n_coordinates = 1

    def __init__(self, masses_u: tuple[float, ...], dt_fs: float) -> None:
        if len(masses_u) != 2:
            raise ConfigError(f"components=molecular is for two atoms, this system has {len(masses_u)}")
        mass_1, mass_2 = masses_u
        self.shares = (-mass_2 / (mass_1 + mass_2), mass_1 / (mass_1 + mass_2))
        self.dt_fs = dt_fs

    @classmethod
    def of(cls, molecule: Molecule) -> "DiatomicVibration":
        """Of two atoms."""
        return cls(molecule.masses_u, molecule.dt_fs)

    def frame(self, positions: Tensor, velocities: Tensor) -> BondFrame:
        """Bond geometry at r_n (A) after v_{n-1/2} (A/fs)."""
        return BondFrame(pair_geometry(positions, velocities, self.dt_fs))

    def encode(self, frame: BondFrame, velocities: Tensor) -> Tensor:
        """Vibrational velocity in the middle of the step and speed across the bond, [..., 2], A/fs."""
        pair = frame.pair
        vibration = along(pair.relative_velocity, pair.middle_axis)
        across = pair.relative_velocity - along(pair.relative_velocity, pair.axis) * pair.axis
        return torch.cat((vibration, across.norm(dim=-1, keepdim=True)), dim=-1)

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
