"""Cartesian components (variant 3) in the molecule-fixed frame, for more than two atoms."""

import torch
from torch import Tensor

from mlmd.decomposition.base import Molecule
from mlmd.decomposition.body_frame import BodyFrame, BodyGeometry
from mlmd.decomposition.body_geometry import body_geometry
from mlmd.decomposition.domain import NearReference


class BodyCartesian(NearReference, components="cartesian", frame="molecule"):
    """Three components of every atom along the axes of the molecule's frame.

    What is read stays a velocity of every atom, about the middle of the step: that of the centre of mass, the mean rate
    of the atom's place in the frame, and omega × b_i with the omega that gives the molecule its angular momentum (a
    linear one: that of its axis turning, to first order in the bends).

    Args:
        geometry: the frame.
    """

    def __init__(self, geometry: BodyGeometry) -> None:
        self.geometry = geometry
        self.n_atoms = len(geometry.masses)
        self.n_features = self.n_components = self.n_coordinates = 3 * self.n_atoms

    @classmethod
    def of(cls, molecule: Molecule) -> "BodyCartesian":
        """Of more than two atoms, about their equilibrium."""
        reference_A, modes = molecule.reference_and_modes()
        return cls(body_geometry(molecule.masses_u, molecule.dt_fs, reference_A, len(modes)))

    def frame(self, positions: Tensor, velocities: Tensor) -> BodyFrame:
        """The molecule in its own frame at r_n (A) after v_{n-1/2} (A/fs)."""
        return self.geometry.frame(positions, velocities)

    def encode(self, frame: BodyFrame, velocities: Tensor) -> Tensor:
        """Body components of every atom, [..., 3 N], A/fs."""
        masses, shares, _, _ = self.geometry.constants(frame.body.device)
        of_centre = (shares * velocities).sum(dim=-2, keepdim=True) @ frame.axes
        rates = (frame.body - frame.before) / self.geometry.dt_fs
        vibrating = torch.linalg.cross(masses * frame.body, rates, dim=-1).sum(dim=-2)
        turning = self.geometry.turning(frame, frame.momentum - vibrating).unsqueeze(-2)
        rotating: Tensor = torch.linalg.cross(turning, frame.body, dim=-1)
        return (of_centre + rates + rotating).flatten(-2)

    def project(self, frame: BodyFrame, vectors: Tensor) -> Tensor:
        """Components at r_n, [..., 3 N], A/fs."""
        return (vectors @ frame.axes).flatten(-2)

    def decode(self, frame: BodyFrame, components: Tensor) -> Tensor:
        """Velocity change [..., atom, xyz] of components at r_n."""
        return components.reshape(*components.shape[:-1], self.n_atoms, 3) @ frame.axes.mT

    def coordinates(self, frame: BodyFrame, positions: Tensor) -> Tensor:
        """Places in the frame, [..., 3 N], A."""
        return frame.body.flatten(-2)
