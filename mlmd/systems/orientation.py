"""The frame of a molecule at rest: centre of mass at the origin, principal axes along x, y and z."""

import itertools
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

LINEAR = 1e-6
"""A molecule is linear if its smallest moment of inertia is below this fraction of its largest: atoms within about a
thousandth of its length from a line. Relaxed linear molecules are below 1e-9."""

EQUAL_MOMENTS = 1e-3
"""Principal moments closer than this fraction count as one: symmetric and spherical tops have no axes of their own."""


def oriented(positions: Array, masses: Array) -> tuple[Array, bool]:
    """Positions in the molecule's own frame, and whether it is linear.

    A linear molecule is snapped onto the z axis, its first atom below its last. Any other has its smallest moment
    about z and its largest about x; on each of z and y the first atom that is clearly off the origin is positive, and x
    follows by the right-hand rule. Where moments are equal the axes nearest to those of the input are taken.

    Args:
        positions: [atom, xyz], A.
        masses: [atom], u.

    Returns:
        Positions [atom, xyz], A, and whether they lie on a line.
    """
    centred = positions - masses @ positions / masses.sum()
    squares = np.einsum("a,ai,aj->ij", masses, centred, centred)
    moments, axes = np.linalg.eigh(np.trace(squares) * np.eye(3) - squares)
    if moments[0] < LINEAR * moments[2]:
        along = centred @ axes[:, 0]
        along = along if along[0] < along[-1] else -along
        return np.stack([np.zeros_like(along), np.zeros_like(along), along], axis=1), True
    return centred @ _frame(moments, axes, centred), False


def _frame(moments: Array, axes: Array, centred: Array) -> Array:
    """Columns x, y, z."""
    groups = group_equal(moments, EQUAL_MOMENTS * float(moments[2]))
    z, y, _ = np.concatenate([canonical_basis(axes[:, group]) for group in groups], axis=1).T
    z, y = (axis * leading_sign(centred @ axis) for axis in (z, y))
    return np.stack([np.cross(y, z), y, z], axis=1)


def group_equal(values: Array, tolerance: float) -> list[slice]:
    """Runs of ascending values that are closer to their neighbours than a tolerance.

    >>> group_equal(np.array([1.0, 1.01, 2.0]), 0.1)
    [slice(0, 2, None), slice(2, 3, None)]
    """
    edges = [0, *(np.flatnonzero(np.diff(values) > tolerance) + 1).tolist(), len(values)]
    return [slice(start, stop) for start, stop in itertools.pairwise(edges)]


def canonical_basis(vectors: Array) -> Array:
    """The orthonormal basis of a space that leans on the input's coordinates, so that round-off does not turn it.

    Any basis of a space of equal eigenvalues is as good as another, and which one a solver gives is chance. This one
    projects coordinates onto the space, in their order, whichever lies in it with nearly the largest share.

    Args:
        vectors: orthonormal columns [coordinate, vector].
    """
    if vectors.shape[1] == 1:
        return vectors
    projector = vectors @ vectors.T
    basis = []
    for _ in range(vectors.shape[1]):
        shares = np.diag(projector)
        first = int(np.flatnonzero(shares >= 0.9 * shares.max())[0])
        direction = projector[:, first] / np.sqrt(projector[first, first])
        basis.append(direction)
        projector = projector - np.outer(direction, direction)
    return np.stack(basis, axis=1)


def leading_sign(components: Array) -> float:
    """Sign of the first component that is clearly off zero; positive where none is, across the plane of the atoms."""
    clear = np.flatnonzero(np.abs(components) >= max(0.3 * np.abs(components).max(), 1e-6))
    return float(np.sign(components[clear[0]])) if len(clear) else 1.0
