"""A frame that turns with a molecule, for methods whose energy depends slightly on its orientation.

The grid of a density functional has fixed directions, so that the energy of water changes by 4e-5 eV as it turns, and
forces have a torque of 7e-4 eV (B3LYP/STO-3G, grid level 2; 2e-3 and 1e-2 eV at level 1), against which a trajectory
would not keep its angular momentum. Here a geometry r is first turned into y = A r (about the centre) so that
sum_i y0_i x y_i = 0, where y0 is the first geometry in its principal axes. The energy then depends on the shape alone,
and so its gradient has no torque:

    g_i = A^T (G_i - lambda x y0_i),   lambda = M^-T sum_i y_i x G_i,   M w = sum_i y0_i x (w x y_i),

with G the gradient at y; this follows from moving r while y0 x y = 0 is kept.
"""

import numpy as np

from mlmd.hamiltonians.method import Array

FLAT = 0.1
"""A first geometry narrower than this part of its length is taken for a line: which way CO2 bends fixes no frame."""

PULL = 1e-9
"""Weight of the frame before; it decides what a line leaves open, the turn about it."""


class MoleculeFrame:
    """Turns geometries into the frame, and gradients back; it starts with the first geometry that it meets."""

    def __init__(self) -> None:
        self.reference: Array | None = None
        self.rotation: Array = np.eye(3)
        self.turned: Array = np.zeros((0, 3))

    def turn(self, positions: Array) -> Array:
        """The geometry [atom, xyz] in the frame, about its centre."""
        centred = positions - positions.mean(axis=0)
        if self.reference is None:
            _, lengths, axes = np.linalg.svd(centred)
            self.rotation = axes[::-1] * np.linalg.det(axes[::-1])  # the long axis is z
            self.reference = centred @ self.rotation.T
            if len(lengths) < 2 or lengths[1] < FLAT * lengths[0]:
                self.reference[:, :2] = 0.0
        covariance = self.reference.T @ centred
        left, _, right = np.linalg.svd(covariance + PULL * np.linalg.norm(covariance) * self.rotation)
        handed = np.array([1.0, 1.0, np.linalg.det(left @ right)])
        self.rotation = (left * handed) @ right
        self.turned = centred @ self.rotation.T
        return self.turned

    def turn_back(self, gradient: Array) -> Array:
        """The gradient [atom, xyz] of the last geometry, without net force and torque."""
        assert self.reference is not None
        reference, turned = self.reference, self.turned
        internal = gradient - gradient.mean(axis=0)
        moments = np.eye(3) * (reference * turned).sum() - turned.T @ reference
        torque = np.cross(turned, internal).sum(axis=0)
        multiplier = np.linalg.pinv(moments.T, rcond=FLAT**2) @ torque
        without_torque: Array = internal - np.cross(multiplier, reference)
        return without_torque @ self.rotation

    def forget(self) -> None:
        """The next geometry is the first."""
        self.reference, self.rotation = None, np.eye(3)
