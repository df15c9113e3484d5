"""Square tiles of a matrix in vector registers: what the normal equations spend their time in.

A symmetric (n, n) matrix, n a multiple of LANES, is kept as rows of which only the part from the diagonal on is
used: row p holds A[p, p:]. After the factorization A = L Lᵀ row p holds column p of L, which is also what
the next update needs, so that gathering ratings, updating and solving all read along rows.

OpenBLAS' ssyrk pays for packing at such sizes, spotrf even more (measured at 64 × 64 on one Zen 4 core:
spotrf 14 µs, these tiles 2 µs; sums over 64 rows at 80 GFLOP/s where sgemm reaches 94).
Offsets and bounds as in vectors.py.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from bgmrec.factorize.kernels.vectors import (
    LANES,
    ZERO,
    constant,
    extract,
    fma,
    instruction,
    load,
    pointer,
    splat,
    spread,
    store,
)

WEIGHT_RHS = 2  # columns of the border: the bias coordinate's and the right side's
WEIGHT_RHS_STEP = 4  # rows taken at once: enough independent sums to hide the latency of an FMA


def _products(builder: Any, args: Any, a: Any, b: Any, columns: int, step: int) -> list[Any]:
    """The vectors Σ_p a[p, lanes] · b[p, column], p < depth rounded up to `step`."""
    sums = [[cgutils.alloca_once_value(builder, ZERO) for _ in range(columns)] for _ in range(step)]
    rounds = builder.sdiv(builder.add(args[9], constant(step - 1)), constant(step))
    with cgutils.for_range(builder, rounds) as loop:
        first = builder.mul(loop.index, constant(step))
        for turn, row in enumerate(sums):
            p = builder.add(first, constant(turn))
            vector = load(builder, builder.gep(a, [builder.mul(p, args[5])]))
            scalars = builder.gep(b, [builder.mul(p, args[8])])
            for column, folder in enumerate(row):
                scalar = builder.load(builder.gep(scalars, [constant(column)]))
                builder.store(fma(builder, vector, splat(builder, scalar), builder.load(folder)), folder)
    totals = [builder.load(folder) for folder in sums[0]]
    for row in sums[1:]:
        totals = [builder.fadd(sum_, builder.load(folder)) for sum_, folder in zip(totals, row, strict=True)]
    return totals


def _multiply(columns: int, step: int) -> Any:
    def multiply(
        typing: Any,
        out: Any,
        out_at: Any,
        out_stride: Any,
        a: Any,
        a_at: Any,
        a_stride: Any,
        b: Any,
        b_at: Any,
        b_stride: Any,
        depth: Any,
        sign: Any,
    ) -> Any:
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            to, left, rhs = (pointer(context, builder, signature, args, position) for position in (0, 3, 6))
            factor = splat(builder, args[10])
            for column, sum_ in enumerate(_products(builder, args, left, rhs, columns, step)):
                folder = builder.gep(to, [builder.mul(constant(column), args[2])])
                store(builder, fma(builder, sum_, factor, load(builder, folder)), folder)
            return context.get_dummy_value()

        at = types.int64
        return types.void(out, at, at, a, at, at, b, at, at, at, types.float32), emit

    return instruction(multiply)


# out[j, i] += sign · Σ_p a[p, i] · b[p, j] for i, j < LANES: one tile of a sum of outer products
multiply_tile = _multiply(LANES, 1)
# the same for j < BORDER; reads rows up to the next multiple of BORDER_STEP, which must be finite in a, 0 in b
multiply_weight_rhs = _multiply(WEIGHT_RHS, WEIGHT_RHS_STEP)


@instruction
def factor_tile(typing: Any, matrix: Any, at: Any, stride: Any, inverse: Any, inverse_at: Any) -> Any:
    """Cholesky of one diagonal tile in registers, A = L Lᵀ; row p becomes column p of L.

    Lanes before the diagonal become exact zeros, so that whole vectors can be added and multiplied later.
    Writes 1 / L[p, p] to `inverse`; returns whether every pivot was positive (NaN is not).
    """

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, inverses = pointer(context, builder, signature, args, 0), pointer(context, builder, signature, args, 3)
        places = [builder.gep(tile, [builder.mul(constant(p), args[2])]) for p in range(LANES)]
        rows = [load(builder, folder) for folder in places]
        sqrt = builder.module.declare_intrinsic("llvm.sqrt", [ir.FloatType()])
        positive = ir.Constant(ir.IntType(1), 1)
        for p in range(LANES):
            pivot = extract(builder, rows[p], p)
            positive = builder.and_(positive, builder.fcmp_ordered(">", pivot, ir.Constant(ir.FloatType(), 0.0)))
            inverse_p = builder.fdiv(ir.Constant(ir.FloatType(), 1.0), builder.call(sqrt, [pivot]))
            builder.store(inverse_p, builder.gep(inverses, [constant(p)]))
            rows[p] = builder.fmul(rows[p], splat(builder, inverse_p))
            negative = builder.fsub(ZERO, rows[p])
            for q in range(p + 1, LANES):
                rows[q] = fma(builder, spread(builder, negative, q), rows[p], rows[q])
            before = ir.Constant(ir.VectorType(ir.IntType(1), LANES), [int(lane < p) for lane in range(LANES)])
            store(builder, builder.select(before, ZERO, rows[p]), places[p])
        return positive

    return types.boolean(matrix, types.int64, types.int64, inverse, types.int64), emit


@instruction
def solve_tile(typing: Any, matrix: Any, at: Any, factor_at: Any, stride: Any, inverse: Any, inverse_at: Any) -> Any:
    """A tile beside a factored diagonal tile becomes L: rows q lose Σ_p<q L[q, p] · row p, then are scaled."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile = pointer(context, builder, signature, args, 0)
        array = cgutils.create_struct_proxy(signature.args[0])(context, builder, value=args[0])
        factor = builder.gep(array.data, [args[2]])
        inverses = pointer(context, builder, signature, args, 4)
        places = [builder.gep(tile, [builder.mul(constant(p), args[3])]) for p in range(LANES)]
        rows = [load(builder, folder) for folder in places]
        for p in range(LANES):
            inverse_p = builder.load(builder.gep(inverses, [constant(p)]))
            rows[p] = builder.fmul(rows[p], splat(builder, inverse_p))
            negative = builder.fsub(ZERO, rows[p])
            column = builder.gep(factor, [builder.mul(constant(p), args[3])])
            for q in range(p + 1, LANES):
                scalar = builder.load(builder.gep(column, [constant(q)]))
                rows[q] = fma(builder, splat(builder, scalar), negative, rows[q])
            store(builder, rows[p], places[p])
        return context.get_dummy_value()

    at_ = types.int64
    return types.void(matrix, at_, at_, at_, inverse, at_), emit
