"""Memory of the kernels: sizes, tiles that hold the state of all replicas, and scratch space."""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from mlmd.models import PredictorState, VelocityPredictor, WindowMemory
from mlmd.propagation.engines.cpu.geometry import compiled_geometry, n_frame_rows
from mlmd.propagation.engines.cpu.lanes import LANES
from mlmd.propagation.engines.cpu.network import N_SUMS, units_at_a_time

Array = np.ndarray[Any, Any]

ALIGNMENT_BYTES = 64
"""A line of the cache; a load that crosses two costs twice."""


class Sizes(NamedTuple):
    """What the loops of a kernel run over.

    Attributes:
        n_atoms: atoms.
        n_frame_rows: rows of the frame.
        n_features: velocity features.
        n_components: components of a kick.
        n_pairs: pairs of velocity features and update read.
        n_frames: coordinate frames read, R.
        n_coordinates: numbers in each.
        n_layers: LSTM layers.
        n_hidden: units of a layer, padded with zeros to whole blocks.
        n_window: staggered states; 1 for a carried memory.
        carries: 0 where a state begins anew once it has read its window.
        predicts_update: 0 where the prediction is the next velocity.
    """

    n_atoms: int
    n_frame_rows: int
    n_features: int
    n_components: int
    n_pairs: int
    n_frames: int
    n_coordinates: int
    n_layers: int
    n_hidden: int
    n_window: int
    carries: int
    predicts_update: int


class Held(NamedTuple):
    """State of all replicas between two calls, tile by tile; in each, [row, replica] flat.

    Attributes:
        rows: float64 [tile, row * replica]: positions, velocities, kicks, frame, inputs, components; see ``forms``.
        hidden: float32 [tile, layer * staggered state * unit * replica].
        cell: the same.
    """

    rows: Array
    hidden: Array
    cell: Array


class Scratch(NamedTuple):
    """Working memory of one thread, float32, flat.

    Attributes:
        inputs: standardised inputs, [input, replica].
        fresh: new hidden state of the layer at hand, [unit, replica].
        gates: gates of the units at hand.
        outputs: of the network, [component, replica].
    """

    inputs: Array
    fresh: Array
    gates: Array
    outputs: Array


class Tile(NamedTuple):
    """One tile of `Held` beside the `Scratch` of the thread that works on it."""

    rows: Array
    hidden: Array
    cell: Array
    inputs: Array
    fresh: Array
    gates: Array
    outputs: Array


@njit
def n_inputs_of(sizes: Any) -> Any:
    """Numbers that the network reads at a step."""
    return sizes.n_pairs * (sizes.n_features + sizes.n_components) + sizes.n_frames * sizes.n_coordinates


@njit
def first_input_row(sizes: Any) -> Any:
    """Row of a tile at which inputs begin: pairs of velocity features and update, then coordinates, newest first."""
    return 9 * sizes.n_atoms + sizes.n_frame_rows


