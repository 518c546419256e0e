"""`MolecularVibration` in compiled form, of bent and of linear molecules.

The frame of a tile: nine rows for the axes A (lab times body), then three rows an atom for its place in the frame.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from mlmd.decomposition.linear_molecule import STEEP, STRAIGHT
from mlmd.propagation.engines.cpu.algebra import (
    add_outer,
    apply,
    apply_transposed,
    cross,
    dot,
    nearest_rotations,
    norm,
    plus,
    read,
    read_row,
    solve,
    times,
    trace_less,
    write,
    write_row,
    zeros,
)
from mlmd.propagation.engines.cpu.kernel_dispatch import compiled, coordinates, decode, encode, project
from mlmd.propagation.engines.cpu.lanes import magnitude, spread_like, square_root, where_less_equal

Array = np.ndarray[Any, Any]


class Bent(NamedTuple):
    """A molecule in its Eckart frame.

    Attributes:
        dt_fs: time step, fs.
        masses: [atom], u.
        mass_shares: of the whole mass, [atom].
        reference: R0, [atom, xyz], A.
        weighted: sqrt(m) L, [mode, atom, xyz].
        shares: L / sqrt(m), [mode, atom, xyz].
        root_inertia: roots of the reference's moments of inertia, [xyz].
    """

    dt_fs: float
    masses: Array
    mass_shares: Array
    reference: Array
    weighted: Array
    shares: Array
    root_inertia: Array


class Linear(NamedTuple):
    """A linear molecule; attributes as those of `Bent`.

    Attributes:
        least_momentum: angular momentum below which the axis does not turn, u A^2/fs.
    """

    dt_fs: float
    masses: Array
    mass_shares: Array
    reference: Array
    weighted: Array
    shares: Array
    least_momentum: float


def n_frame_rows(n_atoms: int) -> int:
    """Rows of the frame."""
    return 9 + 3 * n_atoms


@njit
def _vector(array, i):
    return array[i, 0], array[i, 1], array[i, 2]


@njit
def _centres(geometry, rows, n_atoms, like):
    """Centre of mass at r_n, and its velocity."""
    centre, velocity = zeros(like), zeros(like)
    for atom in range(n_atoms):
        share = geometry.mass_shares[atom]
        centre = plus(centre, read(rows, 3 * atom, like), share)
        velocity = plus(velocity, read(rows, 3 * (n_atoms + atom), like), share)
    return centre, velocity


@njit
def _now_and_before(geometry, rows, atom, n_atoms, centres, like):
    """An atom about the centre of mass at r_n and at r_{n-1}, and its velocity about that of the centre."""
    now = plus(read(rows, 3 * atom, like), centres[0], -1.0)
    velocity = plus(read(rows, 3 * (n_atoms + atom), like), centres[1], -1.0)
    return now, plus(now, velocity, -geometry.dt_fs), velocity


@njit
def _read_axes(rows, n_atoms, like):
    frame = 9 * n_atoms
    return read(rows, frame, like), read(rows, frame + 3, like), read(rows, frame + 6, like)


@njit
def _enter_frame(geometry, rows, features, n_atoms, centres, axes, axes_before, like):
    """Write the frame and the mean rates of the normal coordinates."""
    frame = 9 * n_atoms
    for row in range(3):
        write(rows, frame + 3 * row, axes[row])
    n_modes = len(geometry.weighted)
    for mode in range(n_modes):
        write_row(rows, features + mode, spread_like(0.0, like))
    for atom in range(n_atoms):
        now, before, _ = _now_and_before(geometry, rows, atom, n_atoms, centres, like)
        body = apply_transposed(axes, now)
        write(rows, frame + 9 + 3 * atom, body)
        rate = times(plus(body, apply_transposed(axes_before, before), -1.0), 1.0 / geometry.dt_fs)
        _add_to_modes(geometry, rows, features, atom, rate, like)


@njit
def _add_to_modes(geometry, rows, target, atom, vector, like):
    for mode in range(len(geometry.weighted)):
        along = dot(vector, _vector(geometry.weighted[mode], atom))
        write_row(rows, target + mode, read_row(rows, target + mode, like) + along)


@compiled(encode, Bent)
def _encode_bent(geometry, rows, features, n_atoms, like):
    centres = _centres(geometry, rows, n_atoms, like)
    nothing = zeros(like)
    now, before = (nothing, nothing, nothing), (nothing, nothing, nothing)
    for atom in range(n_atoms):
        weighted = times(_vector(geometry.reference, atom), geometry.masses[atom])
        here, there, _ = _now_and_before(geometry, rows, atom, n_atoms, centres, like)
        now, before = add_outer(now, here, weighted), add_outer(before, there, weighted)
    axes, axes_before = nearest_rotations(now, before)
    _enter_frame(geometry, rows, features, n_atoms, centres, axes, axes_before, like)
    momentum, spread = nothing, (nothing, nothing, nothing)
    for atom in range(n_atoms):
        body = read(rows, 9 * n_atoms + 9 + 3 * atom, like)
        velocity = apply_transposed(axes, plus(read(rows, 3 * (n_atoms + atom), like), centres[1], -1.0))
        weighted = times(body, geometry.masses[atom])
        momentum = plus(momentum, cross(weighted, velocity), 1.0)
        spread = add_outer(spread, weighted, body)
    turning = solve(trace_less(spread), momentum)
    first = features + len(geometry.weighted)
    write_row(rows, first, turning[0] * geometry.root_inertia[0])
    write_row(rows, first + 1, turning[1] * geometry.root_inertia[1])
    write_row(rows, first + 2, turning[2] * geometry.root_inertia[2])


@njit
def _axes_about(axis, momentum, least):
    """Axes as rows of the matrix lab times body, as `mlmd.decomposition.linear_molecule` chooses them."""
    across = plus(momentum, axis, -1.0 * dot(momentum, axis))
    steep = where_less_equal(magnitude(axis[0]), STEEP, 0.0, 1.0)
    length = norm(across)
    chosen = (
        where_less_equal(length, least, 1.0 - steep, across[0]),
        where_less_equal(length, least, steep, across[1]),
        where_less_equal(length, least, 0.0, across[2]),
    )
    direction = times(chosen, 1.0 / norm(chosen))
    again = plus(direction, axis, -1.0 * dot(direction, axis))
    second = times(again, 1.0 / norm(again))
    first = cross(second, axis)
    return (first[0], second[0], axis[0]), (first[1], second[1], axis[1]), (first[2], second[2], axis[2])


@compiled(encode, Linear)
def _encode_linear(geometry, rows, features, n_atoms, like):
    centres = _centres(geometry, rows, n_atoms, like)
    axis, axis_before, momentum = zeros(like), zeros(like), zeros(like)
    for atom in range(n_atoms):
        mass = geometry.masses[atom]
        weight = mass * geometry.reference[atom, 2]
        now, before, velocity = _now_and_before(geometry, rows, atom, n_atoms, centres, like)
        axis, axis_before = plus(axis, now, weight), plus(axis_before, before, weight)
        momentum = plus(momentum, cross(now, velocity), mass)
    least = geometry.least_momentum
    axes = _axes_about(times(axis, 1.0 / norm(axis)), momentum, least)
    axes_before = _axes_about(times(axis_before, 1.0 / norm(axis_before)), momentum, least)
    _enter_frame(geometry, rows, features, n_atoms, centres, axes, axes_before, like)
    inertia = spread_like(0.0, like)
    for atom in range(n_atoms):
        height = read_row(rows, 9 * n_atoms + 9 + 3 * atom + 2, like)
        inertia = inertia + geometry.masses[atom] * height * height
    in_frame = apply_transposed(axes, momentum)
    across = square_root(in_frame[0] * in_frame[0] + in_frame[1] * in_frame[1])
    write_row(rows, features + len(geometry.weighted), across / square_root(inertia))


@compiled(project, Bent)
@compiled(project, Linear)
def _project(geometry, rows, vectors, components, n_atoms, like):
    axes = _read_axes(rows, n_atoms, like)
    for mode in range(len(geometry.weighted)):
        write_row(rows, components + mode, spread_like(0.0, like))
    for atom in range(n_atoms):
        in_frame = apply_transposed(axes, read(rows, vectors + 3 * atom, like))
        _add_to_modes(geometry, rows, components, atom, in_frame, like)


@njit
def _along_modes(geometry, rows, components, atom, like):
    """Sum over modes of the components, each times the mode's direction over sqrt(m)."""
    total = zeros(like)
    for mode in range(len(geometry.shares)):
        component = read_row(rows, components + mode, like)
        total = plus(total, _vector(geometry.shares[mode], atom), component)
    return total


