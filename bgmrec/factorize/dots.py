"""LANES dot products at once, of rows anywhere in a table with one vector: scores and back substitution.

One dot product of 64 floats spends more on summing its lanes than on its products. Taken LANES at a time the
lane sums come out together in one vector (measured per score at rank 64: 27 ns one by one, 9 ns together).
Offsets and bounds as in vectors.py.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from bgmrec.factorize.vectors import INT, LANES, ZERO, constant, fma, instruction, load, pointer, store


def _lane_totals(builder: Any, vectors: list[Any]) -> Any:
    """A vector whose lane l is the sum over all lanes of vectors[l]: neighbours are folded into one, log2 times."""
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
        last = builder.sub(args[7], constant(1))
        places = []
        for lane in range(LANES):
            inside = builder.icmp_signed("<", constant(lane), last)
            row = builder.load(builder.gep(row_of, [builder.select(inside, constant(lane), last)]))
            places.append(builder.gep(matrix, [builder.mul(builder.sext(row, INT), args[4])]))
        sums = [cgutils.alloca_once_value(builder, ZERO) for _ in places]
        with cgutils.for_range(builder, args[10]) as loop:
            at = builder.mul(loop.index, constant(LANES))
            factor = load(builder, builder.gep(x, [at]))
            for place, sum_ in zip(places, sums, strict=True):
                product = fma(builder, load(builder, builder.gep(place, [at])), factor, builder.load(sum_))
                builder.store(product, sum_)
        store(builder, _lane_totals(builder, [builder.load(sum_) for sum_ in sums]), to)
        return context.get_dummy_value()

    at = types.int64
    return types.void(out, at, table, at, at, rows, at, at, vector, at, at), emit
