"""Normal-mode components (variant D) of more than two atoms: only the vibration is predicted.

The vibration is described by the normal coordinates Q_k = sum sqrt(m_i) L_ki . (b_i - R0_i), with b_i the positions in
the frame that follows the molecule. The model inputs are their mean rates over the step,
(Q_k(r_n) - Q_k(r_{n-1})) / dt, and the rotation; the outputs are the components p_k = sum sqrt(m_i) L_ki . A^T u_i of a
kick. The frame turns with the positions by rotations of the reference, to which L_k is orthogonal, so a Hamiltonian
kick has p_k = -dt dV/dQ_k exactly: a molecule that is harmonic in Q obeys p_n = p_{n-1} - dt^2 lambda rate even while
it turns.
"""

import torch
from torch import Tensor

from mlmd.decomposition.base import Molecule, Positions
from mlmd.decomposition.body_frame import BodyFrame, BodyGeometry, OnDevice
from mlmd.decomposition.body_geometry import body_geometry
from mlmd.decomposition.domain import NearReference
from mlmd.errors import ConfigError

MODE_ERROR = 1e-3
"""How far given modes may be from orthonormal ones that neither translate nor rotate, before they are made so."""


class MolecularVibration(NearReference, components="molecular"):
    """3N - 6 numbers, or 3N - 5 of a linear molecule: the kick along each normal mode, sqrt(u) A/fs.

    ``decode`` gives u_i = A (sum_k p_k L_ki / sqrt(m_i) + s × R0_i), with s such that no torque about r_n is left:
    linear and angular momentum are conserved to round-off. s changes no p_k, and every kick without momentum and
    torque has this form, so project and decode are each other's inverse. A linear molecule that is bent has one
    direction among its modes that carries torque along its axis; decode drops it (see `LinearGeometry`), and the two
    are inverse on the rest.

    Args:
        masses_u: masses, u.
        dt_fs: time step, fs.
        reference_A: equilibrium positions, [atom][xyz], A, in principal axes; along z if linear.
        modes: orthonormal directions in mass-weighted coordinates, [mode][atom][xyz]; see `NormalModes`.

    Raises:
        ConfigError: not as many modes as vibrations, or modes that are no vibrations of the reference.
    """

    def __init__(
        self,
        masses_u: tuple[float, ...],
        dt_fs: float,
        reference_A: Positions,
        modes: tuple[Positions, ...],
    ) -> None:
        n_atoms, n_modes = len(masses_u), len(modes)
        self.geometry = body_geometry(masses_u, dt_fs, reference_A, n_modes)
        self.n_features = n_modes + self.geometry.n_rotations
        self.n_components = self.n_coordinates = n_modes
        self.n_atoms = n_atoms
        self.dt_fs = dt_fs
        directions = _vibrations(torch.tensor(modes, dtype=torch.float64), self.geometry)
        root_masses = self.geometry.masses.sqrt()
        self.weighted = (root_masses * directions).flatten(1)
        self.shares = (directions / root_masses).flatten(1)
        self._modes = OnDevice(self.weighted, self.shares)

    @classmethod
    def of(cls, molecule: Molecule) -> "MolecularVibration":
        """Of more than two atoms, about their equilibrium."""
        return cls(molecule.masses_u, molecule.dt_fs, *molecule.reference_and_modes())

    def frame(self, positions: Tensor, velocities: Tensor) -> BodyFrame:
        """The molecule in its own frame at r_n (A) after v_{n-1/2} (A/fs)."""
        return self.geometry.frame(positions, velocities)

    def encode(self, frame: BodyFrame, velocities: Tensor) -> Tensor:
        """Mean rates of the normal coordinates, then the rotation, [..., n_features], sqrt(u) A/fs."""
        weighted = self._modes(frame.body.device)[0]
        rates = ((frame.body - frame.before) / self.dt_fs).flatten(-2) @ weighted.mT
        return torch.cat((rates, self.geometry.rotation(frame)), dim=-1)

    def project(self, frame: BodyFrame, vectors: Tensor) -> Tensor:
        """Components along the modes at r_n, [..., mode], sqrt(u) A/fs."""
        return (vectors @ frame.axes).flatten(-2) @ self._modes(frame.body.device)[0].mT

    def decode(self, frame: BodyFrame, components: Tensor) -> Tensor:
        """Velocity change [..., atom, xyz] without momentum or torque."""
        along_modes = components @ self._modes(frame.body.device)[1]
        field = along_modes.reshape(*along_modes.shape[:-1], self.n_atoms, 3)
        return self.geometry.untwist(frame, field) @ frame.axes.mT

    def coordinates(self, frame: BodyFrame, positions: Tensor) -> Tensor:
        """Normal coordinates at r_n, [..., mode], sqrt(u) A."""
        reference = self.geometry.constants(frame.body.device)[2]
        return (frame.body - reference).flatten(-2) @ self._modes(frame.body.device)[0].mT


def _vibrations(modes: Tensor, geometry: BodyGeometry) -> Tensor:
    """The nearest modes that are exactly orthonormal and free of translation and rotation, [mode, atom, xyz].

    Given ones come from finite differences; what they lack in these respects would be an error of every kick.
    """
    root_masses, unit = geometry.masses.sqrt(), torch.eye(3, dtype=torch.float64)
    translations = root_masses * unit.unsqueeze(1)
    rotations = root_masses * torch.linalg.cross(unit.unsqueeze(1), geometry.reference.unsqueeze(0), dim=-1)
    motions, sizes, _ = torch.linalg.svd(torch.cat((translations, rotations)).flatten(1).mT, full_matrices=False)
    rigid = motions[:, sizes > 1e-6 * sizes[0]]
    given = modes.flatten(1)
    free = given - (given @ rigid) @ rigid.mT
    left, _, right = torch.linalg.svd(free, full_matrices=False)
    vibrations: Tensor = left @ right
    error = float((vibrations - given).abs().max())
    if not error < MODE_ERROR:
        raise ConfigError(
            f"the modes are no orthonormal vibrations of the reference geometry (by {error:.1e}); "
            "relax it and compute them anew"
        )
    return vibrations.reshape(modes.shape)
