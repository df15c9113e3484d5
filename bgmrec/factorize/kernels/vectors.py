"""LLVM vector instructions for compiled kernels: operations on rows of floats, LANES at a time.

LLVM's own vectoriser cannot know that numba's arrays do not overlap, so that plain loops of 16 to 128 steps spend most
of their time in overlap checks and scalar remainders. Every function takes flat C-contiguous float32 arrays with
offsets counted in elements, and does not check bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

# a tile of LANES × LANES floats has to fit the registers: 16 of 16 floats with AVX-512, 8 of 8 with AVX2 or NEON
LANES = 16 if llvm.get_host_cpu_features().get("avx512f", False) else 8

INT = ir.IntType(64)
VECTOR = ir.VectorType(ir.FloatType(), LANES)
ZERO = ir.Constant(VECTOR, [0.0] * LANES)
_LANE = ir.IntType(32)
_UNDEFINED = ir.Constant(VECTOR, ir.Undefined)
_FUSED = ("contract",)  # a product and a sum may become one FMA; nothing else is reordered


def instruction(define: Callable[..., Any]) -> Any:
    """numba's intrinsic with the type Any: kernels call it without the typing context that it is declared with."""
    return intrinsic(define)


def pointer(context: Any, builder: Any, signature: Any, args: Any, position: int) -> Any:
    """The address of element `args[position + 1]` of the array `args[position]`."""
    array = cgutils.create_struct_proxy(signature.args[position])(context, builder, value=args[position])
    return builder.gep(array.data, [args[position + 1]])


def constant(value: int) -> ir.Constant:
    """An int64 known while compiling."""
    return ir.Constant(INT, value)


def load(builder: Any, address: Any) -> Any:
    """LANES floats from an address aligned to one float."""
    return builder.load(builder.bitcast(address, VECTOR.as_pointer()), align=4)


def store(builder: Any, vector: Any, address: Any) -> None:
    """LANES floats to an address aligned to one float."""
    builder.store(vector, builder.bitcast(address, VECTOR.as_pointer()), align=4)


def splat(builder: Any, scalar: Any) -> Any:
    """A vector with this float in every lane."""
    first = builder.insert_element(_UNDEFINED, scalar, ir.Constant(_LANE, 0))
    return splat_lane(builder, first, 0)


def splat_lane(builder: Any, vector: Any, lane: int) -> Any:
    """A vector with one lane's value in every lane."""
    return builder.shuffle_vector(vector, _UNDEFINED, ir.Constant(ir.VectorType(_LANE, LANES), [lane] * LANES))


def extract(builder: Any, vector: Any, lane: int) -> Any:
    """One lane's value."""
    return builder.extract_element(vector, ir.Constant(_LANE, lane))


def fma(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """a · b + c."""
    return builder.fadd(builder.fmul(a, b, flags=_FUSED), c, flags=_FUSED)


def total(builder: Any, vector: Any) -> Any:
    """The sum of all lanes, in a tree."""
    half = LANES // 2
    while half:
        turned = ir.Constant(ir.VectorType(_LANE, LANES), [(lane + half) % LANES for lane in range(LANES)])
        vector = builder.fadd(vector, builder.shuffle_vector(vector, _UNDEFINED, turned))
        half //= 2
    return extract(builder, vector, 0)


@instruction
def row_scale(typing: Any, target: Any, target_at: Any, source: Any, source_at: Any, scale: Any, vectors: Any) -> Any:
    """target[…] = scale · source[…] over `vectors` · LANES elements."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        to, of = pointer(context, builder, signature, args, 0), pointer(context, builder, signature, args, 2)
        factor = splat(builder, args[4])
        with cgutils.for_range(builder, args[5]) as loop:
            at = builder.mul(loop.index, constant(LANES))
            store(builder, builder.fmul(load(builder, builder.gep(of, [at])), factor), builder.gep(to, [at]))
        return context.get_dummy_value()

    return types.void(target, types.int64, source, types.int64, types.float32, types.int64), emit


@instruction
def row_add(typing: Any, target: Any, target_at: Any, source: Any, source_at: Any, scale: Any, vectors: Any) -> Any:
    """target[…] += scale · source[…] over `vectors` · LANES elements."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        to, of = pointer(context, builder, signature, args, 0), pointer(context, builder, signature, args, 2)
        factor = splat(builder, args[4])
        with cgutils.for_range(builder, args[5]) as loop:
            at = builder.mul(loop.index, constant(LANES))
            address = builder.gep(to, [at])
            added = fma(builder, load(builder, builder.gep(of, [at])), factor, load(builder, address))
            store(builder, added, address)
        return context.get_dummy_value()

    return types.void(target, types.int64, source, types.int64, types.float32, types.int64), emit


@instruction
def row_multiply(
    typing: Any, target: Any, target_at: Any, left: Any, left_at: Any, rhs: Any, rhs_at: Any, vectors: Any
) -> Any:
    """target[…] = left[…] · rhs[…], element by element, over `vectors` · LANES elements."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        to, a, b = (pointer(context, builder, signature, args, position) for position in (0, 2, 4))
        with cgutils.for_range(builder, args[6]) as loop:
            at = builder.mul(loop.index, constant(LANES))
            factors = (load(builder, builder.gep(address, [at])) for address in (a, b))
            store(builder, builder.fmul(*factors), builder.gep(to, [at]))
        return context.get_dummy_value()

    at = types.int64
    return types.void(target, at, left, at, rhs, at, at), emit


@instruction
def row_dot(typing: Any, left: Any, left_at: Any, rhs: Any, rhs_at: Any, vectors: Any) -> Any:
    """Σ left[…] · rhs[…] over `vectors` · LANES elements."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a, b = pointer(context, builder, signature, args, 0), pointer(context, builder, signature, args, 2)
        lanes = cgutils.alloca_once_value(builder, ZERO)
        with cgutils.for_range(builder, args[4]) as loop:
            at = builder.mul(loop.index, constant(LANES))
            product = load(builder, builder.gep(a, [at])), load(builder, builder.gep(b, [at]))
            builder.store(fma(builder, *product, builder.load(lanes)), lanes)
        return total(builder, builder.load(lanes))

    return types.float32(left, types.int64, rhs, types.int64, types.int64), emit
