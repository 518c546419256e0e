"""Weights and scales in the order in which the kernels read them."""

import numpy as np
import torch

from mlmd.models import VelocityPredictor
from mlmd.propagation.engines.cpu.layout import Array, Sizes, aligned_zeros
from mlmd.propagation.engines.cpu.network import units_at_a_time


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
