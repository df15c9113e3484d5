"""Vector instructions over LANES table rows at once: their dot products with one vector, and their weighted sum.

One dot product of 64 floats spends more time on summing its lanes than on its products. For LANES rows together the
lane sums form one vector (measured per score at rank 64: 27 ns one by one, 9 ns together).
Offsets and bounds are those of vectors.py.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from bgmrec.factorize.kernels.vectors import INT, LANES, ZERO, constant, fma, instruction, load, pointer, splat, store


def _lane_totals(builder: Any, vectors: list[Any]) -> Any:
    """A vector whose lane l is the sum over all lanes of vectors[l]: log2(LANES) times, pairs are folded into one."""
    half = LANES // 2
    while len(vectors) > 1:
        keep = [lane for lane in range(2 * LANES) if not lane & half]
        masks = [ir.Constant(ir.VectorType(ir.IntType(32), LANES), [k + add for k in keep]) for add in (0, half)]
        vectors = [
            builder.fadd(*(builder.shuffle_vector(a, b, mask) for mask in masks))
            for a, b in zip(vectors[::2], vectors[1::2], strict=True)
        ]
        half //= 2
    return vectors[0]


def _row_positions(builder: Any, matrix: Any, stride: Any, row_of: Any, count: Any) -> list[Any]:
    """The addresses of LANES rows; from `count` on they repeat the last row's."""
    last = builder.sub(count, constant(1))
    addresses = []
    for lane in range(LANES):
        inside = builder.icmp_signed("<", constant(lane), last)
        row = builder.load(builder.gep(row_of, [builder.select(inside, constant(lane), last)]))
        addresses.append(builder.gep(matrix, [builder.mul(builder.sext(row, INT), stride)]))
    return addresses


@instruction
def rows_dot(
    typing: Any, out: Any, out_at: Any, table: Any, column: Any, stride: Any, rows: Any, rows_at: Any, count: Any,
    vector: Any, vector_at: Any, vectors: Any,
) -> Any:  # fmt: skip
    """out[out_at + l] = Σ_c table[rows[rows_at + l] · stride + column + c] · vector[vector_at + c], l < LANES.

    c runs over `vectors` · LANES elements. Only the first `count` ≥ 1 rows are read; later lanes repeat the last.
    """

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        to, matrix = pointer(context, builder, signature, args, 0), pointer(context, builder, signature, args, 2)
        row_of, x = pointer(context, builder, signature, args, 5), pointer(context, builder, signature, args, 8)
        addresses = _row_positions(builder, matrix, args[4], row_of, args[7])
        sums = [cgutils.alloca_once_value(builder, ZERO) for _ in addresses]
        with cgutils.for_range(builder, args[10]) as loop:
            at = builder.mul(loop.index, constant(LANES))
            factor = load(builder, builder.gep(x, [at]))
            for address, sum_ in zip(addresses, sums, strict=True):
                product = fma(builder, load(builder, builder.gep(address, [at])), factor, builder.load(sum_))
                builder.store(product, sum_)
        store(builder, _lane_totals(builder, [builder.load(sum_) for sum_ in sums]), to)
        return context.get_dummy_value()

    at = types.int64
    return types.void(out, at, table, at, at, rows, at, at, vector, at, at), emit


@instruction
def rows_add(
    typing: Any, target: Any, target_at: Any, table: Any, column: Any, stride: Any, rows: Any, rows_at: Any, count: Any,
    scales: Any, scales_at: Any, vectors: Any,
) -> Any:  # fmt: skip
    """target[target_at + c] += Σ_l scales[scales_at + l] · table[rows[rows_at + l] · stride + column + c].

    l < `count` ≤ LANES; c runs over `vectors` · LANES elements. `scales` has LANES elements, beginning at scales_at.
    """

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        to, matrix = pointer(context, builder, signature, args, 0), pointer(context, builder, signature, args, 2)
        row_of, factors = pointer(context, builder, signature, args, 5), pointer(context, builder, signature, args, 8)
        addresses = _row_positions(builder, matrix, args[4], row_of, args[7])
        scalars = []
        for lane in range(LANES):
            inside = builder.icmp_signed("<", constant(lane), args[7])
            scalar = builder.load(builder.gep(factors, [constant(lane)]))
            scalars.append(splat(builder, builder.select(inside, scalar, ir.Constant(ir.FloatType(), 0.0))))
        with cgutils.for_range(builder, args[10]) as loop:
            at = builder.mul(loop.index, constant(LANES))
            address = builder.gep(to, [at])
            sums = [load(builder, address), ZERO]  # two chains hide half of an FMA's latency
            for lane in range(LANES):
                row = load(builder, builder.gep(addresses[lane], [at]))
                sums[lane % 2] = fma(builder, row, scalars[lane], sums[lane % 2])
            store(builder, builder.fadd(*sums), address)
        return context.get_dummy_value()

    at = types.int64
    return types.void(target, at, table, at, at, rows, at, at, scales, at, at), emit