@compiled(decode, Bent)
def _decode_bent(geometry, rows, components, vectors, n_atoms, like):
    axes, nothing = _read_axes(rows, n_atoms, like), zeros(like)
    torque, overlap = nothing, (nothing, nothing, nothing)
    for atom in range(n_atoms):
        field = _along_modes(geometry, rows, components, atom, like)
        weighted = times(read(rows, 9 * n_atoms + 9 + 3 * atom, like), geometry.masses[atom])
        torque = plus(torque, cross(weighted, field), 1.0)
        overlap = add_outer(overlap, weighted, _vector(geometry.reference, atom))
        write(rows, vectors + 3 * atom, field)
    turn = solve(trace_less(overlap), times(torque, -1.0))
    for atom in range(n_atoms):
        field = plus(read(rows, vectors + 3 * atom, like), cross(turn, _vector(geometry.reference, atom)), 1.0)
        write(rows, vectors + 3 * atom, apply(axes, field))


@compiled(decode, Linear)
def _decode_linear(geometry, rows, components, vectors, n_atoms, like):
    axes, body = _read_axes(rows, n_atoms, like), 9 * n_atoms + 9
    twist = spread_like(0.0, like)
    bend, stretch = twist, twist
    for atom in range(n_atoms):
        mass = geometry.masses[atom]
        x, y, z = read(rows, body + 3 * atom, like)
        field = _along_modes(geometry, rows, components, atom, like)
        twist = twist + mass * (x * field[1] - y * field[0])
        bend = bend + mass * (x * x + y * y)
        stretch = stretch + mass * geometry.reference[atom, 2] * z
        write(rows, vectors + 3 * atom, field)
    twist = twist / where_less_equal(bend, STRAIGHT, STRAIGHT, bend)
    torque = zeros(like)
    for atom in range(n_atoms):
        place, field = read(rows, body + 3 * atom, like), read(rows, vectors + 3 * atom, like)
        field = field[0] + twist * place[1], field[1] - twist * place[0], field[2]
        torque = plus(torque, cross(place, field), geometry.masses[atom])
        write(rows, vectors + 3 * atom, field)
    shift_x, shift_y = -1.0 * torque[1] / stretch, torque[0] / stretch
    for atom in range(n_atoms):
        field, height = read(rows, vectors + 3 * atom, like), geometry.reference[atom, 2]
        field = field[0] + height * shift_x, field[1] + height * shift_y, field[2]
        write(rows, vectors + 3 * atom, apply(axes, field))


@compiled(coordinates, Bent)
@compiled(coordinates, Linear)
def _coordinates(geometry, rows, target, n_atoms, like):
    for mode in range(len(geometry.weighted)):
        write_row(rows, target + mode, spread_like(0.0, like))
    for atom in range(n_atoms):
        place = read(rows, 9 * n_atoms + 9 + 3 * atom, like)
        _add_to_modes(geometry, rows, target, atom, plus(place, _vector(geometry.reference, atom), -1.0), like)
