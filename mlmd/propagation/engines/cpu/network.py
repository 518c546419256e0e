"""The stacked LSTM in vectors: many replicas side by side in the lanes, or one replica with its units in the lanes.

Both are one outer product, gates times replicas. Its sums stay in registers over all inputs and then pass through the
gates into the new state at once. ``packing`` stores the weights in the order in which they are read: one block of units
after another, and in each block the bias, the rows of the input and the rows of the hidden state.
"""

from itertools import product
from typing import Any

from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from mlmd.propagation.engines.cpu.lanes import (
    LANES,
    N_REGISTERS,
    Vector,
    call_llvm,
    convert,
    element,
    float_lanes,
    fma,
    load,
    load_vector,
    spread,
    spread_like,
    store,
    total,
    where_less_equal,
)

N_SUMS = N_REGISTERS // 2
"""Registers that hold sums; the others leave room for what is multiplied."""

TANH_LIMIT = 8.5
"""Beyond it tanh is 1 in float32."""

TANH_ODD = (
    9.999999657e-01,
    1.294988752e-01,
    2.953873897e-03,
    9.573708238e-06,
    -1.371884100e-08,
    2.072371134e-11,
)
"""Numerator of tanh, coefficients of x, x^3, ...

Numerator and denominator are the rational function of these degrees with the least largest relative error on
[0, `TANH_LIMIT`], 3.4e-8, by iteratively reweighted least squares; evaluated in float32 the error is below 3.1e-7.
"""

TANH_EVEN = (1.0, 4.628319084e-01, 2.389828360e-02, 2.327027234e-04)
"""Denominator of tanh, coefficients of 1, x^2, ..."""

multiply_add = call_llvm("fma")


def units_at_a_time(width: int) -> int:
    """Units whose gates a kernel for ``width`` replicas sums at a time: as many as `N_SUMS` registers hold."""
    return N_SUMS // 4 // (width // LANES) if width > 1 else N_SUMS // 2 // 4 * LANES


def _gate_sums(n_numbers: int, n_vectors: int, vector: Vector, *, replicas_in_lanes: bool) -> Any:
    """An intrinsic ``sums(gates, weights, w, x, x_at, n_x, h, h_at, n_h, row)``.

    It writes bias + W_x x + W_h h of ``n_numbers`` times ``n_vectors`` vectors to the start of ``gates``. Weights are
    read from offset ``w`` on, states from ``x_at`` and ``h_at`` with ``row`` numbers from one input to the next.
    With replicas in the lanes the weights are the numbers and the states the vectors, else the other way round.
    """

    def typer(typingctx: Any, *arguments: Any) -> Any:
        gates, weights, _, x, _, _, h = arguments[:7]
        signature = types.void(gates, weights, types.intp, x, types.intp, types.intp, h, *[types.intp] * 3)
        return signature, codegen

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        gates, weights, w, x, x_at, n_x, h, h_at, n_h, row = values
        of_gates, of_weights, of_x, of_h = (signature.args[i] for i in (0, 1, 3, 6))
        index = w.type

        def numbers(address: Any) -> list[Any]:
            each = (builder.load(builder.gep(address, [index(i)])) for i in range(n_numbers))
            return [spread(builder, number, vector) for number in each]

        def vectors(address: Any) -> list[Any]:
            return [load_vector(builder, builder.gep(address, [index(i * LANES)]), vector) for i in range(n_vectors)]

        read_weights, read_states = (numbers, vectors) if replicas_in_lanes else (vectors, numbers)
        n_weights = n_numbers if replicas_in_lanes else n_vectors * LANES
        # Replicas in lanes: sums[gate][replicas]; units in lanes: sums[0][gate and units].
        bias = read_weights(element(context, builder, of_weights, weights, w))
        first = [bias[i if replicas_in_lanes else j] for i, j in product(range(n_numbers), range(n_vectors))]
        sums = [cgutils.alloca_once_value(builder, value) for value in first]
        at = cgutils.alloca_once_value(builder, builder.add(w, index(n_weights)))
        for of_states, states, start, n_rows in ((of_x, x, x_at, n_x), (of_h, h, h_at, n_h)):
            with cgutils.for_range(builder, n_rows) as loop:
                place = builder.add(start, builder.mul(loop.index, row))
                weight = read_weights(element(context, builder, of_weights, weights, builder.load(at)))
                state = read_states(element(context, builder, of_states, states, place))
                left, right = (weight, state) if replicas_in_lanes else (state, weight)
                for total_at, (a, b) in zip(sums, product(left, right), strict=True):
                    builder.store(multiply_add(builder, a, b, builder.load(total_at)), total_at)
                builder.store(builder.add(builder.load(at), index(n_weights)), at)
        for i, total_at in enumerate(sums):
            address = element(context, builder, of_gates, gates, index(i * vector.lanes))
            written = builder.store(builder.load(total_at), builder.bitcast(address, vector.llvm.as_pointer()))
            written.align = 4
        return context.get_dummy_value()

    def sums(typingctx, gates, weights, w, x, x_at, n_x, h, h_at, n_h, row):
        return typer(typingctx, gates, weights, w, x, x_at, n_x, h, h_at, n_h, row)

    return intrinsic(sums)


_REGISTER = Vector(types.float32, LANES)