def kernel_sizes(predictor: VelocityPredictor, width: int) -> Sizes:
    """The sizes of a predictor, with the units padded to the blocks of the kernel for ``width`` replicas."""
    spec, decomposition, memory = predictor.spec, predictor.decomposition, predictor.memory
    block = units_at_a_time(width)
    return Sizes(
        n_atoms=len(spec.masses_u),
        n_frame_rows=n_frame_rows(compiled_geometry(decomposition), len(spec.masses_u)),
        n_features=decomposition.n_features,
        n_components=decomposition.n_components,
        n_pairs=spec.history,
        n_frames=spec.coordinate_frames,
        n_coordinates=decomposition.n_coordinates,
        n_layers=spec.n_layers,
        n_hidden=-(-spec.hidden_size // block) * block,
        n_window=memory.length if isinstance(memory, WindowMemory) else 1,
        carries=int(not isinstance(memory, WindowMemory)),
        predicts_update=int(predictor.predicts_update),
    )


def make_held(sizes: Sizes, *, n_tiles: int, width: int) -> Held:
    """Zeros for ``n_tiles`` tiles of ``width`` replicas."""
    n_rows = first_input_row(sizes) + n_inputs_of(sizes) + 2 * sizes.n_components
    n_states = sizes.n_layers * sizes.n_window * sizes.n_hidden
    rows = aligned_zeros(n_tiles * n_rows * width, np.float64).reshape(n_tiles, -1)
    hidden, cell = (aligned_zeros(n_tiles * n_states * width, np.float32).reshape(n_tiles, -1) for _ in range(2))
    return Held(rows, hidden, cell)


def make_scratch(sizes: Sizes, width: int) -> Scratch:
    """Working memory for a tile of ``width`` replicas."""
    return Scratch(
        inputs=aligned_zeros(n_inputs_of(sizes) * width, np.float32),
        fresh=aligned_zeros(sizes.n_hidden * width, np.float32),
        gates=aligned_zeros(N_SUMS * LANES, np.float32),
        outputs=aligned_zeros(sizes.n_components * width, np.float32),
    )


def hold(memory: PredictorState, held: Held, sizes: Sizes, width: int) -> None:
    """Lay a predictor's memory out in tiles; lanes beyond the last replica repeat it."""
    assert memory.last_update is not None
    for row, values in _input_rows(memory, sizes):
        _row_view(held, width)[:, row : row + values.shape[1]] = _tiles(values.numpy(), width).swapaxes(1, 2)
    for source, target in zip(memory.network, (held.hidden, held.cell), strict=True):
        n_layers, n_states, n_units = source.shape
        states = source.numpy().reshape(n_layers * sizes.n_window, n_states // sizes.n_window, n_units)
        tiles = _tiles(states.swapaxes(0, 1), width)  # [tile, replica, layer * staggered state, unit]
        padded = target.reshape(len(tiles), -1, sizes.n_hidden, width)
        padded[:, :, :n_units] = tiles.transpose(0, 2, 3, 1)
        padded[:, :, n_units:] = 0.0


def sync_memory(held: Held, memory: PredictorState, sizes: Sizes, width: int) -> None:
    """Bring a predictor's memory up to date with the tiles."""
    for row, values in _input_rows(memory, sizes):
        rows = _row_view(held, width)[:, row : row + values.shape[1]].swapaxes(1, 2)
        values.numpy()[:] = rows.reshape(-1, values.shape[1])[: len(values)]
    for source, target in zip((held.hidden, held.cell), memory.network, strict=True):
        n_layers, n_states, n_units = target.shape
        tiles = source.reshape(len(source), -1, sizes.n_hidden, width)[:, :, :n_units].transpose(1, 0, 3, 2)
        states = tiles.reshape(len(tiles), -1, n_units)[:, : n_states // sizes.n_window]
        target.numpy()[:] = states.reshape(n_layers, n_states, n_units)


def _input_rows(memory: PredictorState, sizes: Sizes) -> list[tuple[int, Any]]:
    """The rows where inputs of the next step wait, each with its tensor [replica, number]."""
    assert memory.last_update is not None
    start, n_numbers = first_input_row(sizes), sizes.n_features + sizes.n_components
    past = [(start + i * n_numbers, pair) for i, pair in enumerate(memory.past, start=1)]
    first = start + sizes.n_pairs * n_numbers
    frames = [(first + i * sizes.n_coordinates, frame) for i, frame in enumerate(memory.coordinates)]
    return [(start + sizes.n_features, memory.last_update), *past, *frames]


def _row_view(held: Held, width: int) -> Array:
    return held.rows.reshape(len(held.rows), -1, width)


def _tiles(values: Array, width: int) -> Array:
    """Replicas [replica, ...] in tiles [tile, replica, ...], the last one repeated to fill its tile."""
    n_padded = -(-len(values) // width) * width
    padded = np.concatenate([values, np.repeat(values[-1:], n_padded - len(values), axis=0)])
    return padded.reshape(-1, width, *values.shape[1:])


def aligned_zeros(n: int, dtype: Any) -> Array:
    """A flat array of zeros that begins on a line of the cache."""
    padding = ALIGNMENT_BYTES // np.dtype(dtype).itemsize
    array = np.zeros(n + padding, dtype)
    start = -array.ctypes.data % ALIGNMENT_BYTES // array.itemsize
    return array[start : start + n]
