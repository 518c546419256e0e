"""A learned stretch in one compiled call: encode, network, decode, kick and drift, step after step.

One source serves three kernels. With many replicas one or two registers of them form a tile, and a tile goes through
the whole stretch before the next one starts, so states and weights stay in the cache. A single replica has its LSTM
units in the lanes instead.
"""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numba.extending import overload

from mlmd.propagation.engines.cpu.algebra import copy_rows, read_row, write_row
from mlmd.propagation.engines.cpu.kernel_dispatch import coordinates, decode, encode, project
from mlmd.propagation.engines.cpu.lanes import (
    convert,
    float_lanes,
    lanes,
    load,
    narrow_lanes,
    single_lane,
    store,
    wide_lanes,
)
from mlmd.propagation.engines.cpu.layout import Tile, first_input_row, n_inputs_of
from mlmd.propagation.engines.cpu.network import advance_layer, linear_head

Array = np.ndarray[Any, Any]


class SingleReplica(NamedTuple):
    """Asks for the kernel with LSTM units in the lanes."""

    unused: int = 0


class NarrowTile(NamedTuple):
    """Asks for the kernel with `LANES` replicas in the lanes."""

    unused: int = 0


class WideTile(NamedTuple):
    """Asks for the kernel with twice as many: each weight that is read serves two registers."""

    unused: int = 0


class Motion(NamedTuple):
    """State of the replicas, and the buffers for their frames.

    Attributes:
        positions: [replica, atom, xyz], advanced in place.
        velocities: the same.
        kicks: the last kicks, newest first, [kick, replica, atom, xyz].
        given: Hamiltonian kick of the one step, [replica, atom, xyz]; empty in a learned stretch.
        frame_positions: [frame, replica, atom, xyz].
        frame_velocities: the same.
        frame_kicks: the same.
    """

    positions: Array
    velocities: Array
    kicks: Array
    given: Array
    frame_positions: Array
    frame_velocities: Array
    frame_kicks: Array


class Run(NamedTuple):
    """Where the stretch stands.

    Attributes:
        dt_fs: time step, fs.
        step: first step.
        n_steps: steps to take.
        n_seen: inputs that the memory has read.
        first_frame: step of frame 0.
        every: steps between frames.
    """

    dt_fs: float
    step: int
    n_steps: int
    n_seen: int
    first_frame: int
    every: int


def _like(mode):
    """A vector of zeros with the lanes of the kernel."""
    raise NotImplementedError("compiled only")


@overload(_like, strict=False)
def _like_of(mode: Any) -> Any:
    filler = {SingleReplica: single_lane, NarrowTile: narrow_lanes, WideTile: wide_lanes}[mode.instance_class]
    return lambda mode: filler(0.0)


@njit
def _gather(rows, row, source, first, n_lanes):
    """Fill three rows an atom from ``row`` on; lanes beyond the last replica of [replica, atom, xyz] repeat it."""
    n_replicas, n_atoms = source.shape[0], source.shape[1]
    for lane in range(n_lanes):
        replica = min(first + lane, n_replicas - 1)
        for atom in range(n_atoms):
            for xyz in range(3):
                rows[(row + 3 * atom + xyz) * n_lanes + lane] = source[replica, atom, xyz]


@njit
def _scatter(rows, row, target, first, n_lanes):
    """Write three rows an atom from ``row`` on to a target [replica, atom, xyz]."""
    n_replicas, n_atoms = target.shape[0], target.shape[1]
    for lane in range(min(n_lanes, n_replicas - first)):
        for atom in range(n_atoms):
            for xyz in range(3):
                target[first + lane, atom, xyz] = rows[(row + 3 * atom + xyz) * n_lanes + lane]


@njit
def _network(like, sizes, weights, tile, n_inputs, full):
    """Advance all staggered states by one input; the full one gives the outputs and is reset."""
    n_hidden, n_lanes = sizes.n_hidden, lanes(like)
    for stagger in range(sizes.n_window):
        x, x_at, n_x, w = tile.inputs, 0, n_inputs, 0
        for layer in range(sizes.n_layers):
            at = (layer * sizes.n_window + stagger) * n_hidden * n_lanes
            advance_layer(like, weights, w, x, x_at, n_x, tile.hidden, at, tile.cell, tile.fresh, tile.gates, n_hidden)
            for i in range(n_hidden * n_lanes):
                tile.hidden[at + i] = tile.fresh[i]
            w += 4 * n_hidden * (1 + n_x + n_hidden)
            x, x_at, n_x = tile.hidden, at, n_hidden
        if stagger == full:
            linear_head(like, weights, w, tile.hidden, x_at, tile.outputs, sizes.n_components, n_hidden)
    if sizes.carries == 0:
        for layer in range(sizes.n_layers):
            at = (layer * sizes.n_window + full) * n_hidden * n_lanes
            tile.hidden[at : at + n_hidden * n_lanes] = 0.0
            tile.cell[at : at + n_hidden * n_lanes] = 0.0


