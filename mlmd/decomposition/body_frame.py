"""The frame that follows a molecule of more than two atoms: the common part of bent and linear ones.

| symbol | in code |
|---|---|
| m_i, R0_i | ``masses``, ``reference``: about the centre of mass |
| x_i = r_i - R_cm | ``about_centre`` |
| A, body to lab | ``axes``, so that ``vectors @ axes`` are body components |
| b_i = A^T x_i at r_n, at r_{n-1} | ``body``, ``before`` |
| A^T J, J = sum m x_i × v_i | ``momentum`` |
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from mlmd.decomposition.base import Frame, Positions


class OnDevice:
    """Constants made on the host once and kept by device: a copy at every step would make a GPU wait.

    Args:
        tensors: on the CPU.
    """

    def __init__(self, *tensors: Tensor) -> None:
        self._tensors = {torch.device("cpu"): tensors}

    def __call__(self, device: torch.device) -> tuple[Tensor, ...]:
        """The constants on ``device``."""
        if device not in self._tensors:
            self._tensors[device] = tuple(tensor.to(device) for tensor in self._tensors[torch.device("cpu")])
        return self._tensors[device]


@dataclass(frozen=True)
class BodyFrame(Frame):
    """A molecule in its own frame.

    Attributes:
        axes: A, body axes as columns, [..., xyz, 3].
        body: b_i at r_n, [..., atom, 3], A.
        before: b_i at r_{n-1}, in the frame that the molecule had there, [..., atom, 3], A.
        momentum: angular momentum about the centre of mass in body components at r_n, [..., 3], u A^2/fs.
    """

    axes: Tensor
    body: Tensor
    before: Tensor
    momentum: Tensor


class BodyGeometry(ABC):
    """The frame of a reference geometry, and what follows from geometry alone.

    Args:
        masses_u: masses, u.
        dt_fs: time step, fs.
        reference_A: equilibrium positions, [atom][xyz], A; moved to the centre of mass.

    Attributes:
        masses: [atom, 1], u.
        reference: R0_i, [atom, 3], A.
        n_rotations: numbers that ``rotation`` gives.
    """

    n_rotations: int

    def __init__(self, masses_u: tuple[float, ...], dt_fs: float, reference_A: Positions) -> None:
        self.dt_fs = dt_fs
        self.masses = torch.tensor(masses_u, dtype=torch.float64).unsqueeze(-1)
        reference = torch.tensor(reference_A, dtype=torch.float64)
        shares = self.masses / self.masses.sum()
        self.reference = reference - (shares * reference).sum(dim=0)
        self.constants = OnDevice(self.masses, shares, self.reference, self.masses * self.reference)

    def about_centre(self, positions: Tensor) -> Tensor:
        """Positions or velocities [..., atom, xyz] relative to those of the centre of mass."""
        shares = self.constants(positions.device)[1]
        return positions - (shares * positions).sum(dim=-2, keepdim=True)

    def frame(self, positions: Tensor, velocities: Tensor) -> BodyFrame:
        """The frame at r_n (A) after v_{n-1/2} (A/fs), both [..., atom, xyz]."""
        centred = self.about_centre(torch.stack((positions, positions - self.dt_fs * velocities)))
        velocities = self.about_centre(velocities)
        axes = self.axes(centred, velocities)
        body = centred @ axes
        masses = self.constants(positions.device)[0]
        momentum = torch.linalg.cross(masses * body[0], velocities @ axes[0], dim=-1).sum(dim=-2)
        return BodyFrame(axes[0], body[0], body[1], momentum)

    @abstractmethod
    def axes(self, centred: Tensor, velocities: Tensor) -> Tensor:
        """A of [r_n, r_{n-1}], [2, ..., xyz, 3], from both [2, ..., atom, xyz] and v_{n-1/2}, about the centre."""

    @abstractmethod
    def rotation(self, frame: BodyFrame) -> Tensor:
        """How the molecule turns at r_n, [..., n_rotations], sqrt(u) A/fs."""

    @abstractmethod
    def turning(self, frame: BodyFrame, momentum: Tensor) -> Tensor:
        """The angular velocity that carries ``momentum`` at r_n, body components, [..., 3], 1/fs."""

    @abstractmethod
    def untwist(self, frame: BodyFrame, vectors: Tensor) -> Tensor:
        """Free of torque about r_n: body vectors [..., atom, 3] of the vibrations, which lie across rotations of R0.

        A rotation s × R0_i, which changes no normal coordinate, takes the torque away.
        """

    @abstractmethod
    def overlap(self, centred: Tensor) -> Tensor:
        """Sum m_i b_i . R0_i of positions [..., atom, xyz] about the centre of mass, [...], u A^2."""

    def strain(self, positions: Tensor) -> Tensor:
        """How far the atoms are from the reference, mass-weighted and in units of its size, [...].

        sqrt(sum m |b - R0|^2 / sum m |R0|^2): 0 at the reference, of order 1 where it is another molecule.
        """
        masses, _, reference, weighted = self.constants(positions.device)
        centred = self.about_centre(positions)
        size: Tensor = (weighted * reference).sum()
        square = (masses * centred.square()).sum(dim=(-2, -1)) + size - 2.0 * self.overlap(centred)
        return (square.clamp(min=0.0) / size).sqrt()
