"""Weights and scales in the order in which the kernels read them, and memory aligned to the registers."""

from typing import Any, NamedTuple

import numpy as np
import torch

from mlmd.models import VelocityPredictor
from mlmd.propagation.engines.cpu.geometry import N_FRAME_ROWS
from mlmd.propagation.engines.cpu.lanes import LANES
from mlmd.propagation.engines.cpu.network import N_SUMS, units_at_a_time

Array = np.ndarray[Any, Any]

ALIGNMENT_BYTES = 64
"""A line of the cache; a load that crosses two costs twice."""


class Sizes(NamedTuple):
    """What the loops of a kernel run over.

    Attributes:
        n_atoms: atoms.
        n_features: velocity features.
        n_components: components of a kick.
        n_frames: coordinate frames read, R.
        n_coordinates: numbers in each.
        n_layers: LSTM layers.
        n_hidden: units of a layer, padded with zeros to whole blocks.
        n_window: staggered states; 1 for a carried memory.
        carries: 0 where a state begins anew once it has read its window.
        says_update: 0 where the prediction is the next velocity.
    """

    n_atoms: int
    n_features: int
    n_components: int
    n_frames: int
    n_coordinates: int
    n_layers: int
    n_hidden: int
    n_window: int
    carries: int
    says_update: int

    @property
    def n_inputs(self) -> int:
        """Numbers that the network reads at a step."""
        return self.n_features + self.n_components + self.n_frames * self.n_coordinates

    @property
    def n_rows(self) -> int:
        """Rows of a tile: positions, velocities, kicks, frame, inputs, components of the kick and of the velocity."""
        return 9 * self.n_atoms + N_FRAME_ROWS + self.n_inputs + 2 * self.n_components


class Tile(NamedTuple):
    """Working memory of one thread for the replicas that it advances together; flat arrays, replica last.

    Attributes:
        rows: float64 state and geometry, see ``geometry``.
        inputs: standardised inputs, float32.
        hidden: hidden state by layer, staggered state and unit.
        cell: cell state, likewise.
        fresh: new hidden state of the layer at hand.
        gates: gates of the units at hand.
        outputs: what the network says.
    """

    rows: Array
    inputs: Array
    hidden: Array
    cell: Array
    fresh: Array
    gates: Array
    outputs: Array


def aligned_zeros(n: int, dtype: Any) -> Array:
    """A flat array of zeros that begins on a line of the cache."""
    padding = ALIGNMENT_BYTES // np.dtype(dtype).itemsize
    array = np.zeros(n + padding, dtype)
    start = -array.ctypes.data % ALIGNMENT_BYTES // array.itemsize
    return array[start : start + n]


def kernel_sizes(predictor: VelocityPredictor, width: int) -> Sizes:
    """The sizes of a predictor, with the units padded to the blocks of the kernel for ``width`` replicas."""
    spec, decomposition = predictor.spec, predictor.decomposition
    block, carries = units_at_a_time(width), spec.memory_kind == "carried"
    return Sizes(
        n_atoms=len(spec.masses_u),
        n_features=decomposition.n_features,
        n_components=decomposition.n_components,
        n_frames=spec.coordinate_frames,
        n_coordinates=decomposition.n_coordinates,
        n_layers=spec.n_layers,
        n_hidden=-(-spec.hidden_size // block) * block,
        n_window=1 if carries else spec.memory_length or 1,
        carries=int(carries),
        says_update=int(predictor.says_update),
    )


def make_tile(sizes: Sizes, width: int) -> Tile:
    """Working memory for ``width`` replicas."""
    states = sizes.n_layers * sizes.n_window * sizes.n_hidden * width
    return Tile(
        rows=aligned_zeros(sizes.n_rows * width, np.float64),
        inputs=aligned_zeros(sizes.n_inputs * width, np.float32),
        hidden=aligned_zeros(states, np.float32),
        cell=aligned_zeros(states, np.float32),
        fresh=aligned_zeros(sizes.n_hidden * width, np.float32),
        gates=aligned_zeros(N_SUMS * LANES, np.float32),
        outputs=aligned_zeros(sizes.n_components * width, np.float32),
    )


def pack_weights(predictor: VelocityPredictor, sizes: Sizes, width: int) -> Array:
    """All weights of the network: layer after layer, block after block of units, row after row; then the head."""
    lstm, n_hidden = predictor.network.lstm, sizes.n_hidden
    block = units_at_a_time(width)
    # A block's row holds its gates; replicas in the lanes take them unit by unit, a single replica gate by gate.
    order = (2, 0, 3, 1) if width > 1 else (2, 0, 1, 3)
    parts = []
    for layer in range(sizes.n_layers):
        w_x, w_h, b_x, b_h = (
            _numpy(getattr(lstm, f"{name}_l{layer}")) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        n_units, n_rows = w_h.shape[1], w_x.shape[1] if layer == 0 else n_hidden
        rows = np.zeros((1 + n_rows + n_hidden, 4, n_hidden), np.float32)
        rows[0, :, :n_units] = (b_x + b_h).reshape(4, n_units)
        rows[1 : 1 + w_x.shape[1], :, :n_units] = w_x.T.reshape(-1, 4, n_units)
        rows[1 + n_rows : 1 + n_rows + n_units, :, :n_units] = w_h.T.reshape(-1, 4, n_units)
        # sigmoid(x) = (1 + tanh(x / 2)) / 2 in gates i, f and o; halving is exact.
        rows[:, [0, 1, 3]] *= 0.5
        parts.append(rows.reshape(len(rows), 4, n_hidden // block, block).transpose(order).ravel())
    head = np.zeros((sizes.n_components, 1 + n_hidden), np.float32)
    head[:, 0] = _numpy(predictor.network.head.bias)
    head[:, 1 : 1 + predictor.network.hidden_size] = _numpy(predictor.network.head.weight)
    packed = aligned_zeros(sum(map(np.size, parts)) + head.size, np.float32)
    np.concatenate([*parts, head.ravel()], out=packed)
    return packed


def pack_scales(predictor: VelocityPredictor) -> Array:
    """Input means and gains, intercepts, shortcut weights [input, component] and basis, in this order, float64."""
    scaling = predictor.scaling
    parts = (scaling.input_mean, scaling.input_gain, scaling.intercept, scaling.weights, scaling.basis)
    return np.concatenate([_numpy(part).ravel() for part in parts])


def _numpy(tensor: torch.Tensor) -> Array:
    return np.asarray(tensor.detach().cpu().numpy())
