"""The decompositions in compiled form: the formulas of ``mlmd.decomposition`` on a tile of replicas.

A tile is one flat float64 array, [row, replica]: three rows an atom for positions, as many for velocities and for
kicks, then the frame. Functions work on all replicas of the tile, which are the lanes of ``like``.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numba.extending import overload

from mlmd.decomposition import Decomposition, DiatomicVibration, LabCartesian, MolecularFrameCartesian
from mlmd.decomposition.pair import NIL_ACROSS
from mlmd.errors import ConfigError
from mlmd.propagation.engines.cpu.lanes import (
    lanes,
    load,
    magnitude,
    spread_like,
    square_root,
    store,
    where_less_equal,
)

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


def has_compiled_form(decomposition: Decomposition[Any]) -> bool:
    """Whether the kernels know the decomposition."""
    return isinstance(decomposition, (LabCartesian, MolecularFrameCartesian, DiatomicVibration))


def compiled_geometry(decomposition: Decomposition[Any]) -> Lab | TurningBond | Bond:
    """What the kernels need of a decomposition.

    Raises:
        ConfigError: it has no compiled form.
    """
    if isinstance(decomposition, LabCartesian):
        return Lab(np.array(decomposition.weights))
    if isinstance(decomposition, MolecularFrameCartesian):
        return TurningBond(float(decomposition.dt_fs))
    if isinstance(decomposition, DiatomicVibration):
        return Bond(float(decomposition.dt_fs), *map(float, decomposition.shares))
    raise ConfigError(f"engine=numba has no compiled form of {type(decomposition).__name__}; use engine=eager")


# Names for Numba, which compiles the implementation of the geometry at hand in place of these bodies.
def encode(geometry, rows, features, n_atoms, like):
    """Derive the frame, and write the velocity features from row ``features`` on."""
    raise NotImplementedError("compiled only")


def project(geometry, rows, vectors, components, n_atoms, like):
    """Components of the vectors that begin at row ``vectors``, written from row ``components`` on."""
    raise NotImplementedError("compiled only")


def decode(geometry, rows, components, vectors, n_atoms, like):
    """The vectors with the components that begin at row ``components``, written from row ``vectors`` on."""
    raise NotImplementedError("compiled only")


def coordinates(geometry, rows, target, n_atoms, like):
    """One coordinate frame, written from row ``target`` on."""
    raise NotImplementedError("compiled only")


def _compiled(function: Any, kind: type) -> Any:
    """Register the decorated function as ``function`` for one kind of geometry."""

    def register(implementation: Any) -> Any:
        def choose(geometry: Any, *_: Any) -> Any:
            return implementation if getattr(geometry, "instance_class", None) is kind else None

        overload(function, strict=False)(choose)
        return implementation

    return register


@njit
def read_row(rows, row, like):
    """One row of a tile."""
    return load(rows, row * lanes(like), like)


@njit
def write_row(rows, row, value):
    """Put one row of a tile."""
    store(rows, row * lanes(value), value)


@njit
def copy_rows(rows, source, target, n_rows, like):
    """Rows to other rows."""
    for row in range(n_rows):
        write_row(rows, target + row, read_row(rows, source + row, like))


@njit
def _read(rows, row, like):
    return read_row(rows, row, like), read_row(rows, row + 1, like), read_row(rows, row + 2, like)


@njit
def _write(rows, row, vector):
    write_row(rows, row, vector[0])
    write_row(rows, row + 1, vector[1])
    write_row(rows, row + 2, vector[2])


@njit
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@njit
def _cross(a, b):
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


@njit
def _plus(a, b, factor):
    """A + factor b."""
    return a[0] + factor * b[0], a[1] + factor * b[1], a[2] + factor * b[2]


@njit
def _times(a, factor):
    return a[0] * factor, a[1] * factor, a[2] * factor


@njit
def _norm(a):
    return square_root(_dot(a, a))


@njit
def _bond(rows, dt_fs, like):
    """Relative velocity, axis, middle axis and length, as in `pair_geometry`."""
    velocity = _plus(_read(rows, _VELOCITIES + 3, like), _read(rows, _VELOCITIES, like), -1.0)
    bond = _plus(_read(rows, 3, like), _read(rows, 0, like), -1.0)
    before = _plus(bond, velocity, -dt_fs)
    length = _norm(bond)
    middle = _times(_plus(bond, before, 1.0), 1.0 / (length + _norm(before)))
    return velocity, _times(bond, 1.0 / length), middle, length


@njit
def _unit_across(vector, axis):
    """`mlmd.decomposition.pair.unit_across`."""
    across = _plus(vector, axis, -1.0 * _dot(vector, axis))
    x, y, z = magnitude(axis[0]), magnitude(axis[1]), magnitude(axis[2])
    least_x = where_less_equal(x, y, where_less_equal(x, z, 1.0, 0.0), 0.0)
    least_y = (1.0 - least_x) * where_less_equal(y, z, 1.0, 0.0)
    least = least_x, least_y, 1.0 - least_x - least_y
    size, bound = _norm(across), NIL_ACROSS * _norm(vector)
    chosen = (
        where_less_equal(size, bound, least[0], across[0]),
        where_less_equal(size, bound, least[1], across[1]),
        where_less_equal(size, bound, least[2], across[2]),
    )
    direction = _times(chosen, 1.0 / _norm(chosen))
    again = _plus(direction, axis, -1.0 * _dot(direction, axis))
    return _times(again, 1.0 / _norm(again))


@_compiled(encode, Lab)
def _encode_lab(geometry, rows, features, n_atoms, like):
    copy_rows(rows, 3 * n_atoms, features, 3 * n_atoms, like)


@_compiled(project, Lab)
def _project_lab(geometry, rows, vectors, components, n_atoms, like):
    copy_rows(rows, vectors, components, 3 * n_atoms, like)


@_compiled(decode, Lab)
def _decode_lab(geometry, rows, components, vectors, n_atoms, like):
    copy_rows(rows, components, vectors, 3 * n_atoms, like)


@_compiled(coordinates, Lab)
def _coordinates_lab(geometry, rows, target, n_atoms, like):
    for xyz in range(3):
        centre = spread_like(0.0, like)
        for atom in range(n_atoms):
            centre = centre + geometry.weights[atom] * read_row(rows, 3 * atom + xyz, like)
        for atom in range(n_atoms):
            write_row(rows, target + 3 * atom + xyz, read_row(rows, 3 * atom + xyz, like) - centre)


@_compiled(encode, TurningBond)
def _encode_turning(geometry, rows, features, n_atoms, like):
    velocity, axis, middle, length = _bond(rows, geometry.dt_fs, like)
    across = _unit_across(velocity, axis)
    normal = _cross(axis, across)
    middle_across = _cross(normal, _times(middle, 1.0 / _norm(middle)))
    _write(rows, _FRAME, axis)
    _write(rows, _FRAME + 3, across)
    _write(rows, _FRAME + 6, normal)
    write_row(rows, _LENGTH, length)
    for atom in range(2):
        of_atom = _read(rows, _VELOCITIES + 3 * atom, like)
        write_row(rows, features + 3 * atom, _dot(of_atom, middle))
        write_row(rows, features + 3 * atom + 1, _dot(of_atom, middle_across))
        write_row(rows, features + 3 * atom + 2, _dot(of_atom, normal))


@_compiled(project, TurningBond)
def _project_turning(geometry, rows, vectors, components, n_atoms, like):
    for atom in range(2):
        for axis in range(3):
            along = _dot(_read(rows, vectors + 3 * atom, like), _read(rows, _FRAME + 3 * axis, like))
            write_row(rows, components + 3 * atom + axis, along)


@_compiled(decode, TurningBond)
def _decode_turning(geometry, rows, components, vectors, n_atoms, like):
    axis, across, normal = _read(rows, _FRAME, like), _read(rows, _FRAME + 3, like), _read(rows, _FRAME + 6, like)
    for atom in range(2):
        along = _read(rows, components + 3 * atom, like)
        _write(rows, vectors + 3 * atom, _plus(_plus(_times(axis, along[0]), across, along[1]), normal, along[2]))


@_compiled(coordinates, TurningBond)
def _coordinates_turning(geometry, rows, target, n_atoms, like):
    write_row(rows, target, read_row(rows, _LENGTH, like))


@_compiled(encode, Bond)
def _encode_bond(geometry, rows, features, n_atoms, like):
    velocity, axis, middle, length = _bond(rows, geometry.dt_fs, like)
    _write(rows, _FRAME, axis)
    write_row(rows, _LENGTH, length)
    write_row(rows, features, _dot(velocity, middle))
    write_row(rows, features + 1, _norm(_plus(velocity, axis, -1.0 * _dot(velocity, axis))))


@_compiled(project, Bond)
def _project_bond(geometry, rows, vectors, components, n_atoms, like):
    relative = _plus(_read(rows, vectors + 3, like), _read(rows, vectors, like), -1.0)
    write_row(rows, components, _dot(relative, _read(rows, _FRAME, like)))


@_compiled(decode, Bond)
def _decode_bond(geometry, rows, components, vectors, n_atoms, like):
    relative = _times(_read(rows, _FRAME, like), read_row(rows, components, like))
    _write(rows, vectors, _times(relative, geometry.first_share))
    _write(rows, vectors + 3, _times(relative, geometry.second_share))


@_compiled(coordinates, Bond)
def _coordinates_bond(geometry, rows, target, n_atoms, like):
    write_row(rows, target, read_row(rows, _LENGTH, like))
