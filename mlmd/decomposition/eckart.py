"""The Eckart frame of a bent molecule: the rotation that brings its reference nearest.

C. Eckart, Phys. Rev. 47, 552 (1935): sum m_i R0_i × b_i = 0. With G = A^T C = sum m_i b_i R0_i^T the condition is that
G is symmetric, and the torque of a field s × R0_i about the b_i is K s with K = tr(G) 1 - G.
"""

import torch
from torch import Tensor

from mlmd.decomposition.base import Positions
from mlmd.decomposition.body_frame import BodyFrame, BodyGeometry, OnDevice
from mlmd.decomposition.rotation import nearest_rotation, solve


class EckartGeometry(BodyGeometry):
    """A molecule whose equilibrium is not linear; planar ones included.

    Args:
        masses_u: masses, u.
        dt_fs: time step, fs.
        reference_A: equilibrium positions in the principal axes of inertia, [atom][xyz], A.

    Attributes:
        root_inertia: square roots of the reference's moments of inertia about its axes, [3], sqrt(u) A.
    """

    n_rotations = 3

    def __init__(self, masses_u: tuple[float, ...], dt_fs: float, reference_A: Positions) -> None:
        super().__init__(masses_u, dt_fs, reference_A)
        weighted = self.masses * self.reference
        self.root_inertia = _trace_less(weighted.mT @ self.reference).diagonal().sqrt()
        self._of_reference = OnDevice(self.root_inertia)

    def axes(self, centred: Tensor, velocities: Tensor) -> Tensor:
        """The Eckart frame at each of the two positions."""
        return nearest_rotation(centred.mT @ self.constants(centred.device)[3])

    def rotation(self, frame: BodyFrame) -> Tensor:
        """Components of I^-1 J along the body axes, each times the root of the reference's moment of inertia."""
        return self.turning(frame, frame.momentum) * self._of_reference(frame.body.device)[0]

    def turning(self, frame: BodyFrame, momentum: Tensor) -> Tensor:
        """I^-1 J with the inertia I at r_n."""
        masses = self.constants(frame.body.device)[0]
        return solve(_trace_less((masses * frame.body).mT @ frame.body), momentum)

    def untwist(self, frame: BodyFrame, vectors: Tensor) -> Tensor:
        """With s from K s = -sum m_i b_i × vectors_i."""
        masses, _, reference, weighted = self.constants(frame.body.device)
        torque = torch.linalg.cross(masses * frame.body, vectors, dim=-1).sum(dim=-2)
        turn = solve(_trace_less(frame.body.mT @ weighted), -torque)
        rotated: Tensor = torch.linalg.cross(turn.unsqueeze(-2), reference.expand_as(vectors), dim=-1)
        return vectors + rotated

    def overlap(self, centred: Tensor) -> Tensor:
        """tr(A^T C)."""
        covariance = centred.mT @ self.constants(centred.device)[3]
        return (nearest_rotation(covariance) * covariance).sum(dim=(-2, -1))


def _trace_less(matrix: Tensor) -> Tensor:
    """tr(X) 1 - X of X [..., 3, 3]."""
    trace = matrix.diagonal(dim1=-2, dim2=-1).sum(dim=-1, keepdim=True)
    return torch.diag_embed(trace.expand(*trace.shape[:-1], 3)) - matrix
