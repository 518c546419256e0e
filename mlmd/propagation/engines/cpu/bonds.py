"""The decompositions of two atoms, and lab-frame components of any number, in compiled form."""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from mlmd.decomposition.bond_geometry import NIL_ACROSS
from mlmd.propagation.engines.cpu.algebra import (
    copy_rows,
    cross,
    dot,
    norm,
    plus,
    read,
    read_row,
    times,
    write,
    write_row,
)
from mlmd.propagation.engines.cpu.kernel_dispatch import compiled, coordinates, decode, encode, project
from mlmd.propagation.engines.cpu.lanes import magnitude, spread_like, where_less_equal

N_FRAME_ROWS = 10
"""Rows of the largest frame: three axes and the bond length."""

_VELOCITIES, _FRAME = 6, 18
"""Rows of a diatomic tile at which velocities and frame begin."""

_LENGTH = _FRAME + 9
"""Row of the bond length."""


class Lab(NamedTuple):
    """`LabCartesian`: share of each atom in the mass, [atom]."""

    weights: np.ndarray[Any, Any]


class TurningBond(NamedTuple):
    """`MolecularFrameCartesian`."""

    dt_fs: float


class Bond(NamedTuple):
    """`DiatomicVibration`: time step and each atom's share of a kick."""

    dt_fs: float
    first_share: float
    second_share: float


@njit
def _bond(rows, dt_fs, like):
    """Relative velocity, axis, middle axis and length, as in `pair_geometry`."""
    velocity = plus(read(rows, _VELOCITIES + 3, like), read(rows, _VELOCITIES, like), -1.0)
    bond = plus(read(rows, 3, like), read(rows, 0, like), -1.0)
    before = plus(bond, velocity, -dt_fs)
    length = norm(bond)
    middle = times(plus(bond, before, 1.0), 1.0 / (length + norm(before)))
    return velocity, times(bond, 1.0 / length), middle, length


@njit
def _unit_across(vector, axis):
    """`mlmd.decomposition.bond_geometry.unit_across`."""
    across = plus(vector, axis, -1.0 * dot(vector, axis))
    x, y, z = magnitude(axis[0]), magnitude(axis[1]), magnitude(axis[2])
    least_x = where_less_equal(x, y, where_less_equal(x, z, 1.0, 0.0), 0.0)
    least_y = (1.0 - least_x) * where_less_equal(y, z, 1.0, 0.0)
    least = least_x, least_y, 1.0 - least_x - least_y
    size, bound = norm(across), NIL_ACROSS * norm(vector)
    chosen = (
        where_less_equal(size, bound, least[0], across[0]),
        where_less_equal(size, bound, least[1], across[1]),
        where_less_equal(size, bound, least[2], across[2]),
    )
    direction = times(chosen, 1.0 / norm(chosen))
    again = plus(direction, axis, -1.0 * dot(direction, axis))
    return times(again, 1.0 / norm(again))


@compiled(encode, Lab)
def _encode_lab(geometry, rows, features, n_atoms, like):
    copy_rows(rows, 3 * n_atoms, features, 3 * n_atoms, like)


@compiled(project, Lab)
def _project_lab(geometry, rows, vectors, components, n_atoms, like):
    copy_rows(rows, vectors, components, 3 * n_atoms, like)


@compiled(decode, Lab)
def _decode_lab(geometry, rows, components, vectors, n_atoms, like):
    copy_rows(rows, components, vectors, 3 * n_atoms, like)


@compiled(coordinates, Lab)
def _coordinates_lab(geometry, rows, target, n_atoms, like):
    for xyz in range(3):
        centre = spread_like(0.0, like)
        for atom in range(n_atoms):
            centre = centre + geometry.weights[atom] * read_row(rows, 3 * atom + xyz, like)
        for atom in range(n_atoms):
            write_row(rows, target + 3 * atom + xyz, read_row(rows, 3 * atom + xyz, like) - centre)


@compiled(encode, TurningBond)
def _encode_turning(geometry, rows, features, n_atoms, like):
    velocity, axis, middle, length = _bond(rows, geometry.dt_fs, like)
    across = _unit_across(velocity, axis)
    normal = cross(axis, across)
    middle_across = cross(normal, times(middle, 1.0 / norm(middle)))
    write(rows, _FRAME, axis)
    write(rows, _FRAME + 3, across)
    write(rows, _FRAME + 6, normal)
    write_row(rows, _LENGTH, length)
    for atom in range(2):
        of_atom = read(rows, _VELOCITIES + 3 * atom, like)
        write_row(rows, features + 3 * atom, dot(of_atom, middle))
        write_row(rows, features + 3 * atom + 1, dot(of_atom, middle_across))
        write_row(rows, features + 3 * atom + 2, dot(of_atom, normal))


@compiled(project, TurningBond)
def _project_turning(geometry, rows, vectors, components, n_atoms, like):
    for atom in range(2):
        for axis in range(3):
            along = dot(read(rows, vectors + 3 * atom, like), read(rows, _FRAME + 3 * axis, like))
            write_row(rows, components + 3 * atom + axis, along)


@compiled(decode, TurningBond)
def _decode_turning(geometry, rows, components, vectors, n_atoms, like):
    axis, across, normal = read(rows, _FRAME, like), read(rows, _FRAME + 3, like), read(rows, _FRAME + 6, like)
    for atom in range(2):
        along = read(rows, components + 3 * atom, like)
        write(rows, vectors + 3 * atom, plus(plus(times(axis, along[0]), across, along[1]), normal, along[2]))


@compiled(coordinates, TurningBond)
def _coordinates_turning(geometry, rows, target, n_atoms, like):
    write_row(rows, target, read_row(rows, _LENGTH, like))


@compiled(encode, Bond)
def _encode_bond(geometry, rows, features, n_atoms, like):
    velocity, axis, middle, length = _bond(rows, geometry.dt_fs, like)
    write(rows, _FRAME, axis)
    write_row(rows, _LENGTH, length)
    write_row(rows, features, dot(velocity, middle))
    write_row(rows, features + 1, norm(plus(velocity, axis, -1.0 * dot(velocity, axis))))


@compiled(project, Bond)
def _project_bond(geometry, rows, vectors, components, n_atoms, like):
    relative = plus(read(rows, vectors + 3, like), read(rows, vectors, like), -1.0)
    write_row(rows, components, dot(relative, read(rows, _FRAME, like)))


@compiled(decode, Bond)
def _decode_bond(geometry, rows, components, vectors, n_atoms, like):
    relative = times(read(rows, _FRAME, like), read_row(rows, components, like))
    write(rows, vectors, times(relative, geometry.first_share))
    write(rows, vectors + 3, times(relative, geometry.second_share))


@compiled(coordinates, Bond)
def _coordinates_bond(geometry, rows, target, n_atoms, like):
    write_row(rows, target, read_row(rows, _LENGTH, like))