@njit
def _predict(like, geometry, sizes, weights, scales, tile, full):
    """Read the state of a tile and write the components of its kick and the kick itself."""
    rows, n_atoms, n_lanes = tile.rows, sizes.n_atoms, lanes(like)
    n_components = sizes.n_components
    features, n_inputs = first_input_row(sizes), n_inputs_of(sizes)
    prediction = features + n_inputs
    encode(geometry, rows, features, n_atoms, like)
    if sizes.n_frames > 0:
        newest = features + sizes.n_pairs * (sizes.n_features + n_components)
        for row in range(prediction - 1, newest + sizes.n_coordinates - 1, -1):
            write_row(rows, row, read_row(rows, row - sizes.n_coordinates, like))
        coordinates(geometry, rows, newest, n_atoms, like)
    gain, intercept = n_inputs, 2 * n_inputs
    shortcut = intercept + n_components
    basis = shortcut + n_inputs * n_components
    for i in range(n_inputs):
        standard = (read_row(rows, features + i, like) - scales[i]) * scales[gain + i]
        store(tile.inputs, i * n_lanes, convert(standard, float_lanes(0.0)))
    _network(like, sizes, weights, tile, n_inputs, full)
    float_like = convert(like, float_lanes(0.0))
    for component in range(n_components):
        value = like + scales[intercept + component]
        for i in range(n_inputs):
            value = value + scales[shortcut + i * n_components + component] * read_row(rows, features + i, like)
        for output in range(n_components):
            of_network = convert(load(tile.outputs, output * n_lanes, float_like), like)
            value = value + scales[basis + output * n_components + component] * of_network
        write_row(rows, prediction + component, value)
    if sizes.predicts_update == 0:
        project(geometry, rows, 3 * n_atoms, prediction + n_components, n_atoms, like)
        for row in range(prediction, prediction + n_components):
            write_row(rows, row, read_row(rows, row, like) - read_row(rows, row + n_components, like))


@njit
def _pass_on(like, sizes, rows):
    """Every pair of velocity features and update becomes the next older one, before the kick takes its place."""
    first, n_numbers = first_input_row(sizes), sizes.n_features + sizes.n_components
    for row in range(first + sizes.n_pairs * n_numbers - 1, first + n_numbers - 1, -1):
        write_row(rows, row, read_row(rows, row - n_numbers, like))


@njit
def _advance_tile(like, geometry, sizes, weights, scales, tile, motion, run, first):
    rows, n_atoms, n_lanes = tile.rows, sizes.n_atoms, lanes(like)
    velocities, kick, update = 3 * n_atoms, 6 * n_atoms, first_input_row(sizes) + sizes.n_features
    prediction = first_input_row(sizes) + n_inputs_of(sizes)
    _gather(rows, 0, motion.positions, first, n_lanes)
    _gather(rows, velocities, motion.velocities, first, n_lanes)
    for i in range(run.n_steps):
        _predict(like, geometry, sizes, weights, scales, tile, (run.n_seen + i + 1) % sizes.n_window)
        decode(geometry, rows, prediction, kick, n_atoms, like)
        _pass_on(like, sizes, rows)
        if motion.given.size > 0:
            _scatter(rows, kick, motion.kicks[0], first, n_lanes)
            _gather(rows, kick, motion.given, first, n_lanes)
            project(geometry, rows, kick, update, n_atoms, like)
            return
        copy_rows(rows, prediction, update, sizes.n_components, like)
        left = run.n_steps - 1 - i
        if left < len(motion.kicks):
            _scatter(rows, kick, motion.kicks[left], first, n_lanes)
        since = run.step + i - run.first_frame
        if since % run.every == 0:
            frame = since // run.every
            _scatter(rows, 0, motion.frame_positions[frame], first, n_lanes)
            _scatter(rows, velocities, motion.frame_velocities[frame], first, n_lanes)
            _scatter(rows, kick, motion.frame_kicks[frame], first, n_lanes)
        for row in range(3 * n_atoms):
            velocity = read_row(rows, velocities + row, like) + read_row(rows, kick + row, like)
            write_row(rows, velocities + row, velocity)
            write_row(rows, row, read_row(rows, row, like) + run.dt_fs * velocity)
    _scatter(rows, 0, motion.positions, first, n_lanes)
    _scatter(rows, velocities, motion.velocities, first, n_lanes)


def _digest() -> str:
    """Of every source that the kernel is made of: Numba's cache alone looks at the file of the outermost function."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()


@cache
def stretch_kernel() -> Any:
    """The kernel ``stretch(mode, geometry, sizes, weights, scales, held, scratch, motion, run, first, last)``.

    It advances the tiles first <= i < last; compiled once for every kind of geometry and mode, and kept on disk where
    the package or the user's cache folder can be written.
    """
    digest = _digest()

    def stretch(mode, geometry, sizes, weights, scales, held, scratch, motion, run, first, last):
        digest  # noqa: B018 - a part of the closure, and so of the key of the cache
        like = _like(mode)
        for i in range(first, last):
            own = (scratch.inputs, scratch.fresh, scratch.gates, scratch.outputs)
            tile = Tile(held.rows[i], held.hidden[i], held.cell[i], *own)
            _advance_tile(like, geometry, sizes, weights, scales, tile, motion, run, i * lanes(like))

    try:
        return njit(nogil=True, cache=True)(stretch)
    except RuntimeError:  # Numba finds no folder for its cache
        return njit(nogil=True)(stretch)
