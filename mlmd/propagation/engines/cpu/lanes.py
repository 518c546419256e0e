"""A SIMD vector as a Numba type, so that a kernel determines which numbers share a register.

Numba's own loop vectoriser stops at 256 bits and gives up on loops with many accumulators. ``Vector`` is LLVM's
fixed-length vector: arithmetic acts on every lane, LLVM maps it to the registers of the machine and splits it where
they are narrower. Every lane is rounded according to IEEE 754; nothing is reassociated but in `total`.

Loads and stores take a contiguous array and a flat offset in elements, and check no bounds.
"""

import operator
from collections.abc import Callable
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

_FEATURES = llvmlite.binding.get_host_cpu_features()

LANES = 16 if _FEATURES.get("avx512f") else 8 if _FEATURES.get("avx") else 4
"""Float32 numbers in one register of this machine."""

N_REGISTERS = 16 if LANES == 8 else 32
"""Vector registers of this machine: 16 with AVX, 32 with AVX-512 and NEON."""

_I32 = ir.IntType(32)


class Vector(types.Type):
    """``lanes`` numbers of type ``dtype``, float32 or float64."""

    def __init__(self, dtype: Any, lanes: int) -> None:
        self.dtype = dtype
        self.lanes = lanes
        super().__init__(name=f"Vector({dtype}, {lanes})")

    @property
    def llvm(self) -> ir.VectorType:
        """LLVM's name for it."""
        return ir.VectorType(ir.FloatType() if self.dtype == types.float32 else ir.DoubleType(), self.lanes)


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Vector) -> None:
        super().__init__(dmm, fe_type, fe_type.llvm)


def spread(builder: Any, number: Any, vector: Vector) -> Any:
    """LLVM: a vector with ``number`` in every lane."""
    first = builder.insert_element(ir.Constant(vector.llvm, ir.Undefined), number, _I32(0))
    return builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(_I32, vector.lanes), [0] * vector.lanes))


def element(context: Any, builder: Any, of: Any, array: Any, offset: Any) -> Any:
    """LLVM: the address of a contiguous array's element at a flat offset."""
    data = context.make_array(of)(context, builder, array).data
    return builder.gep(data, [offset])


def load_vector(builder: Any, address: Any, vector: Vector) -> Any:
    """LLVM: the vector that begins at an address, aligned as its numbers are."""
    loaded = builder.load(builder.bitcast(address, vector.llvm.as_pointer()))
    loaded.align = vector.dtype.bitwidth // 8
    return loaded


def _lanewise(n_arguments: int, emit: Callable[..., Any]) -> Any:
    """An intrinsic of vectors, or of vectors and numbers spread over the lanes, that gives a vector."""

    def type_it(*arguments: Any) -> Any:
        vectors = {argument for argument in arguments if isinstance(argument, Vector)}
        numbers = [argument for argument in arguments if not isinstance(argument, Vector)]
        if len(vectors) != 1 or not all(isinstance(number, types.Number) for number in numbers):
            return None
        vector = vectors.pop()

        def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            operands = [
                value
                if isinstance(of, Vector)
                else spread(builder, context.cast(builder, value, of, vector.dtype), vector)
                for value, of in zip(values, signature.args, strict=True)
            ]
            return emit(builder, *operands)

        return vector(*arguments), codegen

    if n_arguments == 1:
        return intrinsic(lambda typingctx, a: type_it(a))
    if n_arguments == 2:
        return intrinsic(lambda typingctx, a, b: type_it(a, b))
    if n_arguments == 3:
        return intrinsic(lambda typingctx, a, b, c: type_it(a, b, c))
    return intrinsic(lambda typingctx, a, b, c, d: type_it(a, b, c, d))


def call_llvm(name: str) -> Callable[..., Any]:
    """LLVM: a call of its own intrinsic of that name for the vector type of the operands."""

    def emit(builder: Any, *operands: Any) -> Any:
        of = operands[0].type
        kind = "f32" if of.element == ir.FloatType() else "f64"
        function_type = ir.FunctionType(of, [of] * len(operands))
        full_name = f"llvm.{name}.v{of.count}{kind}"
        return builder.call(cgutils.get_or_insert_function(builder.module, function_type, full_name), operands)

    return emit


