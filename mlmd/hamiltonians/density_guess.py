"""Initial densities of a self-consistent field from those of earlier, similar geometries.

In orthogonalised orbitals the density matrix P = S^1/2 D S^1/2 of a molecule is a smooth function of its shape, and so
is the overlap S, which is known beforehand. The weights that best make up S of the overlaps before are used for P,
which is then made idempotent again: the occupied orbitals are those that P fills most. After E. Polack, G. Dusson,
B. Stamm, F. Lipparini, J. Chem. Theory Comput. 17, 6965 (2021), who weigh by another descriptor. Unlike an
extrapolation in time it takes geometries in any order and distance, as injections a hundred steps apart are.
"""

from collections import deque

import numpy as np

from mlmd.hamiltonians.method import Array

N_KEPT = 12
"""Geometries remembered. Water at geometries 50 fs apart takes 6 iterations from 1, 3.5 from 8 and 2.5 from 12."""

NOISE = 1e-6
"""How well density matrices are known: weights larger than what they gain would only bring in more of it."""


class DensityGuess:
    """Remembers overlaps and densities, and guesses the next density."""

    def __init__(self) -> None:
        self._overlaps: deque[Array] = deque(maxlen=N_KEPT)
        self._densities: deque[Array] = deque(maxlen=N_KEPT)
        self._roots: tuple[Array, Array] | None = None

    def guess(self, overlap: Array, n_occupied: tuple[int, ...]) -> list[Array] | None:
        """Occupied orbitals at the next geometry.

        Args:
            overlap: of the next geometry, [orbital, orbital].
            n_occupied: occupied orbitals of each spin; one number where the spins share them.

        Returns:
            Coefficients [orbital, occupied] for each of ``n_occupied``; None where nothing is remembered.
        """
        values, vectors = np.linalg.eigh(overlap)
        root = np.sqrt(np.maximum(values, 1e-12))  # what is linearly dependent has no density
        self._roots = (vectors * root) @ vectors.T, (vectors / root) @ vectors.T
        if not self._overlaps:
            return None
        weights = _weights(overlap, np.stack(self._overlaps))
        densities = np.tensordot(weights, np.stack(self._densities), axes=1)
        filled = np.linalg.eigh(densities)[1]
        return [self._roots[1] @ filled[spin][:, filled.shape[-1] - n :] for spin, n in enumerate(n_occupied)]

    def remember(self, overlap: Array, occupied: list[Array]) -> None:
        """Keep what the field of the geometry that was guessed last has converged to.

        Args:
            overlap: as it was given to `guess`.
            occupied: coefficients [orbital, occupied] for each spin.
        """
        assert self._roots is not None
        orthogonal = [self._roots[0] @ each for each in occupied]
        self._overlaps.append(overlap)
        self._densities.append(np.stack([each @ each.T for each in orthogonal]))

    def forget(self) -> None:
        """Drop what is remembered."""
        self._overlaps.clear()
        self._densities.clear()


def _weights(overlap: Array, overlaps: Array) -> Array:
    """Weights [geometry], of sum one, with which earlier overlaps [geometry, ...] make up this one in least squares."""
    newest = overlaps[-1]
    steps = (overlaps[:-1] - newest).reshape(len(overlaps) - 1, newest.size)
    normal = steps @ steps.T + NOISE**2 * np.eye(len(steps))
    weights: Array = np.linalg.solve(normal, steps @ (overlap - newest).ravel())
    return np.append(weights, 1.0 - weights.sum())
