"""Packs the weights and scales of a predictor in the order in which the Triton kernel reads them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from mlmd.models import VelocityPredictor
from mlmd.propagation.engines.cuda.shapes import KernelShapes, columns

SPLIT = 2048.0
"""What the low part of a split number is multiplied by; the same in ``network``."""


@dataclass(frozen=True)
class KernelWeights:
    """Copies on the device of the predictor.

    Attributes:
        matrices: high and low part of W_ih and W_hh of every layer, float16.
        biases: of every layer, float32.
        head: eight biases and the weights of every output, float32.
        scales: dt and the shares of a kick; means, gains, intercepts, shortcut and basis, float64.
    """

    matrices: Tensor
    biases: Tensor
    head: Tensor
    scales: Tensor


@torch.no_grad()
def pack(predictor: VelocityPredictor, shapes: KernelShapes) -> KernelWeights:
    """Read the weights, once."""
    network, lstm = predictor.network, predictor.network.lstm
    inputs = columns(shapes.features)
    matrices, biases = [], []
    for layer in range(shapes.n_layers):
        places, n_columns = (inputs, shapes.n_inputs) if layer == 0 else (None, shapes.n_hidden)
        matrices += _split(_by_rows(getattr(lstm, f"weight_ih_l{layer}"), shapes, places, n_columns))
        matrices += _split(_by_rows(getattr(lstm, f"weight_hh_l{layer}"), shapes, None, shapes.n_hidden))
        bias: Tensor = getattr(lstm, f"bias_ih_l{layer}") + getattr(lstm, f"bias_hh_l{layer}")
        biases.append(_by_rows(bias.unsqueeze(-1), shapes, None, 1))
    n_outputs = network.head.bias.numel()
    head = network.head.weight.new_zeros(n_outputs, shapes.n_hidden)
    head[:, : shapes.hidden_size] = network.head.weight
    head_bias = head.new_zeros(8)
    head_bias[:n_outputs] = network.head.bias
    return KernelWeights(
        torch.cat([matrix.flatten() for matrix in matrices]),
        torch.cat([bias.flatten() for bias in biases]),
        torch.cat((head_bias, head.flatten())),
        _scales(predictor, shapes),
    )


def _by_rows(matrix: Tensor, shapes: KernelShapes, places: list[int] | None, n_columns: int) -> Tensor:
    """Rows (gate, unit) in the order (gate // 2, unit // 8, gate % 2, unit % 8), filled up with nils."""
    n_units, n_hidden = shapes.hidden_size, shapes.n_hidden
    filled = matrix.new_zeros(4, n_hidden, n_columns)
    used = list(range(matrix.shape[1])) if places is None else places
    filled[:, :n_units, used] = matrix.reshape(4, n_units, -1)
    return filled.reshape(2, 2, n_hidden // 8, 8, n_columns).permute(0, 2, 1, 3, 4).reshape(4 * n_hidden, n_columns)


def _split(matrix: Tensor) -> list[Tensor]:
    high = matrix.half()
    return [high, (SPLIT * (matrix - high.float())).half()]


def _scales(predictor: VelocityPredictor, shapes: KernelShapes) -> Tensor:
    scaling = predictor.scaling
    inputs, outputs = columns(shapes.features), columns(shapes.components)
    n_inputs, n_outputs = 4 * len(shapes.features), 4 * len(shapes.components)
    mean, gain = scaling.input_mean.new_zeros(2, n_inputs)
    mean[inputs], gain[inputs] = scaling.input_mean, scaling.input_gain
    intercept = mean.new_zeros(n_outputs)
    intercept[outputs] = scaling.intercept
    shortcut, basis = mean.new_zeros(n_inputs, n_outputs), mean.new_zeros(n_outputs, n_outputs)
    shortcut[_grid(inputs, outputs)] = scaling.weights
    basis[_grid(outputs, outputs)] = scaling.basis
    mass_1, mass_2 = predictor.spec.masses_u
    total = mass_1 + mass_2
    step = mean.new_tensor([predictor.spec.dt_fs, -mass_2 / total, mass_1 / total, 0.0])
    return torch.cat((step, mean, gain, intercept, shortcut.flatten(), basis.flatten()))


def _grid(rows: list[int], places: list[int]) -> tuple[Tensor, Tensor]:
    return torch.tensor(rows).unsqueeze(-1), torch.tensor(places)