# One replica has half as many sums: more would not shorten the wait for the last multiplication.
_unit_sums = _gate_sums(1, N_SUMS // 2, _REGISTER, replicas_in_lanes=False)
_replica_sums = {
    width: _gate_sums(4 * units_at_a_time(width), 1, Vector(types.float32, width), replicas_in_lanes=True)
    for width in (LANES, 2 * LANES)
}


@njit
def _tanh_ratio(x):
    """Numerator and denominator of tanh(x)."""
    x = where_less_equal(x, -TANH_LIMIT, -TANH_LIMIT, x)
    x = where_less_equal(TANH_LIMIT, x, TANH_LIMIT, x)
    square = x * x
    odd = fma(TANH_ODD[5], square, TANH_ODD[4])
    odd = fma(odd, square, TANH_ODD[3])
    odd = fma(odd, square, TANH_ODD[2])
    odd = fma(odd, square, TANH_ODD[1])
    odd = fma(odd, square, TANH_ODD[0])
    even = fma(TANH_EVEN[3], square, TANH_EVEN[2])
    even = fma(even, square, TANH_EVEN[1])
    even = fma(even, square, TANH_EVEN[0])
    return x * odd, even


@njit
def _advance_cell(like, gates, at, gate, cell, cell_at, hidden, hidden_at):
    """C' = sigmoid(f) c + sigmoid(i) tanh(g), h' = sigmoid(o) tanh(c') of one register of units or replicas.

    ``gate`` is the offset from one gate to the next, in the order i, f, g, o. The packed weights of i, f and o are
    halved, since sigmoid(x) = (1 + tanh(x / 2)) / 2; with tanh as a ratio, one division serves each line.
    """
    i_over, i_under = _tanh_ratio(load(gates, at, like))
    f_over, f_under = _tanh_ratio(load(gates, at + gate, like))
    g_over, g_under = _tanh_ratio(load(gates, at + 2 * gate, like))
    o_over, o_under = _tanh_ratio(load(gates, at + 3 * gate, like))
    kept = (f_over + f_under) * load(cell, cell_at, like) * (i_under * g_under)
    new = fma((i_over + i_under) * g_over, f_under, kept) / (2.0 * f_under * (i_under * g_under))
    store(cell, cell_at, new)
    c_over, c_under = _tanh_ratio(new)
    store(hidden, hidden_at, (o_over + o_under) * c_over / (2.0 * o_under * c_under))


def advance_layer(like, weights, w, x, x_at, n_x, hidden, hidden_at, cell, fresh, gates, n_hidden):
    """One layer of the tile; the new hidden state goes to ``fresh``, since later units still read the old one."""
    raise NotImplementedError("compiled only")


def linear_head(like, weights, w, hidden, hidden_at, outputs, n_outputs, n_hidden):
    """The linear head, bias + W h, [output, replica]."""
    raise NotImplementedError("compiled only")


@overload(advance_layer, strict=False)
def _advance_layer(like: Any, *_: Any) -> Any:
    width = like.lanes
    n_units = units_at_a_time(width)
    sums = _replica_sums.get(width, _unit_sums)

    def of_replicas(like, weights, w, x, x_at, n_x, hidden, hidden_at, cell, fresh, gates, n_hidden):
        floats = convert(like, float_lanes(0.0))
        for unit in range(0, n_hidden, n_units):
            sums(gates, weights, w, x, x_at, n_x, hidden, hidden_at, n_hidden, width)
            w += 4 * n_units * (1 + n_x + n_hidden)
            for i in range(n_units):
                place = (unit + i) * width
                _advance_cell(floats, gates, 4 * i * width, width, cell, hidden_at + place, fresh, place)

    def of_units(like, weights, w, x, x_at, n_x, hidden, hidden_at, cell, fresh, gates, n_hidden):
        for unit in range(0, n_hidden, n_units):
            sums(gates, weights, w, x, x_at, n_x, hidden, hidden_at, n_hidden, 1)
            w += 4 * n_units * (1 + n_x + n_hidden)
            for i in range(0, n_units, LANES):
                _advance_cell(float_lanes(0.0), gates, i, n_units, cell, hidden_at + unit + i, fresh, unit + i)

    return of_units if width == 1 else of_replicas


@overload(linear_head, strict=False)
def _linear_head(like: Any, *_: Any) -> Any:
    width = like.lanes

    def of_replicas(like, weights, w, hidden, hidden_at, outputs, n_outputs, n_hidden):
        for output in range(n_outputs):
            row = w + output * (1 + n_hidden)
            value = spread_like(weights[row], convert(like, float_lanes(0.0)))
            for unit in range(n_hidden):
                value = fma(weights[row + 1 + unit], load(hidden, hidden_at + unit * width, value), value)
            store(outputs, output * width, value)

    def of_units(like, weights, w, hidden, hidden_at, outputs, n_outputs, n_hidden):
        for output in range(n_outputs):
            row = w + output * (1 + n_hidden)
            value = float_lanes(0.0)
            for unit in range(0, n_hidden, LANES):
                value = fma(load(weights, row + 1 + unit, value), load(hidden, hidden_at + unit, value), value)
            outputs[output] = weights[row] + total(value)

    return of_units if width == 1 else of_replicas
