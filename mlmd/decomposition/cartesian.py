"""Cartesian components (variant 3), in the lab frame or in the molecule-fixed frame of two atoms."""

from dataclasses import dataclass

import torch
from torch import Tensor

from mlmd.decomposition.base import Decomposition, Frame, Molecule
from mlmd.decomposition.bond_geometry import PairGeometry, pair_geometry, unit_across
from mlmd.errors import ConfigError


class LabCartesian(Decomposition[Frame], components="cartesian", frame="lab"):
    """Lab-frame components, as in the preprint's models "3".

    Args:
        masses_u: atomic masses, u.
    """

    def __init__(self, masses_u: tuple[float, ...]) -> None:
        self.n_atoms = len(masses_u)
        self.n_features = self.n_components = self.n_coordinates = 3 * self.n_atoms
        self.weights = tuple(mass / sum(masses_u) for mass in masses_u)
        self._weights: dict[torch.device, Tensor] = {}

    @classmethod
    def of(cls, molecule: Molecule) -> "LabCartesian":
        """For any number of atoms."""
        return cls(molecule.masses_u)

    def frame(self, positions: Tensor, velocities: Tensor) -> Frame:
        """An empty frame, since the axes of the lab are fixed."""
        return Frame()

    def encode(self, frame: Frame, velocities: Tensor) -> Tensor:
        """The 3 N components, A/fs."""
        return velocities.flatten(-2)

    def project(self, frame: Frame, vectors: Tensor) -> Tensor:
        """The 3 N components, A/fs."""
        return vectors.flatten(-2)

    def decode(self, frame: Frame, components: Tensor) -> Tensor:
        """The components as [..., atom, xyz]."""
        return components.reshape(*components.shape[:-1], self.n_atoms, 3)

    def coordinates(self, frame: Frame, positions: Tensor) -> Tensor:
        """Positions relative to the centre of mass, [..., 3 N], A."""
        # Cached by device: a new tensor is copied from the host, and a GPU would wait for the copy at every step.
        if positions.device not in self._weights:
            self._weights[positions.device] = positions.new_tensor(self.weights).unsqueeze(-1)
        weights = self._weights[positions.device]
        return (positions - (weights * positions).sum(dim=-2, keepdim=True)).flatten(-2)


@dataclass(frozen=True)
class TurningFrame(Frame):
    """Axes as rows, [..., 3, xyz]: along the bond, across it in the plane of motion, normal to that plane.

    Attributes:
        pair: geometry of the two atoms.
        axes: orthonormal, at r_n.
        middle_axes: in the middle of the step; the first row is ``PairGeometry.middle_axis``.
    """

    pair: PairGeometry
    axes: Tensor
    middle_axes: Tensor


class MolecularFrameCartesian(Decomposition[TurningFrame], components="cartesian", frame="molecule", n_atoms=2):
    """Three components of every atom in a frame that turns with the molecule, so that no rotation has to be learned.

    Args:
        masses_u: two masses, u.
        dt_fs: time step, fs.

    Raises:
        ConfigError: the system does not have two atoms.
    """

    n_features = 6
    n_components = 6
    n_coordinates = 1

    def __init__(self, masses_u: tuple[float, ...], dt_fs: float) -> None:
        if len(masses_u) != 2:
            raise ConfigError(f"frame=molecule is for two atoms, this system has {len(masses_u)}")
        self.dt_fs = dt_fs

    @classmethod
    def of(cls, molecule: Molecule) -> "MolecularFrameCartesian":
        """For two atoms."""
        return cls(molecule.masses_u, molecule.dt_fs)

    def frame(self, positions: Tensor, velocities: Tensor) -> TurningFrame:
        """Axes at r_n (A) and in the middle of the step with v_{n-1/2} (A/fs)."""
        pair = pair_geometry(positions, velocities, self.dt_fs)
        across = unit_across(pair.relative_velocity, pair.axis)
        normal = torch.linalg.cross(pair.axis, across)
        middle_across = torch.linalg.cross(normal, torch.nn.functional.normalize(pair.middle_axis, dim=-1))
        axes = torch.stack((pair.axis, across, normal), dim=-2)
        return TurningFrame(pair, axes, torch.stack((pair.middle_axis, middle_across, normal), dim=-2))

    def encode(self, frame: TurningFrame, velocities: Tensor) -> Tensor:
        """Components in the middle of the step, [..., 6], A/fs."""
        return (velocities @ frame.middle_axes.mT).flatten(-2)

    def project(self, frame: TurningFrame, vectors: Tensor) -> Tensor:
        """Components at r_n, [..., 6], A/fs."""
        return (vectors @ frame.axes.mT).flatten(-2)

    def decode(self, frame: TurningFrame, components: Tensor) -> Tensor:
        """Velocity change [..., 2, xyz] of components at r_n."""
        return components.reshape(*components.shape[:-1], 2, 3) @ frame.axes

    def coordinates(self, frame: TurningFrame, positions: Tensor) -> Tensor:
        """The bond length, the only coordinate that is not zero in this frame, [..., 1], A."""
        return frame.pair.length
