"""Normal modes by central finite differences of forces about a minimum."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mlmd.systems.modes import NormalModes
from mlmd.systems.orientation import canonical_basis, group_equal, leading_sign
from mlmd.systems.relaxation import rigid_motions
from mlmd.units import ACCELERATION, SPEED_OF_LIGHT_CM_PER_FS

Array = np.ndarray[Any, Any]
Forces = Callable[[Array], Array]
"""Forces [atom, xyz], eV/A, at positions [atom, xyz], A."""

STEP_A = 5e-3
"""Displacement of the differences. Their error grows with its square (0.3 cm^-1 for the O-H bond), that of the forces'
last digits with its inverse."""

EQUAL_CM1 = 0.5
"""Modes closer than this are one degenerate mode: finite differences of a symmetric top part them by less."""


def normal_modes(forces_at: Forces, positions: Array, masses: Array, *, linear: bool) -> NormalModes:
    """Vibrations about a minimum; a saddle point gives negative wavenumbers, which stand for imaginary ones.

    Translations and rotations are projected out of the mass-weighted Hessian, so that vectors are orthogonal to them to
    round-off. A linear molecule on the z axis has two blocks, bends (x, and the same again for y) and stretches (z).

    Args:
        forces_at: forces at displaced geometries; called 6 times an atom, 4 times of a linear molecule.
        positions: the minimum as `oriented` gives it, [atom, xyz], A.
        masses: [atom], u.
        linear: the molecule lies on the z axis.
    """
    roots = np.sqrt(masses)
    if linear:
        squares, vectors = _linear(forces_at, positions, roots)
    else:
        hessian = _hessian(forces_at, positions, roots, axes=(0, 1, 2))
        squares, vectors = _vibrations(hessian, rigid_motions(positions, roots))
    wavenumbers = np.sign(squares) * np.sqrt(np.abs(squares) * ACCELERATION) / (2 * np.pi * SPEED_OF_LIGHT_CM_PER_FS)
    if not linear:  # whose bends have their basis by construction
        for group in group_equal(wavenumbers, EQUAL_CM1):
            wavenumbers[group] = wavenumbers[group].mean()
            vectors[:, group] = canonical_basis(vectors[:, group])
    shaped = vectors.T.reshape(-1, *positions.shape)
    shaped = np.stack([vector * _sign(vector, roots[:, None] * positions) for vector in shaped]) + 0.0  # no -0.0
    return NormalModes(
        vectors=tuple(tuple((float(x), float(y), float(z)) for x, y, z in vector) for vector in shaped),
        wavenumbers_cm1=tuple(float(wavenumber) for wavenumber in wavenumbers),
    )


def _linear(forces_at: Forces, positions: Array, roots: Array) -> tuple[Array, Array]:
    """Eigenvalues, ascending, and vectors [3 atoms, mode]; of each pair of bends the one along x comes first."""
    translation, rotation = roots / np.linalg.norm(roots), roots * positions[:, 2]
    rigid = np.stack([translation, rotation / np.linalg.norm(rotation)], axis=1)
    bends = _vibrations(_hessian(forces_at, positions, roots, axes=(0,)), rigid)
    stretches = _vibrations(_hessian(forces_at, positions, roots, axes=(2,)), rigid[:, :1])
    squares, vectors = [], []
    for axis, (values, columns) in ((0, bends), (1, bends), (2, stretches)):
        placed = np.zeros((*positions.shape, len(values)))
        placed[:, axis] = columns
        squares.append(values)
        vectors.append(placed.reshape(positions.size, len(values)))
    order = np.argsort(np.concatenate(squares), kind="stable")
    return np.concatenate(squares)[order], np.concatenate(vectors, axis=1)[:, order]


def _hessian(forces_at: Forces, positions: Array, roots: Array, *, axes: tuple[int, ...]) -> Array:
    """Mass-weighted second derivatives, eV/(A^2 u), symmetrised: [n, n] with n = atoms x axes."""
    columns = []
    for atom in range(len(positions)):
        for axis in axes:
            ahead, behind = positions.copy(), positions.copy()
            ahead[atom, axis] += STEP_A
            behind[atom, axis] -= STEP_A
            difference = forces_at(behind) - forces_at(ahead)
            columns.append(difference[:, list(axes)].ravel() / (2.0 * STEP_A))
    hessian = np.stack(columns, axis=1)
    weights = np.repeat(roots, len(axes))
    return 0.5 * (hessian + hessian.T) / np.outer(weights, weights)


def _vibrations(hessian: Array, rigid: Array) -> tuple[Array, Array]:
    """Eigenvalues, ascending, and vectors of a Hessian in the space that is orthogonal to rigid motions."""
    space, _, _ = np.linalg.svd(rigid, full_matrices=True)
    internal = space[:, rigid.shape[1] :]
    squares, vectors = np.linalg.eigh(internal.T @ hessian @ internal)
    return squares, internal @ vectors


def _sign(vector: Array, weighted_positions: Array) -> float:
    """Positive is what makes the molecule larger (its moment of inertia); else the first clear component decides."""
    growth = float((vector * weighted_positions).sum()) / np.linalg.norm(weighted_positions)
    if abs(growth) > 1e-2:
        return float(np.sign(growth))
    return leading_sign(vector.ravel())
