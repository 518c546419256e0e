"""A frame that turns with a molecule, for methods whose energy depends a little on how it lies in space.

The grid of a density functional has fixed directions, so that its energy changes by some 1e-5 eV as a molecule turns.
Here a geometry r is first turned into y = A r (about the centre) so that sum_i y0_i x y_i = 0, where y0 is the first
geometry in its principal axes. The energy then depends on the shape alone, and so its gradient has no torque:
g_i = A^T (G_i - lambda x y0_i), with G the gradient at y, lambda = M^-T sum_i y_i x G_i and
M w = sum_i y0_i x (w x y_i), which is what follows from moving y0 x y = 0 along with r.
"""

import numpy as np

from mlmd.hamiltonians.method import Array

PULL = 1e-6
"""Weight of the frame before; it decides what a geometry leaves open, the turn of a linear molecule about its axis."""

FLAT = 1e-2
"""Below this part of the largest, a moment is that of a linear molecule about its axis, where no torque is shared."""


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
            _, _, axes = np.linalg.svd(centred)
            self.rotation = axes[::-1] * np.linalg.det(axes[::-1])  # the long axis is z
            self.reference = centred @ self.rotation.T
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
        multiplier = np.linalg.pinv(moments.T, rcond=FLAT) @ torque
        without_torque: Array = internal - np.cross(multiplier, reference)
        return without_torque @ self.rotation

    def forget(self) -> None:
        """The next geometry is the first."""
        self.reference, self.rotation = None, np.eye(3)
