# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator, assignment"
# ruff: noqa: RUF005 - Triton's tuples grow by addition
# Triton compiles these functions and infers every type itself; Python runs them in Triton's interpreter only.
"""The stacked LSTM of a tile of replicas as Triton device functions, in the accuracy of float32.

A matrix product in float32 is three in float16 with sums in float32, which tensor cores do: each factor is split into
two float16 numbers, x = high + low / 2048, good to 2^-22, and the product of the low parts is left out (Ootomo and
Yokota 2022, doi:10.1177/10943420221090256). High and low weights together take the room of float32 ones.

Signals are columns, [unit, replica], and weights are multiplied from the left. The units are thus divided among the
warps of a program, and the states of a layer take few registers per thread; with replicas as rows, each warp would hold
all units of its replicas.
"""

import triton
import triton.language as tl

SPLIT = tl.constexpr(2048.0)


@triton.jit
def sigmoid(x):
    """1 / (1 + exp(-x)), to an absolute error of 1e-7."""
    return 1.0 / (1.0 + tl.exp(-x))


@triton.jit
def tanh(x):
    """To float32 round-off, small arguments too: below 0.625 the polynomial of Cephes' tanhf (Moshier)."""
    square = x * x
    series = -5.70498872745e-3 * square + 2.06390887954e-2
    series = series * square - 5.37397155531e-2
    series = series * square + 1.33314422036e-1
    series = series * square - 3.33332819422e-1
    size = tl.abs(x)
    far = 1.0 - 2.0 / (tl.exp(2.0 * size) + 1.0)
    return tl.where(size < 0.625, series * square * x + x, tl.where(x < 0.0, -far, far))


@triton.jit
def split(x):
    """The high and the low part of float32 numbers."""
    high = x.to(tl.float16)
    return high, ((x - high.to(tl.float32)) * SPLIT).to(tl.float16)


@triton.jit
def load_tiles(weights, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """High and low part of a matrix [ROWS, COLUMNS]."""
    at = tl.arange(0, ROWS)[:, None] * COLUMNS + tl.arange(0, COLUMNS)[None, :]
    return tl.load(weights + at), tl.load(weights + ROWS * COLUMNS + at)


@triton.jit
def load_network(weights, LAYERS: tl.constexpr, INPUTS: tl.constexpr, HIDDEN: tl.constexpr):
    """W_ih and W_hh of every layer, in this order, each [gate and unit, input]."""
    tiles = (load_tiles(weights, 4 * HIDDEN, INPUTS),)
    weights += 8 * HIDDEN * INPUTS
    for matrix in tl.static_range(2 * LAYERS - 1):
        tiles = tiles + (load_tiles(weights + matrix * 8 * HIDDEN * HIDDEN, 4 * HIDDEN, HIDDEN),)
    return tiles


@triton.jit
def gates(total, HIDDEN: tl.constexpr, BLOCK: tl.constexpr):
    """Input, forget, candidate and output gate [HIDDEN, BLOCK] of [4 * HIDDEN, BLOCK].

    The rows come in the order (gate // 2, unit // 8, gate % 2, unit % 8). With one warp for every eight units, each
    thread then has the four gates of its units as the tensor cores leave them, and nothing moves between threads.
    """
    total = tl.permute(tl.reshape(total, [2, HIDDEN // 8, 2, 8, BLOCK]), (1, 3, 4, 0, 2))
    even, odd = tl.split(tl.reshape(total, [HIDDEN, BLOCK, 2, 2]))
    i, g = tl.split(even)
    f, o = tl.split(odd)
    return i, f, g, o


@triton.jit
def layer_step(x, h, c, w_ih, w_hh, biases, HIDDEN: tl.constexpr, BLOCK: tl.constexpr):
    """Hidden and cell state [HIDDEN, BLOCK] after one input x [input, BLOCK]; x and h are split."""
    total = tl.dot(w_ih[0], x[1])
    total = tl.dot(w_ih[1], x[0], total)
    total = tl.dot(w_hh[0], h[1], total)
    total = tl.dot(w_hh[1], h[0], total)
    bias = tl.load(biases + tl.arange(0, 4 * HIDDEN))
    total = total * (1.0 / SPLIT) + bias[:, None]
    total = tl.dot(w_ih[0], x[0], total)
    total = tl.dot(w_hh[0], h[0], total)
    i, f, g, o = gates(total, HIDDEN, BLOCK)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(c), c


@triton.jit
def stacked_step(x, hidden, cell, tiles, biases, LAYERS: tl.constexpr, HIDDEN: tl.constexpr, BLOCK: tl.constexpr):
    """Hidden and cell states of all layers after one input [input, BLOCK]."""
    hidden_after = ()
    cell_after = ()
    for layer in tl.static_range(LAYERS):
        w_ih, w_hh, b = tiles[2 * layer], tiles[2 * layer + 1], biases + layer * 4 * HIDDEN
        x, c = layer_step(split(x), split(hidden[layer]), cell[layer], w_ih, w_hh, b, HIDDEN, BLOCK)
        hidden_after = hidden_after + (x,)
        cell_after = cell_after + (c,)
    return hidden_after, cell_after


@triton.jit
def head_output(h, head, index, HIDDEN: tl.constexpr):
    """Output number ``index`` of the linear head, [BLOCK]."""
    weight = tl.load(head + 8 + index * HIDDEN + tl.arange(0, HIDDEN))
    return tl.sum(h * weight[:, None], axis=0) + tl.load(head + index)