def _chosen(comparison: str) -> Callable[..., Any]:
    def emit(builder: Any, a: Any, b: Any, then: Any, otherwise: Any) -> Any:
        return builder.select(builder.fcmp_ordered(comparison, a, b), then, otherwise)

    return emit


fma = _lanewise(3, call_llvm("fma"))
"""A * b + c, rounded once."""

square_root = _lanewise(1, call_llvm("sqrt"))
"""Square root of every lane."""

magnitude = _lanewise(1, call_llvm("fabs"))
"""Absolute value of every lane."""

where_less_equal = _lanewise(4, _chosen("<="))
"""``then`` in the lanes where a <= b, ``otherwise`` elsewhere, also where one is not a number."""

_OPERATORS = {
    operator.add: _lanewise(2, lambda builder, a, b: builder.fadd(a, b)),
    operator.sub: _lanewise(2, lambda builder, a, b: builder.fsub(a, b)),
    operator.mul: _lanewise(2, lambda builder, a, b: builder.fmul(a, b)),
    operator.truediv: _lanewise(2, lambda builder, a, b: builder.fdiv(a, b)),
}


def _register(function: Any, lanewise: Any) -> None:
    @overload(function, strict=False)
    def operate(a: Any, b: Any) -> Any:
        if isinstance(a, Vector) or isinstance(b, Vector):
            return lambda a, b: lanewise(a, b)
        return None


for _function, _implementation in _OPERATORS.items():
    _register(_function, _implementation)


def _filler(vector: Vector) -> Any:
    """An intrinsic of a number that gives the vector with that number in every lane."""

    def typer(typingctx: Any, number: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return spread(builder, context.cast(builder, values[0], signature.args[0], vector.dtype), vector)

        return vector(number), codegen

    return intrinsic(typer)


single_lane = _filler(Vector(types.float64, 1))
"""A float64 number as a vector of one lane: the same formulas then serve a single replica."""

narrow_lanes = _filler(Vector(types.float64, LANES))
"""A float64 vector of `LANES` numbers."""

wide_lanes = _filler(Vector(types.float64, 2 * LANES))
"""A float64 vector of twice as many."""

float_lanes = _filler(Vector(types.float32, LANES))
"""A float32 vector of `LANES` numbers: one register."""


@intrinsic
def spread_like(typingctx: Any, number: Any, like: Any) -> Any:
    """The number in every lane of a vector of the type of ``like``."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return spread(builder, context.cast(builder, values[0], signature.args[0], like.dtype), like)

    return like(number, like), codegen


@intrinsic
def lanes(typingctx: Any, like: Any) -> Any:
    """How many lanes, known when compiling."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return context.get_constant(types.intp, like.lanes)

    return types.intp(like), codegen


@intrinsic
def load(typingctx: Any, array: Any, offset: Any, like: Any) -> Any:
    """The vector at a flat offset of an array of its type; ``like`` gives the number of lanes."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return load_vector(builder, element(context, builder, signature.args[0], values[0], values[1]), like)

    return like(array, types.intp, like), codegen


@intrinsic
def store(typingctx: Any, array: Any, offset: Any, value: Any) -> Any:
    """Write a vector at a flat offset of an array of its type."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        address = element(context, builder, signature.args[0], values[0], values[1])
        written = builder.store(values[2], builder.bitcast(address, value.llvm.as_pointer()))
        written.align = value.dtype.bitwidth // 8
        return context.get_dummy_value()

    return types.void(array, types.intp, value), codegen


@intrinsic
def convert(typingctx: Any, value: Any, like: Any) -> Any:
    """The same numbers in the precision of ``like``."""
    result = Vector(like.dtype, value.lanes)

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        if value.dtype == result.dtype:
            return values[0]
        return (builder.fpext if result.dtype == types.float64 else builder.fptrunc)(values[0], result.llvm)

    return result(value, like), codegen


@intrinsic
def total(typingctx: Any, value: Any) -> Any:
    """The sum over lanes, in pairs of halves."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        vector, n = values[0], value.lanes
        while n > 1:
            n //= 2
            halves = [ir.Constant(ir.VectorType(_I32, n), list(range(start, start + n))) for start in (0, n)]
            low, high = (builder.shuffle_vector(vector, vector, half) for half in halves)
            vector = builder.fadd(low, high)
        return builder.extract_element(vector, _I32(0))

    return value.dtype(value), codegen
